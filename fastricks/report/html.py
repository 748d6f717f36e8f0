"""Parts of pages that need nothing from elsewhere: text that stays text, tables, figures, images inside the page.

All of them are `Html`, so nothing has to remember to escape a name: what is not HTML already is escaped where it is put
into HTML.
"""
from base64 import b64encode
from io import BytesIO

from markupsafe import Markup

from ..core.errors import visible


class Html(Markup):
    """Text that is HTML. Whatever is put into it by `format`, `join` or + is escaped, unless it is HTML too.

    A class may be called <script>, or turn the direction of what follows: characters that hide or move others are
    written out.
    """
    @classmethod
    def escape(cls, x): return super().escape(x if hasattr(x, "__html__") else visible(x))


EMPTY = Html("")


# -- the page

TABLE_STYLE = Html("""\
table.runs { border-collapse: collapse; font-size: .82em; border-top: 2px solid #222; border-bottom: 2px solid #222 }
table.runs th { text-align: right; white-space: nowrap; border-bottom: 1px solid #222; font-weight: 600;
  vertical-align: bottom }
table.runs td, table.runs th { padding: .3em .55em } table.runs .words { text-align: left } p.said { margin: .2em 0 }
table.runs td { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; vertical-align: top }
table.runs td.verdict, table.runs td.tricks { white-space: normal; min-width: 10em }
tr.baseline { background: #f3f3f3; font-weight: 600 } tr:hover { background: #f8f8f0 }
.helps .verdict { color: #2e7d32; font-weight: 600 } .hurts .verdict { color: #c62828; font-weight: 600 }
.as-good .verdict { color: #2e7d32; font-weight: 600 } .no-difference .verdict { color: #1565c0 }
.failed .verdict { color: #c62828 } .open .verdict { color: #666 }
""")
STYLE = Html("""
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1180px; margin: 2em auto;
  padding: 0 1.2em }
h1 { font-size: 1.5em; margin-bottom: .2em } h2 { font-size: 1.1em; margin-top: 2em }
.wide { overflow-x: auto } svg { max-width: 100%; height: auto; font-family: "DejaVu Sans", Verdana, sans-serif }
""") + TABLE_STYLE + Html("""\
.small { color: #444; font-size: .88em } figure { margin: 1em 0 } figcaption { color: #444; font-size: .88em }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em 1.2em; font-size: .88em }
dt { color: #666 } dd { margin: 0 }
.warning { background: #fff3cd; border-left: 4px solid #e0a800; padding: .4em .8em }
""")
RUN_STYLE = Html("""
h3 { font-size: 1em; margin: 1.4em 0 .3em }
.big { font-size: 1.9em; font-weight: 600; margin: .3em 0 0 } .of { color: #444; margin-top: 0 }
.tta { background: #e3f2fd; border-left: 4px solid #1565c0; padding: .4em .8em }
dd, h1, td.words { overflow-wrap: anywhere }
table.runs td.words { white-space: normal }
.photos { display: flex; flex-wrap: wrap; gap: .7em }
.photo { width: 116px; font-size: .74em; line-height: 1.3; overflow-wrap: anywhere; margin: 0 }
.photo img { width: 112px; height: 112px; display: block; background: #eee; border-radius: 3px }
.photo .no { width: 112px; height: 112px; background: #eee; color: #666; display: grid; place-items: center;
  text-align: center }
.photo b { font-weight: 600 } .photo .was { color: #b71c1c }
.photo .right { color: #2e7d32 } .wide svg { max-width: none } img.made { max-width: min(100%, 46em); height: auto }
pre { background: #f5f5f5; padding: .7em 1em; overflow-x: auto; font-size: .84em }
details { margin: .6em 0 } summary { cursor: pointer }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 31em), 1fr)); gap: 0 2em }
tr.none td { color: #888 }
@media (max-width: 40em) { dl { grid-template-columns: 1fr } dt { margin-top: .4em } body { margin-top: 1em } }
""")
PHONES = "width=device-width, initial-scale=1"


def document(title, *parts, style=STYLE + RUN_STYLE, viewport=PHONES):
    "A whole page, as plain text to be written; empty parts are dropped"
    head = Html('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{}</title>').format(title)
    look = Html('<meta name="viewport" content="{}"><style>{}</style></head><body>').format(viewport, style)
    return str(Html("\n").join([head, look, *filter(None, parts), Html("</body></html>\n")]))


def repeated(template, items):
    "The template once for each item: a text, or a tuple of texts"
    return EMPTY.join(template.format(*(o if isinstance(o, tuple) else (o,))) for o in items)


def heading(x, level=2): return Html("<h{level}>{}</h{level}>").format(x, level=level)
def paragraph(x, kind="small"): return Html('<p class="{}">{}</p>').format(kind, x)
def warnings(lines): return EMPTY.join(paragraph(o, "warning") for o in lines)
def code_block(lines): return Html("<pre>{}</pre>").format(Html("\n").join(lines))
def wide(x): return Html('<div class="wide">{}</div>').format(x)
def definitions(d): return Html("<dl>{}</dl>").format(repeated(Html("<dt>{}</dt><dd>{}</dd>"), d.items()))
def folded(summary, x): return Html("<details><summary>{}</summary>{}</details>").format(summary, x)


# -- tables

def html_table(head, rows, left=(0,), kinds=None):
    "Rows of texts; the columns `left` are words. `kinds`: a CSS class a row"
    looks = ["words" if i in left else "number" for i in range(len(head))]
    kinds = kinds or ["some"] * len(rows)
    return wide(table_element(head, [(k, row) for k, row in zip(kinds, rows, strict=True)], looks))


def table_element(head, rows, looks):
    "A <table>: the texts of its head, (CSS class, texts) of each row, and a CSS class or \"\" for each column"
    top = row_element("th", head, looks)
    body = EMPTY.join(row_element("td", texts, looks, kind) for kind, texts in rows)
    return Html('<table class="runs"><thead>{}</thead><tbody>{}</tbody></table>').format(top, body)


def row_element(tag, texts, looks, kind=""):
    cells = EMPTY.join(cell_element(tag, x, look) for x, look in zip(texts, looks, strict=True))
    return Html("<tr{}>{}</tr>").format(css_class(kind), cells)


def cell_element(tag, x, look): return Html("<{tag}{}>{}</{tag}>").format(css_class(look), x, tag=tag)
def css_class(name): return Html(' class="{}"').format(name) if name else EMPTY


# -- figures and images

def figure(inside, caption=""):
    said = Html("<figcaption>{}</figcaption>").format(caption) if caption else EMPTY
    return Html("<figure>{}{}</figure>").format(inside, said)


def drawing(fig):
    "A matplotlib Figure as an <svg> element; matplotlib escapes the texts in it"
    from .plots import svg
    return Html(svg(fig))  # noqa: S704


def png_element(fig):
    "A matplotlib Figure as an <img> that is no wider than what it stands in, as a notebook's cell"
    from .plots import png
    encoded = b64encode(png(fig, 80)).decode()
    return Html('<img style="max-width: 100%" alt="" src="data:image/png;base64,{}">').format(encoded)


def data_uri(im, lossless=False, quality=64):
    "A PIL image as WebP inside the page"
    out = BytesIO()
    im.save(out, "WEBP", lossless=lossless, quality=quality, method=4)
    return "data:image/webp;base64," + b64encode(out.getvalue()).decode()


def embedded_picture(file, alt, width=720, lossless=False):
    "A picture's file inside the page, at most `width` pixels wide; raises Unreadable"
    from PIL import Image

    from ..data.pixels.image import load_rgb
    im = load_rgb(file)
    if im.width > width:
        im = im.resize((width, round(im.height * width / im.width)), Image.Resampling.LANCZOS)
    return Html('<img class="made" alt="{}" src="{}">').format(alt, data_uri(im, lossless))


def photo(uri, name, lines):
    "An image with lines below it; `uri` None: it could not be read"
    if uri:
        shown = Html('<img alt="{name}" title="{name}" src="{}">').format(uri, name=name)
    else:
        shown = Html('<div class="no">not readable here</div>')
    return Html('<figure class="photo">{}{}</figure>').format(shown, Html("<br>").join(lines))


def photos(found): return Html('<div class="photos">{}</div>').format(EMPTY.join(found))

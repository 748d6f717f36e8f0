"""Parts of pages that need nothing from elsewhere: text that stays text, tables, figures, images inside the page.

All of them are `Html`, so nothing has to remember to escape a name: what is not HTML already is escaped where it is put
into HTML.
"""
import re
from base64 import b64encode
from io import BytesIO

from markupsafe import Markup

from ..core.errors import visible
from .style import PAGE_CSS, TABLE_CSS


class Html(Markup):
    """Text that is HTML. Whatever is put into it by `format`, `join` or + is escaped, unless it is HTML too.

    A class may be called <script>, or turn the direction of what follows: characters that hide or move others are
    written out.
    """
    @classmethod
    def escape(cls, x): return super().escape(x if hasattr(x, "__html__") else visible(x))


EMPTY = Html("")


# -- the page

TABLE_STYLE = Html(TABLE_CSS)  # noqa: S704  # our own
STYLE = Html(PAGE_CSS)  # noqa: S704
VIEWPORT = "width=device-width, initial-scale=1"


def document(title, *parts):
    "A whole page, as plain text to be written; empty parts are dropped"
    head = Html('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{}</title>').format(title)
    look = Html('<meta name="viewport" content="{}"><style>{}</style></head><body>').format(VIEWPORT, STYLE)
    return str(Html("\n").join([head, look, *filter(None, parts), Html("</body></html>\n")]))


def page(title, summary, sections, links=EMPTY, more=EMPTY):
    """A whole page in the one design that all have: title, links, summary band, contents, sections.

    `summary`: what a reader must see first; `sections`: heading -> HTML, of which empty ones are dropped; `more`: what
    else the page needs, at its end.
    """
    kept = {name: x for name, x in sections.items() if x}
    main = Html("<main>{}</main>").format(EMPTY.join(section(name, x) for name, x in kept.items()))
    body = Html('<div class="body">{}{}</div>').format(contents(kept), main)
    top = Html("<header>{}{}</header>").format(heading(title, 1), links)
    return document(title, top, summary, body, more)


def contents(names):
    "The table of contents"
    links = repeated(Html('<a href="#{}">{}</a> '), [(anchor_of(name), name) for name in names])
    return Html('<nav class="contents" aria-label="Contents"><strong>Contents</strong>{}</nav>').format(links)


def section(name, x): return Html('<section id="{}">{}{}</section>').format(anchor_of(name), heading(name), x)
def anchor_of(name): return re.sub(r"\W+", "-", name.lower()).strip("-")
def band(*parts): return Html('<div class="band" role="region" aria-label="Summary">{}</div>').format(boxed(parts))
def columns(*parts): return Html('<div class="two">{}</div>').format(boxed(parts))
def groups(parts): return Html('<div class="groups">{}</div>').format(boxed(parts))
def boxed(parts): return repeated(Html("<div>{}</div>"), [(x,) for x in parts if x])


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

def html_table(head, rows, left=(0,), kinds=None, look="runs"):
    "Rows of texts; the columns `left` are words. `kinds`: a CSS class a row, `look`: those of the table"
    looks = ["words" if i in left else "number" for i in range(len(head))]
    kinds = kinds or ["some"] * len(rows)
    return wide(table_element(head, [(k, row) for k, row in zip(kinds, rows, strict=True)], looks, look))


def table_element(head, rows, looks, look="runs"):
    "A <table>: the texts of its head, (CSS class, texts) of each row, and a CSS class or \"\" for each column"
    top = row_element("th", head, looks)
    body = EMPTY.join(row_element("td", texts, looks, kind) for kind, texts in rows)
    return Html('<table class="{}"><thead>{}</thead><tbody>{}</tbody></table>').format(look, top, body)


def row_element(tag, texts, looks, kind=""):
    cells = EMPTY.join(cell_element(tag, x, look) for x, look in zip(texts, looks, strict=True))
    return Html("<tr{}>{}</tr>").format(css_class(kind), cells)


def cell_element(tag, x, look): return Html("<{tag}{}>{}</{tag}>").format(css_class(look), x, tag=tag)
def css_class(name): return Html(' class="{}"').format(name) if name else EMPTY


# -- figures and images

def figure(inside, caption=""):
    said = Html("<figcaption>{}</figcaption>").format(caption) if caption else EMPTY
    return Html("<figure>{}{}</figure>").format(inside, said)


def drawing(fig, seen, broad=False):
    """A matplotlib Figure as an <svg> element; matplotlib escapes the texts in it.

    `seen`: what can be seen in it, for those who can't; `broad`: it has a box of its own that scrolls on a telephone.
    """
    from .plots import svg
    drawn = Html(svg(fig))  # noqa: S704
    look = Html(' class="broad"') if broad else EMPTY
    named = Html('<svg role="img"{} aria-label="{}" ').format(look, seen) + drawn.removeprefix(Html("<svg "))
    return wide(named) if broad else named


def png_element(fig, seen):
    "A matplotlib Figure as an <img> that is no wider than what it stands in, as a notebook's cell"
    from .plots import png
    template = Html('<img style="max-width: 100%" alt="{}" src="data:image/png;base64,{}">')
    return template.format(seen, b64encode(png(fig, 80)).decode())


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
    return wide(Html('<img class="made" alt="{}" src="{}">').format(alt, data_uri(im, lossless)))


def photo(uri, seen, lines, heat=None):
    """An image with lines below it; `uri` None: it could not be read. `heat`: the data URI of its heat map, which
    stands beside it
    """
    if not uri:
        absent = Html('<figure class="photo"><div class="no">not readable here</div>{}</figure>')
        return absent.format(lines_below(lines))
    shown = Html('<img alt="{0}" title="{0}" src="{1}">').format(seen, uri)
    if not heat:
        return Html('<figure class="photo">{}{}</figure>').format(shown, lines_below(lines))
    beside = Html('<img alt="{}" src="{}">').format(f"{seen}: where the evidence for the predicted class is", heat)
    return Html('<figure class="photo heat">{}{}{}</figure>').format(shown, beside, lines_below(lines))


def lines_below(lines): return Html("<br>").join(lines)
def photos(found): return Html('<div class="photos">{}</div>').format(EMPTY.join(found))

"""Parts of pages that need nothing from elsewhere: text that stays text, tables, figures, images inside the page."""
from base64 import b64encode
from html import escape
from io import BytesIO

from ..core.errors import visible

MORE = """
h3 { font-size: 1em; margin: 1.4em 0 .3em } .big { font-size: 1.9em; font-weight: 600; margin: .3em 0 0 } .of { color: #444; margin-top: 0 }
.tta { background: #e3f2fd; border-left: 4px solid #1565c0; padding: .4em .8em } dd, h1, td.words { overflow-wrap: anywhere }
table.runs td.words { white-space: normal }
.photos { display: flex; flex-wrap: wrap; gap: .7em } .photo { width: 116px; font-size: .74em; line-height: 1.3; overflow-wrap: anywhere; margin: 0 }
.photo img { width: 112px; height: 112px; display: block; background: #eee; border-radius: 3px }
.photo .no { width: 112px; height: 112px; background: #eee; color: #666; display: grid; place-items: center; text-align: center }
.photo b { font-weight: 600 } .photo .was { color: #b71c1c }
.photo .right { color: #2e7d32 } .wide svg { max-width: none } img.made { max-width: min(100%, 46em); height: auto }
pre { background: #f5f5f5; padding: .7em 1em; overflow-x: auto; font-size: .84em } details { margin: .6em 0 } summary { cursor: pointer }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 31em), 1fr)); gap: 0 2em } tr.none td { color: #888 }
@media (max-width: 40em) { dl { grid-template-columns: 1fr } dt { margin-top: .4em } body { margin-top: 1em } }
"""


def text(x): return escape(visible(x))  # a class may be called <script>, or turn the direction of what follows


def document(title, *parts):
    "A whole page of parts, which are HTML already"
    return "\n".join([f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>',
                      f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}{MORE}</style></head><body>',
                      *filter(None, parts), "</body></html>"]) + "\n"


def heading(x, level=2): return f"<h{level}>{text(x)}</h{level}>"
def paragraph(x, kind="small"): return f'<p class="{kind}">{text(x)}</p>'
def warnings(lines): return "".join(paragraph(o, "warning") for o in lines)
def code(lines): return f"<pre>{text_lines(lines)}</pre>"
def text_lines(lines): return "\n".join(map(text, lines))
def wide(x): return f'<div class="wide">{x}</div>'
def facts(d): return f"<dl>{''.join(f'<dt>{text(k)}</dt><dd>{text(v)}</dd>' for k, v in d.items())}</dl>"
def folded(summary, x): return f"<details><summary>{text(summary)}</summary>{x}</details>"


def table(head, rows, left=(0,), kinds=None):
    "Rows of texts; the columns `left` are words. `kinds`: a CSS class a row"
    cell = lambda tag, i, o: f'<{tag} class="{"words" if i in left else "number"}">{text(o)}</{tag}>'
    line = lambda tag, row: "".join(cell(tag, i, o) for i, o in enumerate(row))
    body = "".join(f'<tr class="{k}">{line("td", r)}</tr>' for r, k in zip(rows, kinds or ["some"] * len(rows), strict=True))
    return wide(f'<table class="runs"><thead><tr>{line("th", head)}</tr></thead><tbody>{body}</tbody></table>')


def figure(inside, caption=""):
    return f"<figure>{inside}{f'<figcaption>{text(caption)}</figcaption>' if caption else ''}</figure>"


# -- images

def data_uri(im, lossless=False, quality=64):
    "A PIL image as WebP inside the page"
    out = BytesIO()
    im.save(out, "WEBP", lossless=lossless, quality=quality, method=4)
    return "data:image/webp;base64," + b64encode(out.getvalue()).decode()


def picture(file, alt, width=720, lossless=False):
    "A picture's file inside the page, at most `width` pixels wide; raises Unreadable"
    from PIL import Image

    from ..data.pixels.image import load_rgb
    im = load_rgb(file)
    if im.width > width: im = im.resize((width, round(im.height * width / im.width)), Image.Resampling.LANCZOS)
    return f'<img class="made" alt="{text(alt)}" src="{data_uri(im, lossless)}">'


def photo(uri, name, lines):
    "An image with its words, which are HTML; `uri` None: it could not be read"
    shown = f'<img alt="{text(name)}" title="{text(name)}" src="{uri}">' if uri else '<div class="no">not readable here</div>'
    return f'<figure class="photo">{shown}{"<br>".join(lines)}</figure>'


def photos(found): return f'<div class="photos">{"".join(found)}</div>'

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1180px; margin: 2em auto; padding: 0 1.2em }
h1 { font-size: 1.5em; margin-bottom: .2em } h2 { font-size: 1.1em; margin-top: 2em }
.wide { overflow-x: auto } svg { max-width: 100%; height: auto; font-family: "DejaVu Sans", Verdana, sans-serif }
table.runs { border-collapse: collapse; font-size: .82em; border-top: 2px solid #222; border-bottom: 2px solid #222 }
table.runs th { text-align: right; white-space: nowrap; border-bottom: 1px solid #222; font-weight: 600; vertical-align: bottom }
table.runs td, table.runs th { padding: .3em .55em } table.runs .words { text-align: left } p.said { margin: .2em 0 }
table.runs td { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; vertical-align: top }
table.runs td.verdict, table.runs td.tricks { white-space: normal; min-width: 10em }
tr.baseline { background: #f3f3f3; font-weight: 600 } tr:hover { background: #f8f8f0 }
.helps .verdict { color: #2e7d32; font-weight: 600 } .hurts .verdict { color: #c62828; font-weight: 600 }
.no-difference .verdict { color: #1565c0 } .not-resolved .verdict { color: #666 }
.small { color: #444; font-size: .88em } figure { margin: 1em 0 } figcaption { color: #444; font-size: .88em }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em 1.2em; font-size: .88em } dt { color: #666 } dd { margin: 0 }
.warning { background: #fff3cd; border-left: 4px solid #e0a800; padding: .4em .8em }
"""

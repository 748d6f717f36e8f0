"""The look of all pages: by day and by night, on a telephone and on a wide screen."""
from .palette import variables

TABLE_CSS = """\
table.runs { border-collapse: collapse; font-size: .85em; border-top: 2px solid; border-bottom: 2px solid }
table.runs th { text-align: right; white-space: nowrap; border-bottom: 1px solid; font-weight: 600;
  vertical-align: bottom }
table.runs td, table.runs th { padding: .3em .6em } table.runs .words { text-align: left }
table.runs td { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; vertical-align: top }
table.runs td.words { white-space: normal; min-width: 7em; max-width: 26em; overflow-wrap: break-word }
table.runs td.verdict, table.runs td.tricks { min-width: 10em }
table.runs td.whole { white-space: nowrap; max-width: none }
table.runs .range { white-space: nowrap; color: var(--soft, inherit); font-size: .93em }
tr.baseline { background: var(--raised, #8882); font-weight: 600 } tbody tr:hover { background: var(--raised, #8881) }
.helps .verdict, .as-good .verdict { color: var(--good, #009e73); font-weight: 600 }
.hurts .verdict, .failed .verdict { color: var(--bad, #d55e00); font-weight: 600 }
.no-difference .verdict { color: var(--calm, #0072b2) } .open .verdict { color: var(--soft, inherit) }
tr.none td { opacity: .65 }
@media (max-width: 40em) { table.values td { white-space: normal } }
"""
TEXT_CSS = """\
* { box-sizing: border-box }
html { scroll-behavior: smooth; scroll-padding-top: 1em }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1320px;
  margin: 0 auto; padding: 1.4em clamp(.9em, 3vw, 2em) 4em }
a { color: var(--link) } h1, h3, dd, dt, figcaption, p, li, summary { overflow-wrap: anywhere }
h1 { font-size: 1.45em; line-height: 1.25; margin: 0 0 .25em } h2 { font-size: 1.15em; margin: 0 0 .6em }
h3 { font-size: 1em; margin: 1.2em 0 .4em } section { margin: 2.2em 0 } main > section:first-child { margin-top: 0 }
main { min-width: 0 } figure { margin: .6em 0 } p.small { margin: .4em 0 }
.small, figcaption { color: var(--soft); font-size: .88em }
.links { font-size: .9em; margin: .2em 0 } .links a, .contents a { margin-right: 1em }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2em 1.2em; font-size: .88em }
dt { color: var(--soft) } dd { margin: 0 }
pre { background: var(--raised); padding: .7em 1em; overflow-x: auto; font-size: .84em; border-radius: 4px }
details { margin: .6em 0 } summary { cursor: pointer }
.warning, .tta { background: var(--warned); border-left: 5px solid var(--orange); border-radius: 4px;
  padding: .4em .9em; margin: .6em 0 }
"""
LAYOUT_CSS = """\
.wide { overflow-x: auto; max-width: 100% }
.band { background: var(--raised); border-left: 5px solid var(--blue); border-radius: 4px; padding: .8em 1.1em;
  margin: 1em 0 1.4em; display: grid; gap: .6em 2.5em;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 21em), 1fr)) }
.band > * { min-width: 0 } .band p { margin: .2em 0 }
.big { font-size: 2em; line-height: 1.2; font-weight: 650 } .of { color: var(--soft) }
.said { margin: .2em 0 } .said b { display: inline-block; min-width: 8em }
.said.helps b, .said.as-good b { color: var(--good) } .said.hurts b, .said.failed b { color: var(--bad) }
.said.no-difference b { color: var(--calm) }
.contents { font-size: .9em; line-height: 1.9; margin-bottom: 1.6em } .contents strong { display: none }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27em), 1fr)); gap: .4em 2.2em;
  align-items: start }
.two > * { min-width: 0 }
@media (min-width: 72em) {
  .body { display: grid; grid-template-columns: 11.5em minmax(0, 1fr); gap: 2.2em }
  .contents { position: sticky; top: 1.2em; align-self: start; max-height: 95vh; overflow-y: auto;
    border-right: 1px solid var(--rule) }
  .contents strong { display: block } .contents a { display: block; line-height: 1.35; margin: .55em .6em .55em 0 }
}
@media (max-width: 40em) {
  dl { grid-template-columns: minmax(0, 1fr) } dt { margin-top: .4em } body { padding-top: .9em }
}
@media print { .contents { display: none } }
"""
PICTURE_CSS = """\
svg { max-width: 100%; height: auto; font-family: "DejaVu Sans", Verdana, sans-serif } svg text { fill: var(--ink) }
.wide svg { max-width: none } .wide svg.broad { width: 100%; min-width: 42em; max-width: 864px }
.hit { fill: var(--blue) } .miss { fill: var(--vermillion) } .grid { stroke: var(--rule) }
svg text.over { fill: var(--over) } svg .axis text { fill: var(--soft) }
.groups { display: flex; flex-wrap: wrap; gap: 0 2em } .groups > * { min-width: 0 }
.photos { display: flex; flex-wrap: wrap; gap: .7em }
.photo { width: 112px; font-size: .76em; line-height: 1.35; overflow-wrap: anywhere; margin: 0 }
.photo img { width: 112px; height: 112px; object-fit: contain; display: block; border-radius: 3px;
  background: var(--raised); margin-bottom: .2em }
.photo.heat { width: 228px } .photo.heat img { display: inline-block; vertical-align: top; margin-right: 4px }
.photo.heat img + img { margin-right: 0 }
.photo .no { width: 112px; height: 112px; background: var(--raised); color: var(--soft); display: grid;
  place-items: center; text-align: center }
.photo .was { color: var(--bad); font-weight: 600 } .photo .right { color: var(--good) }
img.made { width: 100%; min-width: 34em; max-width: 46em; height: auto; background: #fff; border-radius: 4px;
  display: block }
"""
DAY_AND_NIGHT = f"""\
:root {{ color-scheme: light dark; {variables()} }}
@media (prefers-color-scheme: dark) {{ :root {{ {variables(night=True)} }} }}
"""
PAGE_CSS = "\n" + DAY_AND_NIGHT + TEXT_CSS + LAYOUT_CSS + PICTURE_CSS + TABLE_CSS

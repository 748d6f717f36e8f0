"""The rows of the comparison: what is set against what, its bound, and whether that is kept."""
from counts import later_calls
from rich.console import Console
from rich.table import Table
from rounds import Times, ratios

BIG = 128  # pixels from which on photos are large


def row(name, what, got, least=None, most=None, aim=None, digits=2):
    "A row of the table: `got` has value, low, high, n; the bound is `least` or `most`, the aim lies beyond it"
    v, up = got["value"], least is not None
    bound = least if up else most
    kept, met = (None if b is None else (v >= b if up else v <= b) for b in (bound, aim))
    verdict = "no bound" if kept is None else "fails" if not kept else "passes, aim met" if met else "passes"
    return {"row": name, "what": what, **got, "bound": bound, "kind": "at least" if up else "at most", "aim": aim,
            "verdict": verdict,
            "digits": digits}


def rows_of(s, times, images=None, counts=None, starts=None):
    "All rows whose contenders were there"
    rows = [make(s, times) for needs, make in LOOPS if needs <= times.keys()]
    if counts:
        rows += calls(counts)
    if starts:
        rows += [row("11", f"{k}: seconds", v, most=m, digits=3)
                 for (k, v), m in zip(starts.items(), (.2, .5), strict=True)]
    if images and E2E in times:
        rows.append(whole_work(s, times, images))
    return sorted(rows, key=lambda r: place(r["row"]))


def place(name):
    number = name.rstrip("ab")
    return (int(number) if number.isdigit() else 99, name)


E2E, LIMIT, OURS, HAND = "ours, end to end", "limit", "ours, in memory", "hand-written, in memory"
FASTAI, TIMM, VISION, PHOTOS = "fastai fp32", "timm's train.py", "torchvision's train.py", "hand-written, images"


def big(s): return s.size >= BIG
def cuda(s): return s.device == "cuda"


def end_to_end(s, t):
    least, aim = (.95, .98) if big(s) or cuda(s) else (.90, .97)
    return row("1" if big(s) else "2", f"end to end / step limit, {s.size} px", ratios(t[LIMIT], t[E2E]), least=least,
               aim=aim, digits=3)


def loop(s, t):
    return row("3", "our loop / hand-written, in memory: step time", ratios(t[OURS], t[HAND]), most=1.03, aim=1.01,
               digits=3)
def by_hand(s, t): return row("3b", "end to end against a hand-written loop on images", ratios(t[PHOTOS], t[E2E]))


def stock(s, t):
    least, aim = (2.0, 3.0) if big(s) else (1.15, 1.4)
    return row("4", "against stock fastai, fp32", ratios(t[FASTAI], t[E2E]), least=least, aim=aim)


def stock_half(name): return lambda s, t: row("4b", f"against stock {name}", ratios(t[name], t[E2E]), least=2.5)


def timm(s, t):
    least, aim = (1.5, None) if cuda(s) else (1.0, 1.1)
    return row("5", "against timm's train.py", ratios(t[TIMM], t[E2E]), least=least, aim=aim)


def vision(s, t): return row("5b", "against torchvision's train.py", ratios(t[VISION], t[E2E]))


def decode(s, t):
    got = ratios(t["fastai, decode and crop"], t["ours, decode and crop"])
    return row("6", f"decode, crop, resize to {s.size} px a core, against fastai's PIL path", got, least=1.8, aim=3.0)


def tricks(s, t):
    return row("8", "five tricks on / off: step time", ratios(t["tricks on"], t["tricks off"]), most=1.03, aim=1.01,
               digits=3)


def distill(s, t):
    "The teacher's share of a step, in forward passes of the teacher"
    less = lambda which: [d - o for d, o in zip(which(t["distill"]), which(t[OURS]), strict=True)]
    got = ratios(Times(less(lambda x: x.seconds), less(lambda x: x.cpu)), t["teacher's forward"])
    return row("9", "distillation's extra time / teacher's bare forward", got, most=1.05, aim=1.02)


def stored(s, t):
    return row("10", "distillation with stored answers / without: step time", ratios(t["distill, stored"], t[OURS]),
               most=1.05, aim=1.01, digits=3)


LOOPS = [
    ({E2E, LIMIT}, end_to_end),
    ({OURS, HAND}, loop),
    ({E2E, PHOTOS}, by_hand),
    ({E2E, FASTAI}, stock),
    ({E2E, TIMM}, timm),
    ({E2E, VISION}, vision),
    ({"ours, decode and crop"}, decode),
    ({"tricks on"}, tricks),
    ({"distill", OURS}, distill),
    ({"distill, stored", OURS}, stored),
    *(({E2E, f"fastai {p}"}, stock_half(f"fastai {p}")) for p in ("bf16", "fp16")),
]


def calls(counts):
    "Images decoded where none should be"
    one = {"low": None, "high": None, "n": 1}
    return [row("7", "images decoded from the second epoch on", {"value": later_calls(counts["first run"]), **one},
                most=0, digits=0),
            row("7", "images decoded in a second run", {"value": counts["second run"]["all"], **one}, most=0, digits=0)]


def whole_work(s, times, images):
    "How long the tutorial's amount of work would take at the rate end to end"
    t = times[E2E]
    seconds = sorted(images / s.batch * x for x in t.seconds)
    got = {"value": images / s.batch * t.median, "low": seconds[0], "high": seconds[-1], "n": len(seconds)}
    bounds = dict(most=120, aim=60) if cuda(s) else {}
    return row("work", f"{images:,} images of {s.size} px: seconds", got, **bounds, digits=0)


def show(title, rows, rates, apart=None, waits=None, counts=None):
    "Print the table, the rates behind it, and what is told apart"
    console = Console(highlight=False, width=160)
    table = Table("", "what", "value", "least – greatest", "CPU", "n", "bound", "aim", "", title=title,
                  title_justify="left")
    for r in rows:
        table.add_row(*cells(r))
    console.print(table)
    for name, f in rates.items():
        how = f" ({f['how']})" if f["how"] else ""
        console.print(f"{f['images_per_s']:10,.1f} images/s  {f['low']:9,.1f} – {f['high']:9,.1f}, n = {f['n']}  "
                      f"{name}{how}")
    for name, rate in (apart or {}).items():
        console.print(f"{rate:10,.1f} images/s  {'n = 1':>24}  {E2E}: {name}")
    for name, c in (counts or {}).items():
        console.print(f"{c['seconds_before']:10.1f} s before the first step, {c['before']:,} images decoded: {E2E}, "
                      f"{name}")
    for name, w in (waits or {}).items():
        console.print(f"{w['waits']:10} waits for the device in {w['steps']} steps: {name}")


def cells(r):
    text = lambda v: "" if v is None else f"{v:,.{r['digits']}f}"
    bound = f"{'≥' if r['kind'] == 'at least' else '≤'} {r['bound']:g}" if r["bound"] is not None else ""
    spread = f"{text(r['low'])} – {text(r['high'])}" if r["low"] is not None else ""
    aim = f"{r['aim']:g}" if r["aim"] is not None else ""
    return r["row"], r["what"], text(r["value"]), spread, text(r.get("cpu")), str(r["n"]), bound, aim, r["verdict"]

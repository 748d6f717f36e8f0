"""docs/results.md and README's table, out of the run data in docs/results/."""
import json
import re
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

from experiments import EXPERIMENTS
from lengths import by_length, draw_by_length

from fastricks.core.files import write
from fastricks.core.words import duration, none, number, with_interval
from fastricks.recipe.recipe import Recipe, resolve
from fastricks.report.compare.comparison import compare
from fastricks.report.compare.pictures import draw_delta, draw_time
from fastricks.report.compare.stats import HELPS, HURTS, OPEN, SAME
from fastricks.report.compare.table import explanation, headline, measured_facts, table_columns, verdict_groups
from fastricks.report.plots import save_figure as save_picture
from fastricks.report.stored import read_stored

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
KEPT = DOCS / "results"
README = ROOT / "README.md"

HEAD = """# The tutorial's experiment, with seeds and intervals

Made by `python benchmarks/results.py page` from the run data in `docs/results/`; no number in it was typed by hand.
The tutorial's own numbers are those of its tables (Food-101-21 at 224 pixels, ResNet-18 from ImageNet weights, 40
epochs on all images, one GPU, 3 seeds a row); its gains have the 95% interval of Welch's t for the deviations that it
gives. Ours are of the setting that each table names: smaller pictures, fewer of them, fewer epochs. Set beside the
tutorial's, one *agrees* if both intervals lie on the same side of zero, or ours within the margin and the tutorial's
gain too; it *disagrees* if the intervals have no number in common; else it is *not resolved* by the one whose
interval has zero in it. Verdicts are stricter: they take into account how many rows a table has.
"""
FIRST = "recipes", "ladder"  # in README
OPENS, CLOSES = "<!-- made by benchmarks/results.py page -->", "<!-- up to here -->"


def page():
    there = [name for name in EXPERIMENTS if (KEPT / f"{name}.json").is_file()]
    kept = {name: compare_kept(name) for name in there if not EXPERIMENTS[name].lengths}
    for f in KEPT.glob("recipes/*.json"):
        f.unlink()
    parts = [section(name, *kept[name]) if name in kept else section_of_lengths(name) for name in there]
    write(DOCS / "results.md", "\n".join([HEAD, *parts, *missing(there)]))
    print(f"written   {DOCS / 'results.md'}")
    if first := [name for name in FIRST if name in kept] or [name for name in ("table8",) if name in kept]:
        into_readme([line for name in first for line in short(name, kept[name][0])])


def compare_kept(name):
    runs, about = read_stored(KEPT / f"{name}.json")
    return compared(runs, EXPERIMENTS[name]), about


def compared(runs, e):
    c = compare(runs, baseline=e.baseline, once=not e.ladder)
    return replace(c, rows=sorted(c.rows, key=lambda r: place(r, e)))


def place(row, e):
    "The baseline first, then as the tutorial has them, then the rest"
    order = [*map(names, e.tutorial)]
    return not row.baseline, order.index(names(row.tricks)) if names(row.tricks) in order else len(order), row.label


def missing(there):
    "What of the commands' trainings was not done, and what it would cost"
    runs = {name: read_stored(KEPT / f"{name}.json")[0] for name in there}
    left = {e: n for name, e in EXPERIMENTS.items() if (n := e.n_runs - len(runs.get(name, ()))) > 0}
    if not left or not there:
        return []
    one = max(r.metrics["train_seconds"] for r in runs[there[0]])
    cost = lambda n: f"at the slowest row's {duration(one)} a training {duration(one * n / 2)} with two at once"
    lines = [f"- {e.title}: {n} of its commands' {e.n_runs} trainings, {cost(n)}" for e, n in left.items()]
    return ["## Not measured yet", "", *lines, ""]


def section(name, c, about):
    e = EXPERIMENTS[name]
    drawn = {"delta": draw_delta, **({"time": draw_time} if e.timed else {})}
    pictures = {k: save_picture(draw(c), KEPT / f"{name}-{k}.png") for k, draw in drawn.items()}
    recipes = {row.label: f"results/recipes/{keep_recipe(name, i, row)}" for i, row in enumerate(c.rows)}
    return "\n".join([f"## {e.title}", "", e.about, "", headline(c), "", *table(c, recipes, e.timed), "",
                      *in_words(c), "",
                      *beside_the_tutorial(c, e), *beside_sources(c, e), *explained(c, e.timed), "",
                      *(f"- {n}" for n in (*c.notes, about.get("remark")) if n), "",
                      *(f"![{e.title}: {k}](results/{p.name})\n" for k, p in pictures.items()),
                      *(f"- {k}: {v}" for k, v in measured_facts(c).items() if k != "date"),
                      f"- run with `{'`, `'.join(about['commands'])}`", ""])


def section_of_lengths(name):
    "Rows at several numbers of epochs: each length is a table of its own, and one picture has all"
    e, (runs, about) = EXPERIMENTS[name], read_stored(KEPT / f"{name}.json")
    tables = {n: compared([r for r in runs if r.recipe.epochs == n], e) for n in e.lengths}
    picture = save_picture(draw_by_length(tables), KEPT / f"{name}-gain.png")
    facts = measured_facts(next(iter(tables.values())))
    return "\n".join([f"## {e.title}", "", e.about, "", *as_table(*by_length(tables)), "",
                      *([f"- {about['remark']}", ""] if about.get("remark") else []),
                      f"![{e.title}](results/{picture.name})", "",
                      *(f"- {k}: {facts[k]}" for k in ("data", "hardware", "versions", "code")),
                      f"- run with `{'`, `'.join(about['commands'])}`", ""])


def explained(c, timed):
    "The sentences below a table, without that of times where they can't be compared"
    said = [bare(line) for line in explanation(c, agree=False)]
    return said if timed else [*said[:-1], said[-1].split("; time of training")[0] + "."]


def in_words(c): return [f"- **{verdict}**: {bare(rows)}" for verdict, rows in verdict_groups(c).items()]


def keep_recipe(name, i, row):
    "A row's recipe as a file that --recipe takes: of the data by its name, on any device, into the usual folder"
    run = row.runs[0]
    file = KEPT / "recipes" / f"{name}-{i}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    recipe = replace(run.recipe, data=run.data["name"], device=Recipe.device, out=Recipe.out)
    write(file, json.dumps({"recipe": asdict(recipe)}, indent=1) + "\n")
    return file.name


def table(c, recipes, timed=True):
    names = "n", "value", "delta", "holm", "verdict", *(["ratio"] if timed else [])
    own = [o for o in table_columns(c) if o.name in names]
    return as_table(["recipe", *(o.head for o in own)],
                    [[link(r, recipes), *(cell(o.cell(r)) for o in own)] for r in c.rows])


def beside_the_tutorial(c, e):
    "A row for each that the tutorial has"
    times = ["our × time", "the tutorial's"] if e.timed else []
    heads = ["recipe", "our Δ [95%]", "the tutorial's", *times, "ours beside the tutorial's"]
    rows = [[cell(bare(r.label)), *beside(r, t, c.margin, e.timed)] for r in c.rows[1:] if (t := find(r, e))]
    return [*as_table(heads, rows), ""] if rows else []


def beside_sources(c, e):
    "What the sources of other tricks found, in their own settings"
    rows = [[cell(bare(r.label)), gain_of(r), said] for r in c.rows[1:] if (said := e.claims.get(r.tricks))]
    return [*as_table(["recipe", "our Δ [95%]", "what its source found"], rows), ""] if rows else []


def gain_of(row): return with_interval(row.diff.delta, row.diff.low, row.diff.high, 2)


def as_table(heads, rows): return ["| " + " | ".join(o) + " |" for o in (heads, ["--"] * len(heads), *rows)]


def link(row, recipes):
    alias = option_of(row.runs[0].recipe)
    return f"[{cell(bare(row.label))}]({recipes[row.label]})" + (f" ({alias})" if alias else "")


def cell(text): return text.replace("|", "\\|")


def bare(text):
    "Labels without the keys of distillation, which are long; the linked recipe has them"
    return re.sub(r"distill:[^+ ]*", "distill", text)


def names(tricks): return frozenset(part.split(":")[0] for part in tricks.split("+"))


def find(row, e):
    "The tutorial's row of the same tricks, or of the same setting without any; or None"
    same = [t for k, t in e.tutorial.items() if names(k) == names(row.tricks)]
    return next(iter(same or [t for k, t in e.tutorial.items() if not row.runs[0].recipe.tricks and k in row.label]),
                None)


def beside(row, t, margin, timed=True):
    times = [number(row.ratio.ratio, 2), number(t.times, 2)] if timed else []
    return [gain_of(row), with_interval(t.gain, *t.interval, 2), *times, sentence(row, t, margin)]


def sentence(row, t, margin):
    "agrees, disagrees or not resolved, and why"
    d, (low, high) = row.diff, t.interval
    if none(d.low):
        return "not resolved: ours has no interval"
    if d.high < low or high < d.low:
        return "disagrees"
    if side(d.low, d.high) and side(d.low, d.high) == side(low, high):
        return "agrees"
    if row.verdict == SAME and abs(t.gain) <= margin:
        return f"agrees: neither is larger than {margin:g}"
    return ("not resolved by " + {(0, 0): "either",
                                  (0, 1): "ours"}.get((abs(side(d.low, d.high)), abs(side(low, high))), "the tutorial"))


def side(low, high): return 1 if low > 0 else -1 if high < 0 else 0


# -- README's

def short(name, c):
    "The table's short form, as lines: what helps, the most first, and the baseline; the other rows as numbers"
    own = [o for o in table_columns(c) if o.name in ("value", "delta")]
    recipes = {row.label: f"docs/results/recipes/{name}-{i}.json" for i, row in enumerate(c.rows)}
    helps = sorted((r for r in c.rows if r.verdict == HELPS), key=lambda r: -r.diff.delta)
    rows = [[f"[{named(r)}]({recipes[r.label]})", *(cell(o.cell(r)) for o in own), r.verdict]
            for r in [*helps, c.rows[0]]]
    return [*narrow(["recipe", *(o.head for o in own), "verdict"], rows), "", f"{counted(c)}. {measured(name, c)}", ""]


def named(row):
    "`--recipe best` for all that stands in it"
    return option_of(row.runs[0].recipe) or bare(row.label)


def option_of(recipe):
    "`--recipe best` as long as that name stands for these tricks, else nothing"
    name = recipe.recipe
    return f"`--recipe {name}`" if name and of_any_device(resolve({}, recipe=name)) == of_any_device(recipe) else ""


def of_any_device(recipe):
    "A recipe's tricks; the type that a device was faster in is not of the recipe"
    return {n: keys for n, keys in recipe.tricks.items() if n != "amp"}, "amp" in recipe.tricks


def narrow(heads, rows): return ["|" + "|".join(o) + "|" for o in (heads, ["-"] * len(heads), *rows)]


def counted(c):
    "`Verdicts of 8 rows: helps 1, hurts 3, open 4`"
    n = Counter(row.verdict for row in c.rows[1:])
    return (f"Verdicts of {len(c.rows) - 1} rows: "
            f"{', '.join(f'{word} {n[word]}' for word in (HELPS, HURTS, SAME, OPEN) if n[word])}")


def measured(name, c):
    "Seeds, data, network and machine, and where all of it is"
    f, anchor = measured_facts(c), re.sub(r"[^\w\s-]", "", EXPERIMENTS[name].title.lower()).replace(" ", "-")
    seeds = c.rows[0].summary.n
    return (f"{seeds} seeds; {f['data'].split(': ')[1]}; {f['network']}; {f['hardware'].split(',')[0]}: "
            f"[all of it](docs/results.md#{anchor}).")


def into_readme(lines):
    "Between the two marks"
    text = README.read_text()
    before, rest = text.split(OPENS, 1)
    write(README, before + "\n".join([OPENS, "", *lines, "", CLOSES]) + rest.split(CLOSES, 1)[1])
    print(f"written   {README}")

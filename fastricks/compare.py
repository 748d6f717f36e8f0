"""Run folders -> recipes with their seeds, each compared with a baseline. Plain data; needs nothing but the folders, and no torch."""
import csv
import glob
import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from . import stats, trick
from .errors import UserError, nearest, one_of, plural
from .recipe import Recipe, numeric, read_recipe
from .runs import base_name, read_json

NAN = float("nan")


@dataclass(frozen=True)
class Metric:
    "A number of a run, in the units that reports have it in"
    name: str          # its key in metrics.json
    title: str
    unit: str          # of a value
    points: str        # of a difference
    scale: float       # of metrics.json's number
    sign: int          # +1: more is better
    margin: float      # the difference that matters, unless --margin says another
    digits: int


METRICS = {m.name: m for m in (
    Metric("top1", "top-1 accuracy", "%", "points", 100., 1, .5, 2), Metric("top5", "top-5 accuracy", "%", "points", 100., 1, .5, 2),
    Metric("loss", "cross-entropy", "nats", "nats", 1., -1, .02, 4))}


# -- runs

@dataclass(frozen=True)
class Images:
    "What a run says of each image, sorted by name; arrays [I]"
    names: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray   # class names
    rank: np.ndarray        # of the true class; 0 is a hit
    loss: np.ndarray        # cross-entropy in nats

    def of(self, metric):
        "Values [I] whose mean is the metric"
        return metric.scale * {"top1": self.rank == 0, "top5": self.rank < 5, "loss": self.loss}[metric.name]


@dataclass(frozen=True)
class Run:
    "A finished run as its folder has it"
    folder: Path
    recipe: Recipe
    identity: str
    data: dict          # fingerprint, name, and how many images train, valid and test have
    facts: dict         # trick -> what it settled
    metrics: dict
    environment: dict
    date: str

    @property
    def name(self): return self.folder.name
    @property
    def seed(self): return self.recipe.seed
    @property
    def seconds(self): return max(self.metrics["train_seconds"], .01)  # it is rounded to hundredths

    def numbers(self, split):
        "top1, top5, loss, n … on a split"
        if split == self.metrics["split"]: return self.metrics
        if split in self.metrics: return self.metrics[split]
        raise UserError(f"{self.name} has no numbers of a {WORD[split]} split: it was trained " +
                        ("with --valid 0" if split == "valid" else "on data without one"))

    def value(self, metric, split): return metric.scale * self.numbers(split)[metric.name]

    def images(self, split): return self.own_images if split == self.metrics["split"] else self.valid_images

    @cached_property
    def own_images(self): return read_images(self.folder / "predictions.csv", self.metrics)
    @cached_property
    def valid_images(self): return read_images(self.folder / "predictions-valid.csv", self.metrics["valid"])
    @cached_property
    def history(self):
        "An epoch's row: column -> number, or None where there is none"
        with open(self.folder / "history.csv", newline="") as f:
            return [{k: float(v) if v else None for k, v in row.items()} for row in csv.DictReader(f)]


WORD = {"test": "test", "valid": "validation"}


def read_images(file, numbers):
    "The Images of a predictions file; None where there is none that fits the run's numbers"
    try:
        with open(file, newline="") as f: rows = sorted(csv.DictReader(f), key=lambda r: r["image"])
        text = lambda k: np.array([r[k] for r in rows])
        got = Images(text("image"), text("label"), text("predicted"), text("rank").astype(int), text("loss").astype(float))
    except (OSError, ValueError, KeyError, TypeError): return None
    return got if len(rows) == numbers["n"] and (got.rank == 0).sum() == numbers["correct"] else None


def read_run(folder):
    "The Run of a folder; ValueError or UserError says why it is none that is finished"
    folder = Path(folder)
    status = part(folder, "status.json")
    if status.get("status") != "finished": raise ValueError(": ".join(filter(None, [status.get("status"), status.get("reason")])))
    meta = part(folder, "recipe.json")
    try:
        run = Run(folder, Recipe(**read_recipe(folder / "recipe.json")), meta["identity"], meta["data"], meta.get("facts", {}),
                  part(folder, "metrics.json"), part(folder, "environment.json"), status.get("time", ""))
        run.seconds, run.numbers(run.metrics["split"])["correct"], run.data["fingerprint"]
    except (KeyError, TypeError): raise ValueError("its files are not those of this version") from None
    return run


def part(folder, name):
    try: got = read_json(folder / name)
    except (OSError, ValueError): got = None
    if not isinstance(got, dict): raise ValueError(f"no {name} that can be read")
    return got


def load_runs(texts, say=lambda line: None):
    """The finished Runs of folders, globs, folders of runs, and group names (runs of a recipe, under `runs` or a folder before the /).

    `say(line)` is told what is left out. Raises UserError where nothing is found, or nothing that is finished.
    """
    texts = [texts] if isinstance(texts, str | Path) else list(texts)
    named = {f.resolve() for t in texts if is_run(f := Path(t))}
    folders = list({f.resolve(): f for t in texts for f in find(str(t))}.values())
    runs, left = [], []
    for f in folders:
        try: runs.append(read_run(f))
        except (ValueError, UserError) as e: left.append(f"{f.name} ({e})")
    if not runs: raise UserError(f"none of {plural(len(folders), 'run')} is finished: {shortened(left)}")
    if left: say(f"left out: {shortened(left)}")
    return without_teachers(runs, named, say)


def shortened(words, n=6): return "; ".join(words[:n]) + (f"; and {len(words) - n} more" if len(words) > n else "")


def is_run(path): return (path / "recipe.json").is_file()


def find(text):
    "Run folders that a text means"
    path = Path(text)
    if path.name == "recipe.json" and path.is_file(): return [path.parent]
    if path.is_dir(): return in_folder(path)
    hits = [f for p in sorted(glob.glob(text), key=in_numbers) if Path(p).is_dir() for f in in_folder(Path(p), needed=False)]
    hits = hits or group(path)
    if not hits: raise UserError(f"{text} is no run folder, no folder of runs and no group of runs{nearest(path.name, near(path))}")
    return hits


def in_folder(path, needed=True):
    found = [path] if is_run(path) else sorted((f.parent for f in path.glob("*/recipe.json")), key=in_numbers)
    if needed and not found: raise UserError(f"{path} is no run folder and has none in it")
    return found


def in_numbers(path):
    "s2 comes before s10"
    return [int(x) if x.isdigit() else x for x in re.split(r"(\d+)", str(path))]


def place(path): return path.parent if str(path.parent) != "." else Path(Recipe.out)


def group(path):
    "The run folders whose recipe, without its seed, has this name"
    return [f for f in in_folder(place(path), needed=False) if path.name in groups_of(f) | {f.name}]


def groups_of(folder):
    "A run folder's names without a seed: the recipe's, and its own"
    try:
        meta = part(folder, "recipe.json")
        return {meta.get("group"), base_name(Recipe(**read_recipe(folder / "recipe.json")), meta["data"]["name"]),
                re.sub(r"-s\d+(-\d+)?$", "", folder.name)}
    except (ValueError, UserError, KeyError, TypeError): return set()


def near(path): return sorted({n for f in in_folder(place(path), needed=False) for n in groups_of(f) | {f.name} if n})


def without_teachers(runs, named, say):
    "A teacher that was found beside its students is no row of theirs; one that was named is"
    theirs = {i for r in runs if (i := r.facts.get("distill", {}).get("identity"))}
    out = [r for r in runs if r.identity in theirs and r.folder.resolve() not in named and len(runs) > 1]
    for r in out: say(f"left out: {r.name} (a teacher of others here; name its folder to compare it)")
    return [r for r in runs if r not in out]


# -- rows: a recipe with its seeds

@dataclass(frozen=True)
class Row:
    "A recipe with its seeds, and what they say of it; values in the metric's units, differences in its points"
    label: str                    # what sets it apart from the other rows
    tricks: str                   # as -t has them, or `baseline`
    varies: dict                  # field -> text, of the fields that differ between rows
    runs: tuple                   # a Run a seed
    summary: stats.Summary = None  # of the metric
    seconds: float = NAN          # of training, mean
    baseline: bool = False
    diff: stats.Difference = None  # to the baseline
    p_holm: float = NAN
    images: tuple = (NAN, NAN)    # 95% interval of the difference that covers the test images too
    agreement: float = NAN        # share of images predicted the same as by the baseline; the baseline: by another seed of it
    gained: float = NAN           # images a run gets right that the baseline's misses, mean over pairs of seeds
    lost: float = NAN
    ratio: tuple = (NAN, NAN, NAN)  # of training times to the baseline's, and its 95% interval
    verdict: str = ""             # helps, hurts, no difference, not resolved; baseline
    words: str = ""               # the verdict, in full
    needed: int | None = None     # seeds that would resolve it

    @property
    def seeds(self): return [r.seed for r in self.runs]
    @property
    def applied(self): return not any(f.get("applied") is False for r in self.runs for f in r.facts.values())

    def values(self, metric, split): return {r.seed: r.value(metric, split) for r in self.runs}

    def record(self):
        "All of it as one flat dict of numbers and texts; None where there is nothing to say"
        of = lambda name: getattr(self.diff, name, None)
        r = {"label": self.label, "tricks": self.tricks, **self.varies, "seeds": " ".join(map(str, self.seeds)), **asdict(self.summary),
             "test": of("test"), "n_compared": of("n"), "n_baseline": of("n_base"), "delta": of("delta"), "delta_low": of("low"),
             "delta_high": of("high"), "p": of("p"), "p_holm": self.p_holm, "df": of("df"), "delta_sd": of("sd"),
             "images_low": self.images[0], "images_high": self.images[1], "agreement": self.agreement, "gained": self.gained,
             "lost": self.lost, "train_seconds": self.seconds, "time_ratio": self.ratio[0], "time_ratio_low": self.ratio[1],
             "time_ratio_high": self.ratio[2], "verdict": self.verdict, "words": self.words, "seeds_needed": self.needed}
        return {k: plain(v) for k, v in r.items()}


def plain(v):
    if isinstance(v, np.generic): v = v.item()
    return None if isinstance(v, float) and v != v else v


def recipe_key(run):
    "What makes a recipe: its numeric fields but for the seed"
    d = numeric(run.recipe, run.recipe.weights, run.facts)
    return json.dumps({**d, "seed": None, "data": run.data["fingerprint"]}, sort_keys=True)


def tricks_text(run):
    "The selection of a run's tricks; those that were found to be of no use here are marked"
    off = {n for n, f in run.facts.items() if f.get("applied") is False}
    return "+".join(short_paths(str(t)) + (" (not applied)" if t.name in off else "") for t in trick.make(run.recipe.tricks)) or "baseline"


def short_paths(text): return re.sub(r"=[^,=]*[/\\]([^,/\\=]+)", r"=\1", text)


def texts(run):
    "field -> text of all that a row can differ in"
    r = run.recipe
    own = {} if any(n in trick.schedules() for n in r.tricks) else r.schedule
    same = {"seed", "tricks", "data"}
    return {"tricks": tricks_text(run), "schedule": "+".join(str(t) for t in trick.make(own)),
            "data": f"{run.data['name']} ({run.data['train']:,} images)",
            **{k: text(v) for k, v in numeric(r, r.weights).items() if k not in same},
            "teacher": run.facts.get("distill", {}).get("identity", "")}


def text(v):
    if v is None: return "–"
    if isinstance(v, bool): return "yes" if v else "no"
    return f"{v:g}" if isinstance(v, float) else str(v)


def make_rows(runs, say, anyway=False):
    "Rows in the order of their first runs, those without tricks first; a Run a seed in the order of seeds"
    found = {}
    for r in runs: found.setdefault(recipe_key(r), []).append(r)
    rows = [tuple(sorted(one_a_seed(rs, say, anyway), key=lambda r: r.seed)) for rs in found.values()]
    rows.sort(key=lambda rs: bool(rs[0].recipe.tricks))
    what = [texts(rs[0]) for rs in rows]
    differ = [k for k in what[0] if len({w[k] for w in what if w[k]}) > 1]
    labels = make_labels(what, differ)
    return [Row(l, w["tricks"], {k: w[k] or "–" for k in differ}, rs) for l, w, rs in zip(labels, what, rows, strict=True)]


def make_labels(what, differ):
    "`mixup:alpha=0.4, lr 0.01`: the tricks, and of the other fields what is not as in most rows"
    usual = {k: usual_value([w[k] for w in what]) for k in differ if "tricks" in differ and k != "tricks"}
    short, full = ([label(w, [k for k in differ if k not in usual or w[k] != usual[k]]) for w in what] for usual in (usual, {}))
    return short if len(set(short)) == len(short) else unique(full)


def usual_value(values):
    "What most of them are, or None"
    value, n = Counter(values).most_common(1)[0]
    return value if 2 * n > len(values) else None


def label(what, differ): return ", ".join(what[k] if k == "tricks" else f"{k} {what[k] or '–'}" for k in differ) or what["tricks"]


def unique(labels):
    seen = Counter()
    return [l if labels.count(l) == 1 else f"{l} #{(seen.update([l]), seen[l])[1]}" for l in labels]


def one_a_seed(runs, say, anyway):
    "Equal runs count once; unequal ones of a seed are made by different code or weights, and can't be told apart"
    kept = {}
    for r in runs:
        old = kept.setdefault(r.seed, r)
        if old is r: continue
        if old.identity == r.identity: say(f"{r.name} is the same run as {old.name}: counted once")
        elif not anyway: raise UserError(f"{old.name} and {r.name} have one recipe and one seed but are not the same run (other weights to "
                                         "start from, or another version): leave one out, or take the first with --anyway")
        else: say(f"warning: {r.name} has the recipe and the seed of {old.name} but is another run: left out")
    return kept.values()


# -- what may be compared

def differences(a, b, split):
    "What forbids to compare two runs, in words"
    if split is None and (x := a.metrics["split"]) != (y := b.metrics["split"]): yield f"one is evaluated on {x}, the other on {y}"
    if (x := size_text(a)) != (y := size_text(b)): yield f"they are evaluated at another size ({x} and {y})"
    if a.data["fingerprint"] == b.data["fingerprint"]: return
    x, y = (set(r.own_images.labels) if r.own_images else set() for r in (a, b))
    yield (f"they have other classes ({len(x)} and {len(y)} of them)" if x != y else
           f"they have other data or another split ({data_text(a)}, and {data_text(b)})")


def size_text(r): return f"{r.recipe.resize}→{r.recipe.size}"


def data_text(run):
    d = run.data
    return f"{d['name']} {d['fingerprint'][:6]}: {d['train']:,} train, {d['valid']:,} validation, {d['test']:,} test images"


def check_comparable(rows, split, anyway):
    "Lines of warning, or a UserError, for rows that are not comparable to the first"
    first, lines = rows[0].runs[0], []
    for row in rows[1:]:
        for what in differences(first, row.runs[0], split):
            line = f"{first.name} and {row.runs[0].name} are not comparable: {what}"
            if not anyway: raise UserError(f"{line}; --anyway compares them nevertheless")
            lines.append(f"warning: {line}")
    return lines


# -- the baseline

def choose_baseline(rows, name=None):
    "The row that is called so: by its label, tricks, named recipe, or a run of it; without a name the one without tricks"
    if len(rows) == 1 and name is None: return rows[0]
    found = [row for row in rows if name_fits(row, name)]
    if len(found) == 1: return found[0]
    what = f"--baseline {name} is {'none' if not found else plural(len(found), 'row')} of these" if name else (
        "no row is without tricks" if not found else f"{len(found)} rows are without tricks")
    near = nearest(name, [r.label for r in rows]) if name and not found else ""
    raise UserError(f"{what}: choose with --baseline one of {'; '.join(repr(r.label) for r in found or rows)}{near}")


def name_fits(row, name):
    if name is None: return not row.runs[0].recipe.tricks
    name = str(name)
    if row.label == name: return True
    folders = {x for r in row.runs for x in (r.name, str(r.folder), str(r.folder.resolve()))}
    if name in folders or name.rstrip("/") in folders or name in groups_of(row.runs[0].folder): return True
    return name in (row.tricks, row.runs[0].recipe.recipe) or selects(name, row.runs[0].recipe)


def selects(name, recipe):
    "Is this -t text all that the recipe has?"
    try: return trick.select({}, [name]).keys() == recipe.tricks.keys() and keys_of(trick.select({}, [name])) == keys_of(recipe.tricks)
    except UserError: return False


def keys_of(tricks): return {t.name: t.keys() for t in trick.make(tricks)}


# -- the comparison

@dataclass(frozen=True)
class Comparison:
    "Recipes compared with a baseline: plain data for tables and pictures"
    rows: tuple          # the baseline's is the first
    metric: Metric
    split: str           # whose numbers they are: test or valid
    margin: float
    notes: tuple         # lines: what was left out, what to beware of

    @property
    def baseline(self): return self.rows[0]
    @property
    def runs(self): return [r for row in self.rows for r in row.runs]
    @property
    def n_images(self): return self.baseline.runs[0].numbers(self.split)["n"]
    @property
    def tests(self): return list(dict.fromkeys(r.diff.test for r in self.rows if r.diff and not r.diff.why))
    @property
    def family(self):
        "How many p-values Holm's adjustment is over"
        return sum(not np.isnan(r.diff.p) for r in self.rows if r.diff)

    def row(self, name): return choose_baseline(self.rows, name)

    @property
    def warnings(self): return [n.removeprefix("warning: ") for n in self.notes if n.startswith("warning: ")]
    @property
    def data_name(self): return self.baseline.runs[0].data["name"]

    def records(self):
        "A flat dict a row; every one says what its numbers are of"
        of = {"metric": self.metric.name, "unit": self.metric.unit, "split": self.split, "n_images": self.n_images, "data": self.data_name,
              "baseline": self.baseline.label, "margin": self.margin, "warning": "; ".join(self.warnings) or None}
        return [{**r.record(), **{k: v for k, v in of.items() if k not in r.varies}} for r in self.rows]

    def frame(self):
        "A pandas DataFrame, a row a recipe"
        import pandas as pd
        return pd.DataFrame(self.records())

    def _repr_html_(self):
        from .report_html import table_html
        return table_html(self)


def compare(runs, baseline=None, margin=None, metric="top1", by=None, anyway=False, notes=()):
    """The Comparison of runs: Runs of `load_runs`, or what it takes.

    `baseline`: a row's label, tricks, recipe or run (default: the row without tricks); `margin`: the difference that matters, in points
    (loss: nats); `by`: test or valid (default: the split that the runs' own numbers are of); `notes`: lines to carry along.
    Raises UserError for what is not comparable, unless `anyway`, and where the baseline is not clear.
    """
    metric, notes = metric_of(metric), list(notes)
    margin = metric.margin if margin is None else margin
    if not margin > 0: raise UserError(f"--margin {margin:g} is out of range: it must be above 0")
    if by not in (None, *WORD): raise UserError(f"--by {by} is not one of {one_of(WORD)}{nearest(by, WORD)}")
    if isinstance(runs, str | Path) or not all(isinstance(r, Run) for r in runs): runs = load_runs(runs, notes.append)
    if not runs: raise UserError("there are no runs to compare")
    rows = make_rows(runs, notes.append, anyway)
    notes += check_comparable(rows, by, anyway)
    base = choose_baseline(rows, baseline)
    split = by or base.runs[0].metrics["split"]
    rows = [summed_up(row, metric, split, row is base) for row in [base, *(row for row in rows if row is not base)]]
    shared = same_images(rows, split, notes.append)
    done = [against(row, rows[0], metric, split, shared) for row in rows[1:]]
    for row in done: notes += pair_notes(row, rows[0])
    rows = [own_agreement(rows[0], split, shared), *judged(done, metric, margin)]
    return Comparison(tuple(rows), metric, split, margin, (*notes, *beware(rows, metric, split)))


def summed_up(row, metric, split, baseline):
    values = list(row.values(metric, split).values())
    return replace(row, summary=stats.summary(values), seconds=float(np.mean([r.seconds for r in row.runs])), baseline=baseline)


def metric_of(name):
    if name not in METRICS: raise UserError(f"--metric {name} is not one of {one_of(METRICS)}{nearest(name, METRICS)}")
    return METRICS[name]


def same_images(rows, split, say):
    "Have all runs a line for each of the same images? If not, nothing is said of images"
    first = rows[0].runs[0].images(split)
    for r in (r for row in rows for r in row.runs):
        got = r.images(split)
        if got is None: why = f"{r.name} has no predictions that fit its metrics.json"
        elif not (np.array_equal(got.names, first.names) and np.array_equal(got.labels, first.labels)):
            why = f"{r.name} is evaluated on other images than {rows[0].runs[0].name}"
        else: continue
        say(f"no interval over images and no agreement: {why}")
        return False
    return True


def against(row, base, metric, split, images=True):
    "The row with all that its and the baseline's seeds and images say of their difference"
    diff = stats.difference(row.values(metric, split), base.values(metric, split))
    row = replace(row, diff=diff, ratio=stats.ratio(*({r.seed: r.seconds for r in x.runs} for x in (row, base))))
    return over_images(row, base, metric, split) if images else row


def over_images(row, base, metric, split):
    both = stats.seeds_in_common(dict.fromkeys(row.seeds, 0), dict.fromkeys(base.seeds, 0))
    a, b = ([r.images(split) for r in x.runs if r.seed in both or not both] for x in (row, base))
    values = [np.array([i.of(metric) for i in x]) for x in (a, b)]
    words, hits = ([np.array([f(i) for i in x]) for x in (a, b)] for f in (lambda i: i.predicted, lambda i: i.rank == 0))
    agree, (gained, lost) = stats.agreement(*words, bool(both)), stats.gained_lost(*hits, bool(both))
    return replace(row, images=stats.with_images(row.diff, *values), agreement=agree, gained=gained, lost=lost)


def own_agreement(base, split, images):
    "The baseline row with how far its own seeds agree: what the others' agreement is to be measured by"
    agree = stats.own_agreement(np.array([r.images(split).predicted for r in base.runs])) if images else NAN
    return replace(base, agreement=agree, ratio=(1., NAN, NAN), verdict="baseline", words="baseline")


def judged(rows, metric, margin):
    "Rows with Holm's p and the verdict"
    ps = stats.holm([r.diff.p for r in rows])
    return [verdict(replace(r, p_holm=float(p)), metric, margin) for r, p in zip(rows, ps, strict=True)]


def verdict(row, metric, margin):
    d, s = row.diff, metric.sign
    low, high = sorted((s * d.low, s * d.high))
    word = str(stats.decide(s * d.delta, low, high, row.p_holm, margin))
    needed = stats.seeds_needed(d, margin) if word == stats.OPEN else None
    return replace(row, verdict=word, needed=needed, words=in_words(row, word, needed, low, high, metric, margin))


def in_words(row, word, needed, low, high, metric, margin):
    x = f"{margin:g} {metric.points if margin != 1 or metric.points != 'points' else 'point'}"
    if word == stats.SAME: return f"no difference larger than {x}"
    if word in (stats.HELPS, stats.HURTS): return word + (f", by less than {x}" if -margin < low and high < margin else "")
    if not row.applied: return f"{word}: it was not applied"
    if row.diff.why: return f"{word}: {row.diff.why}"
    return f"{word}: about {needed:,} seeds would"


# -- what to beware of

def pair_notes(row, base):
    d = row.diff
    if d.test == stats.WELCH and len(row.runs) > 1 and len(base.runs) > 1:
        yield f"{row.label}: fewer than two of its seeds are the baseline's, so it is compared by Welch's t, unpaired"
    if d.test == stats.PAIRED and not d.n == len(row.runs) == len(base.runs):
        yield f"{row.label}: Δ is over the {plural(d.n, 'seed')} in common (it has {len(row.runs)}, the baseline {len(base.runs)})"


def beware(rows, metric, split):
    runs = [r for row in rows for r in row.runs]
    if len(where := {device(r) for r in runs}) > 1: yield f"not all trained on the same ({'; '.join(sorted(where))}): times are not comparable"
    if split == "valid" and any(r.recipe.keep == "best" or r.recipe.patience for r in runs):
        yield "weights or epochs were chosen on the validation split: its numbers flatter"
    if any("distill" in r.recipe.tricks for r in runs):
        yield "one teacher serves all seeds of a distilled row: no interval covers the choice of the teacher, and no time its training"


def device(run):
    e = run.environment
    where = e.get("cpu", "cpu") if run.recipe.device == "cpu" else e.get("device", run.recipe.device)
    return f"{where}, {plural(run.recipe.threads or 1, 'thread')}"

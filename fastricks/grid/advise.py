"""`ablate --advise`: one recipe to take, chosen on the validation split, confirmed on the test set with fresh seeds.

It is chosen by the cross-entropy at the fitted temperature, which orders rows as well by 200 images as accuracy does by
thousands. Fresh seeds then end it in one of three ways: it helps; it is as good, in less time; or it is a bet, and the
baseline stays.
"""
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UserError
from ..core.words import with_interval
from ..recipe.command import command_line
from ..recipe.recipe import AUTO, BY_PROBE, FIND, resolve
from ..report.compare.families import ADVICE, Family, families_beside, record_family, row_key
from ..report.compare.stats import AS_GOOD, FEWEST_SEEDS, HELPS, SAME
from ..report.runs import read_run
from .cells import plan
from .grid import Grid
from .plan import CONTROL, GridRow, subsets
from .verdicts import Judging, comparison_of, family_keys, next_free

NO_TIME = 1.02  # × the baseline's: a row that takes no more costs no time


@dataclass(frozen=True)
class Advice:
    "What to train, what was left out of it and why, and what fresh seeds say"
    texts: tuple          # the -t texts that were tried
    left: dict            # -t text -> why it is left out
    recipe: object
    confirmed: object = None  # the Comparison of fresh seeds on the test set; None where there was nothing to confirm
    bet: bool = False     # no row was sure to help on the validation split: the best by its mean was tried
    take_bets: bool = False

    @property
    def ending(self):
        "HELPS, AS_GOOD or `a bet`; empty where nothing was tried"
        if not self.confirmed:
            return ""
        verdict = self.confirmed.rows[1].verdict
        return verdict if verdict in (HELPS, AS_GOOD) else "a bet"

    @property
    def free(self): return self.confirmed.rows[1].ratio.ratio <= NO_TIME

    @property
    def taken(self):
        "The texts to train with: none where fresh seeds made it a bet, unless bets are taken and it costs no time"
        if self.ending in (HELPS, AS_GOOD):
            return self.texts
        return (self.texts if self.ending and self.take_bets and self.free and self.confirmed.rows[1].diff.delta > 0
                else ())


def compared_on_validation(grid):
    """The grid's Comparison by the validation split, its first row the baseline, and grid row name -> its row.

    By `loss_t` where all runs have it, else by accuracy.
    """
    by = None if grid.source.eval_split == "valid" else "valid"
    try:
        c = comparison_of(grid, Judging(None, grid.judging.once, grid.judging.plain, metric="loss_t"), by)
    except UserError:
        c = comparison_of(grid, Judging(grid.judging.margin, grid.judging.once, grid.judging.plain), by)
    by_folder = {str(r.folder): row for row in c.rows for r in row.runs}
    return c, {row.name: by_folder[str(grid.finished_of(row)[0].run_folder)] for row in grid.rows
               if grid.finished_of(row)}


def choose(mode, texts, rows, sign=1):
    "(kept, left: text -> why) of the -t texts, by what their rows say on the validation split"
    of_mode = {"add": choose_added, "drop": choose_dropped, "stack": choose_stacked, "all": choose_together}
    return of_mode[mode](texts, rows, sign)


def choose_added(texts, rows, sign):
    kept = [t for t in texts if t in rows and rows[t].verdict == HELPS]
    kept.sort(key=lambda t: -sign * rows[t].diff.delta)
    return kept, {t: rows[t].words if t in rows else "its runs failed" for t in texts if t not in kept}


def choose_dropped(texts, rows, sign):
    "A trick stays unless the stack is better, or no worse, without it"
    why = {HELPS: "the rest is better without it", SAME: "the rest is no worse without it"}
    left = {t: why[r.verdict] for t in texts if (r := rows.get(f"all but {t}")) and r.verdict in why}
    return [t for t in texts if t not in left], left


def choose_stacked(texts, rows, sign):
    "The shortest stack that none is sure to be better than: the best by mean among those that help"
    good = [i for i, t in enumerate(texts) if (r := rows.get(f"+ {t}")) and r.verdict == HELPS]
    n = max(good, key=lambda i: sign * rows[f"+ {texts[i]}"].diff.delta) + 1 if good else 0
    return texts[:n], dict.fromkeys(texts[n:], "no stack with it does better")


def choose_together(texts, rows, sign):
    "Those of the best row by mean among those that help, together or alone"
    named = {"+".join(some): some for some in subsets(texts)}
    good = [name for name in named if (r := rows.get(name)) and r.verdict == HELPS]
    kept = named[max(good, key=lambda name: sign * rows[name].diff.delta)] if good else []
    return kept, {t: "the best row does without it" for t in texts if t not in kept}


def best_bet(mode, texts, rows, sign=1):
    """The texts of the row with the best mean, better than the baseline's, sure or not; [] if there is none.

    A small validation split makes little sure. Fresh seeds on the test set judge this choice, so that it need not be a
    sure one.
    """
    name = {"add": "{}", "stack": "+ {}"}.get(mode)
    gains = {i: sign * rows[name.format(t)].diff.delta for i, t in enumerate(texts)
             if name and name.format(t) in rows and rows[name.format(t)].diff}
    best = max(gains, key=gains.get, default=None)
    if best is None or not gains[best] > 0:
        return []
    return [texts[best]] if mode == "add" else texts[:best + 1]


def combined_texts(kept, left, given, base):
    "The recipe of all kept texts; one that can't go with those that gain more is left out"
    ok = []
    for t in kept:
        try:
            resolve(given, [*ok, t], base)
        except UserError as e:
            left[t] = str(e)
        else:
            ok.append(t)
    return ok, resolve(given, ok, base)


def advise(grid, mode, given, base, texts, confirm=None, take_bets=False, say=print):
    "Choose, train baseline and choice with fresh seeds (as many as the grid has, or `confirm`), and say it all"
    first = grid.rows[0].recipe
    undecided = {"lr": FIND, **dict.fromkeys(BY_PROBE, AUTO)}
    given = {**given, **{k: getattr(first, k) for k, word in undecided.items() if given.get(k) == word}}
    c, rows = compared_on_validation(grid)
    texts = [t for t in texts if t != CONTROL]
    sign = c.metric.sign
    kept, left = choose(mode, texts, rows, sign)
    bet = [] if kept else best_bet(mode, texts, rows, sign)
    kept, recipe = combined_texts(kept or bet, left, given, base)
    left = {t: why for t, why in left.items() if t not in kept}
    plain = resolve(given, [], base)
    confirmed = confirm_on_test(plain, recipe, grid, max(confirm or len(grid.seeds), FEWEST_SEEDS),
                                say) if kept else None
    a = Advice(tuple(kept), left, recipe, confirmed, bool(bet), take_bets)
    for line in advice_lines(a, given, base, c):
        say(line)
    return a


def confirm_on_test(plain, recipe, grid, n, say):
    "One look with fresh seeds, for a winner's own number is optimistically biased"
    rows = [GridRow("baseline", plain), GridRow("advice", recipe)]
    judging = Judging(grid.judging.margin, True, grid.judging.plain, grid.judging.as_good_in)
    seeds = fresh_seeds(rows, grid, n, judging)
    fresh = Grid(rows, seeds, jobs=grid.jobs, group=grid.group, say=say, judging=judging)
    say(f"confirming with seeds {', '.join(map(str, seeds))}")
    for line in fresh.describe():
        say(line)
    fresh.carry_out()
    return comparison_of(fresh, judging)


def fresh_seeds(rows, grid, n, judging):
    """The first n seeds that no run of these rows under --out has, nor the grid itself.

    They are recorded before they are trained: the same command goes on with them.
    """
    keys = family_keys(rows, plan(rows, grid.seeds[:1], grid.source)[1], grid.source)
    base, advice = (keys[row.name] for row in rows)
    out = grid.recipe.out
    for f in families_beside([f"{out}/run"]):
        of_these = f.mode == ADVICE and f.baseline == base and [*f.rows] == [advice]
        if of_these and len(f.seeds) == n and not {*f.seeds} & {*grid.seeds}:
            return list(f.seeds)
    seeds = next_free(grid.seeds, n, seeds_of_runs(out, {base, advice}))
    family = Family(base, {advice: "advice"}, ADVICE, judging.margin, judging.metric, True, tuple(seeds))
    record_family(out, family)
    return seeds


def seeds_of_runs(out, keys):
    "Seeds of the finished runs under a folder whose rows these are"
    found = set()
    for file in Path(out).glob("*/recipe.json"):
        try:
            run = read_run(file.parent)
        except (ValueError, UserError):
            continue
        if row_key(run.recipe, run.facts, run.data["fingerprint"]) in keys:
            found.add(run.seed)
    return found


# -- what is said

def advice_lines(a, given, base, c):
    split = {"valid": "validation split", "test": "test set"}
    out = ["", f"advice    {advice_headline(a)}"]
    if a.confirmed:
        row, m = a.confirmed.rows[1], a.confirmed.metric
        gain = with_interval(row.diff.delta, row.diff.low, row.diff.high, m.digits)
        what, where = "gain" if a.taken else "tried", split[a.confirmed.split]
        out.append(f"{what:<10}{gain} {m.points} on the {where}, {len(row.runs)} fresh seeds: "
                   f"{row.words} (decided with these same seeds)")
    out += [f"left out  {t}: {why}" for t, why in a.left.items()]
    out.append(f"chosen    on the {split[c.split]} ({c.n_images:,} images), by {c.metric.title}")
    return [*out, f"train it  {command_line(given, base, a.taken)}"]


def advice_headline(a):
    "What to train, and how sure that is"
    tried = "+".join(a.texts)
    if not tried:
        return "the baseline: no row is better on the validation split"
    if a.ending == HELPS:
        return f"{tried}: it helps"
    if a.ending == AS_GOOD:
        return f"{tried}: {a.confirmed.rows[1].words}"
    if a.taken:
        return f"{tried}: a bet that costs no time, as --take-bets asks"
    also = "; it costs no time: --take-bets takes it" if a.free and a.confirmed.rows[1].diff.delta > 0 else ""
    return f"the baseline: {tried} was the best on the validation split, and is a bet{also}"

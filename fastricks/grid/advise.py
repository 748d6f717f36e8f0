"""`ablate --advise`: one recipe to take, chosen on the validation split, confirmed on the test set with fresh seeds."""
from dataclasses import dataclass

from ..core.errors import UserError
from ..recipe.command import line_of
from ..recipe.recipe import FIND, resolve
from ..report.compare.comparison import compare
from ..report.compare.stats import HELPS, SAME
from ..report.runs import load_runs
from .ablate import Grid
from .plan import GridRow


@dataclass(frozen=True)
class Advice:
    "What to train, what was left out of it and why, and what fresh seeds say"
    texts: tuple          # the -t texts that are kept
    left: dict            # -t text -> why it is left out
    recipe: object
    confirmed: object = None  # the Comparison of fresh seeds on the test set; None where there was nothing to confirm
    bet: bool = False     # no row was resolved to help: the best by its mean was tried

    @property
    def taken(self):
        "The texts to train with: none where fresh seeds did not gain"
        return self.texts if self.confirmed and self.confirmed.rows[1].diff.delta > 0 else ()


def on_validation(grid, margin=None):
    "The grid's Comparison by the validation split, its first row the baseline, and grid row name -> its row"
    split = None if grid.source.eval_split == "valid" else "valid"
    c = compare(load_runs(grid.folders), baseline=str(grid.folders_of(grid.rows[0])[0]), margin=margin, by=split)
    by_folder = {str(r.folder): row for row in c.rows for r in row.runs}
    return c, {row.name: by_folder[str(grid.folders_of(row)[0])] for row in grid.rows if grid.folders_of(row)}


def choose(mode, texts, rows):
    "(kept, left: text -> why) of the -t texts, by what their rows say on the validation split"
    return {"add": choose_added, "drop": choose_dropped, "stack": choose_stacked}[mode](texts, rows)


def choose_added(texts, rows):
    kept = [t for t in texts if t in rows and rows[t].verdict == HELPS]
    kept.sort(key=lambda t: -rows[t].diff.delta)
    return kept, {t: rows[t].words if t in rows else "its runs failed" for t in texts if t not in kept}


def choose_dropped(texts, rows):
    "A trick stays unless the stack is better, or no worse, without it"
    why = {HELPS: "the rest is better without it", SAME: "the rest is no worse without it"}
    left = {t: why[r.verdict] for t in texts if (r := rows.get(f"all but {t}")) and r.verdict in why}
    return [t for t in texts if t not in left], left


def choose_stacked(texts, rows):
    "The shortest stack that none is resolved to be better than: the best by mean among those that help"
    good = [i for i, t in enumerate(texts) if (r := rows.get(f"+ {t}")) and r.verdict == HELPS]
    n = max(good, key=lambda i: rows[f"+ {texts[i]}"].diff.delta) + 1 if good else 0
    return texts[:n], dict.fromkeys(texts[n:], "no stack with it does better")


def best_bet(mode, texts, rows):
    """The texts of the row with the highest mean above the baseline's, resolved or not; [] if there is none.

    A small validation split resolves little. Fresh seeds on the test set judge this choice, so that it need not be a sure one.
    """
    name = {"add": "{}", "stack": "+ {}"}.get(mode)
    gains = {i: rows[name.format(t)].diff.delta for i, t in enumerate(texts) if name and name.format(t) in rows}
    best = max(gains, key=gains.get, default=None)
    if best is None or not gains[best] > 0: return []
    return [texts[best]] if mode == "add" else texts[:best + 1]


def joined(kept, left, given, base):
    "The recipe of all kept texts; one that can't go with those that gain more is left out"
    ok = []
    for t in kept:
        try: resolve(given, [*ok, t], base)
        except UserError as e: left[t] = str(e)
        else: ok.append(t)
    return ok, resolve(given, ok, base)


def advise(grid, mode, given, base, texts, confirm=None, margin=None, say=print):
    "Choose, train baseline and choice with fresh seeds (as many as the grid has, or `confirm`), and say it all"
    if given.get("lr") == FIND: given = {**given, "lr": grid.rows[0].recipe.lr}
    c, rows = on_validation(grid, margin)
    kept, left = choose(mode, texts, rows)
    bet = [] if kept else best_bet(mode, texts, rows)
    kept, recipe = joined(kept or bet, left, given, base)
    left = {t: why for t, why in left.items() if t not in kept}
    plain = resolve(given, [], base)
    confirmed = confirm_on_test(plain, recipe, grid, confirm or len(grid.seeds), margin, say) if kept else None
    a = Advice(tuple(kept), left, recipe, confirmed, bool(bet))
    for line in advice_lines(a, given, base, c): say(line)
    return a


def confirm_on_test(plain, recipe, grid, n, margin, say):
    "Fresh seeds, for a winner's own number flatters it"
    seeds = range(max(grid.seeds) + 1, max(grid.seeds) + 1 + n)
    fresh = Grid([GridRow("baseline", plain), GridRow("advice", recipe)], list(seeds), grid.jobs, grid.group, say)
    say(f"confirming with seeds {seeds[0]} to {seeds[-1]}")
    for line in fresh.describe(): say(line)
    fresh.carry_out()
    return compare(load_runs(fresh.folders), baseline=str(fresh.folders_of(fresh.rows[0])[0]), margin=margin)


def advice_lines(a, given, base, c):
    split = {"valid": "validation split", "test": "test set"}
    out = ["", f"advice    {headline(a)}"]
    if a.confirmed:
        row = a.confirmed.rows[1]
        d, m = row.diff, a.confirmed.metric
        interval = f" [95% {d.low:+.2f}, {d.high:+.2f}]" if d.low == d.low else ""
        what = "gain" if a.taken else "tried"
        out.append(f"{what:<10}{d.delta:+.2f} {m.points}{interval} on the {split[a.confirmed.split]}, {len(row.runs)} fresh seeds: {row.words}")
    out += [f"left out  {t}: {why}" for t, why in a.left.items()]
    out.append(f"chosen    on the {split[c.split]} ({c.n_images:,} images)")
    return [*out, f"train it  {line_of(given, base, a.taken)}"]


def headline(a):
    "What to train, and how sure that is"
    tried = "+".join(a.texts)
    if not tried: return "the baseline: no row is better on the validation split"
    if not a.taken: return f"the baseline: {tried} was the best on the validation split, and no better with fresh seeds"
    return tried + (" (no row was resolved to help on the validation split; the best by its mean)" if a.bet else "")

"""From run folders to verdicts and reports: synthetic folders with known effects, real small trainings, every error,
every format.
"""
import csv
import json
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from support.fake_runs import fake_run, population, right
from support.marks import slow
from support.parsed_page import ParsedPage
from support.small import recipe_of
from support.table8 import WELCH_P, table8_rows

from fastricks.cli import app as cli
from fastricks.core.errors import UserError
from fastricks.report.compare import terminal as terminal_module
from fastricks.report.compare.comparison import compare
from fastricks.report.compare.families import Family, families_beside, record_family
from fastricks.report.compare.files import csv_text, html, markdown, save_comparison
from fastricks.report.compare.latex import latex
from fastricks.report.compare.pictures import axis_limit, farthest, front, pictures
from fastricks.report.compare.rows import key_of_row
from fastricks.report.compare.table import comparison_title, explanation, headline
from fastricks.report.compare.terminal import terminal
from fastricks.report.find import load_runs


def grid(out, effects, seeds=5, images=600, valid=300, **given):
    "Runs of rows, -t text -> gain, on one population of images"
    rng = np.random.default_rng(0)
    test, held = population(images, rng), population(valid, rng)
    for k, (tricks, gain) in enumerate(effects.items()):
        a, b = right(test, seeds, rng, gain, luck=.02), right(held, seeds, rng, gain, luck=.02)
        for s in range(seeds): fake_run(out, tricks, s, a[s], b[s], seconds=10. + k + .1 * s, **given)
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return grid(tmp_path_factory.mktemp("runs"),
                {"none": 0, "mixup:alpha=0.4": 2.5, "cosine+label_smoothing": .1, "warmup": -3.})


@pytest.fixture(scope="module")
def compared(runs): return compare([runs])


def by_label(c): return {r.label: r for r in c.rows}


# -- what comes out

def test_rows_are_recipes_with_their_seeds(compared):
    assert [r.label for r in compared.rows] == ["baseline", "cosine+label_smoothing", "mixup:alpha=0.4", "warmup"]
    assert all(r.seeds == [0, 1, 2, 3, 4] and r.varies == {"tricks": r.tricks} for r in compared.rows)
    assert (compared.metric.name, compared.split, compared.n_images, compared.margin,
            compared.looked.family) == ("top1", "test", 600, .5, 3)
    assert compared.notes == ()


def test_verdicts_follow_the_effects(compared):
    rows = by_label(compared)
    assert rows["baseline"].verdict == "baseline" and rows["baseline"].diff is None
    assert rows["mixup:alpha=0.4"].words == "helps" and rows["warmup"].words == "hurts"
    assert re.fullmatch(r"open: [+-]\d\.\d to [+-]\d\.\d; \d+ in 100 that 8 seeds settle it",
                        rows["cosine+label_smoothing"].words)


def test_the_numbers_are_those_of_the_folders(runs, compared):
    for row in compared.rows:
        folders = [runs / f"digits-{row.tricks.replace('baseline', 'none').replace(':', '_')}-s{s}" for s in range(5)]
        top1 = [100 * json.loads((f / "metrics.json").read_text())["top1"] for f in folders]
        assert row.summary.mean == pytest.approx(np.mean(top1))
        assert row.summary.sd == pytest.approx(np.std(top1, ddof=1))
        if row.baseline:
            base, base_row = top1, row
            continue
        d = np.subtract(top1, base)
        assert row.diff.delta == pytest.approx(d.mean()) and row.diff.paired and row.diff.steadied
        assert row.gained - row.lost == pytest.approx(6 * d.mean())  # points of 600 images
        assert row.diff.low <= row.diff.seeds_low < row.diff.seeds_high <= row.diff.high and .5 < row.agreement < 1
        assert row.ratio.ratio == pytest.approx(row.seconds / base_row.seconds, rel=.01)
        assert row.ratio.low < row.ratio.ratio < row.ratio.high


def test_plain_data(compared):
    records = compared.records()
    json.dumps(records)
    assert records[0]["delta"] is None and records[2]["seeds"] == "0 1 2 3 4" and records[2]["data"] == "digits"
    frame = compared.frame()
    assert list(frame["label"]) == [r.label for r in compared.rows] and frame["n"].tolist() == [5] * 4
    assert compared.row("warmup").tricks == "warmup" and "<table" in compared._repr_html_()


def test_by_valid_looks_at_the_validation_split(runs, compared):
    c = compare([runs], by="valid")
    m = json.loads((runs / "digits-none-s0/metrics.json").read_text())
    assert c.n_images == 300 and c.baseline.runs[0].value(c.metric, "valid") == 100 * m["valid"]["top1"]
    assert c.baseline.summary.mean != compared.baseline.summary.mean and c.rows[1].diff.images == 300


def test_loss_is_better_when_it_is_less(runs):
    rows = by_label(compare([runs], metric="loss"))
    assert rows["mixup:alpha=0.4"].diff.delta < 0 and rows["mixup:alpha=0.4"].words == "helps"
    assert rows["warmup"].words == "hurts"
    assert compare([runs], metric="top5").baseline.summary.mean > compare([runs]).baseline.summary.mean


def test_other_metrics_are_what_scikit_learn_says(runs):
    from sklearn.metrics import balanced_accuracy_score, f1_score
    for name, scored in (("macro_f1", lambda y, k: f1_score(y, k, average="macro")),
                         ("balanced_accuracy", balanced_accuracy_score)):
        c = compare([runs], metric=name)
        r = c.baseline.runs[0]
        o = r.images("test")
        assert r.value(c.metric, "test") == pytest.approx(100 * scored(o.labels, o.predicted))
        assert c.row("warmup").verdict == "hurts"
        assert c.rows[1].diff.images == (0 if name == "macro_f1" else 600)
    ece = compare([runs], metric="ece")
    share = ece.baseline.runs[0].metrics["top1"]
    assert ece.baseline.runs[0].value(ece.metric, "test") == pytest.approx(100 * abs(share - .9))
    with pytest.raises(UserError, match="has no loss_t of its test split"): compare([runs], metric="loss_t")


def test_a_wide_margin_makes_no_difference_of_much(runs):
    rows = by_label(compare([runs], margin=20))
    assert rows["cosine+label_smoothing"].words.startswith("no difference that matters (at most ")
    assert rows["mixup:alpha=0.4"].words == "helps, by less than 20 points"
    assert by_label(compare([runs], margin=1))["mixup:alpha=0.4"].words == "helps"


def test_the_tutorials_table_from_run_folders(tmp_path):
    """Seeds that are not the baseline's: unpaired, by a t with the smaller arm's degrees of freedom, which is stricter
    than Welch's
    """
    names = {"Baseline": "none", "Warm-up": "warmup", "FP16": "amp", "Cosine Scheduler": "cosine",
             "Label Smoothing": "label_smoothing",
             "Knowledge Distillation": "zero_gamma", "Mix-Up": "mixup",
             "Warm-up+CS+LS+KD": "warmup+cosine+label_smoothing"}
    for i, row in enumerate(table8_rows()):
        for k in range(3):
            top1 = round((float(row["mean"]) + (k - 1) * float(row["sd"])) / 100, 4)
            fake_run(tmp_path, names[row["experiment"]], 3 * i + k, top1=top1, seconds=60 * float(row["minutes"]),
                     pretrained=False)
    c = compare([tmp_path], once=True)
    rows = {r.tricks: r for r in c.rows}
    for name, p in WELCH_P.items():
        row = rows["cosine+label_smoothing+warmup" if "+" in name else names[name]]
        assert p - .005 < row.diff.p < max(p + .12, 6 * p) and not row.diff.paired and row.diff.df == 2
    assert rows["amp"].ratio.ratio == pytest.approx(35 / 43)
    assert any("no predictions" in n for n in c.notes) and sum("compared unpaired" in n for n in c.notes) == 7


# -- seeds

def pair_of(out, base, row, **given):
    "Runs of a baseline and of mixup: seed -> how many of 60 images are right"
    for tricks, seeds in (("none", base), ("mixup", row)):
        for s, k in seeds.items(): fake_run(out, tricks, s, np.arange(60) < k, **given)
    return compare([out]).rows[1]


def test_one_seed_resolves_nothing(tmp_path):
    row = pair_of(tmp_path, {0: 50}, {0: 58})
    assert row.verdict == "open" and row.words == "open: one seed says nothing of the spread"
    assert row.diff.delta == pytest.approx(800 / 60) and row.agreement == pytest.approx(52 / 60)
    assert (row.gained, row.lost) == (8, 0)


def test_equal_differences_leave_the_images(tmp_path):
    "No spread over seeds: what the images say is not thrown away"
    row = pair_of(tmp_path, {0: 50, 1: 51, 2: 51}, {0: 52, 1: 53, 2: 53})
    assert re.fullmatch(r"open: [+-]\d\.\d to [+-]\d\.\d; verdicts from 5 seeds on",
                        row.words) and row.diff.low < row.diff.delta < row.diff.high


def test_what_is_the_same_in_every_pair(tmp_path):
    hits = {s: 50 + s for s in range(5)}
    assert pair_of(tmp_path, hits, hits).words == "the same model"


def test_few_common_seeds_do_not_pair_and_it_is_said_what_would(tmp_path):
    "F5: two common seeds do not win over ten others"
    row = pair_of(tmp_path, {s: 50 + s % 3 for s in range(10)}, {s: 53 + s % 3 for s in range(8, 18)})
    assert not row.diff.paired and (row.diff.n, row.diff.n_base) == (10, 10)
    notes = compare([tmp_path]).notes
    assert any("2 seeds in common, too few to pair (it has 10, the baseline 10)" in n for n in notes)
    assert any(n.endswith("digits-none-s0 --seeds 10,11,12,13,14,15,16,17` would make pairs") for n in notes)


def test_common_seeds_pair_and_it_is_said(tmp_path):
    row = pair_of(tmp_path, {s: 50 + s for s in range(4)}, {1: 53, 2: 55, 3: 54, 4: 20})
    assert row.diff.paired and row.diff.n == 3 and row.diff.delta == pytest.approx(100 * 2 / 60) and row.summary.n == 4
    assert "mixup: the gain is over the 3 seeds in common (it has 4, the baseline 4)" in compare([tmp_path]).notes


def test_uneven_arms_need_three_seeds_each(tmp_path):
    "F4: two seeds against ten others say nothing"
    row = pair_of(tmp_path, {s: 50 + s % 3 for s in range(10)}, {20: 58, 21: 59})
    assert row.words.startswith("open: unpaired seeds need at least 3 an arm") and np.isnan(row.diff.p)


def test_a_pair_is_of_one_machine_and_one_set_of_versions(tmp_path):
    for s in range(5):
        fake_run(tmp_path, "none", s, np.arange(60) < 50 + s % 2)
        fake_run(tmp_path, "mixup", s, np.arange(60) < 52 + s % 3, environment={"torch": "2.16.0"} if s > 2 else None)
        fake_run(tmp_path, "cosine", s, np.arange(60) < 52 + s % 3, environment={"cpu": "Another CPU"})
    c = compare([tmp_path])
    mixup, cosine = c.row("mixup"), c.row("cosine")
    assert mixup.diff.paired and mixup.diff.n == 3 and not cosine.diff.paired and np.isnan(cosine.ratio.ratio)
    assert "cosine: its runs and the baseline's are of other machines or versions, so that they do not pair" in c.notes


# -- looks and families

def test_verdicts_are_those_of_the_rungs(runs, tmp_path):
    "Seven seeds: the verdict of five, the interval of seven, and it is said"
    grid(tmp_path, {"none": 0, "mixup": 2.5}, seeds=7)
    c = compare([tmp_path])
    row = c.row("mixup")
    assert row.words == "helps (at 5 of 7 seeds)" and row.diff.n == 7 and row.call.rung == 5
    assert headline(c).startswith("look 1 (5 seeds) of 5, 8, 12, 16, 24 · 1 row · could see ")
    assert headline(c).endswith("600 test images")
    assert compare([tmp_path], once=True).row("mixup").words == "helps"


def test_fewer_than_five_seeds_have_no_verdict_on_the_ladder(tmp_path):
    grid(tmp_path, {"none": 0, "mixup": 2.5}, seeds=4)
    c = compare([tmp_path])
    assert c.rows[1].verdict == "open"
    assert headline(c).startswith("no look yet: verdicts at 5, 8, 12, 16, 24 seeds · " "1 row")
    assert compare([tmp_path], once=True).rows[1].verdict == "helps"


def test_a_part_of_a_family_is_counted_whole(tmp_path):
    "F6: the same row, alone and among the others it was tried with"
    grid(tmp_path, {"none": 0, "mixup": .9, "warmup": 0., "cosine": 0.})
    rows = {r.tricks: key_of_row(r) for r in compare([tmp_path]).rows}
    base = rows.pop("baseline")
    record_family(tmp_path, Family(base, {**{k: t for t, k in rows.items()},
                                          **{f"{i:016}": "another" for i in range(5)}}))
    part = [f for t in ("none", "mixup") for f in tmp_path.glob(f"digits-{t}-s*")]
    c = compare(part)
    assert (c.looked.family, c.looked.shown) == (8, 1) and "1 of a family of 8 rows" in headline(c)
    assert c.rows[1].call.p_holm == pytest.approx(min(1, 8 * c.rows[1].call.p))
    with pytest.raises(UserError, match="--family x is none of"): compare(part, family="x")


def test_a_family_is_recorded_once(tmp_path):
    first = record_family(tmp_path, Family("b", {"r": "row"}, margin=1.))
    assert record_family(tmp_path, Family("b", {"r": "another name of it"}, margin=1.)).date == first.date
    assert first.date
    assert families_beside([tmp_path / "run"]) == [first] and first.name != Family("b", {"r": "row"}).name
    (tmp_path / "families" / "x.json").write_text('{"baseline": 1, "rows": [2]}')
    (tmp_path / "families" / "y.json").write_text("{")
    assert families_beside([tmp_path / "run"]) == [first]


def test_a_family_says_baseline_margin_and_how_often(tmp_path):
    grid(tmp_path, {"mixup": 0, "warmup": 2.})
    keys = {r.tricks: key_of_row(r) for r in compare([tmp_path], "mixup").rows}
    record_family(tmp_path, Family(keys["mixup"], {keys["warmup"]: "warmup"}, "drop", 2.5, once=True))
    c = compare([tmp_path])
    assert c.baseline.tricks == "mixup" and c.margin == 2.5 and c.looked.once
    assert compare([tmp_path], margin=.5).margin == .5


def test_plain_t_is_said(tmp_path):
    grid(tmp_path, {"none": 0, "mixup": 2.5})
    steadied, plain = compare([tmp_path]), compare([tmp_path], plain=True)
    assert any("steady each row's variance" in x
               for x in explanation(steadied)) and "Plain t over the seeds." in explanation(plain)
    assert plain.rows[1].diff.df == 4 and not plain.rows[1].diff.steadied


def test_a_diverged_seed_is_a_result(tmp_path):
    grid(tmp_path, {"none": 0, "mixup": 2.5})
    shutil.rmtree(tmp_path / "digits-mixup-s3")
    fake_run(tmp_path, "mixup", 3, status={"status": "failed",
                                           "reason": "the weights after the last epoch are not finite numbers"})
    row = compare([tmp_path]).rows[1]
    assert (row.verdict, row.words, row.diff.n) == ("failed", "failed in 1 of 5", 4)
    shutil.rmtree(tmp_path / "digits-mixup-s3")
    fake_run(tmp_path, "mixup", 3, status={"status": "failed", "reason": "OSError: disk"})
    assert compare([tmp_path]).rows[1].verdict == "open"


def test_as_good_in_less_time(tmp_path):
    rng = np.random.default_rng(0)
    hard = population(3000, rng)
    base = right(hard, 5, rng)
    for s in range(5):
        flips = [*rng.choice(np.flatnonzero(base[s]), 4, replace=False),
                 *rng.choice(np.flatnonzero(~base[s]), 3 + s % 3, replace=False)]
        fake_run(tmp_path, "none", s, base[s], seconds=10 + .1 * s)
        fake_run(tmp_path, "amp", s, np.where(np.isin(np.arange(3000), flips), ~base[s], base[s]), seconds=6 + .05 * s)
    c = compare([tmp_path])
    assert c.rows[1].words == "as good, in 0.60 × the time"
    assert any("in 97 no “as good, in less time”" in x for x in explanation(c))
    assert compare([tmp_path], as_good_in=.5).rows[1].verdict == "no difference that matters"


def test_equal_runs_count_once(tmp_path):
    pair_of(tmp_path, {0: 50, 1: 52}, {0: 53, 1: 50})
    fake_run(tmp_path, "mixup", 1, np.arange(60) < 50, name="again")
    c = compare([tmp_path])
    assert c.rows[1].seeds == [0, 1] and "digits-mixup-s1 is the same run as again: counted once" in c.notes


def test_unequal_runs_of_a_recipe_and_seed_cant_be_told_apart(tmp_path):
    pair_of(tmp_path, {0: 50, 1: 52}, {0: 53, 1: 50})
    fake_run(tmp_path, "mixup", 1, ident="another", name="z")
    with pytest.raises(UserError, match="digits-mixup-s1 and z have one recipe and one seed but are not the same run"):
        compare([tmp_path])
    c = compare([tmp_path], anyway=True)
    assert c.rows[1].seeds == [0, 1] and any(n.startswith("warning: z has the recipe and the seed") for n in c.notes)


# -- what differs

def test_columns_say_what_differs(tmp_path):
    for t, kw in (("none", {}), ("mixup", {}), ("none", {"lr": .01}),
                  ("mixup", {"lr": .01, "patience": None, "arch": "resnet18"})):
        fake_run(tmp_path, t, name=f"{t}{kw}", **{"lr": .001, **kw})
    with pytest.raises(UserError, match=r"2 rows are without tricks: choose with --baseline one of 'baseline, lr "
                                        r"0\.\d+'; 'baseline"):
        compare([tmp_path])
    c = compare([tmp_path], baseline="baseline, lr 0.001")
    assert list(c.baseline.varies) == ["tricks", "arch", "lr"]
    assert {r.label for r in c.rows} == {"baseline, lr 0.001", "baseline, lr 0.01", "mixup, lr 0.001",
                                         "mixup, arch resnet18, lr 0.01"}


def test_fields_that_are_as_in_most_rows_are_not_in_the_name(tmp_path):
    for t, batch in (("none", 32), ("mixup", 32), ("cosine", 32), ("warmup", 64)):
        fake_run(tmp_path, t, batch_size=batch)
    assert [r.label for r in compare([tmp_path]).rows] == ["baseline", "cosine", "mixup", "warmup, batch_size 64"]


def test_incidental_fields_make_no_row(tmp_path):
    fake_run(tmp_path, "none", 0, workers=0)
    fake_run(tmp_path, "none", 1, workers=3, max_bad=.5)
    c = compare([tmp_path])
    assert len(c.rows) == 1 and c.rows[0].seeds == [0, 1] and c.rows[0].label == "baseline" and c.rows[0].varies == {}


def test_the_recipes_own_schedule_is_told_where_it_differs(tmp_path):
    fake_run(tmp_path, "none", name="a")
    fake_run(tmp_path, "cosine", name="b")
    fake_run(tmp_path, "mixup", name="c", schedule={"step": {"at": (.5,), "gamma": .1}})
    rows = {r.tricks: r.varies["schedule"] for r in compare([tmp_path]).rows}
    assert rows == {"baseline": "step", "cosine": "–", "mixup": "step:at=0.5"}


def test_a_trick_that_was_not_applied_is_marked(tmp_path):
    for s in range(5):
        fake_run(tmp_path, "none", s, np.arange(60) < 50 + s)
        fake_run(tmp_path, "amp:dtype=fp32", s, np.arange(60) < 50 + s, facts={"amp": {"applied": False, "why": "…"}})
    row = compare([tmp_path]).rows[1]
    assert row.tricks == "amp:dtype=fp32 (not applied)"
    assert row.words == "the same model: it was not applied" and row.agreement == 1


def test_teachers_are_no_rows_unless_named(tmp_path):
    teacher = fake_run(tmp_path, "warmup+cosine+label_smoothing", 0, name="the-teacher", ident="teacher-id")
    for s in (0, 1):
        fake_run(tmp_path, "none", s, np.arange(60) < 50 + s)
        fake_run(tmp_path, f"distill:teacher={teacher}", s, np.arange(60) < 54 - s, name=f"student{s}",
                 facts={"distill": {"identity": "teacher-id", "file": "x"}})
    c = compare([tmp_path])
    assert [r.label for r in c.rows] == ["baseline", "distill:teacher=the-teacher"]
    assert any("left out: the-teacher (a teacher of others here" in n for n in c.notes)
    assert any("no interval covers the choice of the teacher" in n for n in c.notes)
    assert len(compare([tmp_path, teacher]).rows) == 3


# -- finding runs

def test_folders_globs_and_groups(runs, tmp_path, monkeypatch):
    names = lambda texts: {r.name for r in load_runs(texts)}
    assert len(names([runs])) == 20
    assert names([runs / "digits-warmup-s1"]) == {"digits-warmup-s1"} == names([runs / "digits-warmup-s1/recipe.json"])
    assert names([f"{runs}/*warmup*", str(runs / "digits-warmup-s0")]) == {f"digits-warmup-s{s}" for s in range(5)}
    # W&B's group
    assert names([runs / "digits-test_resnet-mixup"]) == {f"digits-mixup_alpha=0.4-s{s}" for s in range(5)}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(runs)
    assert names(["digits-warmup"]) == {f"digits-warmup-s{s}" for s in range(5)}
    assert names("digits-warmup-s3") == {"digits-warmup-s3"}
    with pytest.raises(UserError, match="digits-warmpu is no run folder, no folder of runs and no group of runs; did "
                                        "you mean 'digits-warmup'"):
        load_runs(["digits-warmpu"])


def test_seeds_come_in_the_order_of_numbers(tmp_path):
    for s in (10, 9, 2): fake_run(tmp_path, "none", s)
    assert [r.seed for r in load_runs([tmp_path])] == [2, 9, 10]


def test_what_is_not_finished_is_left_out_with_a_line(tmp_path):
    fake_run(tmp_path, "none")
    fake_run(tmp_path, "mixup", status="unfinished", name="a")
    fake_run(tmp_path, "mixup", 1, status={"status": "failed", "reason": "OSError: disk"}, name="b")
    (fake_run(tmp_path, "mixup", 2, name="c") / "metrics.json").write_text("{")
    (fake_run(tmp_path, "mixup", 3, name="d") / "status.json").unlink()
    f = fake_run(tmp_path, "mixup", 4, name="e") / "recipe.json"
    f.write_text(f.read_text().replace('"flip"', '"flap"'))
    (fake_run(tmp_path, "mixup", 5, name="f") / "metrics.json").write_text("{}")
    lines = []
    assert [r.name for r in load_runs([tmp_path], lines.append)] == ["digits-none-s0"]
    assert len(lines) == 1
    assert "a (unfinished); b (failed: OSError: disk)" in lines[0]
    assert "; c (no metrics.json that can be read); d (no status.json" in lines[0]
    assert "fields this version does not know: flap" in lines[0]
    assert "f (its files are not those of this version)" in lines[0]
    with pytest.raises(UserError, match="none of 1 run is finished: b "): load_runs([tmp_path / "b"])


@pytest.mark.parametrize("file", ["predictions.csv", None])
def test_without_predictions_the_seeds_speak_alone(tmp_path, file):
    pair_of(tmp_path, {0: 50, 1: 52, 2: 50}, {0: 53, 1: 50, 2: 55})
    f = tmp_path / "digits-mixup-s1" / "predictions.csv"
    if file: f.unlink()
    else: f.write_text("\n".join(f.read_text().splitlines()[:-1]))
    c = compare([tmp_path])
    assert not np.isnan(c.rows[1].diff.low) and c.rows[1].diff.images == 0 and np.isnan(c.rows[1].agreement)
    assert any("no images in the intervals" in n and "digits-mixup-s1" in n for n in c.notes)
    assert "seeds alone" in " ".join(explanation(c))


# -- the baseline

@pytest.mark.parametrize("name", ["mixup:alpha=0.4", "mixup:alpha=.4", "digits-mixup_alpha=0.4-s3",
                                  "digits-test_resnet-mixup"])
def test_the_baseline_by_its_tricks_a_run_or_a_group(runs, name):
    assert compare([runs], name).baseline.label == "mixup:alpha=0.4"


def test_the_baseline_by_folder_order_of_tricks_and_named_recipe(runs, tmp_path):
    assert compare([runs], runs / "digits-warmup-s0").baseline.label == "warmup"
    assert compare([runs], "label_smoothing+cosine").baseline.label == "cosine+label_smoothing"
    for t in ("none", "mixup"):
        fake_run(tmp_path, t, recipe="keras" if t == "mixup" else None, name=t, data="digits", size=16, resize=16)
    assert "mixup" in compare([tmp_path], "keras").baseline.label


@pytest.mark.parametrize("name", ["mixpu:alpha=0.4", "cosine", "no such"])
def test_no_such_baseline(runs, name):
    with pytest.raises(UserError, match=f"--baseline {name} is none of these: choose with --baseline one of "
                                        "'baseline'; '"):
        compare([runs], name)


def test_without_a_row_without_tricks_it_must_be_chosen(tmp_path):
    fake_run(tmp_path, "mixup")
    fake_run(tmp_path, "cosine")
    with pytest.raises(UserError, match="no row is without tricks: choose with --baseline one of 'cosine'; 'mixup'"):
        compare([tmp_path])
    assert compare([tmp_path], "cosine").rows[1].label == "mixup"


# -- what is not comparable

@pytest.mark.parametrize("given, words", [
    (dict(fingerprint="ffffffffffff"), "they have other data or another split (digits 012345: 400 train, 0 "
                                       "validation, 60 test images, "),
    slow(dict(classes=("a", "b"), fingerprint="ffffffffffff"), "they have other classes (6 and 2 of them)"),
    (dict(size=24, resize=24), "they are evaluated at another size (16→16 and 24→24)"),
    (dict(resize=20), "they are evaluated at another size (16→16 and 20→16)"),
    (dict(split="valid", fingerprint="ffffffffffff"), "one is evaluated on test, the other on valid")])
def test_other_things_are_not_compared_unless_told_to(tmp_path, given, words):
    fake_run(tmp_path, "none")
    fake_run(tmp_path, "mixup", **given)
    with pytest.raises(UserError) as e: compare([tmp_path])
    assert words in str(e.value) and "--force" in str(e.value)
    if "split" in given:  # what one of them lacks cannot be compared anyway
        with pytest.raises(UserError, match="has no numbers of a test split"): compare([tmp_path], anyway=True)
        return
    c = compare([tmp_path], anyway=True)
    assert any(n.startswith("warning: ") and words in n for n in c.notes)
    assert (
        words in " ".join(x.strip() for x in terminal_module.comparison_lines(c, 200))
        and "warning: " in markdown(c)
        and "warning: " in html(c)
    )
    assert "warning: " in latex(c) and words.split(" (")[0] in csv_text(c)


def test_another_device_is_only_a_note(tmp_path):
    fake_run(tmp_path, "none")
    fake_run(tmp_path, "mixup", device="cuda", environment={"device": "Some GPU"})
    c = compare([tmp_path])
    assert list(c.baseline.varies) == ["tricks", "device"]
    assert any("times are not comparable" in n and "Some GPU" in n for n in c.notes)


def test_validation_numbers_that_were_chosen_on_are_said_to_flatter(tmp_path):
    for t in ("none", "mixup"): fake_run(tmp_path, t, valid=np.ones(20, bool), keep="best")
    assert any("its numbers are optimistically biased" in n for n in compare([tmp_path], by="valid").notes)
    assert not any("its numbers are optimistically biased" in n for n in compare([tmp_path]).notes)


@pytest.mark.parametrize("given, words", [
    (dict(metric="top2"), "--metric top2 is not one of top1, top5, loss, loss_t, macro_f1, balanced_accuracy, ece, "
                          "ece_t; did you mean 'top5'?"),
    (dict(margin=0), "--margin 0 is out of range"), (dict(as_good_in=0.), "--as-good-in 0 is out of range"),
    (dict(margin=-1.), "--margin -1 is out of range: it must be above 0"),
    (dict(margin=float("nan")), "--margin nan is out of range"),
    (dict(by="train"), "--by train is not one of test, valid"), (dict(by="tset"), "did you mean 'test'?")])
def test_options_that_make_no_sense(runs, given, words):
    with pytest.raises(UserError) as e: compare([runs], **given)
    assert words in str(e.value)


def test_no_validation_split(tmp_path):
    fake_run(tmp_path, "none")
    fake_run(tmp_path, "mixup")
    with pytest.raises(UserError, match="has no numbers of a validation split: it was trained with --valid 0"):
        compare([tmp_path], by="valid")
    with pytest.raises(UserError, match="there are no runs to compare"): compare([])


# -- a folder of all sorts

def test_a_mixed_folder_has_a_table_for_each_data_set_and_evaluation(tmp_path, capsys):
    grid(tmp_path, {"none": 0, "mixup": 2.5})
    grid(tmp_path, {"none": 0, "cosine": 1.}, seeds=2, fingerprint="ffffffffffff", data="photos")
    fake_run(tmp_path, "none", size=24, resize=24, name="larger")
    assert run(tmp_path, "--to", tmp_path / "r.md") == 0
    out = capsys.readouterr().out
    assert "table 1 of 3: digits at 16→16 pixels, 10 runs" in out
    assert "table 2 of 3: digits at 24→24 pixels, 1 run" in out
    assert "table 3 of 3: photos at 16→16 pixels, 4 runs" in out
    assert [f.read_text().splitlines()[0] for f in sorted(tmp_path.glob("r*.md"))] == [
        "# baseline on digits", "# 1 recipe against baseline on photos", "# 1 recipe against baseline on digits"]


def test_what_has_no_table_is_listed(tmp_path, capsys):
    grid(tmp_path, {"none": 0, "mixup": 2.5})
    fake_run(tmp_path, "none", fingerprint="ffffffffffff", data="photos")
    assert run(tmp_path, "--baseline", "mixup", "--by", "test") == 0
    fake_run(tmp_path, "none", 1, ident="another", name="z")
    assert run(tmp_path, "--metric", "top5") == 0
    out = capsys.readouterr().out
    assert "no table for digits at 16→16 pixels, 11 runs: digits-none-s1 and z have one recipe" in out


def test_two_rows_without_tricks_are_no_error_of_the_command(tmp_path, capsys):
    for s in range(3): fake_run(tmp_path, "none", s, lr=.01, name=f"a{s}")
    fake_run(tmp_path, "none", 0, lr=.1, name="b")
    fake_run(tmp_path, "mixup", 0, lr=.01)
    assert run(tmp_path) == 0
    out = " ".join(capsys.readouterr().out.split())
    by_runs = "2 rows are without tricks: compared with 'baseline', which has the most runs"
    assert by_runs in out or "compared with 'baseline, lr 0.01'" in out


# -- reports

@pytest.fixture(scope="module")
def awkward(tmp_path_factory):
    "Names that a format could stumble over, and a row of each kind"
    out = grid(tmp_path_factory.mktemp("a"), {"none": 0, "mixup:alpha=0.4": 2.5,
                                              "label_smoothing+warmup:by=epoch,epochs=2+cosine:hold=0.1": .1},
               seeds=3, data="a_b<i>&%$#|{c}", epochs=5, wd=1e-4, batch_size=16)
    fake_run(out, "linear_scaling:base=8", 0, np.ones(600, bool), np.ones(300, bool), data="a_b<i>&%$#|{c}", epochs=5,
             wd=1e-4, batch_size=16)
    return compare([out])


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_the_terminal_table_fits(awkward, width):
    lines = terminal_module.comparison_lines(awkward, width)
    assert max(map(len, lines)) <= max(width, 60)
    text = "\n".join(lines)
    assert "baseline" in text and "helps" in text and "top-1 accuracy on 600 test" in text and "\x1b" not in text
    assert ("Columns hidden" in text) == (width < 200) and "Measured on Some CPU, 1 thread" in text


def test_piped_it_is_plain_and_whole(awkward, capsys):
    terminal(awkward)
    out = capsys.readouterr().out
    assert "Columns hidden" not in out and all(x == x.rstrip() for x in out.split("\n"))
    assert "mixup:alpha=0.4" in out and "gain in points, 95% interval" in out
    assert "open: one seed says nothing of the spread" in out


def test_markdown(awkward):
    lines = markdown(awkward).splitlines()
    table = [x for x in lines if x.startswith("|")]
    assert len(table) == 2 + len(awkward.rows) and len({len(re.findall(r"(?<!\\)\|", x)) for x in table}) == 1
    assert any("a_b&lt;i>" in x for x in lines) and any(x.startswith("- versions: fastricks 0.1.0") for x in lines)


def test_csv_is_whole(awkward):
    rows = list(csv.DictReader(csv_text(awkward).splitlines()))
    assert (
        [float(r["mean"]) for r in rows] == [r.summary.mean for r in awkward.rows]
        and rows[0]["delta"] == ""
        and rows[0]["n"] == "3"
    )
    assert float(rows[1]["delta_low"]) == awkward.rows[1].diff.low and rows[1]["data"] == "a_b<i>&%$#|{c}"


def test_latex(awkward):
    text = latex(awkward)
    body = [x for x in text.splitlines() if x.endswith(r"\\")]
    assert len(body) == 1 + len(awkward.rows) and len({len(re.findall(r"(?<!\\)&", x)) for x in body}) == 1
    assert not re.search(r"(?<!\\)[%_#]", text.split("\n", 1)[1].replace("{%\n", "{\n")) and text.count(
        "{"
    ) - text.count(r"\{") == (text.count("}") - text.count(r"\}"))
    assert r"label\_smoothing" in text and r"\toprule" in text and "±" not in text and "Δ" not in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="there is no pdflatex")
def test_latex_typesets_it(awkward, tmp_path):
    text = latex(awkward)
    head = r"\documentclass{article}\usepackage{booktabs,graphicx}"
    (tmp_path / "t.tex").write_text(rf"{head}\begin{{document}}{text}\end{{document}}")
    r = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path,
                       capture_output=True, text=True)
    assert r.returncode == 0, r.stdout[-2000:]


def test_the_axis_holds_every_interval_but_one_far_wider_than_most():
    row = lambda d, low, high: SimpleNamespace(diff=SimpleNamespace(delta=d, low=low, high=high))
    usual = [row(-.04, -.27, .19), row(1.11, .28, 1.94), row(.9, .13, 1.67), row(.5, .04, .95), row(.09, -.03, .21),
             row(-.8, -1.38, -.21)]
    reach = lambda rows: axis_limit([farthest(r) for r in rows], .5)
    assert reach(usual) > 1.94 and reach([*usual, row(1., -50., 52.)]) < 52 and reach(usual[:1]) > 1.
    assert farthest(row(.2, float("nan"), float("nan"))) == .2


def test_the_page_needs_nothing_from_elsewhere(awkward):
    text = html(awkward)
    page = ParsedPage(text)
    assert not page.open and all(x.startswith("#") for x in page.links)
    assert not re.search(r"https?:|url\((?!#)|@import|<script|<link|<img", text)
    assert page.tags.count("svg") == 3 and "i" not in page.tags  # the data's name is text, not markup
    for words in ("a_b<i>&%$#|{c}", "Some CPU, 1 thread", "torch 2.15.0", "git 0123456789ab", "600 test images",
                  "runs 2026-11-22", "helps",
                  "each row's own 95%, seeds and test images", "300 validation"): assert words in page.text, words
    assert len(re.findall('<tr class="', text)) == 4


def test_pictures_say_n_and_have_a_row_each(awkward):
    pics = pictures(awkward)
    assert list(pics) == ["delta", "time", "curves"]
    ticks = [t.get_text() for t in pics["delta"].axes[0].get_yticklabels()]
    assert len(ticks) == 3 and all("(n=3)" in t for t in ticks[:1]) and any("(n=1)" in t for t in ticks)
    assert pics["curves"].axes[0].get_ylabel() == "validation accuracy, %" and len(pics["curves"].axes[0].lines) == 4
    assert all("(n=" in t.get_text() for t in pics["curves"].legends[0].get_texts())


def test_learning_curves_without_validation_are_the_training_loss(tmp_path):
    fake_run(tmp_path, "none", epochs=3)
    fake_run(tmp_path, "none", 1, epochs=3)
    fake_run(tmp_path, "mixup", epochs=3)
    c = compare([tmp_path])
    assert pictures(c)["curves"].axes[0].get_ylabel().startswith("training loss") and "levels do not compare" in html(c)
    for f in tmp_path.glob("*/history.csv"): f.unlink()
    assert list(pictures(compare([tmp_path]))) == ["delta", "time"] and "<svg" in html(c)


def test_runs_that_stopped_early_have_shorter_curves(tmp_path):
    for s, epochs in ((0, 3), (1, 6)):
        for t in ("none", "mixup"):
            f = fake_run(tmp_path, t, s, valid=np.ones(20, bool), epochs=6) / "history.csv"
            f.write_text("\n".join(f.read_text().splitlines()[:epochs + 1]))
    line = pictures(compare([tmp_path]))["curves"].axes[0].lines[0]
    assert len(line.get_xdata()) == 6 and not np.isnan(line.get_ydata()).any()


def test_the_pareto_front():
    assert front([3, 1, 2, 2, 4], [9, 5, 7, 8, 8]) == [1, 3, 0] and front([1, 1], [5, 5]) == [0]


def test_seeds_of_one_recipe(tmp_path):
    for s in range(3): fake_run(tmp_path, "mixup", s, np.arange(60) < 50 + s)
    c = compare([tmp_path])
    text = "\n".join(terminal_module.comparison_lines(c, 100))
    assert "95% interval of the mean over 3 seeds: 80.86 to 89.14 %; lowest 83.33, highest 86.67" in text
    assert "Δ" not in text
    assert "<svg" in html(c) and "mixup" in latex(c) and comparison_title(c) == "mixup on digits"
    assert "delta" not in pictures(c)


# -- the command

def run(*args): return cli.run(["compare", *map(str, args)])


def test_the_command_writes_every_format(runs, tmp_path, capsys):
    files = [tmp_path / "deep" / f"r{s}" for s in (".md", ".csv", ".tex", ".html")]
    assert run(runs, *(x for f in files for x in ("--to", f))) == 0
    out = capsys.readouterr().out
    assert all(f"report    {f}" in out and f.stat().st_size > 500 for f in files) and "hurts" in out
    assert not [p for p in (tmp_path / "deep").iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("args, words", [
    (["--to", "x.pdf"], "--to x.pdf: a report is one of NAME.md, NAME.csv, NAME.tex, NAME.html"),
    (["--to", "{tmp}"], "a report is one of"),
    (["--to", "{tmp}/d.html"], "is a folder: name a file in it"), (["--margin", "0"], "--margin 0 is out of range"),
    (["--to", "{tmp}/f/x.html"], "can't be written"), (["nowhere"], "nowhere is no run folder"),
    (["{tmp}"], "is no run folder and has none in it")])
def test_errors_of_the_command(runs, tmp_path, capsys, args, words):
    (tmp_path / "d.html").mkdir()
    (tmp_path / "f").write_text("")
    where = [] if args[0] in ("nowhere", "{tmp}") else [runs]
    assert run(*where, *(a.format(tmp=tmp_path) for a in args)) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and words in err and err.count("\n") == 1


def test_runs_is_the_default(runs, tmp_path, monkeypatch, capsys):
    (tmp_path / "runs").symlink_to(runs)
    monkeypatch.chdir(tmp_path)
    assert run("--metric", "loss", "--by", "valid", "--baseline", "warmup") == 0
    assert "cross-entropy on 300 validation images" in capsys.readouterr().out


def test_comparing_needs_no_torch_and_help_nothing(tmp_path):
    "A teacher's row asks what of its images differs, which once brought torch"
    runs = grid(tmp_path / "runs", {"none": 0, "distill:teacher=resnet18": 1.})
    code = ("import sys; from fastricks.cli.compare import compare_command as c; heavy = {'scipy', 'pandas', "
            "'matplotlib', 'statsmodels', 'numpy'};"
            "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
            f"c([{str(runs)!r}], to=[{str(runs.parent / 'x.html')!r}]); assert 'torch' not in sys.modules and "
            "'fastai' not in sys.modules")
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert r.returncode == 0 and r.stderr == "", r.stderr


# -- real trainings

def test_real_run_folders(tmp_path):
    from fastricks.core.words import silent
    from fastricks.training.training import train
    for tricks in ((), ("mixup:alpha=.4", "cosine")):
        for seed in (0, 1): train(recipe_of(*tricks, seed=seed, out=str(tmp_path)), silent)
    c = compare([tmp_path])
    assert [r.label for r in c.rows] == ["baseline", "cosine+mixup:alpha=0.4"]
    assert c.rows[1].diff.paired and c.n_images == 359
    assert c.rows[1].diff.images == 359
    assert c.rows[1].gained - c.rows[1].lost == pytest.approx(3.59 * c.rows[1].diff.delta)
    assert compare([tmp_path], by="valid").n_images == 10 and list(pictures(c)) == ["delta", "time", "curves"]
    names = {r.name[:-3] for r in load_runs([tmp_path / "digits-test_resnet-cosine-mixup"])}
    assert len(names) == 1 and min(names).startswith("digits-test_resnet-cosine-mixup_alpha0.4-")
    save_comparison(c, tmp_path / "r.html")

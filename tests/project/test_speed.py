"""benchmarks/speed.py on the digits: that it counts right and its parts fit together, not how fast anything is."""
import json
from statistics import median

import pytest
from support.forked import forked
from support.marks import slow
from support.paths import ROOT

TRY = ["--data", "digits", "--size", "32", "--resize", "32", "--arch", "test_resnet", "--teacher", "test_resnet",
       "--batch", "16",
       "--batches", "2", "--rounds", "2", "--threads", "1", "--workers", "1"]
SPEED = f"""import sys
sys.path.insert(0, {str(ROOT / "benchmarks")!r})
from speed import main
main()
"""
ROWS = ["2", "3", "3b", "4", "5", "5b", "6", "7", "8", "9", "10", "11"]
FEW = ["2", "3", "5", "5b", "7", "11"]
SCRIPT = """
for epoch in (0, 1):
    for i in range(7): print(f"{line}")
"""
TIMM = ("Train: {epoch} [{i:>4d}/7 ( 14%)]  Loss: 2.3 (2.3)  Time: {0.5 + epoch}s, 1.0/s  (9.000s, 1.0/s)  LR: 1e-4  "
        "Data: 0.1 (0.1)")
VISION = ("Epoch: [{epoch}]  [{i}/7]  eta: 0:00:01  lr: 0.0001  img/s: 9.0  loss: 2.3 (2.3)  time: {0.5 + epoch:.4f}  "
          "data: 0.1")


def script(folder, line):
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT.replace("{line}", line))
    return str(folder)


def speed(*options):
    return forked(SPEED, *TRY, *options, env={"PYTHONPATH": str(ROOT)}, timeout=600)


@pytest.fixture(scope="module", params=[slow(FEW), slow(ROWS)], ids=["few", "all"])
def measured(request, tmp_path_factory):
    "(rows, what it printed, its JSON) with scripts in place of timm's and torchvision's, 1.5 s a batch"
    tmp = tmp_path_factory.mktemp("speed")
    r = speed("--only", *request.param, "--timm", script(tmp / "timm", TIMM), "--torchvision",
              script(tmp / "tv", VISION),
              "--images", "1000", "--json", str(tmp / "o.json"))
    assert not r.returncode, r.stderr
    return request.param, r.stdout, json.loads((tmp / "o.json").read_text())


@pytest.fixture
def run(measured): return measured[1:]


def test_every_row_is_there_and_printed(measured):
    wanted, out, found = measured
    rows = found["settings"][0]["rows"]
    assert sorted(r["row"] for r in rows) == sorted([*wanted, "7", "11", "work"])
    assert [r["what"] for r in rows if r["what"] not in out] == []
    for r in rows:
        kept = r["bound"] is None or (r["value"] >= r["bound"] if r["kind"] == "at least" else r["value"] <= r["bound"])
        assert (r["verdict"] == "no bound") == (r["bound"] is None) and (r["verdict"] != "fails") == kept


def test_each_contender_has_a_time_a_round_and_the_rows_are_their_ratios(run):
    s = run[1]["settings"][0]
    assert all(len(c["seconds_a_batch"]) == c["n"] == 2 for c in s["contenders"].values())
    a, b = (s["contenders"][n]["seconds_a_batch"] for n in ("limit", "ours, end to end"))
    second = next(r["value"] for r in s["rows"] if r["row"] == "2")
    assert second == pytest.approx(median(x / y for x, y in zip(a, b, strict=True)))
    for peer in ("timm's train.py", "torchvision's train.py"):
        assert s["contenders"][peer]["seconds_a_batch"] == pytest.approx([1.5, 1.5])


def test_counts_of_decoded_images_and_waits(run):
    s = run[1]["settings"][0]
    first, second = s["decoder_calls"]["first run"], s["decoder_calls"]["second run"]
    n = s["batches"] * s["batch"] + 2 * s["batch"]
    # fastai's set-up looks at one
    assert n <= first["all"] <= n + 1 and first["epochs"] == [0, 0, 0] and second["all"] <= 1
    steps, waits = s["batches"], {n: w["waits"] for n, w in s["waits"].items()}
    assert waits["limit"] == waits["hand-written, in memory"] == 0
    assert waits["ours, end to end"] <= 2 * steps  # on a CPU, where that costs nothing, the guard looks at each step


def test_hardware_and_versions_are_written(run):
    facts = run[1]
    assert {"torch", "fastai", "timm", "cpu", "git"} <= facts["environment"].keys() and facts["options"]["rounds"] == 2


@pytest.mark.slow
def test_the_reference_pipeline_decodes_in_every_epoch(tmp_path):
    r = speed("--only", "7", "--pipeline", "reference", "--json", str(tmp_path / "o.json"))
    assert not r.returncode, r.stderr
    s = json.loads((tmp_path / "o.json").read_text())["settings"][0]
    assert s["decoder_calls"]["first run"]["epochs"] == [s["batches"] * s["batch"]] * 3
    assert {r["verdict"] for r in s["rows"] if r["row"] == "7"} == {"fails"}


@pytest.mark.slow
def test_what_cannot_be_is_said_in_a_sentence(tmp_path):
    r = speed("--only", "5", "--timm", str(tmp_path))
    assert r.returncode and "has no train.py" in r.stderr and "Traceback" not in r.stderr
    r = speed("--only", "3", "--batch", "4000")
    assert r.returncode and "too few images" in r.stderr
    r = speed("--only", "5")
    assert r.returncode and "nothing is left to measure" in r.stderr


def test_means_over_a_window_are_unrolled(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from peers import unrolled
    xs = [float(i % 7 + 1) for i in range(50)]
    assert unrolled([sum(w := xs[max(0, i - 19):i + 1]) / len(w) for i in range(50)]) == pytest.approx(xs)


def test_contenders_take_turns(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from rounds import interleave

    class One:
        def __init__(self, name): self.name = name
        def slice(self):
            order.append(self.name)
            return len(order)
    order = []
    times = interleave([One("a"), One("b"), One("c")], 3, say=lambda _: None)
    assert order == [*"abc", *"bca", *"cab"] and times["a"].seconds == [1, 6, 8]


def test_cpu_seconds_are_compared_where_the_work_is_the_same(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from rounds import Times, interleave, ratios
    assert ratios(Times([1., 2.], [3., 8.]), Times([2., 2.], [2., 2.]))["cpu"] == 2.75  # the median of 1.5 and 4
    assert ratios(Times([1.], [None]), Times([2.], [1.]))["cpu"] is None
    script = type("Script", (), {"name": "script", "other_work": True, "slice": lambda self: 1.})
    burning = type("Burning", (), {"name": "burning", "slice": lambda self: float(sum(range(3_000_000)))})
    times = interleave([script(), burning()], 1, say=lambda _: None)
    assert times["script"].cpu == [None] and times["burning"].cpu[0] > 0

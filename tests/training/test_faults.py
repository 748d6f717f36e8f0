"""Real faults in real trainings: killed loader processes, no memory, full disks, a W&B that is down, two at the same
time.
"""
import csv
import gc
import json
import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from fasttransform import Transform
from safetensors.torch import load_file, save_file
from support.commands import TINY_WORDS, cli
from support.data_trees import all_files, contents, food, photo, tar
from support.forked import MODULE, TRAIN, Forked, forked
from support.marks import slow
from support.paths import ROOT
from support.quick import drawing_nothing
from support.run_files import read
from support.small import TINY, learner, recipe_of, same, trained, weights
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from fastricks.core.cache import recall, remember
from fastricks.core.errors import UserError
from fastricks.core.files import append, write
from fastricks.runfolder import tracking
from fastricks.training.learner import fit
from fastricks.training.memory import is_out_of_memory
from fastricks.training.training import train
from fastricks.tricks.accumulate import smaller
from fastricks.use.train import train as train_with_pictures

KEY = "local-" + "5ec4e7" * 7
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def test_a_network_that_gives_all_images_one_class_is_named(tmp_path):
    "Zeros have learned nothing: the run says so, on screen, in its log and in metrics.json; others do not"
    learn, _ = learner()
    file, said = tmp_path / "zeros.safetensors", []
    save_file({k: torch.zeros_like(v) for k, v in weights(learn).items()}, file)
    dead = train(recipe_of(weights=str(file), lr=1e-9, epochs=1, out=str(tmp_path)), said.append)
    fine = train(recipe_of(lr=1e-2, epochs=4, out=str(tmp_path)), lambda line: None)
    line = next(line for line in said if "got the class" in line)
    c = dead.metrics["only_class"]
    assert line.startswith(f"all {dead.metrics['n']} images of the test split got the class {c!r}: this network")
    assert c in "0123456789" and "only_class" not in fine.metrics
    assert line in (dead.folder / "log.txt").read_text()


# -- loader processes

class Kill(Callback):
    "A signal to a loader process when batch `at` of (epoch, batch) is there; `at` may be validation's first"
    order = -60
    def __init__(self, at, how, all=False): self.at, self.how, self.all, self.done = at, how, all, False

    def before_batch(self):
        if (self.learn.epoch, self.learn.iter, self.training) != self.at or self.done: return
        kids = multiprocessing.active_children()
        self.done = bool(kids)
        for p in kids if self.all else kids[-1:]: os.kill(p.pid, self.how)


GIVEN = dict(per_class=12, batch_size=7)


@pytest.fixture(scope="module")
def undisturbed():
    torch.set_num_threads(1)
    return {pipeline: weights(trained("mixup", pipeline=pipeline, **GIVEN)) for pipeline in ("reference", "fast")}


@pytest.mark.parametrize("at, pipeline", [
    ((0, 0, True), "fast"), slow((0, 0, True), "reference"), slow((1, 5, True), "fast"),
    slow((1, 5, True), "reference"), slow((0, 0, False), "fast"), slow((0, 0, False), "reference")], ids=str)
def test_a_killed_loader_process_changes_nothing(undisturbed, at, pipeline, capfd, monkeypatch):
    # torch looks every five seconds whether a process that sends nothing lives
    monkeypatch.setattr(_MultiProcessingDataLoaderIter._try_get_data, "__defaults__", (.5,))
    kill = Kill(at, signal.SIGKILL)
    learn = trained("mixup", cbs=[kill], workers=2, pipeline=pipeline, **GIVEN)
    assert kill.done and same(weights(learn), undisturbed[pipeline]) and not multiprocessing.active_children()
    # validation is one batch, and was all there
    assert "a DataLoader worker died" in capfd.readouterr().err or not at[2]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV, signal.SIGBUS])
@pytest.mark.parametrize("at", [(0, 0, True), (0, 3, True), (0, 15, True), (1, 1, True), (1, 0, False)], ids=str)
@pytest.mark.parametrize("all", [False, True])
def test_loader_processes_killed_anywhere_in_any_way(undisturbed, how, at, all):
    kill = Kill(at, how, all)
    assert same(weights(trained("mixup", cbs=[kill], workers=2, pipeline="reference", **GIVEN)),
                undisturbed["reference"]) and kill.done


def test_no_room_for_processes(undisturbed, monkeypatch, capfd):
    def no(*a): raise BlockingIOError(11, "Resource temporarily unavailable")
    monkeypatch.setattr(os, "fork", no)
    learn = trained("mixup", workers=2, pipeline="reference", **GIVEN)
    assert same(weights(learn), undisturbed["reference"])
    assert "Resource temporarily unavailable" in capfd.readouterr().err


def test_an_error_in_a_loader_process_is_still_an_error():
    learn, parts = learner(workers=2, pipeline="reference")
    def broken(x): raise RuntimeError("a bug of mine")
    learn.dls.train.after_item.add(Transform(broken))
    with pytest.raises(RuntimeError, match="a bug of mine"): fit(learn, parts)


# -- memory

@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
                                   MemoryError(),
                                   RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: "
                                                "can't allocate memory"),
                                   RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")],
                         ids=lambda e: type(e).__name__)
def test_out_of_memory_says_what_fits(error, tmp_path, monkeypatch):
    def no_memory(self, *a): raise error
    monkeypatch.setattr(Learner, "_do_one_batch", no_memory)
    with pytest.raises(
        UserError,
        match=r"^out of memory with --batch-size 16 at --size 16: try --batch-size 8 -t accumulate:n=2, which has the "
              r"same "
        r"16 images a step$",
    ): train(recipe_of(out=str(tmp_path)), lambda _: None)
    run, = tmp_path.glob("*/")
    assert read(run, "status.json")["status"] == "failed" and "--batch-size 8" in read(run, "status.json")["reason"]


@pytest.mark.parametrize("bs, n, want", [(64, 1, (32, 2)), (64, 2, (32, 4)), (9, 1, (3, 3)), (2, 1, None),
                                         (31, 1, None), (62, 3, (31, 6))])
def test_the_same_images_a_step(bs, n, want): assert smaller(bs, n) == want


def test_other_errors_are_not_taken_for_it():
    assert not is_out_of_memory(RuntimeError("shape mismatch")) and not is_out_of_memory(ValueError("out of memory"))


def test_the_hint_trains(): trained("accumulate:n=2", batch_size=8)


SMALL_ROOM = """
import os, resource, sys
from fastricks.cli.app import run
used = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (used + 600 * 2**20,) * 2)
sys.exit(run(sys.argv[1:]))
"""


def test_a_real_lack_of_memory(tmp_path):
    words = ["train", "--arch", "resnet18", "--size", 224, "--batch-size", 64, "--per-class", 16, "--epochs", 1,
             "--threads", 1, "--workers", 0]
    r = forked(SMALL_ROOM, *words, "--device", "cpu", "--wandb", "disabled", "--out", tmp_path / "runs")
    assert r.returncode == 2
    assert r.stderr == ("error: out of memory with --batch-size 64 at --size 224: "
                        "try --batch-size 32 -t accumulate:n=2, which has the same 64 images a step\n")


def held():
    "What a process holds: MB in use, files, threads, children, shared memory"
    gc.collect()
    mb = int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
    files, shared = (len(os.listdir(o)) for o in ("/proc/self/fd", "/dev/shm"))
    return mb, files, threading.active_count(), len(multiprocessing.active_children()), shared


def many_fits(tmp_path, n, warm):
    def once(i):
        pipeline = ("fast", "reference")[i % 2]
        recipe = recipe_of("mixup", epochs=1, per_class=4, workers=i % 2, pipeline=pipeline, out=str(tmp_path))
        train_with_pictures(recipe, lambda _: None)

    for i in range(warm): once(i)
    before = held()
    for i in range(n): once(i)
    return before, held()


def test_short_fits_leak_nothing(tmp_path):
    with drawing_nothing(): before, after = many_fits(tmp_path, 4, 2)  # those of the slow test have pictures
    assert after[1:] == before[1:] and after[0] < before[0] * 1.1


@pytest.mark.slow
def test_200_short_fits_in_one_process(tmp_path):
    before, after = many_fits(tmp_path, 200, 20)
    print(before, after)
    assert after[1:] == before[1:] and after[0] <= before[0] * 1.02


# -- full disks

@pytest.fixture
def disk(tmp_path):
    "disk(kilobytes): a real file system of that size"
    mounted = []

    def make(kb):
        folder = tmp_path / f"disk{kb}"
        folder.mkdir()
        r = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kb}k", "tmpfs", str(folder)], capture_output=True,
                           text=True)
        if r.returncode: pytest.skip(f"no file system can be mounted here ({r.stderr.strip()})")
        mounted.append(folder)
        return folder
    yield make
    for o in mounted: subprocess.run(["umount", "-l", str(o)], check=True)


NO_CHECKPOINT = "--checkpoint-every", "24h"  # a slow machine would save one, and fail on that
FULL = "can't be written (No space left on device); make room there, or choose another place\n"


@pytest.mark.parametrize("kb, file", [
    (4, "environment.json"), (16, "data.json"), slow(20, "history.csv"), slow(44, "csv"),
    slow(200, "model.safetensors")])
@pytest.mark.parametrize("wandb", ["disabled", slow("offline")])
def test_a_full_disk_is_one_sentence(disk, kb, file, wandb):
    at = disk(kb)
    r = cli(*TINY_WORDS, *NO_CHECKPOINT, "--wandb", wandb, "--out", at / "runs")
    said = [line for line in r.stderr.splitlines(True) if not line.startswith("W&B: ")]
    assert r.returncode == 2 and "Traceback" not in r.stderr and len(said) == 1, r.stderr
    assert said[0].startswith("error: ") and said[0].endswith(FULL) and (wandb == "offline" or file in said[0]), said
    files = [p for p in at.rglob("*") if p.is_file() and "wandb" not in p.parts]
    assert not [p for p in files if p.name.endswith((".tmp", ".part"))]
    for p in files:
        if p.suffix == ".json": json.loads(p.read_text())
        if p.suffix == ".csv" or p.name == "log.txt": assert p.read_text().endswith("\n")
        assert p.suffix != ".safetensors" or load_file(p)
    if kb == 4 and wandb == "disabled": assert not files


def test_a_full_disk_leaves_the_last_good_file(disk):
    at = disk(64)
    write(at / "a.bin", b"good" * 1000)
    with pytest.raises(UserError, match=r"a\.bin can't be written"): write(at / "a.bin", bytes(10**5))
    assert (at / "a.bin").read_bytes() == b"good" * 1000 and [p.name for p in at.iterdir()] == ["a.bin"]
    append(at / "log.txt", "one\n")
    with pytest.raises(UserError, match=r"log\.txt can't be written"): append(at / "log.txt", "x" * 10**6)
    assert (at / "log.txt").read_text() == "one\n"


@pytest.mark.slow
def test_a_full_disk_in_a_checkpoint_and_on_from_there(disk, tmp_path):
    """Two checkpoints fit, a third being written does not: with more room the run goes on from the last, to the same
    bits
    """
    at = disk(11 * 1024)
    r = cli(*TINY_WORDS, "--epochs", 3, "--checkpoint-every", "0s", "--out", at / "runs")
    run, = (at / "runs").glob("*/")
    assert r.returncode == 2, r.stderr
    assert re.fullmatch(f"error: {run}/checkpoint-[01].safetensors {re.escape(FULL)}", r.stderr), r.stderr
    assert len([p for p in run.glob("checkpoint-*") if load_file(p)]) == 2
    assert not [p for p in run.iterdir() if p.name.endswith((".tmp", ".part"))]
    subprocess.run(["mount", "-o", "remount,size=60m", str(at)], check=True)
    both((MODULE, "resume", run), (TRAIN, *TINY_WORDS, "--epochs", 3, "--out", tmp_path / "alone"))
    alone, = (tmp_path / "alone").glob("*/")
    assert (run / "model.safetensors").read_bytes() == (alone / "model.safetensors").read_bytes()


def test_a_limit_of_file_size(tmp_path):
    "Where nothing can be mounted: the system's own limit of a file's size"
    r = forked("import resource, signal, sys\n"
               "from fastricks.cli.app import run\n"
               "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
               "resource.setrlimit(resource.RLIMIT_FSIZE, (2**18,) * 2)\n"
               "sys.exit(run(sys.argv[1:]))", "train",
               *TINY_WORDS, *NO_CHECKPOINT,
               "--out", tmp_path)
    run, = tmp_path.glob("*/")
    assert r.returncode == 2
    assert r.stderr == f"error: {run}/model.safetensors {FULL.replace('No space left on device', 'File too large')}"
    assert read(run, "status.json")["status"] == "failed"
    assert not [p for p in run.iterdir() if p.name.endswith((".tmp", ".part"))]


def test_a_full_cache_is_done_without(disk, tmp_path):
    at = disk(16)
    (at / "fill").write_bytes(bytes(12 * 1024))
    remember(at / "a" / "x.json", list(range(10**5)))
    assert recall(at / "a" / "x.json") is None and not [p for p in at.rglob("*") if p.is_file() and p.name != "fill"]


@pytest.mark.parametrize("kb", [8, 32])
def test_a_full_disk_under_the_pixel_cache(disk, tmp_path, monkeypatch, kb):
    "The training goes on without, and gives the same weights"
    from PIL import Image

    from fastricks.data.pixels import store
    monkeypatch.setattr(store, "KEEP_FREE", 0)
    monkeypatch.setattr(store, "usual_bytes", lambda side: 1)  # as if there were room
    for k in "ab":
        (tmp_path / "pets" / k).mkdir(parents=True)
        for i in range(30): Image.effect_noise((48, 32), 80 + i).convert("RGB").save(tmp_path / "pets" / k / f"{i}.jpg")
    given = dict(data=str(tmp_path / "pets"), pretrained=False, per_class=None, size=24, resize=28,
                 out=str(tmp_path / "runs"))
    want = weights(train(recipe_of(**given), lambda _: None).learn)
    at, said = disk(kb), []
    monkeypatch.setenv("FASTRICKS_CACHE", str(at))
    learn = train(recipe_of(**given), said.append).learn
    assert same(weights(learn), want) and any("no cache (No space left on device" in line for line in said), said
    assert not [p for p in at.rglob("*") if p.name.endswith(".part")]


def test_wandbs_full_disk_does_not_end_the_training(disk, tmp_path, monkeypatch, capfd):
    at = disk(24)
    start = tracking.start
    monkeypatch.setattr(tracking, "start", lambda mode, folder, *a, **k: start(mode, at, *a, **k))
    r = train(recipe_of(wandb="offline", epochs=4, out=str(tmp_path)), lambda _: None)
    assert read(r.folder, "status.json")["status"] == "finished" and len(r.learn.history.rows) == 4
    assert "Traceback" not in capfd.readouterr().err


# -- W&B is down

FAULT = """
import os, signal, sys
from functools import partial
from fastricks.runfolder import tracking
from fastricks.callbacks.history import History
from fastricks.cli.app import run
what, file, *words = sys.argv[1:]
before = History.before_train
def before_train(cb):
    before(cb)
    if cb.learn.epoch != 1: return
    if what == "bad": open(file, "w").close()
    for pid in os.listdir("/proc"):
        try:
            name, stat = (open(f"/proc/{pid}/{o}").read() for o in ("comm", "stat"))
            parent = int(stat.rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError): continue
        if name.startswith("wandb-core") and parent == os.getpid() and hasattr(signal, what):
            os.kill(int(pid), getattr(signal, what))
History.before_train = before_train
if what == "never": tracking.start = partial(tracking.start, timeout=4)  # seconds that are waited for an answer
sys.exit(run(words))
"""


@pytest.fixture
def wandb_server(tmp_path):
    started = []

    def start(how):
        p = subprocess.Popen([sys.executable, ROOT / "tests/support/wandb_server.py", how, tmp_path / "bad"],
                             stdout=subprocess.PIPE, text=True)
        started.append(p)
        return f"http://127.0.0.1:{p.stdout.readline().strip()}"
    yield start
    for p in started:
        p.kill()
        p.wait()
        p.stdout.close()


def run_with_wandb(tmp_path, what, mode, url, epochs=3):
    start = time.monotonic()
    words = ["train", *TINY_WORDS, "--wandb", mode, "--epochs", epochs, "--out", tmp_path / "runs"]
    r = forked(FAULT, what, tmp_path / "bad", *words, env={"WANDB_API_KEY": KEY, "WANDB_BASE_URL": url})
    run, = (tmp_path / "runs").glob("*/")
    assert r.returncode == 0 and "Traceback" not in r.stderr and KEY not in r.stderr, r.stderr
    assert read(run, "status.json")["status"] == "finished"
    assert len(list(csv.DictReader((run / "history.csv").read_text().splitlines()))) == epochs
    assert time.monotonic() - start < 90
    return r


@pytest.mark.slow
@pytest.mark.parametrize("how", ["500", "garbage", "never"])
def test_wandb_that_answers_wrongly_or_never(tmp_path, wandb_server, how):
    assert "logging offline" in run_with_wandb(tmp_path, how, "online", wandb_server(how)).stderr


@pytest.mark.slow
def test_wandb_that_falls_silent_in_a_run(tmp_path, wandb_server):
    assert "sends the rest" in run_with_wandb(tmp_path, "bad", "online", wandb_server("well")).stderr


@pytest.mark.parametrize("what, epochs", [("SIGKILL", 3), slow("SIGTERM", 3), slow("SIGSTOP", 3), slow("SIGSTOP", 60)])
@pytest.mark.parametrize("mode", ["online", slow("offline")])
def test_wandbs_service_killed_or_hanging(tmp_path, wandb_server, what, epochs, mode):
    "A stopped process, unlike a dead one, answers nothing and takes nothing: in a long run its pipes fill"
    r = run_with_wandb(tmp_path, what, mode, wandb_server("well"), epochs)
    said = [line for line in r.stderr.splitlines() if line.startswith("W&B: ")]
    assert said and len(said) <= 4, r.stderr


# -- two at once

def both(*commands, **env):
    "Commands (text, word, …) at the same time"
    done = [p.wait() for p in [Forked(*c, env=env) for c in commands]]
    assert all(r.returncode == 0 for r in done), done


@pytest.fixture
def photos(tmp_path):
    for k, label in enumerate("abc"):
        for i in range(12): photo(tmp_path / "pets" / label / f"{i}.jpg", seed=100 * k + i, size=(40, 30))
    (tmp_path / "pets/a/bad.jpg").write_bytes(b"x")
    return tmp_path / "pets"


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", ["reference", "fast"])
def test_two_trainings_on_the_same_folders(tmp_path, photos, pipeline):
    """The same run twice at the same time, photos, cache and --out shared: two folders, both whole and equal to a third
    run alone
    """
    words = [TRAIN, *TINY_WORDS, "--data", photos, "--max-bad", .1, "--no-pretrained", "--pipeline", pipeline, "--out",
             tmp_path / "runs"]
    env = {"FASTRICKS_CACHE": str(tmp_path / "cache")}
    both(words, words, **env)
    both(words, **{"FASTRICKS_CACHE": str(tmp_path / "cache2")})
    folders = sorted((tmp_path / "runs").glob("*/"))
    assert len(folders) == 3 and all(read(f, "status.json")["status"] == "finished" for f in folders)
    first, *rest = (load_file(f / "model.safetensors") for f in folders)
    assert all(same(first, o) for o in rest) and len({(f / "predictions-valid.csv").exists() for f in folders}) == 1
    assert all("a/bad.jpg" in (f / "skipped.csv").read_text() for f in folders)
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.name.endswith((".part", ".tmp"))]


def test_two_prepares_of_the_same_archive(tmp_path):
    archive = tar(tmp_path / "a.tgz", contents(food(tmp_path / "food", train=90, test=50)))
    words = [MODULE, "prepare", archive]
    both([*words, tmp_path / "two"], [*words, tmp_path / "two"])
    both([*words, tmp_path / "one"])
    assert all_files(tmp_path / "one") == all_files(tmp_path / "two") and len(all_files(tmp_path / "one")) == 280
    assert all((tmp_path / "one" / o).read_bytes() == (tmp_path / "two" / o).read_bytes()
               for o in all_files(tmp_path / "one"))


def test_limits_are_those_of_small():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 2**18 and TINY["batch_size"] == 16

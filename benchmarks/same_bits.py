"""Do two revisions of fastricks train the same bits, and does the new one go on with and read the runs of the old?

    python benchmarks/same_bits.py OLD NEW [--data64 FOLDER]

OLD and NEW are commits, or `.` for the working tree as it is. Each commit gets a git worktree in a temporary folder.
Both sides get the same command lines, side by side, on one thread each and with caches of their own, and what lies in
their run folders is compared: weights bit for bit, predictions, histories, metrics, recipes. Then NEW resumes what was
interrupted in OLD, reads OLD's caches, and compares, predicts and evaluates OLD's runs.

Nothing of fastricks is imported here, only command lines are known. Each of them runs in a fork of this process, which
has imported torch and the like once: that takes a third of the time. One recipe is trained in processes of its own too.
"""
import argparse
import csv
import gc
import json
import os
import random
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "torchvision", "timm", "fastai.vision.all", "fastai.callback.all", "wandb", "matplotlib.pyplot",
         "scipy.stats", "sklearn.datasets", "statsmodels.stats.multitest", "safetensors.torch", "rich.progress",
         "plotext", "pandas")
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "WANDB_MODE": "disabled",
               "WANDB_SILENT": "true", "HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg", "COLUMNS": "160", "NO_COLOR": "1"}
MINUTES = 5  # after which a command is taken to hang
TIMES = {"seconds", "images_per_s", "train_seconds", "eval_seconds", "compile_seconds"}
LATER = {"data.json"}  # files of a run that older versions do not write
OWN = ("name", "checkpoint_every", "out")  # in which an interrupted run's recipe is not the undisturbed one's

ALL = "--threads 1 --workers 0 --device cpu --wandb disabled --out {runs}"
DIGITS = "--arch test_resnet --size 16 --resize 16 --per-class 8 --epochs 2 --batch-size 16 --lr 2e-3"
LONGER = DIGITS.replace("--epochs 2", "--epochs 5")
LARGER = "--size 32 --resize 32 --per-class 8 --epochs 2 --batch-size 16 --lr 2e-3"
PICTURES = ("--data {pictures} --no-pretrained --arch test_convnext --size 32 --resize 36 --epochs 2 --batch-size 12 "
            "--lr 2e-3 --valid .25")
CLASSES = "--data {photos} --classes apple_pie,ramen,waffles --no-pretrained"
PHOTOS = f"{CLASSES} --size 56 --resize 64 --per-class 12 --epochs 2 --batch-size 10 --lr 1e-3"
BAG = "-t warmup:epochs=1+amp:dtype=bf16+distill:teacher={runs}/photos"  # the rest is the recipe's


@dataclass(frozen=True)
class Training:
    "A recipe that both sides train: `cache` is a folder of its side; one that `stops` is interrupted and resumed too"
    name: str
    words: str
    cache: str = "cache"
    stops: bool = False


ON_DIGITS = (
    Training("baseline", DIGITS),
    Training("baseline-1", f"{DIGITS} --seed 1"),
    Training("mixup", f"{DIGITS} -t mixup:per=sample+cosine:hold=1"),
    Training("mixup-1", f"{DIGITS} -t mixup:per=sample+cosine:hold=1 --seed 1"),
    Training("smooth", f"{DIGITS} -t warmup:epochs=1+cosine+label_smoothing --valid .3 --keep best --patience 1"),
    Training("one-cycle", f"{DIGITS} -t one_cycle+label_smoothing:form=uniform --opt sgd --wd .01"),
    Training("linear-scaling", f"{DIGITS} -t linear_scaling:base=8+step:at=.5 --opt sgd"),
    Training("groups", f"{DIGITS} --opt adamw --wd .05 --epochs 3 "
                       "-t zero_gamma+no_bias_decay+warmup:by=epoch,epochs=2"),
    Training("accumulate", f"{LONGER} -t accumulate:n=2+mixup:partner=previous+warmup:by=keras,epochs=1", stops=True),
    Training("distill", f"{LONGER} -t distill:teacher=test_efficientnet+cosine --seed 1", stops=True),
    Training("distill-sum", f"{DIGITS} -t distill:teacher={{runs}}/groups/model.safetensors,form=sum,T=4"),
    Training("stored", f"{DIGITS} -t distill:teacher={{runs}}/distill,store=true", cache="answers"),
    Training("stored-read", f"{DIGITS} -t distill:teacher={{runs}}/distill,store=true+one_cycle", cache="answers"),
    Training("amp", f"{LARGER} --arch test_resnet --epochs 4 -t amp:dtype=bf16+mixup:partner=previous+accumulate",
             stops=True),
    Training("resnet-d", f"{LARGER} --arch resnet18 -t resnet_d+zero_gamma --epochs 1"),
    Training("reference", f"{DIGITS} --pipeline reference -t mixup"),
    Training("lr-find", f"{DIGITS.replace('--lr 2e-3', '--lr find')} -t one_cycle"),
    Training("pictures", f"{PICTURES} -t mixup+cosine"),
    Training("pictures-reference", f"{PICTURES} --pipeline reference --opt adamw --wd .01 -t no_bias_decay"),
)
ON_PHOTOS = (
    Training("photos", f"{PHOTOS} --arch resnet18 -t warmup:epochs=1+cosine+label_smoothing+mixup"),
    Training("photos-reference", f"{PHOTOS} --arch test_resnet --pipeline reference -t one_cycle"),
    Training("photos-best", f"{PHOTOS} --arch test_convnext --epochs 4 --min-scale .3 --no-flip --keep best "
                            "-t accumulate", stops=True),
    Training("photos-bag", f"--recipe paper-best {PHOTOS} --size 40 --resize 46 --arch resnet18 --lr .1 {BAG}"),
)


@dataclass(frozen=True)
class Side:
    "A revision: its name (OLD or NEW), its code, and the folder of its runs and caches"
    name: str
    code: Path
    folder: Path

    @property
    def runs(self): return self.folder / "runs"

    def environment(self, cache="cache"):
        home = self.folder / cache
        own = {"PYTHONPATH": str(self.code), "XDG_CACHE_HOME": str(home), "FASTRICKS_CACHE": str(home / "fastricks")}
        return {**ENVIRONMENT, **own}

    def hide(self, text):
        "Text without what must differ: where the two sides' files lie"
        for name in ("old", "new"):
            text = text.replace(str(self.folder.parent / name), "SIDE")
        return text


@dataclass(frozen=True)
class Job:
    "A command line under way"
    side: Side
    pid: int
    log: Path

    def text(self): return self.log.read_text(errors="replace")

    def last_line(self):
        return next((line for line in reversed(self.text().splitlines()) if line.strip()), "nothing said")


# -- commands in forks

running, heard = set(), []  # processes; SIGTERMs


def start(side, words, cache="cache"):
    "Begin `words` (train.py …, or a verb of `python -m fastricks`) in a side's code"
    logs = side.folder / "logs"
    logs.mkdir(exist_ok=True)
    log = logs / f"{len(list(logs.iterdir())):03}.txt"
    log.touch()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        in_fork(side, [str(w) for w in words], cache, log)
    running.add(pid)
    return Job(side, pid, log)


def in_fork(side, words, cache, log):
    "The forked process, which never comes back: Python's own way out would take seconds"
    code = 1
    try:
        to = os.open(log, os.O_WRONLY | os.O_APPEND)
        os.dup2(to, 1)
        os.dup2(to, 2)
        code = run_here(side, words, cache)
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run_here(side, words, cache):
    "What `python train.py …` and `python -m fastricks …` do in the side's folder; the exit code"
    os.environ.update(side.environment(cache))
    os.chdir(side.code)
    sys.path[0] = str(side.code)  # the script's folder in both cases
    script, sys.argv = words[0] == "train.py", words if words[0] == "train.py" else ["fastricks", *words]
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if script:
            runpy.run_path("train.py", run_name="__main__")
        else:
            runpy.run_module("fastricks", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as e:
        code = e.code or 0
    found = Path(sys.modules["fastricks"].__file__).resolve()
    if not found.is_relative_to(side.code):
        raise RuntimeError(f"{side.name} has imported {found}")
    return code


def wait(job):
    "The exit code of a command; one that hangs is killed"
    end = time.monotonic() + 60 * MINUTES
    while True:
        pid, status = os.waitpid(job.pid, os.WNOHANG)
        if pid:
            break
        if heard:
            sys.exit(128 + heard[0])
        if time.monotonic() > end:
            os.kill(job.pid, signal.SIGKILL)
        time.sleep(.02)
    running.discard(job.pid)
    return os.waitstatus_to_exitcode(status)


def end_all():
    "Leave no process behind"
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def failures(jobs):
    "What to say of commands that did not end well"
    codes = [(job, wait(job)) for job in jobs]
    return [f"{job.side.name} ended with code {code}: {job.last_line()}" for job, code in codes if code]


# -- what is left of a run

def differences(a, b, own=()):
    "What differs between two finished runs, each (side, folder), as short lines; `own` fields of their recipes may"
    parts = {"files": names, "status": status, "weights": weights, "predictions": predictions, "history": history,
             "metrics": metrics, "recipe": lambda side, folder: recipe(side, folder, own)}
    out = []
    for part, look in parts.items():
        try:
            odd = differing(look(*a), look(*b))
        except (OSError, ValueError, KeyError) as e:
            odd = [f"can't be read ({type(e).__name__}: {e})"]
        if odd:
            out.append(f"{part}: {', '.join(odd[:3])}{f' and {len(odd) - 3} more' if len(odd) > 3 else ''}")
    return out


def differing(a, b):
    "The names in two dicts whose values differ, with the values where they are short"
    odd = [k for k in {**a, **b} if a.get(k) != b.get(k) or (k in a) != (k in b)]
    return [f"{k}{short(a.get(k), b.get(k))}" for k in odd]


def short(a, b):
    text = f" {a!r} ≠ {b!r}"
    return text if len(text) < 100 else ""


def names(side, folder): return {p.name: True for p in folder.iterdir() if p.name not in LATER}
def status(side, folder): return {"status": json.loads((folder / "status.json").read_text())["status"]}
def predictions(side, folder): return {p.name: p.read_bytes() for p in sorted(folder.glob("predictions*.csv"))}


def weights(side, folder):
    "tensor -> (type, shape, bytes) of model.safetensors, and what it says of itself"
    data = (folder / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    head = json.loads(data[8:start])
    out = {"what the file says of itself": head.pop("__metadata__", None)}
    for name, tensor in head.items():
        first, last = tensor["data_offsets"]
        out[name] = tensor["dtype"], tensor["shape"], data[start + first:start + last]
    return out


def history(side, folder):
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    return {f"{k} of row {i + 1}": v for i, row in enumerate(rows) for k, v in row.items() if k not in TIMES}


def metrics(side, folder):
    found = flat(json.loads((folder / "metrics.json").read_text()))
    return {k: v for k, v in found.items() if k not in TIMES}


def recipe(side, folder, own=()):
    what = json.loads(side.hide((folder / "recipe.json").read_text()))
    for name in own:
        what["recipe"].pop(name, None)
    return flat(what)


def flat(what, before=""):
    "A nested dict as one, a.b -> value"
    out = {}
    for k, v in what.items():
        out |= flat(v, f"{before}{k}.") if isinstance(v, dict) and v else {f"{before}{k}": v}
    return out


# -- checks

class Report:
    "One line a check"
    def __init__(self): self.n, self.bad, self.start, self.last = 0, 0, time.monotonic(), time.monotonic()

    def say(self, what, odd, more=""):
        now = time.monotonic()
        self.n, self.bad, took, self.last = self.n + 1, self.bad + bool(odd), now - self.last, now
        line = f"DIFFERENT  {what}: {'; '.join(odd)}" if odd else f"same       {what}{more}"
        print(f"{line} ({took:.0f} s)", flush=True)

    def total(self):
        took = time.monotonic() - self.start
        print(f"{self.bad} of {self.n} checks DIFFER" if self.bad else f"all {self.n} checks: same", f"({took:.0f} s)")
        return 1 if self.bad else 0


def command(side, training, things, *more):
    "The words of a training"
    places = {**things, "runs": str(side.runs)}
    words = [w.format(**places) for w in f"{ALL} {training.words}".split()]
    return ["train.py", *words, "--name", training.name, *more]


def train_pair(sides, training, things):
    "Train one recipe in both, side by side: what differs"
    jobs = [start(side, command(side, training, things), training.cache) for side in sides]
    return failures(jobs) or differences(*[(side, side.runs / training.name) for side in sides])


def in_processes_of_their_own(sides, training, things):
    "The same recipe by `python train.py` itself: what differs between the two, and from the forks"
    odd, jobs = [], []
    for side in sides:
        words = [w if w != training.name else "plain" for w in command(side, training, things)]
        jobs.append(subprocess.Popen([sys.executable, *words], cwd=side.code, env={**os.environ, **side.environment()},
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
    for side, job in zip(sides, jobs, strict=True):
        _, err = job.communicate(timeout=60 * MINUTES)
        if job.returncode:
            odd.append(f"{side.name} ended with code {job.returncode}: {err.strip()[-200:]}")
    old, new = sides
    return odd or (differences((old, old.runs / "plain"), (new, new.runs / "plain"))
                   + differences((old, old.runs / "plain"), (old, old.runs / training.name), OWN))


def the_others(sides, trainings):
    "Runs that nobody named, as those of teachers: what differs"
    known = {t.name for t in trainings} | {"plain"}
    left = [{p.parent.name for p in side.runs.glob("*/recipe.json")} - known for side in sides]
    if left[0] != left[1]:
        return [f"runs {sorted(left[0])} and {sorted(left[1])}"], ""
    odd = []
    for name in sorted(left[0]):
        odd += [f"{name}: {line}" for line in differences(*[(side, side.runs / name) for side in sides])]
    return odd or ([] if left[0] else ["there are none"]), f": {', '.join(sorted(left[0]))}"


def same_answers(sides):
    "The teacher's answers that both have kept, byte by byte"
    kept = [{p.relative_to(s.folder): p.read_bytes() for p in (s.folder / "answers").rglob("epoch-*")} for s in sides]
    return differing(*kept) if kept[0] else ["OLD has kept none"]


def reads_cache(old, new, training, things):
    "NEW trains with a copy of OLD's cache: what differs from OLD's run"
    copy, out = new.folder / f"{training.cache}-of-old", new.folder / "read"
    shutil.copytree(old.folder / training.cache, copy, dirs_exist_ok=True)
    job = start(new, command(old, training, things, "--out", out), copy.name)
    return failures([job]) or differences((old, old.runs / training.name), (new, out / training.name), OWN)


def interrupted(old, training, things):
    "Train in OLD until an epoch is over and a checkpoint there, then send SIGTERM: (folder, what went wrong)"
    name = f"{training.name}-interrupted"
    words = [w if w != training.name else name for w in command(old, training, things)]
    job, folder = start(old, [*words, "--checkpoint-every", "0s"], training.cache), old.runs / name
    while not is_under_way(folder) and not has_ended(job):
        time.sleep(.01)
    os.kill(job.pid, signal.SIGTERM)  # nobody has waited for it yet, so the number is still its own
    code = wait(job)
    odd = [] if code == 128 + signal.SIGTERM else [f"OLD, interrupted, ended with code {code}: {job.last_line()}"]
    return folder, odd


def has_ended(job): return os.waitid(os.P_PID, job.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def is_under_way(folder):
    "Is there a row of an epoch, and a checkpoint?"
    try:
        rows = (folder / "history.csv").read_text().count("\n") > 1
    except OSError:
        return False
    return rows and any(folder.glob("checkpoint-*.safetensors"))


def resumed(old, new, training, things):
    """A run that OLD was interrupted in and NEW has ended, against the one that nobody disturbed.

    (what differs, where it was resumed)
    """
    folder, odd = interrupted(old, training, things)
    if odd:
        return odd, ""
    job = start(new, ["resume", folder], training.cache)
    if odd := failures([job]):
        return odd, ""
    log = (folder / "log.txt").read_text().splitlines()
    where = next((line for line in log if line.startswith("resumed at")), "")
    if not where.startswith("resumed at epoch"):
        return [f"not resumed within it: {where or job.last_line()}"], ""
    return differences((old, old.runs / training.name), (old, folder), OWN), f" ({where.rpartition(' (')[0]})"


def same_words(old, new, verb):
    "A verb on OLD's runs by both: what differs in what they print and write. {mine} is a folder of each side's own"
    jobs, mine = [], [side.folder / "said" for side in (old, new)]
    for side, folder in zip((old, new), mine, strict=True):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        jobs.append(start(side, [w.replace("{mine}", str(folder)) for w in verb]))
    odd = failures(jobs)
    return odd or differing(*[said(job, folder) for job, folder in zip(jobs, mine, strict=True)])


def said(job, folder):
    "What a command has printed and written, without where it lies"
    files = {p.name: p.read_text() for p in sorted(folder.iterdir())}
    return {k: v.replace(str(folder), "MINE") for k, v in {"what is printed": job.text(), **files}.items()}


def verbs(old, things):
    "what is said -> the words of compare, predict and evaluate on OLD's runs"
    rows = [str(old.runs / t) for t in ("baseline", "baseline-1", "mixup", "mixup-1", "one-cycle")]
    pictures, page = [str(old.runs / "pictures"), things["pictures"]], ["--to", "{mine}/evaluate.html"]
    out = {"compare": ["compare", *rows, "--to", "{mine}/report.csv", "--to", "{mine}/report.md"],
           "compare by loss": ["compare", *rows, "--metric", "loss", "--by", "valid", "--margin", ".1"],
           "predict, a table": ["predict", *pictures],
           "predict of amp's run": ["predict", str(old.runs / "amp"), things["pictures"], "--to", "{mine}/rows.jsonl"],
           "evaluate": ["evaluate", str(old.runs / "resnet-d"), *page],
           "evaluate --tta": ["evaluate", str(old.runs / "pictures-reference"), "--tta", *page]}
    if "photos" in things:
        some = sorted(Path(things["photos"]).rglob("ramen/*.jpg"))[:40]
        out["predict of photos"] = ["predict", str(old.runs / "photos-bag"), *map(str, some), "--to", "csv"]
        out["evaluate on photos"] = ["evaluate", str(old.runs / "photos-best"), *page]
    return out


def check_all(sides, things):
    "All checks, a line each; the exit code"
    old, new = sides
    trainings = ON_DIGITS + (ON_PHOTOS if "photos" in things else ())
    report = Report()
    for t in trainings:
        report.say(t.name, train_pair(sides, t, things))
    report.say("baseline by `python train.py` itself", in_processes_of_their_own(sides, trainings[0], things))
    report.say("runs of teachers", *the_others(sides, trainings))
    report.say("answers of teachers that are kept", same_answers(sides))
    for name in ("stored-read", "photos-best" if "photos" in things else "pictures"):
        t = next(t for t in trainings if t.name == name)
        report.say(f"{name} by NEW with OLD's cache", reads_cache(old, new, t, things))
    for t in (t for t in trainings if t.stops):
        report.say(f"{t.name}, interrupted in OLD and resumed by NEW", *resumed(old, new, t, things))
    for what, words in verbs(old, things).items():
        report.say(f"{what}, by NEW of OLD's runs", same_words(old, new, words))
    return report.total()


# -- the two sides

def git(*words, folder=ROOT):
    return subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout.strip()


def make_side(name, revision, folder):
    "A Side with its worktree, whose processes import its own code"
    code = ROOT if revision == "." else folder / "code"
    folder.mkdir()
    if code != ROOT:
        git("worktree", "add", "--detach", "--quiet", str(code), revision)
    side = Side(name, code, folder)
    words = [sys.executable, "-c", "import fastricks; print(fastricks.__file__)"]
    found = subprocess.run(words, cwd=code, env={**os.environ, **side.environment()}, capture_output=True, text=True)
    if not Path(found.stdout.strip()).resolve().is_relative_to(code):
        sys.exit(f"{name} imports {found.stdout.strip() or found.stderr.strip()}, not what is in {code}")
    print(f"{name}  {git('log', '-1', '--format=%h %s', folder=code)}{', as it lies here' if code == ROOT else ''}")
    return side


def draw_pictures(folder, n=16):
    "Pictures of noise, some of each of three classes: a data set without a test set"
    draw = random.Random(5)
    for label in "abc":
        (folder / label).mkdir(parents=True)
        for i in range(n):
            wide, high = draw.randint(36, 60), draw.randint(36, 60)
            pixels = draw.randbytes(3 * wide * high)
            (folder / label / f"{i}.ppm").write_bytes(b"P6 %d %d 255\n" % (wide, high) + pixels)


def parse():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("old", metavar="OLD", help="a commit, or . for the working tree")
    p.add_argument("new", metavar="NEW", help="a commit, or . for the working tree")
    p.add_argument("--data64", metavar="FOLDER", help="an unpacked Food-101-21 of 64 pixels: some trainings on photos")
    p.add_argument("--keep", action="store_true", help="leave the run folders there, and say where")
    return p.parse_args()


def warm_up():
    "Import what all trainings need, before the forks; nothing of fastricks"
    warnings.filterwarnings("ignore", message=".*torch.jit.script. is deprecated.*", category=FutureWarning)
    for name in HEAVY:
        import_module(name)
    gc.freeze()


def hear(number, frame): heard.append(number)  # an exception would be lost within Python's hooks of fork


def main():
    a = parse()
    for name in [n for n in os.environ if n.startswith(("WANDB_", "FASTRICKS_"))]:
        del os.environ[name]
    os.environ.update(ENVIRONMENT)
    signal.signal(signal.SIGTERM, hear)
    folder = Path(tempfile.mkdtemp(prefix="same-bits-")).resolve()
    things = {"pictures": str(folder / "pictures")} | ({"photos": str(Path(a.data64).resolve())} if a.data64 else {})
    try:
        sides = make_side("OLD", a.old, folder / "old"), make_side("NEW", a.new, folder / "new")
        draw_pictures(folder / "pictures")
        warm_up()
        code = check_all(sides, things)
    finally:
        end_all()
        for code_of in folder.glob("*/code"):
            git("worktree", "remove", "--force", str(code_of))
        if a.keep:
            print(f"runs and logs: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)


if __name__ == "__main__":
    main()

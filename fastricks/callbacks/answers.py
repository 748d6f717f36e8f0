"""A teacher's answers for the views of a run, kept in the user's cache folder: an epoch a file."""
import json
from dataclasses import fields
from functools import partial
from hashlib import sha256
from importlib.metadata import version

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..core.cache import cache_dir
from ..core.files import write
from ..core.machine import cpu_name, device_name
from ..core.numerics import NUMERICS
from ..model.teacher import load_teacher
from ..model.teacher_facts import differing_facts

# numeric fields of a recipe that neither the views nor the teacher's forward pass depend on; data enters by its
# fingerprint
OF_THE_STUDENT = {"arch", "pretrained", "weights", "epochs", "lr", "wd", "opt", "keep", "patience", "tricks", "compile",
                  "data", "classes", "per_class", "rest", "valid", "class_order", "processes", "sync_bn"}


class Answers:
    """Logits of a teacher for every view of a run: float16 [n, K] an epoch, row i of `dls.train.items[i]`.

    `what` is plain data and all that the answers depend on; who has the same reads the same files. A view being a
    function of (seed, epoch, key), each epoch stands alone: runs of other lengths share those they have in common.
    """
    def __init__(self, what, n, K, folder=None):
        self.what, self.n, self.K = json.dumps(what, sort_keys=True), n, K
        self.folder = (folder or cache_dir() / "answers") / sha256(self.what.encode()).hexdigest()[:16]

    def fit(self, dl):
        "Does this loader give the views that they are of, as far as it shows?"
        of = json.loads(self.what)
        return hasattr(dl, "batch_places") and (dl.n, dl.bs, dl.seed) == (self.n, of["batch_size"], of["seed"])

    @property
    def mixed(self):
        "Are they of images that the recipe's own tricks mix?"
        return "on_batch" in json.loads(self.what)

    @property
    def bytes_an_epoch(self): return self.n * self.K * 2

    def path(self, epoch): return self.folder / f"epoch-{epoch + 1:04}.safetensors"

    def read(self, epoch):
        "float16 [n, K], or None where they are missing, damaged or of something else"
        try:
            with safe_open(str(self.path(epoch)), "pt") as f:
                meta, rows = (f.metadata() or {}).get("fastricks"), f.get_tensor("answers").clone()
        except (OSError, SafetensorError, ValueError):
            return None
        right = rows.dtype == torch.float16 and rows.shape == (self.n, self.K) and meta == self.meta(rows)
        return rows if right else None

    def write(self, epoch, rows):
        "Whole or not at all; raises OSError where there is no room"
        self.folder.mkdir(parents=True, exist_ok=True)
        write(self.path(epoch), save({"answers": rows}, {"fastricks": self.meta(rows)}))

    def meta(self, rows):
        return json.dumps({"of": json.loads(self.what), "sha256": sha256(rows.numpy().tobytes()).hexdigest()})

    def stored(self, epochs):
        "(epochs that are there and whole, epochs that are damaged)"
        there = [e for e in range(epochs) if self.path(e).exists()]
        good = [e for e in there if self.read(e) is not None]
        return good, sorted(set(there) - set(good))


def half(logits):
    "Logits as they are stored: float16; what is beyond its range becomes its largest number"
    top = torch.finfo(torch.float16).max
    return logits.float().clamp(-top, top).half()


def answers_of(plan, file, data, view="own"):
    """The Answers of a plan's views by the teacher of weights `file`; `data`: the fingerprint of its Source. How the
    teacher is shown its images (`view`) is part of what they are of where it makes a difference: answers that were
    stored before there was a choice keep their meaning."""
    from ..model.network import stats
    from ..model.weights import file_hash
    recipe, amp = plan.recipe, plan.trick("amp")
    # what 0.1.0 did goes without saying: its answers are found
    said = {k for k in recipe.as_dict if k not in OF_THE_STUDENT}
    views = {f.name: getattr(recipe, f.name) for f in fields(recipe) if f.metadata["numeric"] and f.name in said}
    what = {
        **views,
        "data": data,
        "stats": stats(recipe),
        "teacher": [plan.facts["distill"]["arch"], file_hash(file)],
        "precision": amp.dtype if amp else "fp32",
        "machine": cpu_name() if plan.device == "cpu" else device_name(plan.device),
        "versions": {p: version(p) for p in ("torch", "torchvision", "timm", "pillow", "simplejpeg", "numpy")},
        "numerics": NUMERICS,
    }
    own = differing_facts(plan.facts["distill"]) if view == "own" else {}
    if own:
        what["shown"] = own
    return Answers({**what, **of_images(plan)}, plan.n_train, plan.classes)


def of_images(plan):
    """The tricks that change what the teacher is shown, whose draws are functions of (seed, epoch, step or key): hook
    -> name -> keys, and their file
    """
    shown = {hook: {t.name: [t.keys(), t.origin] for t in plan.tricks if hook in t.hooks()}
             for hook in ("on_batch", "views")}
    # fractions of which may matter
    return {k: v for k, v in shown.items() if v} | ({"epochs": plan.recipe.epochs} if shown["views"] else {})


def lines_of_answers(answers, epochs):
    "(what to tell the user, whether all epochs are there)"
    good, bad = answers.stored(epochs)
    b = answers.bytes_an_epoch * epochs
    size = f"{b / 1e6:,.1f} MB" if b > 1e5 else f"{b / 1e3:,.1f} kB"
    lines = [f"distill: the stored answers of {len(bad)} of {epochs} epochs are damaged, and made again"] if bad else []
    if len(good) == epochs:
        return [f"distill: the teacher's answers are read from {answers.folder} ({size}); no teacher runs"], True
    some = f"those of {len(good)} of {epochs} epochs are there already, " if good else ""
    return [*lines, f"distill: the teacher's answers are stored for the next student: {some}{size} in "
                    f"{answers.folder}"], False


def stored_teacher(plan, view="own"):
    """(what gives the teacher's module, the Answers of this run's views, what to tell): it is loaded now where any
    answer is missing
    """
    answers = answers_of(plan, plan.facts["distill"]["file"], plan.facts["distill"]["data"], view)
    lines, whole = lines_of_answers(answers, plan.recipe.epochs)
    if whole:
        return partial(load_teacher, plan.facts["distill"], plan.classes, view), answers, lines
    teacher = load_teacher(plan.facts["distill"], plan.classes, view)
    return lambda: teacher, answers, lines

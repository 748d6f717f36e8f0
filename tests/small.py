"""Real but small trainings for the tests: timm's test_resnet on some of the digits."""
import torch
from safetensors.torch import save_file

from fastricks.callbacks.history import History
from fastricks.learner import fit, make_learner
from fastricks.recipe import resolve
from fastricks.train import open_data, prepare, settle_machine, settle_tricks

TINY = dict(arch="test_resnet", size=16, resize=16, per_class=8, epochs=2, batch_size=16, threads=1, workers=0, device="cpu",
            wandb="disabled")


def recipe_of(*selection, recipe=None, **given): return resolve({**TINY, **given}, selection, recipe)


def learner(*selection, cbs=(), recipe=None, **given):
    "(Learner, Parts), all but trained"
    r = settle_machine(recipe_of(*selection, recipe=recipe, **given))
    source = open_data(r, check=False, say=lambda _: None)
    r, facts = settle_tricks(r, source, lambda _: None)
    parts, dls = prepare(r, source, facts)
    return make_learner(dls, parts, r, [History(), *cbs]), parts


def trained(*selection, **given): return fit(*learner(*selection, **given))


def weights(learn): return {k: v.detach().clone() for k, v in learn.model.state_dict().items()}


def same(a, b): return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def teacher_file(folder):
    "Weights of a small network that knows the ten digits a little: a teacher"
    file = folder / "teacher.safetensors"
    if not file.exists(): save_file(weights(trained(per_class=20, lr=3e-3, epochs=5, seed=7)), file)
    return file

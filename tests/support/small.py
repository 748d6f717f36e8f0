"""Real but small trainings for the tests: timm's test_resnet on some of the digits."""
import torch
from safetensors.torch import save_file

from fastricks.recipe.recipe import resolve
from fastricks.training.learner import fit
from fastricks.training.notebook import learner_of

TINY = dict(arch="test_resnet", size=16, resize=16, per_class=8, epochs=2, batch_size=16, threads=1, workers=0,
            device="cpu",
            wandb="disabled")


def recipe_of(*selection, recipe=None, **given): return resolve({**TINY, **given}, selection, recipe)


def learner(*selection, cbs=(), recipe=None, **given):
    "(Learner, Parts), all but trained"
    return learner_of(recipe_of(*selection, recipe=recipe, **given), cbs, say=lambda _: None)


def trained(*selection, **given): return fit(*learner(*selection, **given))


def weights(learn):
    return {k: v.detach().clone(memory_format=torch.contiguous_format) for k, v in learn.model.state_dict().items()}


def same(a, b): return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def teacher_file(folder):
    "Weights of a small network that knows the ten digits a little: a teacher"
    file = folder / "teacher.safetensors"
    if not file.exists(): save_file(weights(trained(per_class=20, lr=3e-3, epochs=5, seed=7)), file)
    return file

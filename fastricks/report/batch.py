"""Pictures of a batch as the network sees it, and of its targets."""
from dataclasses import dataclass
from textwrap import fill

from ..core.errors import UserError, plural, shorten
from ..recipe.names import tricks_text
from ..recipe.recipe import Recipe

# -- the first batch

@dataclass(frozen=True)
class View:
    "The first training batch of an epoch, and what is to be learned from it"
    recipe: Recipe
    source: object
    batch: object     # a callbacks.seen.Batch
    targets: dict     # title -> [n, K]: what the loss asks for; None where the loss has no target


def draw_seen(batch, recipe, source, n=8):
    from .plots import draw_batch
    return draw_batch(pixels_of_batch(batch.x[:n], recipe), captions(batch, source.classes)[:n],
                      batch_title("training batch after augmentation", batch, recipe, source, n))


def batch_title(what, batch, recipe, source, n):
    "What it is, of which images, with which tricks"
    place = f"training batch {batch.step + 1}" if batch.step else "first training batch"
    which = f"{min(n, len(batch.x))} of the {plural(batch.size, 'image')} of epoch {batch.epoch + 1}'s {place}"
    return f"{what}: {which}\n" + fill(f"{source.name}, {tricks_text(recipe)}{mixing_words(batch)}", 90)


def mixing_words(batch):
    "How much is mixed, as it is said of a picture"
    if batch.lam is None:
        return ""
    low, high = batch.lam.min().item(), batch.lam.max().item()
    lam = f"{low:.2f}" if high - low < .005 else f"{low:.2f} to {high:.2f}"
    chosen = ", the nearest to ½" if batch.step or batch.epoch else ""
    return f"; λ = {lam}{chosen}"


def pixels_of_batch(x, recipe):
    "Images [n, h, w, 3] from 0 to 1 of a normalised batch"
    from ..model.network import stats
    mean, std = (x.new_tensor(o)[:, None, None] for o in stats(recipe))
    return (x * std + mean).clamp(0, 1).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy()


def captions(batch, classes):
    "`waffles`, or under mixup `83% waffles` above `+ 17% ramen`"
    names = [shorten(classes[i]) for i in batch.y.tolist()]
    if batch.lam is None:
        return names
    partners = [shorten(classes[i]) for i in batch.y1.tolist()]
    return [f"{l:.0%} {a}\n+ {1 - l:.0%} {b}" for a, b, l in zip(names, partners, batch.lam.tolist(), strict=True)]


def draw_view_targets(v, n):
    from .plots import draw_targets
    if v.targets is None:
        raise UserError("the training loss is no cross-entropy with a target, so there is none to show")
    targets = {title: rows[:n].numpy() for title, rows in v.targets.items()}
    return draw_targets(pixels_of_batch(v.batch.x[:n], v.recipe), captions(v.batch, v.source.classes)[:n], targets,
                        v.source.classes,
                        batch_title("what the loss asks for", v.batch, v.recipe, v.source, n))

"""The source of a recipe, with its unreadable images found and dropped."""
from dataclasses import replace

from ..core.errors import UserError, visible
from ..core.words import silent
from .sampled import decoding_of


def open_data(recipe, check=True, say=print):
    """The recipe's Source; with `check`, unreadable images are found and left out first, and the fast pipeline's pixels
    looked up
    """
    from .sources.open import open_recipe
    def reopen(bad=None): return open_recipe(recipe, bad)
    source = reopen()
    if recipe.keep != "last" or recipe.patience:
        needs_valid(source)
    how, lines = decoding_of(recipe, source.items)
    if check:
        source = checked(source, reopen, recipe, say, how)
    source = replace(source, decoding=how).note(*lines)
    for line in source.notes:
        say(visible(line))
    return source


def checked(source, reopen, recipe, say, how):
    "`source` without unreadable images, by decoding every new one: into the cache of pixels where the pipeline has one"
    from .scan import drop_unreadable, settled
    if recipe.pipeline == "reference":
        return drop_unreadable(source, recipe.max_bad, recipe.threads, reopen=reopen)
    from .pixels.store import open_pixels
    def look(items, say=silent): return open_pixels(items, recipe.resize, recipe.threads, say, how)
    pixels, bad = look(source.items, say)
    if bad is None:
        out = drop_unreadable(source, recipe.max_bad, recipe.threads, reopen=reopen)
    else:
        out = settled(source, lambda items: bad if len(items) == len(source.items) else look(items)[1] or [],
                      recipe.max_bad, reopen)
    if bad and out is not source:
        pixels, _ = look(out.items)
    return replace(out, pixels=pixels)


def needs_valid(source):
    if not source.of("valid"):
        raise UserError("--keep best and --patience choose by a validation split, and there is none")

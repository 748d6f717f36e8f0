"""Whether a network can be trained on images of a size, found out before anything else is done: it is given two."""
from functools import cache

import torch

from ..core.errors import UserError
from ..core.rand import seeded
from .network import arch_cfg, error_text, has_fixed_size, make_network, pixel_text, wrong_option

NO_LIMIT = 512  # pixels above which a network that takes images of any size is not tried: what fails are small ones
# of the sizes that are tried in place of one that does not fit: most networks halve their images five times
SIZE_STEP = 32


def require_network(arch, size, options=None):
    """Raise UserError unless timm makes the network with these options (name -> value) for images of `size` (pixels of
    a square, or height and width), and it answers a training batch with a row of logits an image."""
    options = tuple(sorted((options or {}).items()))
    if not (why := trouble(arch, size, options)):
        return
    if options and not trouble(arch, size):
        raise UserError(f"--arch-option {options_text(options)}: {why}")
    asked = pixel_text(size).removesuffix(" pixels")
    raise UserError(f"--arch {arch} --size {asked}: {why}{other_size(arch, size)}")


def options_text(options): return ", ".join(f"{k}={v}" for k, v in options)


@cache
def trouble(arch, size, options=()):
    "Why a network can't be trained on images of this size; empty where it can"
    with seeded(0):
        try:
            model = make_network(arch, TRIAL_CLASSES, dict(options), size).train()
        except UserError as e:
            return str(e)
        if options and (odd := wrong_option(arch, dict(options))):
            return odd
        height, width = size if isinstance(size, tuple) else (size, size)
        if min(height, width) > NO_LIMIT and not has_fixed_size(arch):
            return ""
        try:
            with torch.no_grad():
                return wrong_answer(model(torch.zeros(TRIAL_IMAGES, 3, height, width)))
        except Exception as e:
            return f"the network can't take images of {pixel_text(size)} ({error_text(e)})"


TRIAL_CLASSES, TRIAL_IMAGES = 3, 2


def wrong_answer(out):
    "What is wrong with a network's answer to a training batch"
    if isinstance(out, list | tuple):
        return (f"in training the network gives {len(out)} answers in place of one, as with auxiliary heads, "
                "and there is a loss for one only")
    if tuple(getattr(out, "shape", ())) == (TRIAL_IMAGES, TRIAL_CLASSES):
        return ""
    return (f"the network does not answer with a number a class ({getattr(out, 'shape', type(out).__name__)} of "
            f"{TRIAL_IMAGES} images)")


def other_size(arch, size):
    "The nearest size of a square that works, as advice"
    size = max(size) if isinstance(size, tuple) else size
    own = arch_cfg(arch).input_size[-1]
    steps = size // SIZE_STEP
    around = {max(SIZE_STEP, (steps + i) * SIZE_STEP) for i in range(-1, 4)} - {size}
    near = sorted(around, key=lambda s: abs(s - size))
    found = next((s for s in [*near, own] if not trouble(arch, s)), None)
    return f"; give --size {found}" if found else "; choose another --arch"

"""timm models: made plainly, and started from weights that are never a pickle."""
from inspect import Parameter, signature
from pathlib import Path

import torch
from torch import nn

from ..core.errors import UserError, first_line, nearest, plural
from ..core.imports import without
from ..core.rand import INIT, draw, seeded
from .weights import open_weights, read_meta, tensors_fingerprint

with without("wandb"):  # for timm's own training script; it takes a third of timm's import
    import timm
from timm.models import get_arch_pretrained_cfgs, is_model, split_model_name_tag

NORMS = nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm


def check_arch(arch):
    "Raise UserError unless timm can make `arch` (`name` or `name.tag`)"
    name, tag = split_model_name_tag(arch)
    if not is_model(name):
        raise UserError(f"timm has no model {arch!r}{nearest(name, timm.list_models())}")
    tags = list(get_arch_pretrained_cfgs(name)) if tag else []
    if tag and f"{name}.{tag}" not in tags and tag not in tags:
        raise UserError(f"timm's {name} has no weights tagged {tag!r}{nearest(tag, [t.split('.')[-1] for t in tags])}")


def arch_cfg(arch): return timm.get_pretrained_cfg(arch)


def stats(recipe):
    "(mean, std) of the weights that training starts from, else of the architecture's own"
    meta = read_meta(recipe.weights) if recipe.weights else {}
    cfg = arch_cfg(recipe.arch)
    mean, std = tuple(meta.get("mean") or cfg.mean), tuple(meta.get("std") or cfg.std)
    if recipe.channels == len(mean):
        return mean, std
    return of_channels(mean, recipe.channels), of_channels(std, recipe.channels)


def of_channels(levels, n):
    "Levels of other channels than they were given for: their mean for each"
    return (sum(levels) / len(levels),) * n


def with_tag(arch):
    "A bare name with the tag of the weights that timm means by it today: another version may mean others"
    name, tag = split_model_name_tag(arch)
    cfg = None if tag else arch_cfg(name)
    return f"{name}.{cfg.tag}" if cfg and cfg.tag else arch


def build_network(arch, classes, seed=0, weights=None, kwargs=None, size=None):
    """A timm model with a plain linear head and no hidden trick, for images of `size` pixels; `weights` a safetensors
    file or None.

    New parameters (all of them, or just a new head) are drawn from `seed`. Returns (model, lines about the weights).
    """
    with seeded(draw(INIT, seed)):
        if weights is None:
            return plain_init(make_network(arch, classes, kwargs, size)), []
        return load_weights(arch, classes, weights, kwargs, size)


def make_network(arch, classes, kwargs=None, size=None, **more):
    """timm's model with these keyword arguments; one that is made for one size of images is made for `size` pixels
    (None: its own)
    """
    try:
        return timm.create_model(arch, num_classes=classes, **(kwargs or {}), **for_size(arch, size), **more)
    except Exception as e:  # each architecture has its own way to choke
        refused = f"timm can't make {arch}{at_size(size)} ({error_text(e)})"
        raise UserError(wrong_option(arch, kwargs) or refused) from None


def for_size(arch, size): return {"img_size": size} if size and has_fixed_size(arch) else {}


def has_fixed_size(arch):
    "Must the network know the size of its images when it is made, as those with position embeddings or windows must?"
    return bool(arch_cfg(arch).fixed_input_size)


def at_size(size): return f" for images of {pixel_text(size)}" if size else ""


def pixel_text(size):
    "`224 pixels`, or `320x240 pixels` of (240, 320)"
    return f"{size[1]}x{size[0]} pixels" if isinstance(size, tuple) else f"{size} pixels"


def error_text(error): return first_line(error) or type(error).__name__


def wrong_option(arch, kwargs):
    "What to say of keyword arguments that the network has not; empty where all are known, or it takes any"
    known = option_names(arch) if kwargs else None
    unknown = [k for k in kwargs or () if k not in known] if known else []
    return f"timm's {arch} has no option {unknown[0]!r}{nearest(unknown[0], known)}" if unknown else ""


def option_names(arch):
    "Names of the keyword arguments that a network's class has; None where it takes any, or can't be made"
    try:
        with seeded(0):
            cls = type(timm.create_model(arch))
    except Exception:
        return None
    found = list(signature(cls.__init__).parameters.values())[1:]
    return None if any(p.kind is Parameter.VAR_KEYWORD for p in found) else [p.name for p in found]


@torch.no_grad()
def plain_init(model):
    "Undo timm's zero γ (its ResNets have it unless told otherwise): a trick must be asked for"
    for m in model.modules():
        if isinstance(m, NORMS) and m.weight is not None and not m.weight.any():
            nn.init.ones_(m.weight)
    return model


def load_weights(arch, classes, file, kwargs=None, size=None):
    """timm's own fitting of a file's tensors: a classifier of another size is made anew, position embeddings of other
    image sizes are resampled, all else must fit."""
    state, own = read_state(arch, classes, file, kwargs, size)
    shapes = {k: tuple(v.shape) for k, v in state.items()}
    head = as_tuple(arch_cfg(arch).classifier)
    rows = next((shapes[f"{h}.weight"][0] for h in head if shapes.get(f"{h}.weight")), 0)
    # without what it has besides, as an auxiliary head
    if own.keys() <= state.keys():
        state = {k: state[k] for k in own}
    overlay = dict(state_dict=state, num_classes=rows or -1)  # another number: timm leaves the classifier out
    try:
        model = make_network(arch, classes, kwargs, size, pretrained=True, pretrained_cfg_overlay=overlay)
    except UserError:
        raise UserError(misfit(arch, file, shapes, own)) from None
    if missing(model, shapes, head):
        raise UserError(misfit(arch, file, shapes, own))
    model.pretrained_cfg.pop("state_dict", None)
    return model, load_lines(model, head, rows, classes, shapes, file)


def read_state(arch, classes, file, kwargs, size=None):
    "(tensors of a safetensors file, the architecture's own)"
    with seeded(0):
        own = make_network(arch, classes, kwargs, size).state_dict()
    return read_tensors(arch, own, file), own


def read_tensors(arch, own, file):
    """Tensors of a safetensors file for an architecture of tensors `own`: finite numbers, and not vastly more of them
    than are needed
    """
    most = 4 * sum(v.nbytes for v in own.values()) + SPARE
    with open_weights(file) as f:
        if (size := Path(file).stat().st_size) > most:
            raise UserError(f"--weights {file} has {size:,} bytes, far more than {arch} needs")
        state = unwrapped({k: f.get_tensor(k) for k in f.keys()}, own)  # noqa: SIM118
    for k, v in state.items():
        if k in own and own[k].is_floating_point() and v.dtype not in FLOATS:
            raise UserError(f"--weights {file} has {k} as {str(v.dtype).removeprefix('torch.')}: give float32, "
                            "float16 or bfloat16")
        if v.dtype in FLOATS and not v.isfinite().all():
            raise UserError(f"--weights {file}: {k} has numbers that are not finite")
    return state


def unwrapped(state, own):
    """Tensors by the network's own names, where they have been saved from what wraps it: several processes, a compiled
    network, Lightning
    """
    found = {bare_name(k, own): v for k, v in state.items()}
    return found if len(found) == len(state) else state


def bare_name(name, own):
    "A tensor's name without the wrappers that it begins with"
    while name not in own and (cut := next((w for w in WRAPPERS if name.startswith(w)), None)):
        name = name.removeprefix(cut)
    return name


WRAPPERS = "module.", "_orig_mod.", "model.", "net.", "network."


def load_exactly(model, arch, file):
    "Put a file's tensors into `model`: these and no others, each of its shape"
    own = model.state_dict()
    state = read_tensors(arch, own, file)
    shapes = {k: tuple(v.shape) for k, v in state.items()}
    if shapes != {k: tuple(v.shape) for k, v in own.items()}:
        raise UserError(misfit(arch, file, shapes, own))
    model.load_state_dict(state)
    return model


SPARE = 1 << 28  # bytes of other tensors that a file may bring along
FLOATS = torch.float32, torch.float16, torch.bfloat16, torch.float64


def missing(model, shapes, head):
    "Tensors of the body that the file lacks: timm lets them pass once the classifier differs"
    return [k for k in model.state_dict() if k not in shapes and not k.endswith("num_batches_tracked")
            and k.rpartition(".")[0] not in head]


def as_tuple(x): return x if isinstance(x, tuple) else (x,) if x else ()


def load_lines(model, head, rows, classes, shapes, file):
    own = model.state_dict()
    loaded = sum(k in shapes and tuple(own[k].shape) == shapes[k] for k in own)
    lines = [f"loaded {plural(loaded, 'tensor')} of {len(own)} from {Path(file).name}, whose tensors have the "
             f"fingerprint {tensors_fingerprint(file)}"]
    others = [k for k in own if k in shapes and tuple(own[k].shape) != shapes[k]]
    resampled = [k for k in others if k.rpartition(".")[0] not in head]
    if resampled:
        name = resampled[0]
        before, now = shapes[name], tuple(own[name].shape)
        lines.append(f"resampled for this size of images: {plural(len(resampled), 'tensor')}, as {name}, "
                     f"from {before} to {now}")
    if rows != classes:
        was = f"the file's is of {plural(rows, 'class', 'classes')}" if rows else "the file has none"
        made = f"made new for {plural(classes, 'class', 'classes')} ({was})"
        lines.append(f"not loaded: the head {', '.join(head)}, {made}")
    if extra := sorted(set(shapes) - set(own)):
        lines.append(f"not used from the file: {plural(len(extra), 'tensor')}, as {extra[0]}")
    return lines


def misfit(arch, file, shapes, own):
    "Why a file does not fit: how many tensors, and the first"
    missing = [k for k in own if k not in shapes]
    wrong = [k for k in own if k in shapes and tuple(own[k].shape) != shapes[k]]
    first = "unknown tensors"
    if wrong:
        name = wrong[0]
        first = f"{name} is {shapes[name]}, not {tuple(own[name].shape)}"
    elif missing:
        first = f"{missing[0]} is not in it"
    n_missing = plural(len(missing), "tensor")
    return f"--weights {file} does not fit {arch}: {n_missing} missing, {len(wrong)} of another shape ({first})"


def hub_file(arch):
    """The safetensors file of timm's weights: from the hub's local cache, or downloaded.

    Whether the hub can be reached only its own client knows, which has the certificates, the proxies and the patience
    for it.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE
    cfg = arch_cfg(arch)
    if not cfg.hf_hub_id:
        raise UserError(f"timm has no safetensors weights for {arch}: use --weights FILE.safetensors or "
                        "--no-pretrained")
    cached = try_to_load_from_cache(cfg.hf_hub_id, "model.safetensors")
    if isinstance(cached, str):
        return cached
    if HF_HUB_OFFLINE:
        raise UserError(f"the weights of {arch} are not on this machine, and HF_HUB_OFFLINE is set: {OTHER_START}")
    try:
        return hf_hub_download(cfg.hf_hub_id, "model.safetensors")
    except Exception as e:
        why = e.__cause__ or e  # the hub's client says what to do, its cause what happened
        raise UserError(f"the weights of {arch} are not on this machine and {ENDPOINT} can't be reached, "
                        f"or does not give them ({type(why).__name__}: {first_line(why)}): {OTHER_START}") from None


OTHER_START = "give --weights FILE.safetensors, or --no-pretrained to train from scratch"


def start_file(recipe):
    "The file that training starts from: --weights, timm's own, or None from scratch"
    if recipe.weights:
        return recipe.weights
    return hub_file(recipe.arch) if recipe.pretrained else None


def is_resnet(arch):
    return timm.models.model_entrypoint(split_model_name_tag(arch)[0]).__module__ == "timm.models.resnet"


def tweaks_of(arch):
    "The keyword arguments of timm's ResNet whose effect `arch` has already"
    model = timm.create_model(arch)
    pools = any(isinstance(m, nn.AvgPool2d) for n, m in model.named_modules() if "downsample" in n)
    deep = {"stem_type", "stem_width"} if isinstance(model.conv1, nn.Sequential) else set()
    return deep | ({"avg_down"} if pools else set())


def last_norm(block):
    "The BatchNorm that ends the residual branch of a timm block, or None"
    if hasattr(block, "zero_init_last"):                       # ResNet, RegNet …: timm knows which
        block.zero_init_last()
        return next((m for m in block.modules() if isinstance(m, nn.BatchNorm2d) and not m.weight.any()), None)
    if getattr(block, "has_skip", False):                      # MobileNet, EfficientNet: only where there is a shortcut
        return next((m for n in ("bn3", "bn2") if isinstance(m := getattr(block, n, None), nn.BatchNorm2d)), None)


def zero_last_gammas(model):
    "Zero them and return the norms. The model is fresh: no other γ is zero. arXiv 1812.01187 §3.1"
    norms = [n for m in model.modules() if (n := last_norm(m)) is not None]
    for n in norms:
        nn.init.zeros_(n.weight)
    return norms


@torch.no_grad()
def require_size(model, side, who):
    "Raise UserError unless the network takes square images of so many pixels"
    was = model.training
    try:
        model.eval()(torch.zeros(1, 3, side, side))
    except Exception:
        raise UserError(f"{who} does not take images of {side} pixels") from None
    finally:
        model.train(was)

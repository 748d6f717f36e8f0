"""`--compile`: torch's compiler on any fastai Learner, its time apart from training's."""
import logging
import time
import warnings
from contextlib import contextmanager, nullcontext, suppress

import torch
import torch.nn.functional as F
from fastai.callback.core import Callback
from fastai.callback.fp16 import MixedPrecision

from ..core import stop
from ..core.errors import first_line
from ..core.tensors import plain
from .only_training import is_training
from .screen import tell_screen

BACKEND = "inductor"
NOT_HERE = "compile: not possible here ({}); the network is trained as it is"


class Compile(Callback):
    """Trains a compiled model: `model.compile()` in place, so that its weights and their names stay what they are.

    Before the fit it compiles on throwaway batches of the two shapes that come again and again, a full training and a
    full validation batch, and puts weights, buffers, gradients and random state back. An epoch's last, shorter batch
    and whatever else comes runs uncompiled: compiling takes a minute, and in the midst of an epoch it would count as
    training. After the fit the model is as it was before. Where it can't be compiled it is trained uncompiled, said in
    a line.

    `seconds`: what compiling took; `on`: whether the fit was compiled; `why`: not compiled because.
    """
    # before_fit: mixed precision's autocast is made; `learn.compile` is the model's own
    order, name = MixedPrecision.order + 1, "compiled"

    def __init__(self, backend=None): self.backend, self.on, self.why, self.seconds = backend, False, "", 0.

    def before_fit(self):
        self.run = is_training(self.learn)
        if not self.run:
            return
        start = time.perf_counter()
        try:
            self.compile()
        except Exception as e:
            self.fall_back(e)
        self.seconds = time.perf_counter() - start

    def compile(self):
        "Compile by a step on each shape; dynamic=False: kernels for these very shapes, which never change"
        torch.compiler.reset()
        self.model.compile(backend=self.backend or BACKEND, dynamic=False)
        x = laid_out(self.dls.train.one_batch()[0])
        with stop.heard(), untouched(self.model), silence():
            for dl in self.dls.loaders[:2]:
                if first_size(dl):
                    self.step(of_size(x, first_size(dl)), train=dl is self.dls.train)
        leave_workers()
        torch.compiler.set_stance("eager_on_recompile")
        self.on, self.why = True, ""

    def before_batch(self):
        if self.on:
            self.learn.xb = tuple(map(laid_out, self.learn.xb))

    def step(self, x, train):
        self.model.train(train)
        for cb in self.learn.cbs:  # parts of the network may stay in eval mode
            if train and hasattr(type(cb), "set_modes"):
                cb.set_modes()
        x = x.to(next(self.model.parameters()).device)
        cast = next((cb.autocast for cb in self.learn.cbs if isinstance(cb, MixedPrecision)), nullcontext())
        with nullcontext() if train else torch.no_grad():
            with cast:
                z = self.model(x)
            if train:
                F.cross_entropy(plain(z).float(), torch.zeros(len(x), dtype=torch.long, device=x.device)).backward()

    def fall_back(self, e):
        self.leave()
        self.on, self.why = False, compiler_error(e)
        tell_screen(self.learn, NOT_HERE.format(self.why))

    def after_fit(self): self.leave()
    def after_cancel_fit(self): self.leave()

    def leave(self):
        "Undo `model.compile()`, and what was asked of the compiler for the time of a fit"
        if self.model._compiled_call_impl is None:
            return
        self.model._compiled_call_impl = None
        torch.compiler.set_stance("default")


def first_size(dl):
    "Images in a loader's first batch, which most others are as large as"
    n, bs = getattr(dl, "n", None), getattr(dl, "bs", 1)
    return bs if n is None or len(dl) > 1 else n


def laid_out(x):
    "A batch in the one layout that is compiled for: mixing and slicing leave it in another"
    return plain(x).contiguous(memory_format=torch.channels_last if x.ndim == 4 else torch.contiguous_format)


def of_size(x, n): return torch.cat([x] * -(-n // len(x)))[:n]


def leave_workers():
    "End the processes that torch compiles in: they would stay as long as this one"
    with suppress(Exception):
        from torch._inductor.async_compile import shutdown_compile_workers
        shutdown_compile_workers()


@contextmanager
def silence():
    "The compiler's remarks are for its makers"
    log = logging.getLogger("torch.utils.cpp_extension")  # "No CUDA runtime is found", on any machine without
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


@contextmanager
def untouched(model):
    "What a step leaves in a model and in torch's generators is undone, bit for bit"
    state = {k: v.detach().clone() for k, v in model.state_dict().items()}
    buffers = [b.detach().clone() for b in model.buffers()]
    grads, modes = [p.grad for p in model.parameters()], [m.training for m in model.modules()]
    for p in model.parameters():
        p.grad = None
    try:
        with torch.random.fork_rng():
            yield
    finally:
        with torch.no_grad():
            for b, old in zip(model.buffers(), buffers, strict=True):
                b.copy_(old)
        model.load_state_dict(state)
        for p, g in zip(model.parameters(), grads, strict=True):
            p.grad = g
        for m, t in zip(model.modules(), modes, strict=True):
            m.training = t


def why_not_compiled(device):
    "Why nothing can be compiled for a device here, as far as is known without trying; empty where it may work"
    try:
        if device == "cpu":
            from torch._inductor.cpp_builder import get_cpp_compiler
            get_cpp_compiler()
        elif device.startswith("cuda"):
            from torch.utils._triton import has_triton
            if not has_triton():
                return "there is no Triton"
    except ImportError:
        return ""  # another torch: trying will tell
    except Exception as e:
        return compiler_error(e)
    return ""


def compiler_error(e):
    "An exception of the compiler's in one line"
    e = getattr(e, "inner_exception", e)  # of the compiler's own wrapping
    return f"{type(e).__name__}: {first_line(e)}"[:200]

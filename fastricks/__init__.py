"""A fastai trainer for the bag of tricks (arXiv 1812.01187) that says which tricks pay on your images.

    import fastricks as ft
    run = ft.train("PHOTOS", "warmup+cosine+mixup:alpha=.4", epochs=5)

`__init__.pyi` has the names; each is imported when it is first used.
"""
import warnings

import lazy_loader

from .core import process

__version__ = "0.1.0"
process.settle()  # before torch is loaded
load_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name):
    if name not in __all__:
        from .core.errors import nearest
        raise AttributeError(f"fastricks has no {name!r}{nearest(name, __all__)}", name=name, obj=None)
    return load_name(name)


# not ours, and nothing that a user could mend
# fastai's import
warnings.filterwarnings("ignore", message=".*torch.jit.script. is deprecated.*", category=FutureWarning)
warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm's, in a notebook without ipywidgets

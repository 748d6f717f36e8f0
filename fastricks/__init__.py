"""A fastai trainer for the bag of tricks (arXiv 1812.01187) that says which tricks pay on your images."""
import warnings

__version__ = "0.1.0"


def __getattr__(name):
    "`from fastricks import load`, which imports torch only when it is called"
    if name != "load": raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .use.saved import load
    return load

warnings.filterwarnings("ignore", message=".*torch.jit.script. is deprecated.*", category=FutureWarning)

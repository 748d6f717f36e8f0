"""The data sources: each a file of this folder, found by what it defines."""
import inspect
import pkgutil
from importlib import import_module


class DataSource:
    """A kind of place that images come from. A file of `data/sources/` that defines a subclass adds one.

    `text` is what the user gave as --data. The sources are asked in the order of `priority`, the lowest first, and the
    first that fits opens it: names before folders, the special layout of a folder before the general one.
    """
    priority = 50
    names = ()  # texts that this source knows by heart: listed, and suggested for a misspelt one

    def fits(self, text):
        "Does this --data belong here? Quick: it may look at the disk, but decodes and downloads nothing"
        return text in self.names

    def choose_classes(self, text, wanted):
        "The class names to take, given those that the user asked for (None: all)"
        return wanted

    def open(self, text, wanted=None):
        "`Found` images of `text`, of the classes `wanted` (None: all). Raises UserError or OSError"
        raise NotImplementedError


def data_sources():
    "One of each DataSource in this folder, in the order in which they are asked"
    found = [kind() for module in source_modules() for kind in vars(module).values() if defines(module, kind)]
    return sorted(found, key=lambda o: o.priority)


def source_modules():
    "Every file of this folder, and of others that were added to the package's path"
    package = import_module(__package__)
    return [import_module(f"{__package__}.{o.name}") for o in pkgutil.iter_modules(package.__path__)]


def defines(module, kind):
    "Is it a source of this module's own, neither imported nor the class above?"
    if not inspect.isclass(kind) or kind is DataSource:
        return False
    return issubclass(kind, DataSource) and kind.__module__ == module.__name__


def builtin_names():
    "What can be given as --data without any file"
    return [name for source in data_sources() for name in source.names]

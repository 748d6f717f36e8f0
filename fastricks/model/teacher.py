"""A teacher's network from its file of weights."""
from ..core.errors import UserError, plural


def load_teacher(facts, classes):
    "The teacher's module, in eval mode, from the `facts` that settling found of it and the number of classes"
    from .network import build
    from .weights import read_meta
    model, lines = build(facts["arch"], classes, 0, facts["file"], read_meta(facts["file"]).get("kwargs"))
    if any(line.startswith("not loaded") for line in lines):
        raise UserError(f"the teacher {facts['file']} has no head for these {plural(classes, 'class', 'classes')}")
    return model.eval().requires_grad_(False)

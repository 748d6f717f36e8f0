"""What the tricks are, in the terminal: the list, a card each, the recipes. All of it is read from the registry."""
from dataclasses import fields
from textwrap import fill

from ..recipe.named import RECIPES
from ..recipe.registry import registry, trick_class
from ..trick.base import show
from ..trick.range import Range


def keys_text(cls): return ", ".join(f"{f.name}={show(f.default)}" for f in fields(cls)) or "–"


def trick_rows(): return [(n, ", ".join(c.changes()), keys_text(c), doc(c)) for n, c in registry().items()]


def doc(cls): return cls.__doc__.strip().split("\n")[0]


def aligned(rows, head):
    "Plain columns, the last one as long as it likes"
    rows = [head, *rows]
    widths = [max(len(r[i]) for r in rows) for i in range(len(head) - 1)]
    return ["  ".join([*(c.ljust(w) for c, w in zip(r, widths, strict=False)), r[-1]]).rstrip() for r in rows]


def trick_list(): return aligned(trick_rows(), ("trick", "changes", "parameters and defaults", "what it does"))


def card_lines(name):
    "The card of one trick"
    cls = trick_class(name)
    used, name = name, cls.name
    lines = [f"{name}: {doc(cls)}", ""]
    lines += wrapped("changes", ", ".join(cls.changes()))
    lines += wrapped("formula", cls.formula)
    lines += wrapped("source", cls.source)
    lines += wrapped("costs", cls.cost)
    lines += wrapped("instead of", instead_of(cls))
    for n, why in cls.conflicts.items():
        lines += wrapped("not with", f"{n}: {why}")
    keys = [x for f in fields(cls) for x in key_lines(f)]
    lines += ["", "parameters", *keys] if keys else []
    named = tutorials_in(lines)
    lines += ["", "tutorials", *(f"  {line}" for line in named)] if named else []
    return [*lines, "", f"use        -t {used}" + example_keys(cls, used)]


TUTORIALS = {
    "LearnOpenCV": '"Bag of Tricks for Image Classification", '
                   "https://learnopencv.com/bag-of-tricks-for-image-classification/",
    "DLology": '"Bag of Tricks for Image Classification with Convolutional Neural Networks in Keras", '
               "https://www.dlology.com/blog/"
               "bag-of-tricks-for-image-classification-with-convolutional-neural-networks-in-keras/"}


def tutorials_in(lines):
    "Titles and links of the tutorials that a text names"
    text = " ".join(lines)
    return [f"{name}: {where}" for name, where in TUTORIALS.items() if name in text]


def wrapped(head, text):
    return fill(text, 110, initial_indent=head.ljust(11), subsequent_indent=" " * 11).split("\n") if text else []


def instead_of(cls):
    return ", ".join(n for n, c in registry().items() if c.slot == cls.slot and c is not cls) if cls.slot else ""


def key_lines(f):
    limits, text = f.metadata.get("range", Range()), f.metadata.get("help", "")
    if limits.text and not limits.choices:
        text += f" ({limits.text})"
    first = f"  {f.name}={show(f.default)} ".ljust(24)
    return fill(text, 110, initial_indent=first, subsequent_indent=" " * 24).split("\n")


def example_keys(cls, used):
    f = next(iter(fields(cls)), None)
    return f", or with a parameter -t {used}:{f.name}={show(f.default)}" if f else ""


def recipe_list():
    "Each named recipe: what it is, its source, the differences that remain, its settings"
    out = []
    for name, r in RECIPES.items():
        settings = ", ".join(f"{k}={v}" for k, v in r.fields.items() if k not in ("schedule", "tricks"))
        on = {**r.fields.get("schedule", {}), **r.fields.get("tricks", {})}
        tricks = "+".join(n + keys(k) for n, k in on.items())
        out.append(f"{name}: {r.about}")
        out += indent("source", r.source)
        out += indent("settings", settings)
        out += indent("tricks", tricks)
        out += [*indent("differs", r.differs), ""]
    named = ["tutorials", *(f"  {line}" for line in tutorials_in(out)), ""] if tutorials_in(out) else []
    return [*out, *named, "use: fastricks train --recipe NAME; options override, as in --recipe blog --epochs 5"]


def keys(k): return (":" + ",".join(f"{a}={show(b)}" for a, b in k.items())) if k else ""


def indent(head, text): return ["  " + o for o in wrapped(head, text)]

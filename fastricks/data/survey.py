"""What is known of a recipe's images before a training: facts of each, copies, what a training would refuse. No torch.
"""
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from ..core.errors import visible
from .account import account_of
from .facts import copies, look_at_images
from .sampled import decoding_of
from .scan import allowed, settled
from .source import ENDING
from .sources.open import open_recipe

COPIES_NAMED = 5  # of an image that its row names


@dataclass
class Survey:
    "What is known of the images of a recipe"
    recipe: object
    source: object                              # without unreadable images, as a training has it
    facts: dict                                 # name -> Fact or why it can't be read
    groups: list                                # of images with the same pixels
    lost: list                                  # Items that can't be read

    @property
    def others(self):
        "ending -> files that are not named as images are"
        return Counter({end: n for (why, end), n in self.source.ignored.items() if why == ENDING})

    @property
    def bad(self): return self.source.skipped

    @property
    def items(self): return self.source.items

    @property
    def refused(self): return len(self.bad) > allowed(len(self.bad) + len(self.items), self.recipe.max_bad)

    @cached_property
    def account(self):
        "The Account of the same files that a training gives"
        return account_of(self.source)

    def fact(self, o): return self.facts[o.name]

    @property
    def small(self): return [o for o in self.items if min(self.fact(o)[:2]) < self.recipe.size]


def survey(recipe, say=None):
    """The Survey of a recipe's data. Raises UserError where a training would for anything but the number of unreadable
    images
    """
    def reopen(bad=None): return open_recipe(recipe, bad)
    facts, lost = {}, []

    def find(items):
        facts.update(look_at_images(items, say))
        new = [o for o in items if isinstance(facts[o.name], str)]
        lost.extend(new)
        return [(o.name, facts[o.name]) for o in new]
    opened = reopen()
    _, lines = decoding_of(recipe, opened.items)
    source = settled(opened, find, 1., reopen).note(*lines)
    return Survey(recipe, source, facts, copies(source.items, facts), lost)


def others(o, group):
    """The other images of a group, by name: a few, as a picture that stands in for thousands would fill the table with
    them
    """
    some = [visible(t.name) for t in islice((t for t in group if t is not o), COPIES_NAMED)]
    return " | ".join([*some, *([f"… {len(group) - 1 - len(some):,} more"] if len(group) - 1 > len(some) else [])])


def rows(s):
    "A row for each image, the unreadable ones too"
    same = {o.name: others(o, g) for g in s.groups for o in g}
    for o in s.items:
        f = s.fact(o)
        yield dict(image=visible(o.name), label=visible(o.label), split=o.split, width=f.w, height=f.h,
                   format=f.format, mode=f.mode, copy_of=same.get(o.name, ""), unreadable="")
    for o in s.lost:
        yield dict(image=visible(o.name), label=visible(o.label), split=o.split, unreadable=visible(s.facts[o.name]))

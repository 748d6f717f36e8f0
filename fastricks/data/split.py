"""Which training images are kept and which are held out: by a fixed hash of their names, never by a run's seed."""
from collections import Counter, defaultdict
from dataclasses import replace
from hashlib import blake2b


def place_in_order(salt, name):
    "Where `name` stands in the fixed random order called `salt`"
    return blake2b(f"{salt}/{name}".encode(), digest_size=8).digest()


def items_by_class(items):
    "{label: its items}"
    groups = defaultdict(list)
    for o in items:
        groups[o.label].append(o)
    return groups


def first_items(items, n, salt):
    "The first `n` of `items` in the order called `salt`"
    return sorted(items, key=lambda o: place_in_order(salt, o.name))[:n]


def count_of_share(frac, n):
    "How many of `n` images are `frac` of them: at least one, never all"
    return min(n-1, max(1, round(frac*n))) if frac > 0 and n > 1 else 0


def cap(items, n):
    "At most `n` training images of each class; the other splits as they are"
    return [o for o in set_aside(items, n) if o.split != "rest"]


def set_aside(items, n):
    "All but `n` training images of each class become `rest`"
    groups = items_by_class(o for o in items if o.split == "train").values()
    kept = {o.name for g in groups for o in first_items(g, n, "per_class")}
    return [replace(o, split="rest") if o.split == "train" and o.name not in kept else o for o in items]


def hold_out(items, frac, split, group_of=None):
    """The same part `frac` of each class's training images becomes `split`; with `group_of`, whole groups that make
    about that part of all
    """
    if group_of:
        return hold_out_groups(items, frac, split, group_of)
    groups = items_by_class(o for o in items if o.split == "train").values()
    out = {o.name for g in groups for o in first_items(g, count_of_share(frac, len(g)), split)}
    return [replace(o, split=split) if o.name in out else o for o in items]


def hold_out_groups(items, frac, split, group_of):
    """Whole groups of training images become `split`, in the order of a hash of their names, until they are `frac`;
    each class keeps some
    """
    train = [o for o in items if o.split == "train"]
    groups, left = defaultdict(list), Counter(o.label for o in train)
    for o in train:
        groups[group_of(o)].append(o)
    wanted, out = frac * len(train), set()
    for name in sorted(groups, key=lambda o: place_in_order(split, o)):
        own = Counter(o.label for o in groups[name])
        if len(out) >= wanted or any(left[k] <= n for k, n in own.items()):
            continue
        out.update(o.name for o in groups[name])
        left.subtract(own)
    return [replace(o, split=split) if o.name in out else o for o in items]

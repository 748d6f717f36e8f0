"""Folds for out-of-fold probabilities: each image is in one of them, what belongs together in the same one."""
from collections import Counter, defaultdict
from itertools import pairwise

from ..core.errors import UserError, plural
from .split import place_in_order


def folds_of(items, n, seed, group_of=None, copies=()):
    """{name: its fold, 0 to n - 1}: each fold with about the same share of every class.

    `group_of`: Item -> its group, and `copies`, lists of Items with the same file, are kept in one fold. A function of
    names, labels and `seed` alone: sklearn's StratifiedGroupKFold draws by position, so that a photo more moves all.
    Greedy, the large groups first: each goes where there are the fewest of its labels, then the fewest images. Raises
    UserError for a class whose images are all in one group, as the fold that has it could not learn it.
    """
    key = joined_groups(items, group_of, copies)
    groups = defaultdict(list)
    for o in items:
        groups[key[o.name]].append(o)
    require_two(items, key)
    folds, of_label, sizes = {}, [Counter() for _ in range(n)], [0] * n
    for name in sorted(groups, key=lambda k: (-len(groups[k]), place_in_order(f"fold {seed}", k))):
        labels = Counter(o.label for o in groups[name])
        best = min(range(n), key=lambda i: (sum(of_label[i][k] * m for k, m in labels.items()), sizes[i]))
        of_label[best].update(labels)
        sizes[best] += len(groups[name])
        folds.update({o.name: best for o in groups[name]})
    return folds


def joined_groups(items, group_of, copies):
    "{name: its group}, groups that share a copy made one"
    from scipy.cluster.hierarchy import DisjointSet
    key = {o.name: group_of(o) if group_of else o.name for o in items}
    groups = DisjointSet(key.values())
    for same in copies:
        for a, b in pairwise(same):
            groups.merge(key[a.name], key[b.name])
    first = {k: min(same) for same in groups.subsets() for k in same}
    return {name: first[k] for name, k in key.items()}


def require_two(items, key):
    found = defaultdict(set)
    for o in items:
        found[o.label].add(key[o.name])
    for label in sorted(k for k, groups in found.items() if len(groups) < 2):
        n = sum(o.label == label for o in items)
        raise UserError(f"class {label!r} has {plural(n, 'image')} that can't be parted into folds: add some, or name "
                        "the other classes with --classes")

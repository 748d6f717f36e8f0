"""Which folder, or which word of a table, is a split: `train`, `val`, `test_set`, `seg_train`, `TrainingImages` …"""
import re

from ..source import SPLIT, SPLITS

# of others' data sets
MORE_WORDS = {"dev": "valid", "development": "valid", "eval": "valid", "evaluation": "valid", "holdout": "test"}
WORDS = {**SPLIT, **MORE_WORDS}
PLAIN_WORDS = ("set", "sets", "data", "dataset", "images", "image", "imgs", "img", "photos", "photo", "pics",
               "pictures", "folder", "split", "dir", "files", "samples")
GLUED = re.compile(f"({'|'.join(WORDS)})({'|'.join(PLAIN_WORDS)})?")
WORD_PART = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])|\d+")
KAGGLE = {"publictest": "valid", "privatetest": "test"}  # the two tests of its competitions, as FER2013 has them


def parse_split(name):
    """(split, the other words of `name`), with (None, ()) for a name that is none.

    `test_set` is ("test", ()); `seg_test` is ("test", ("seg",)), which is a split only beside others with the same
    other words.
    """
    parts = [o.lower() for o in WORD_PART.findall(name)]
    found = [(i, WORDS[m[1]]) for i, o in enumerate(parts) if (m := GLUED.fullmatch(o))]
    if len(found) != 1:
        return None, ()
    [(at, split)] = found
    return split, tuple(o for i, o in enumerate(parts) if i != at and o not in PLAIN_WORDS)


def plain_split(name):
    "The split that a word says by itself, or None"
    split, rest = parse_split(name)
    return split if not rest else KAGGLE.get(name.strip().lower().replace(" ", ""))


def folder_splits(names):
    """{split: the one of the folders `names` that is it}, in the order of SPLITS.

    Of two for one split the first of `SPLIT`'s own words counts, then what says no more than a split, then `seg_train`
    beside `seg_test`.
    """
    found = {}
    for name in sorted(names, key=plainness):
        if is_split(name, names):
            found.setdefault(parse_split(name)[0], name)
    return {o: found[o] for o in SPLITS if o in found}


def is_split(name, names):
    "Is `name`, beside the others of `names`, a split?"
    split, rest = parse_split(name)
    return split is not None and (not rest or has_partner(name, names))


def plainness(name):
    "The sooner, the plainer a name says its split"
    words = [*SPLIT]
    if name.lower() in SPLIT:
        return 0, words.index(name.lower()), name != name.lower(), name
    _, rest = parse_split(name)
    return 1 + bool(rest), 0, name != name.lower(), name


def has_partner(name, names):
    "Is there another split with the same other words, one of the two for training?"
    _, rest = parse_split(name)
    splits = {parse_split(o)[0] for o in names if parse_split(o)[1] == rest} - {None}
    return len(splits) > 1 and "train" in splits


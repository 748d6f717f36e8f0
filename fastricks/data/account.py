"""The account of a data set before a training: what files are there, which are used, why the others are not. No torch.
"""
from collections import Counter
from dataclasses import asdict, dataclass

from ..core.errors import plural, shorten, visible
from .same import overlaps, pixel_checksums, same_files
from .source import ENDING
from .sources.walk import endings_text

FEW_TO_TRAIN_ON = 5  # training images below which a class is told
NAMED = 3  # classes that a line names
WORD_OF_SPLIT = {"train": "train", "valid": "validation", "test": "test", "rest": "more validation"}


@dataclass(frozen=True)
class Account:
    """What is known of a data set's files. `found` is the sum of `used` and `ignored`: each file that is there counts
    once.
    """
    found: int       # files that are there: below a folder; below a table's folder and beside its images
    used: dict       # split -> images
    ignored: dict    # reason -> files that are there and not used
    endings: dict    # ending -> files that are not named as images are
    missing: int     # images that are listed and not there
    splits: str      # where the splits come from
    classes: dict    # class -> {split: images}
    copies: dict     # "test in train" -> images of one split whose bytes another has too

    @property
    def as_dict(self): return asdict(self)

    @property
    def lines(self):
        "The account in a few lines, for the screen and the log"
        return [self.files_line, f"splits: {self.splits}", *([] if self.even else [self.classes_line]),
                *([f"few: {self.few}"] if self.few else []), *self.copies_lines]

    @property
    def files_line(self):
        "`files: 12 found = 10 used (8 train, 2 validation) + 2 ignored (1 hidden, 1 not named as images are: 1 .txt)`"
        used = ", ".join(f"{n:,} {WORD_OF_SPLIT[s]}" for s, n in self.used.items() if n)
        said = f"files: {self.found:,} found = {sum(self.used.values()):,} used ({used})"
        if self.ignored:
            n, reasons = sum(self.ignored.values()), ", ".join(map(self.told, self.ignored))
            said += f" + {n:,} ignored ({reasons})"
        if self.missing:
            said += f"; {plural(self.missing, 'listed image')} not there"
        return said

    def told(self, reason):
        more = f": {endings_text(Counter(self.endings))}" if reason == ENDING else ""
        return f"{self.ignored[reason]:,} {reason}{more}"

    @property
    def even(self):
        sizes = [n["train"] for n in self.classes.values()]
        return not sizes or max(sizes) < 1.5 * min(sizes)

    @property
    def classes_line(self):
        order = sorted(self.classes, key=lambda k: (self.classes[k]["train"], k))
        least, most = (f"{visible(k)!r} {self.classes[k]['train']:,}" for k in (order[0], order[-1]))
        return f"classes: uneven, training images from {least} to {most}"

    @property
    def few(self):
        """`2 classes have fewer than 5 training images: 'a' 1, 'b' 3; 1 class has no validation image`; empty where
        none has so few
        """
        few = sorted((n["train"], k) for k, n in self.classes.items() if n["train"] < FEW_TO_TRAIN_ON)
        if not few:
            return ""
        some = ", ".join(f"{shorten(visible(k), 30)!r} {n}" for n, k in few[:NAMED])
        if len(few) > NAMED:
            some += ", …"
        unseen = sum(not n["valid"] for n in self.classes.values()) if self.used["valid"] else 0
        held_out = f"; {plural(unseen, 'class has', 'classes have')} no validation image" if unseen else ""
        classes = plural(len(few), "class has", "classes have")
        return f"{classes} fewer than {FEW_TO_TRAIN_ON} training images: {some}{held_out}"

    @property
    def copies_lines(self):
        for pair, n in self.copies.items():
            a, _, b = pair.partition(" in ")
            images = plural(self.used[a], f"{WORD_OF_SPLIT[a]} image")
            yield f"copies: {n:,} of {images} in {WORD_OF_SPLIT[b]} too (the same bytes)"


def account_of(source):
    "The Account of a Source"
    used = {s: len(source.of(s)) for s in source.splits_used}
    ignored, endings = Counter(), Counter()
    for (why, end), n in source.ignored.items():
        ignored[why] += n
        if why == ENDING:
            endings[end] += n
    found = sum(used.values()) + ignored.total()
    shared = overlaps(same_files(source.items, pixel_checksums(source)))
    copies = {f"{a} in {b}": len(pairs) for (a, b), pairs in shared.items()}
    order = dict(sorted(ignored.items(), key=lambda o: (-o[1], o[0])))
    return Account(found, used, order, dict(endings), len(source.missing), source.splits, class_sizes(source), copies)


def class_sizes(source):
    "{class: {split: images}}"
    none = dict.fromkeys(source.splits_used, 0)
    found = {o: dict(none) for o in source.classes}
    for o in source.items:
        found[o.label][o.split] += 1
    return found

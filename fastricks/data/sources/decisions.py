"""What `fastricks clean` found, and a person decided, in a table of images: a decision a row, keep, drop or relabel."""
from dataclasses import replace

from ...core.errors import UserError, nearest, one_of, plural

KEEP, DROP, RELABEL = DECISIONS = "keep", "drop", "relabel"
DECISION_COLUMNS = "suggested", "score", "decision"  # a table with the first and the last has decisions


class Decisions:
    """Carries out the decisions of a table's rows, and counts them.

    `names`: the table's columns; `labels`: the labels of its rows, one of which a photo's new label must be.
    """
    def __init__(self, names, labels):
        self.at = {o.strip().lower(): i for i, o in enumerate(names)}
        self.labels, self.dropped, self.relabelled = {*labels}, [], 0

    def apply(self, item, cells, where):
        "The Item as decided, or None where it is dropped; raises UserError for what is no decision"
        word = self.text(cells, "decision").lower() or KEEP
        if word not in DECISIONS:
            raise UserError(f"{where}: decision {word!r} is none of {one_of(DECISIONS)}{nearest(word, DECISIONS)}")
        if word == DROP:
            self.dropped.append(item)
            return None
        return item if word == KEEP else self.relabel(item, self.text(cells, "suggested"), where)

    def relabel(self, item, label, where):
        if label not in self.labels:
            raise UserError(f"{where}: relabel takes the new label from the column suggested, and {label!r} is no "
                            f"row's label{nearest(label, self.labels)}")
        self.relabelled += label != item.label
        return replace(item, label=label)

    def text(self, cells, name): return cells[self.at[name]].strip() if self.at[name] < len(cells) else ""

    @property
    def notes(self):
        if not self.dropped and not self.relabelled:
            return []
        return [f"decisions: {plural(len(self.dropped), 'image')} dropped, {self.relabelled:,} relabelled"]


def has_decisions(names):
    "Does a table with columns of these names have decisions?"
    return {DECISION_COLUMNS[0], DECISION_COLUMNS[-1]} <= {o.strip().lower() for o in names}

"""What a person watches: a bar while an epoch runs, a row when it is done."""
from fastai.callback.core import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .only_training import is_training

COLUMNS = ("epoch", 7, ""), ("lr", 9, ".2e"), ("train_loss", 11, ".4f"), ("valid_loss", 11, ".4f"), ("accuracy", 9, ".2%"), \
    ("seconds", 8, ".1f"), ("images_per_s", 9, ",.0f")
MORE = {"macro_f1": ("macro_f1", 9, ".2%"), "balanced_accuracy": ("balanced_accuracy", 9, ".2%")}  # shown where they are gone by
TITLES = {"macro_f1": "macro F1", "balanced_accuracy": "balanced", "train_loss": "train loss", "valid_loss": "valid loss", "images_per_s": "images/s"}


def cell(row, name, width, spec):
    v = row.get(name)
    return ("–" if v is None else format(v, spec)).rjust(width)


def plain_console():
    "rich's Console; in a notebook one that writes text without a bar, not a piece of HTML a row"
    console = Console(highlight=False)
    return Console(highlight=False, force_jupyter=False, force_terminal=False) if console.is_jupyter else console


def tell(learn, line):
    "A line to the user from the midst of a training: through its Screen, which knows of bar and log, where it has one"
    screen = vars(learn).get("screen")
    (screen.line if screen else print)(line)


def note(learn, line):
    "A line to the run's log alone"
    screen = vars(learn).get("screen")
    if screen and screen.log: screen.log(line)


class Screen(Callback):
    """A table row per epoch, and on a terminal a progress bar; both can be left out, and `log(line)` still gets the rows.

    `by`: the number that weights are chosen by, which has a column.
    """
    order = 60  # after History's row

    def __init__(self, console=None, log=None, rows=True, bar=True, by="accuracy"):
        self.columns = (*COLUMNS[:5], *([MORE[by]] if by in MORE else []), *COLUMNS[5:])
        self.console, self.log, self.shows_rows, self.bar_too = console or plain_console(), log, rows, bar

    def line(self, text):
        if self.shows_rows: self.console.print(text, markup=False, soft_wrap=True)
        if self.log: self.log(text)

    @property
    def shows_bar(self): return self.console.is_terminal and self.bar_too

    def before_fit(self):
        self.run = is_training(self.learn)
        self.rows, self.titled = 0, False

    def before_train(self):
        if not self.titled: self.line("".join(" " + TITLES.get(n, n).rjust(w) for n, w, _ in self.columns))
        self.titled = True
        if not self.shows_bar: return
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                            console=self.console, transient=True, refresh_per_second=4)
        self.task = self.bar.add_task(f"epoch {self.learn.epoch + 1}/{self.learn.n_epoch}", total=len(self.dl),
                                      completed=getattr(self.dl, "start", 0))
        self.bar.start()

    def after_batch(self):
        if self.training and self.shows_bar: self.bar.advance(self.task)

    def after_train(self):
        if self.shows_bar: self.bar.stop()

    def after_epoch(self):
        rows = self.learn.history.rows
        if len(rows) == self.rows: return  # learn.validate() ends an epoch too
        self.rows = len(rows)
        self.line("".join(" " + cell(rows[-1], *c) for c in self.columns))

    def stop(self):
        "Leave the terminal as it was, however training ended"
        if getattr(self, "bar", None): self.bar.stop()

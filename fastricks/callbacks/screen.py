"""What a person watches: a bar while an epoch runs, a row when it is done."""
from fastai.callback.core import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ..core import progress
from .only_training import is_training

COLUMNS = (
    ("epoch", 7, ""),
    ("lr", 9, ".2e"),
    ("train_loss", 11, ".4f"),
    ("valid_loss", 11, ".4f"),
    ("accuracy", 9, ".2%"),
    ("seconds", 8, ".1f"),
    ("images_per_s", 9, ",.0f"),
)
# shown where they are gone by
SCORE_COLUMNS = {"macro_f1": ("macro_f1", 9, ".2%"), "balanced_accuracy": ("balanced_accuracy", 9, ".2%")}
TITLES = {"macro_f1": "macro F1", "balanced_accuracy": "balanced", "train_loss": "train loss",
          "valid_loss": "valid loss", "images_per_s": "images/s"}


def screen_cell(row, name, width, spec):
    v = row.get(name)
    return ("–" if v is None else format(v, spec)).rjust(width)


def plain_console():
    "rich's Console; in a notebook one that writes text without a bar, not a piece of HTML a row"
    console = Console(highlight=False)
    return Console(highlight=False, force_jupyter=False, force_terminal=False) if console.is_jupyter else console


def tell_screen(learn, line):
    "A line to the user from the midst of a training: through its Screen, which knows of bar and log, where it has one"
    screen = vars(learn).get("screen")
    (screen.line if screen else print)(line)


def note(learn, line):
    "A line to the run's log alone"
    screen = vars(learn).get("screen")
    if screen and screen.log:
        screen.log(line)


def counting(learn, what, total):
    "Callbacks for `get_preds` over `total` batches, which tell how far it is; none where a Learner has no Screen"
    screen = vars(learn).get("screen")
    return [Counting(screen.progress(what, total))] if screen else []


class Counting(Callback):
    "Moves a `core.progress.Progress` on by a batch"
    order = 60
    def __init__(self, progress): self.progress = progress
    def after_batch(self): self.progress.step()
    def after_validate(self): self.progress.clear()


class Screen(Callback):
    """A table row per epoch, and on a terminal a progress bar; both can be left out, and `log(line)` still gets the
    rows.

    Beside the bar stands the time left of the whole training; without a bar a line says it every half minute.

    `by`: the number that weights are chosen by, which has a column.
    """
    order = 60  # after History's row

    def __init__(self, console=None, log=None, rows=True, bar=True, by="accuracy"):
        self.columns = (*COLUMNS[:5], *([SCORE_COLUMNS[by]] if by in SCORE_COLUMNS else []), *COLUMNS[5:])
        self.console, self.log, self.shows_rows, self.bar_too = console or plain_console(), log, rows, bar

    def table_line(self, text_of):
        "A row of the table, without its last columns where the console is too narrow for them; the log has all"
        shown = self.columns
        if self.console.is_terminal:
            while sum(w + 1 for _, w, _ in shown) > self.console.width and len(shown) > 4:
                shown = shown[:-1]
        if self.shows_rows:
            self.console.print("".join(" " + text_of(*c) for c in shown), markup=False, soft_wrap=True)
        if self.log:
            self.log("".join(" " + text_of(*c) for c in self.columns))

    def line(self, text):
        if self.shows_rows:
            self.console.print(text, markup=False, soft_wrap=not self.console.is_terminal)
        if self.log:
            self.log(text)

    @property
    def shows_bar(self): return self.console.is_terminal and self.bar_too

    def progress(self, what, batches):
        "The Progress of some work over batches, told as the epochs are"
        return progress.Progress(what, batches, "batches", self.line, self.console.file, draws=self.shows_bar)

    def before_fit(self):
        self.run = is_training(self.learn)
        self.rows, self.titled, self.pace, self.bar = 0, False, None, None

    def before_train(self):
        if not self.titled:
            self.table_line(lambda name, w, spec: TITLES.get(name, name).rjust(w))
        self.titled = True
        self.at = getattr(self.dl, "start", 0)  # batches that a resumed epoch has behind it
        if not self.pace:
            self.pace = progress.Pace(self.batches_left())
        if not self.shows_bar:
            return
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}")
        self.bar = Progress(*columns, console=self.console, transient=True, refresh_per_second=4)
        self.task = self.bar.add_task(f"epoch {self.learn.epoch + 1}/{self.learn.n_epoch}", total=len(self.dl),
                                      completed=self.at, left="")
        self.bar.start()

    def batches_left(self):
        "Of training and validation, from here to the end"
        each = len(self.learn.dls.train) + len(self.learn.dls.valid)
        return (self.learn.n_epoch - self.learn.epoch) * each - self.at

    def before_validate(self):
        if self.bar:
            self.bar.reset(self.task, total=len(self.dl), description="validation", left=self.pace.left_text)

    def after_batch(self):
        if not self.pace:
            return
        self.pace.step()
        self.at += self.training
        if self.bar:
            self.bar.update(self.task, advance=1, left=self.pace.left_text)
        elif self.pace.due(progress.EVERY):
            self.line(self.where)

    @property
    def where(self):
        at = f"batch {self.at:,} of {len(self.learn.dls.train):,}" if self.training else "validation"
        return f"epoch {self.learn.epoch + 1} of {self.learn.n_epoch}, {at}: {self.pace.left_text}"

    def after_validate(self): self.stop()
    def after_fit(self): self.stop()

    def after_epoch(self):
        rows = self.learn.history.rows
        if len(rows) == self.rows:
            return  # learn.validate() ends an epoch too
        self.rows = len(rows)
        self.table_line(lambda *column: screen_cell(rows[-1], *column))

    def stop(self):
        "Leave the terminal as it was, however training ended"
        if getattr(self, "bar", None):
            self.bar.stop()
        self.bar = None

"""One training under way: what was asked of it, the run folder that it writes, and how that ends."""
import shlex
from contextlib import suppress
from dataclasses import dataclass

from ..core import ranks, stop
from ..core.errors import UserError, first_line, visible
from ..core.words import silent
from ..recipe.names import base_name
from ..runfolder.folder import Guest, RunFolder
from .job import Job
from .memory import readable_error
from .reporter import Reporter
from .resume import Start


@dataclass(frozen=True)
class TrainingOptions:
    "How a training is to be carried out, beside its recipe"
    say: object = print            # gets each line for the user
    job_type: str = "train"        # of the W&B run
    group: str | None = None       # of the W&B run
    bar: bool = True               # a progress bar, on a terminal
    resume: object = False         # True, or a run's folder
    reporter: Reporter = Reporter()


@dataclass
class Session:
    """A context: the run that a training writes is opened, created and released here, and said to be finished,
    interrupted or failed.

    Its run is None until `create`, unless an earlier run is resumed.
    """
    job: Job
    asked: TrainingOptions
    start: Start

    def __post_init__(self): self.run = self.start.run

    def __enter__(self): return self

    def __exit__(self, kind, error, trace):
        try:
            if error is None:
                return False
            told = readable_error(error, self.job.recipe)
            if self.run and not self.run.finished:
                self.left_off(told)
            if told is error:
                return False
            raise told
        finally:
            if self.run:
                self.run.release()

    def create(self):
        "Make the new run's folder, by the first process for all of them; a resumed run has one"
        job = self.job
        with stop.held():
            if self.run:
                return
            name = f"{base_name(job.recipe, job.source.name)}-s{job.recipe.seed}"
            run = RunFolder.create(job.recipe, name, job.record) if ranks.is_first() else None
            folder = ranks.from_first(run and str(run.folder))
            self.run = run or Guest(folder)

    def tell(self, line):
        "A line for the user and the run's log"
        self.asked.say(visible(line))
        self.run.log(visible(line))

    @property
    def quiet(self): return self.asked.say is silent

    def draw(self, name, write):
        "Let the reporter write a file of the run; whatever goes wrong with it, the run goes on"
        try:
            with ranks.apart():
                write(self.run.path(name))
        except Exception as e:
            self.tell(f"no {name} ({type(e).__name__}: {e})")

    def list_runs(self):
        """Let the reporter bring the list of all runs up to date; whatever goes wrong with it, the run has ended as it
        has
        """
        if not ranks.is_first():
            return
        try:
            self.asked.reporter.index(self.run.folder.parent)
        except Exception as e:
            self.run.log(f"no list of runs ({type(e).__name__}: {e})")

    def left_off(self, error):
        "The folder says how the run ended, the user how to go on"
        stopped = isinstance(error, KeyboardInterrupt)
        stop.asked.how = f"`{how_to_resume(self.run.folder)}` resumes it"
        with stop.held(), suppress(UserError):  # where the disk is full `unfinished` has to do
            why = ranks.last_word(first_line(f"{type(error).__name__}: {error}"))
            self.run.status("interrupted" if stopped else "failed", reason=visible(why))
            self.list_runs()


def how_to_resume(folder):
    n = ranks.local_world()
    launcher = f"torchrun --nproc-per-node {n} -m " if n > 1 else ""
    return f"{launcher}fastricks resume {shlex.quote(str(folder))}"

"""A DataLoader that goes on: without the images that can no longer be read, and without loader processes that died."""
import sys
from itertools import islice
from pickle import PicklingError

from fastai.data.core import TfmdDL
from fastai.torch_core import to_device
from torch.utils.data._utils.signal_handling import _remove_worker_pids
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter, _SingleProcessDataLoaderIter

from ...core.errors import first_line
from ..pixels.image import Unreadable
from ..source import Item

BROKEN = "DataLoader worker (pid", "Too many open files. Communication"  # how torch's errors begin
# what a loader process dies of in a small /dev/shm
NO_ROOM = "No space left on device", "unable to mmap", "shared memory"

UNSENT = AttributeError, TypeError, PicklingError  # what a process that is not forked can't be sent raises

FEW_LOST = 3  # images that one batch lost are named


def to_stderr(line): print(line, file=sys.stderr)


class Losses:
    """Images that were lost in the middle of a training, name -> reason, and what was told; `then(losses)` is called
    after each change
    """
    def __init__(self): self.found, self.then, self.say = {}, None, to_stderr
    # to a loader process, which tells nobody
    def __getstate__(self): return {"found": self.found, "then": None, "say": to_stderr}

    def add(self, lost):
        "`lost`: (name, reason) pairs"
        new = [(n, why) for n, why in lost if n not in self.found]
        self.found.update(new)
        for n, why in new[:FEW_LOST]:
            self.say(f"left out from now on: {n} cannot be read any more ({why})")
        if new and self.then:
            self.then(self)

    def left(self, items): return [o for o in items if item_name(o) not in self.found]


class SturdyDL(TfmdDL):
    """A fastai DataLoader each of whose batches is a function of its place in the epoch, which makes it hard to stop.

    An item that raises `Unreadable` is left out of its batch, and of all later ones; the others stay where they are.
    Where a loader process dies, the batches that it owed, and all after them, are made in this process, the same to the
    bit.
    """
    losses = None  # set by the maker of DataLoaders, who shares one between them

    def new(self, dataset=None, cls=None, **kwargs):
        res = super().new(dataset, cls, **kwargs)
        res.losses = self.losses
        return res

    def __iter__(self):
        self.losses = self.losses or Losses()
        self.randomize()
        self.before_iter()
        self._DataLoader__idxs = self.get_idxs()
        for b, lost, places in self.parcels():
            if lost:
                self.losses.add((item_name(self.dataset.items[s]), why) for s, why in lost)
            if b is None:
                self.none_left()
                continue
            if self.pin_memory and isinstance(b, list):
                b = tuple(b)  # torch's pinning makes lists of tuples
            self.tell(self.after_batch, places)
            yield self.after_batch(b if self.device is None else to_device(b, self.device))
        self.after_iter()
        if hasattr(self, "it"):
            del self.it

    def tell(self, tfms, places): "Tell transforms of whose images' views they are about to make: nothing here"

    def none_left(self): "No image of a batch can be read any more; the others go on without it"

    def parcels(self):
        "What `create_batches` yields, from loader processes or from this one"
        if not self.fake_l.num_workers:
            yield from _SingleProcessDataLoaderIter(self.fake_l)
            return
        n, it = 0, None
        try:
            it = processes(self.fake_l)
            for o in it:
                yield o
                n += 1
        except (RuntimeError, OSError, EOFError, *UNSENT) as e:
            # without an iterator none was started
            if it is not None and (isinstance(e, UNSENT) or not is_broken(e)):
                raise
            if it is not None:
                end(it)
            self.losses.say(f"a DataLoader worker died ({first_line(e)[:100]}): the rest of the epoch is loaded in "
                            "the main process")
        else:
            return
        finally:
            if it is not None:
                it._shutdown_workers()
        yield from self.create_batches(self.sample(), n)

    def create_batches(self, samps, start=0):
        """Parcels (batch or None, [(sample, reason)] of what is lost, samples of the batch) of every batch from number
        `start` on
        """
        if self.dataset is not None:
            self.it = iter(self.dataset)
        yield from self.make(islice(self.chunkify(samps), start, None))

    def make(self, chunks): return map(self.parcel, chunks)

    def parcel(self, chunk):
        there, lost = [], []
        for s in self.present(chunk):
            try:
                there.append((s, self.do_item(s)))
            except Unreadable as e:
                lost.append((s, str(e)))
        there = self.enough([(s, o) for s, o in there if o is not None], chunk)
        return (self.do_batch([o for _, o in there]) if there else None), lost, [s for s, _ in there]

    def present(self, chunk):
        "The samples of a batch that are not lost yet"
        found = self.losses.found if self.losses else ()
        return [s for s in chunk if item_name(self.dataset.items[s]) not in found] if found else chunk

    def enough(self, left, chunk):
        "BatchNorm needs two: one that is left of a training batch comes twice"
        return left * 2 if self.shuffle and len(left) == 1 < len(chunk) else left


def item_name(o): return o.name if isinstance(o, Item) else str(o)


def processes(fake_l):
    """torch's iterator over loader processes, whose death it notices when their batch is due, not in the middle of a
    step
    """
    it = _MultiProcessingDataLoaderIter(fake_l)
    _remove_worker_pids(id(it))  # else its SIGCHLD handler raises wherever the main thread is
    it._worker_pids_set = False
    return it


def end(it):
    "End what is left of an iterator at once: torch's own way waits for locks that a dead process may have held"
    if it._shutdown:
        return
    it._shutdown = True
    for w in it._workers:
        w.kill()
    for w in it._workers:
        w.join()
    if hasattr(it, "_pin_memory_thread"):
        it._pin_memory_thread_done_event.set()
        it._pin_memory_thread.join()
    for q in (*it._index_queues, it._worker_result_queue):
        q.cancel_join_thread()
        q.close()


def is_broken(e):
    "Whether it is the processes that fail, not what they were asked to do"
    text = str(e)
    # a connection to a process that was just dying
    if not isinstance(e, RuntimeError):
        return not text.startswith("Caught")
    return text.startswith(BROKEN) or ("DataLoader worker" in text and any(o in text for o in NO_ROOM))

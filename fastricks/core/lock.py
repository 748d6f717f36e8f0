"""Locks between processes, on files: the system frees a lock when its process ends, however it ends."""
import os
import weakref

HELD = weakref.WeakSet()  # the ProcessLocks that this process has


class ProcessLock:
    """A file that one process at a time has. Not reentrant: in one process, too, only one ProcessLock of a file has it.

    Its release leaves the file: removing it while another process waits would let two in. Where the file system has no
    locks everybody gets it: a training goes on there, and two on one folder are not told apart.
    """
    def __init__(self, path): self.path, self.file = path, None

    def take(self, wait=False):
        "Is it ours now? With `wait` it is in the end. Raises OSError where the file cannot be written"
        from filelock import lock_descriptor
        self.file = open(self.path, "ab")  # noqa: SIM115  held open; nothing is written to it
        HELD.add(self)
        try:
            ours = lock_descriptor(self.file.fileno(), blocking=wait)
        except OSError:
            ours = True  # a file system without locks
        except BaseException:
            self.release()
            raise
        if not ours:
            self.release()
        return ours

    def release(self):
        if self.file:
            self.file.close()
        self.file = None


def release_all():
    "In a forked process, such as a loader's: the lock is its parent's, and it must not outlive that"
    for lock in list(HELD):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=release_all)

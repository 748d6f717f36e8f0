"""Work done ahead of its use, in threads that leave torch's own to the training."""
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import islice
from threading import Barrier

os.register_at_fork(after_in_child=lambda: pool.cache_clear())  # threads do not survive a fork


@cache
def pool(n):
    """`n` threads, each of which computes alone: a thread of its own team for each of torch's would fight the
    training's.

    torch keeps one number for threads still to come, which is put back.
    """
    import torch
    threads, meet = torch.get_num_threads(), Barrier(n + 1)
    p = ThreadPoolExecutor(n, "fastricks", one_thread, (meet,))
    for _ in range(n):
        p.submit(int)
    meet.wait()
    torch.set_num_threads(threads)
    return p


def one_thread(meet):
    import torch
    torch.get_num_threads()  # torch sets a new thread up at its first question
    torch.set_num_threads(1)
    meet.wait()


def ahead(f, xs, threads, n=None):
    """f(x) of each x, in order, `n` (default: the threads) of them begun while their forerunner is in use; 0 threads:
    none
    """
    if not threads:
        yield from map(f, xs)
        return
    xs, due, p = iter(xs), deque(), pool(threads)
    try:
        while True:
            due.extend(p.submit(f, x) for x in islice(xs, (n or threads) + 1 - len(due)))
            if not due:
                return
            yield due.popleft().result()
    finally:
        for o in due:
            o.cancel()

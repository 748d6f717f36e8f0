"""What is set for the whole process when fastricks is imported: how OpenMP's threads wait, and what glibc's allocator
keeps.

Threads of OpenMP spin while they wait for each other, so that two trainings on the same cores hold each other up;
passive ones sleep. OpenMP reads its policy when torch loads it, so that this comes before torch or not at all. glibc
gives large tensors back to the system and asks for them again in every step, page by page; kept, they cost 1 to 8% more
memory. Neither changes a bit of any result. What a user has set wins, and $FASTRICKS_PROCESS=0 leaves all as it is.
"""
import os
import sys

POLICY, PASSIVE = "OMP_WAIT_POLICY", "PASSIVE"
WAITS = (POLICY, "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")  # each says how OpenMP's threads wait
ALLOCATORS = ("jemalloc", "tcmalloc", "mimalloc")  # as $LD_PRELOAD names them
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # mallopt(3)
LARGEST = 512 << 20  # bytes; what is larger still comes from the system and goes back to it
NEVER = -1
AS_IT_WAS = "as it was"
found: dict[str, str] = {}  # for environment.json


def settle():
    "Sets what nobody has set, once, and notes in `found` what it came to; nothing where libc is not glibc"
    apply = glibc() and not switched_off()
    found.update(omp=omp() if apply else AS_IT_WAS, malloc=malloc() if apply else AS_IT_WAS)


def switched_off(): return os.environ.get("FASTRICKS_PROCESS") == "0"


def glibc():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") is not None
    except (AttributeError, ValueError, OSError):  # Windows, macOS, musl
        return False


def omp():
    if os.environ.get(POLICY, "").upper() == PASSIVE:  # a process that started this one may have set it
        return "passive"
    if any(name in os.environ for name in WAITS):
        return "the user's own"
    if "torch" in sys.modules:
        return "too late: torch was imported first"
    os.environ[POLICY] = PASSIVE
    return "passive"


def malloc():
    if own_allocator():
        return "the user's own"
    import ctypes
    mallopt = ctypes.CDLL(None).mallopt
    kept = [mallopt(MMAP_THRESHOLD, LARGEST), mallopt(TRIM_THRESHOLD, NEVER)]
    return "keeps memory" if all(kept) else "refused by mallopt"


def own_allocator():
    "Whether the environment sets glibc's allocator, or another one takes its place"
    preloaded = os.environ.get("LD_PRELOAD", "")
    return (any(name.startswith("MALLOC_") for name in os.environ)
            or "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "")
            or any(name in preloaded for name in ALLOCATORS))

"""Every image file is decoded once before the first step, so that no broken one stops a run in its middle."""
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from ..core.cache import cache_dir, recall, remember
from ..core.errors import UserError, plural
from ..core.machine import cores
from .source import MANY_IMAGES, UNREADABLE, is_path, size_and_time

CHUNK = 64
FLOOR = 5      # files that may be bad in a small folder, whatever their share
VERSION = 3  # of what is remembered


def drop_unreadable(source, max_bad=.01, threads=None, cache=None, say=None, reopen=None):
    "`source` without the images that cannot be read. `cache`: folder of what is remembered, the user's own if None"
    def find(items):
        return find_bad([o for o in items if is_path(o.image)], threads, Path(cache or cache_dir())/"scan", say)
    return settled(source, find, max_bad, reopen)


def settled(source, find, max_bad=.01, reopen=None):
    """`source` without the unreadable images that `find(items)` tells with reasons.

    `reopen(bad)` gives the source as if these had never been there, with splits made anew, which may bring in others
    that are not checked yet; without it the splits stay.
    """
    if not 0 <= max_bad <= 1:
        raise UserError(f"--max-bad {max_bad}: give a fraction from 0 to 1")
    reopen = reopen or (lambda bad: leave_out(source, bad))
    now, bad, seen, missing = source, {}, set(), dict(source.missing)
    refuse_many(missing, len(source.items) + len(missing), max_bad, source.name)
    while (items := [o for o in now.items if o.name not in seen]) and (new := find(items)):
        seen |= {o.name for o in items if is_path(o.image)}
        bad |= dict(new)
        refuse_many(missing | bad, len(seen) + len(missing), max_bad, source.name)
        now = reopen(bad)
    if not bad:
        return replace(source, skipped=(*source.skipped, *source.missing)) if missing else source
    out = replace(now, skipped=(*source.skipped, *sorted((missing | bad).items())),
                  ignored=now.ignored + Counter({(UNREADABLE, ""): len(bad)}))
    reasons = some_reasons(sorted(bad.items()))
    return out.note(f"skipped {plural(len(bad), 'unreadable image')}: {reasons}{limits_hint(bad)}")


def find_bad(files, threads, folder, say=None):
    "[(name, reason)] of unreadable files; those found well before are believed, those found bad are tried again"
    if not files:
        return []
    record = folder/f"{state(files)}.json"
    known = recall(record)
    suspects = files if not is_names(known) else [o for o in files if o.name in {*known}]
    if say and len(suspects) > MANY_IMAGES:
        say(f"checking {len(suspects):,} images, once")
    bad = unreadable_items(suspects, threads or min(8, cores()))
    names = [name for name, _ in bad]
    if names != known:
        remember(record, names)
    return bad


def is_names(x): return isinstance(x, list) and all(isinstance(o, str) for o in x)


def state(files):
    "One hash of names, sizes and times, which changes when a file does"
    import PIL
    h = blake2b(f"{VERSION} {PIL.__version__}\n".encode(), digest_size=12)
    for o in files:
        h.update(f"{o.name}\t{size_and_time(o.image)}\n".encode())
    return h.hexdigest()


def unreadable_items(items, threads):
    from .pixels.image import quiet
    chunks = [items[i:i+CHUNK] for i in range(0, len(items), CHUNK)]
    with quiet(), ThreadPoolExecutor(threads) as pool:
        return [o for bad in pool.map(bad_of, chunks) for o in bad]


def bad_of(items):
    "[(name, reason)] of the unreadable of `items`"
    return [(o.name, why) for o in items if (why := reading_trouble(o.image))]


def reading_trouble(path):
    "Why a file cannot be read, or None"
    from .pixels.image import Unreadable, decode
    try:
        decode(path, small=True)
    except Unreadable as e:
        return str(e)


def allowed(n, max_bad):
    "How many of `n` images may be bad: that share, or a few; none for 0"
    return max(max_bad*n, FLOOR) if max_bad else 0


def refuse_many(bad, n, max_bad, name):
    if len(bad) > allowed(n, max_bad):
        raise UserError(f"{len(bad):,} of {plural(n, 'image')} of {name} cannot be read, more than --max-bad "
                        f"{max_bad:g} allows: {some_reasons(sorted(bad.items()))}; fix or delete them, or raise "
                        f"--max-bad{limits_hint(bad)}")


def limits_hint(bad):
    "How limits are raised that some of the images are above"
    names = {"too many pixels": "FASTRICKS_MAX_MEGAPIXELS", "too long and thin": "FASTRICKS_MAX_RATIO"}
    found = [name for why, name in names.items() if why in bad.values()]
    return f"; the environment variable {' or '.join(found)} raises that limit" if found else ""


def leave_out(source, bad):
    left = [o for o in source.items if o.name not in bad]
    require_all(source, left, some_reasons(sorted(bad.items())))
    return replace(source, items=tuple(left))


def some_reasons(bad):
    "The first three of them, with reasons"
    return ", ".join(f"{name} ({why})" for name, why in bad[:3]) + (", …" if len(bad) > 3 else "")


def require_all(source, left, first):
    "No class may lose all its training images, no split all its images"
    trained, splits = {o.label for o in left if o.split == "train"}, {o.split for o in left}
    for o in source.classes:
        if o not in trained:
            raise UserError(f"no training image of class {o!r} of {source.name} can be read: {first}")
    for o in ("valid", "test"):
        if source.of(o) and o not in splits:
            raise UserError(f"no {o} image of {source.name} can be read: {first}")

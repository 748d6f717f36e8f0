"""Finished runs, found by what a user calls them: folders, globs, groups, files of stored ones. Needs no torch."""
import glob
import os
import re
from pathlib import Path

from ..core.errors import UserError, nearest, plural
from ..recipe.names import base_name, short_name
from ..recipe.recipe import Recipe, read_recipe
from ..runfolder.record import soup_of
from .runs import diverged_run, part, read_run
from .stored import stored_runs


def load_runs(texts, say=lambda line: None, diverged=None):
    """The FinishedRuns of folders, globs, folders of runs, groups, and JSON files of stored runs.

    A group is the runs of a recipe, under `runs` or the folder before the /. `say(line)` is told what is left out; to
    the list `diverged` are added the DivergedRuns among it. Raises UserError where nothing is found, or nothing that is
    finished.
    """
    texts = [texts] if isinstance(texts, str | Path) else texts
    texts = [os.path.expanduser(t) for t in texts]
    files = [t for t in map(Path, texts) if is_stored(t)]
    texts = [t for t in texts if not is_stored(Path(t))]
    named = {f.resolve() for f in map(Path, texts) if is_run(f)}
    folders = list({f.resolve(): f for t in texts for f in find(str(t))}.values())
    runs = [r for file in files for r in stored_runs(file)]
    left = []
    for f in folders:
        try:
            runs.append(read_run(f))
        except (ValueError, UserError) as e:
            left.append(f"{f.name} ({e})")
            if diverged is not None and (run := diverged_run(f)):
                diverged.append(run)
    if not runs:
        raise UserError(f"none of {plural(len(folders), 'run')} is finished: {shortened(left)}")
    if left:
        say(f"skipped: {shortened(left)}")
    return without_teachers(runs, named, say)


def is_stored(path): return path.suffix == ".json" and path.name != "recipe.json" and path.is_file()


def shortened(words, n=6): return "; ".join(words[:n]) + (f"; and {len(words) - n} more" if len(words) > n else "")


def is_run(path): return (path / "recipe.json").is_file()


def find(text):
    "Run folders that a text means"
    path = Path(text)
    if path.name == "recipe.json" and path.is_file():
        return [path.parent]
    if path.is_dir():
        return in_folder(path)
    matches = [Path(p) for p in sorted(glob.glob(text), key=in_numbers) if Path(p).is_dir()]
    hits = [f for p in matches for f in in_folder(p, needed=False)] or group(path)
    if hits:
        return hits
    near = nearest(path.name, names_beside(path))
    raise UserError(f"{text} is no run folder, no folder of runs and no group of runs{near}")


def in_folder(path, needed=True):
    found = [path] if is_run(path) else sorted((f.parent for f in path.glob("*/recipe.json")), key=in_numbers)
    if needed and not found:
        raise UserError(f"{path} is no run folder and has none in it")
    return found


def in_numbers(path):
    "s2 comes before s10"
    return [int(x) if x.isdigit() else x for x in re.split(r"(\d+)", str(path))]


def group_place(path):
    "The folder in which a group's runs lie: the part before the /, or the usual one"
    return path.parent if str(path.parent) != "." else Path(Recipe.out)


def group(path):
    "The run folders whose recipe, without its seed, has this name"
    return [f for f in in_folder(group_place(path), needed=False) if path.name in groups_of(f) | {f.name}]


def groups_of(folder):
    "A run folder's names without a seed: the recipe's, whole and without what differs from the defaults, and its own"
    try:
        meta = part(folder, "recipe.json")
        recipe = Recipe(**read_recipe(folder / "recipe.json"))
        if soup_of(meta.get("facts")):
            return {re.sub(r"-s\d+(-\d+)?$", "", folder.name)}
        source = meta["data"]["name"]
        return {meta.get("group"), base_name(recipe, source), short_name(recipe, source),
                re.sub(r"-s\d+(-\d+)?$", "", folder.name)}
    except (ValueError, UserError, KeyError, TypeError):
        return set()


def names_beside(path):
    "Names of runs and groups in the folder where a group was looked for"
    folders = in_folder(group_place(path), needed=False)
    return sorted({name for f in folders for name in groups_of(f) | {f.name} if name})


def without_teachers(runs, named, say):
    "A teacher that was found beside its students is no row of theirs; one that was named is"
    if len(runs) == 1:
        return runs
    theirs = {identity for r in runs for identity in r.needed}
    teachers = [r for r in runs if r.identity in theirs and r.folder.resolve() not in named]
    for r in teachers:
        say(f"left out: {r.name} (a teacher of others here; name its folder to compare it)")
    return [r for r in runs if r not in teachers]

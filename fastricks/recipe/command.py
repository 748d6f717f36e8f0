"""A recipe as a command line."""
import json
import shlex

from ..core.errors import UserError
from .recipe import Recipe, flag_of, options, resolve


def train_words(rows, given):
    "The command of a grid's every run, but for its tricks and seed"
    from .recipe import flag_of
    fixed = [x for k, v in given.items() if not isinstance(v, bool) for x in (flag_of(k), str(v))]
    fixed += [flag_of(k) if v else "--no-" + k.replace("_", "-") for k, v in given.items() if isinstance(v, bool)]
    return ["fastricks", "train", *(x for r in [rows[0].recipe.recipe] if r for x in ("--recipe", r)), *fixed]


def one_line(given, base, texts):
    "The command line of a recipe"
    words = ["python train.py"] + ([f"--recipe {base}"] if base else [])
    words += [("" if v else "no-").join(["--", flag_of(k)[2:]]) if isinstance(v, bool) else f"{flag_of(k)} {v}" for k, v in given.items()]
    return " ".join([*words, *(f"-t {t}" for t in texts)])


def command(recipe):
    "The `python train.py …` of a recipe, or None where options can't say it"
    name = recipe.recipe or None
    try: base = resolve({"data": recipe.data}, [], name)
    except UserError: return None
    given = {f.name: v for f in numeric_options() if (v := getattr(recipe, f.name)) != getattr(base, f.name)}
    if given.get("weights"): given.pop("pretrained", None)  # goes without saying
    own = [selection_of(t) for t in recipe.make_tricks() if t.name in recipe.tricks]
    rows = [*(["none"] if base.tricks else []), *(["+".join(own)] if own else [])]
    words = ["--data", recipe.data, *(["--recipe", name] if name else []), *(w for k, v in given.items() for w in flag(k, v)),
             *(w for r in rows for w in ("-t", r))]
    return "python train.py " + shlex.join(words) if makes(recipe, given, rows, name) else None


def selection_of(trick):
    "A trick as -t takes it: one of the user's own by its file"
    file = (trick.origin or {}).get("file")
    return file + str(trick).removeprefix(trick.name) if file else str(trick)


def numeric_options(): return [f for f in options() if f.metadata["numeric"] and f.name != "data"]


def makes(recipe, given, rows, name):
    "Do these options give this recipe?"
    try: r = resolve({"data": recipe.data, **given}, rows, name)
    except UserError: return False
    same = lambda k: json.dumps(getattr(r, k)) == json.dumps(getattr(recipe, k))  # a recipe.json has lists for tuples
    return all(map(same, ("tricks", "schedule", *(f.name for f in numeric_options()))))


def flag(name, value):
    if value is None: return []
    return [f"--{'' if value else 'no-'}{name.replace('_', '-')}"] if isinstance(value, bool) else [flag_of(name), str(value)]


def data_words(recipe):
    "The options that say which data it is"
    own = resolve({"data": recipe.data})
    given = {k: getattr(recipe, k) for k in ("classes", "per_class", "valid", "size") if getattr(recipe, k) != getattr(own, k)}
    if recipe.data != Recipe.data: given = {"data": recipe.data, **given}
    return " ".join(f"{flag_of(k)} {shlex.quote(str(v))}" for k, v in given.items())

"""`skipped.csv`: the images that could not be read, before the training and in its middle."""
from ..core.errors import UserError, plural
from ..core.files import rows_to_csv
from ..data.scan import allowed, require_all, some_reasons


def watch(losses, recipe, source, run, tell):
    "Keep the run's skipped.csv true from now on; to lose too much ends the run"
    def write(losses):
        rows = [*source.skipped, *losses.found.items()]
        if rows:
            run.write("skipped.csv", rows_to_csv([{"image": name, "reason": why} for name, why in rows]))
        if losses.found:
            require_enough(losses, recipe, source, len(rows))

    losses.say, losses.then = tell, write
    write(losses)


def require_enough(losses, recipe, source, n_bad):
    "The rules of the check before the training hold in its middle too"
    n, first = len(source.items) + len(source.skipped), some_reasons([*losses.found.items()])
    if n_bad > allowed(n, recipe.max_bad):
        raise UserError(
            f"{n_bad:,} of {plural(n, 'image')} of {source.name} cannot be read any more, "
            f"more than --max-bad {recipe.max_bad:g} allows: {first}; bring them back, or raise --max-bad")
    require_all(source, losses.left(source.items), first)

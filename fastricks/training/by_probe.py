"""`--compile auto` and `--layout auto`: timed steps of the network decide, once, before tricks and rate are settled."""
from dataclasses import replace

from ..callbacks.compile import compiler_error, why_not_compiled
from ..callbacks.compile_probe import compiled_times
from ..callbacks.dtype import dtype_of
from ..core import ranks
from ..core.cache import remembered
from ..core.errors import UserError
from ..core.words import duration
from ..model.layout import CHANNELS_LAST, CONTIGUOUS
from ..model.probe import GAIN, layout_times, machine_facts, step_of
from ..recipe.plan import arch_kwargs, batches_an_epoch
from ..recipe.recipe import AUTO
from ..recipe.registry import check_all

LAYOUT_CACHE, COMPILE_CACHE = "layout", "compile"  # folders of the user's cache that have the probes' answers
LEAST_COMPILING = 10.  # seconds: a network takes longer to compile than a run that ends within them
NOT_TIMED = "steps are not timed on mps"
Decision = tuple[object, str]  # the value, why


def decide_by_probe(job, say, others=()):
    """The Job whose recipe has what `auto` is on this machine, each said in a line; `others`: recipes that are to be
    trained with the same, as the rows of an ablation.
    """
    recipe, classes = job.recipe, len(job.source.classes)
    if recipe.layout == AUTO:
        layout, why = ranks.by_first(lambda: choose_layout(recipe, classes))
        say(f"layout: {layout} ({why})")
        recipe = replace(recipe, layout=layout)
    if recipe.compile == AUTO:
        steps = recipe.epochs * batches_an_epoch(len(job.source.of("train")), recipe.whole_batch)
        compiled, why = ranks.by_first(lambda: choose_compile(recipe, classes, steps, others or [recipe], say))
        say(f"compile: {'yes' if compiled else 'no'} ({why})")
        recipe = replace(recipe, compile=compiled)
    return replace(job, recipe=recipe)


def choose_layout(recipe, classes):
    "(layout, why): channels-last, unless a contiguous step is faster by more than noise"
    if recipe.device == "mps":
        return CHANNELS_LAST, NOT_TIMED
    dtype, kwargs = dtype_of(recipe, classes), arch_kwargs(recipe, classes)
    try:
        times = remembered(LAYOUT_CACHE, step_facts(recipe, kwargs, dtype), "seconds",
                           lambda: layout_times(recipe, classes, kwargs, dtype))
    except Exception as e:
        return CHANNELS_LAST, f"the probe failed: {compiler_error(e)}"
    gain = times[CHANNELS_LAST] / times[CONTIGUOUS]
    return (CONTIGUOUS if gain >= GAIN else CHANNELS_LAST,
            f"a contiguous step is {gain:.2f} times as fast as a channels-last one")


def choose_compile(recipe, classes, steps, recipes, say):
    "(whether to compile, why) of a run of so many `steps`; not where one of the `recipes` can't be compiled"
    def measure():
        say("compile: steps are timed, compiled and not, once for this network and machine: a minute or more")
        return compiled_times(recipe, classes, kwargs, dtype)

    if recipe.device == "mps":
        return False, NOT_TIMED
    if why := why_no_compiler(recipe.device):
        return False, f"not possible here: {why}"
    if why := refused(recipes):
        return False, why
    dtype, kwargs = dtype_of(recipe, classes), arch_kwargs(recipe, classes)
    facts = [*step_facts(recipe, kwargs, dtype), recipe.layout]
    try:
        plain = remembered(COMPILE_CACHE, [*facts, "plain"], "seconds", lambda: step_of(recipe, classes))
        if plain * steps < LEAST_COMPILING:
            return False, f"all {steps:,} steps take about {duration(plain * steps)}, and compiling longer"
        return compile_pays(steps, **remembered(COMPILE_CACHE, facts, "seconds", measure))
    except Exception as e:
        return False, f"the probe failed: {compiler_error(e)}"


def why_no_compiler(device):
    "Why torch compiles nothing for this device here; empty where it may"
    return "several processes train" if ranks.world() > 1 else why_not_compiled(device)


def refused(recipes):
    "Why one of the recipes can't be compiled; empty where all can"
    for r in recipes:
        try:
            check_all(replace(r, compile=True), r.make_tricks())
        except UserError as e:
            return str(e)
    return ""


def compile_pays(steps, plain, compiled, compiling):
    """(whether compiling pays, why) in a run of so many steps, by the seconds of a `plain` and a `compiled` step and of
    `compiling`"""
    gain, saved = plain / compiled, steps * (plain - compiled)
    speed = f"a compiled step is {gain:.2f} times as fast"
    if gain < GAIN:
        return False, speed
    return saved > compiling, (f"{speed}, which saves {duration(saved)} in {steps:,} steps, and compiling takes "
                               f"{duration(compiling)}")


def step_facts(recipe, kwargs, dtype):
    "What the time of a step depends on, plain data; on a GPU not on the CPU's threads"
    threads, *others = machine_facts(recipe)
    return [recipe.arch, recipe.batch_size, *recipe.sides, kwargs, dtype,
            threads if recipe.device == "cpu" else None, *others]

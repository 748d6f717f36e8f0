"""The Typer app: one function a verb. Light: what needs torch is imported when it is needed."""
import os
import re
import sys
from errno import ENOSPC
from typing import Annotated

import typer

from . import ranks, stop
from .cli_ablate import ablate_command
from .cli_compare import compare_command
from .cli_demo import demo_command
from .cli_look import evaluate_command, page_command
from .cli_options import Debug, RecipeName, Tricks, quiet, with_recipe
from .cli_show import show
from .cli_use import export_command, predict_command
from .errors import UserError, nearest, visible
from .grid import parse_seeds
from .recipe import flag_of, options, resolve

app = typer.Typer(name="fastricks", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  rich_markup_mode=None, help="Train image classifiers with the bag of tricks, and see which of them pay.")

@app.command()
@with_recipe
def train(given,
          recipe: RecipeName = None,
          tricks: Tricks = None,
          seeds: Annotated[str | None, typer.Option(
              metavar="5|0,1,2|0-4", help="train with each of these seeds, and say how they spread")] = None,
          resume: Annotated[bool, typer.Option("--resume", help="go on with the last unfinished run of this recipe, if there is one")] = False,
          explain: Annotated[bool, typer.Option("--explain", help="say what would be done, draw the learning rate, don't train")] = False,
          debug: Debug = False):
    """Train a classifier; with no options, on the built-in digits."""
    r = resolve(given, tricks or (), recipe)
    if seeds and "seed" in given: raise UserError("--seed and --seeds: give one of them")
    if seeds and ranks.world() > 1: raise UserError("--seeds trains one run after the other: give torchrun one --seed")
    if seeds and "name" in given: raise UserError("--name is for one run: with --seeds choose the folder with --out")
    seeds = parse_seeds(seeds) if seeds else None
    quiet()
    if seeds and not explain: return train_all(r, seeds)
    if explain:
        from .explain import explain as say_all
        return say_all(r)
    from .train import last_screen
    from .train import train as run
    result = run(r, resume=resume)
    for line in last_screen(r, result): print(line)


@app.command("resume")
def go_on(run: Annotated[str, typer.Argument(metavar="RUN", help="an unfinished run's folder")], debug: Debug = False):
    """Go on with a training that was stopped or killed, from its last checkpoint; the result is as if it had not been."""
    from .resume import is_finished, recipe_of
    r = recipe_of(run)
    if is_finished(run): return print(f"{run} is finished: there is nothing to go on with")
    quiet()
    from .train import last_screen, train
    for line in last_screen(r, train(r, resume=run)): print(line)


def train_all(recipe, seeds):
    from .ablate import seeds_screen, train_seeds
    for line in seeds_screen(train_seeds(recipe, seeds).folders): print(line)


app.command("ablate")(with_recipe(ablate_command))
app.command("compare")(compare_command)
app.command("evaluate")(evaluate_command)
app.command("page")(page_command)
app.command("predict")(predict_command)
app.command("export")(export_command)
app.command("demo")(demo_command)


@app.command()
def tricks(name: Annotated[str | None, typer.Argument(help="a trick's name, for its card")] = None, debug: Debug = False):
    """List the tricks, a row each, or show the card of one."""
    from .cards import card, trick_list
    for line in card(name) if name else trick_list(): print(line)


@app.command()
def recipes(debug: Debug = False):
    """List the named recipes with their sources and settings."""
    from .cards import recipe_list
    for line in recipe_list(): print(line)


@app.command()
def prepare(source: Annotated[str, typer.Argument(help="Food-101's archive (tgz, or Kaggle's zip), or the unpacked folder")],
            target: Annotated[str, typer.Argument(help="folder to write train/ and test/ to")],
            classes: Annotated[str | None, typer.Option(help="only these: names joined by commas, a file, or food-101-21")] = None,
            copy: Annotated[bool, typer.Option("--copy", help="copy files of an unpacked folder instead of linking them")] = False,
            debug: Debug = False):
    """Unpack and split a downloaded Food-101 into train/ and test/; run it again to finish what was interrupted."""
    from .data.prepare import prepare as do
    do(source, target, classes, copy)


app.add_typer(show, name="show")


def fail(text, code=2):
    with stop.held():  # the launcher ends all processes as soon as one ended
        if ranks.may_tell(text): print(f"error: {visible(text)}", file=sys.stderr)
    return code


def run(args):
    "Run a command line and return its exit code: 0, 2 for what the user can mend (one sentence), 130 for Ctrl-C, 143 for SIGTERM"
    with stop.listening():
        code = run_app(args)
        return stop.say() if stop.asked.signum else code


def run_app(args):
    debug = "--debug" in args
    try: code = app(args, prog_name="fastricks", standalone_mode=False) or 0
    except UserError as e:
        if debug: raise
        return fail(e)
    except Exception as e:
        if debug: raise
        if type(e).__name__ == "NoArgsIsHelpError": return print(e.format_message(), file=sys.stderr) or 2
        if hasattr(e, "format_message"): return fail(usage_text(e))
        return fail(unexpected(e), 2 if disk_full(e) else 1)
    except stop.Stopped: return stop.code()
    return code


def usage_text(e):
    "A usage error as one sentence, with the nearest right option or command"
    text = re.sub(r" \(Possible options?: .*\)", "", e.format_message()).rstrip(".")
    text = text[0].lower() + text[1:] if text else text
    word = getattr(e, "option_name", None)
    if word and "did you mean" not in text.lower():
        text += nearest(word, [flag_of(f.name) for f in options()] + ["--tricks", "--recipe", "--resume", "--explain", "--debug"])
    return text.replace(" Did you mean ", "; did you mean ")


def disk_full(e): return isinstance(e, OSError) and e.errno == ENOSPC


def unexpected(e):
    if disk_full(e): return f"the disk is full ({e.filename or 'no space left on device'}): make room, or choose another --out"
    text = str(e).strip().split("\n")[0]
    return f"{type(e).__name__}: {text} (this is not a user's error: --debug shows where)"


def main(args=None):
    args = sys.argv[1:] if args is None else args
    if ranks.rank():
        if not trains(args): return
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  the first process speaks for all
    with stop.listening(exits=True):
        code = run(args)
        if stop.asked.signum or (code and ranks.world() > 1): stop.leave(code)
    sys.exit(code)


def trains(args):
    "Is it a training, which several processes do together?"
    return args[:1] in (["train"], ["resume"]) and not {"--explain", "--help"} & {*args}


if __name__ == "__main__": main()

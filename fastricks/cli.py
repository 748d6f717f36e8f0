"""The Typer app: one function a verb. Light: what needs torch is imported when it is needed."""
import inspect
import sys
from typing import Annotated, get_type_hints

import typer

from .errors import UserError, nearest
from .recipe import Recipe, flag_of, options, resolve

app = typer.Typer(name="fastricks", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  rich_markup_mode=None, help="Train image classifiers with the bag of tricks, and see which of them pay.")

Tricks = Annotated[list[str] | None, typer.Option(
    "--tricks", "-t", metavar="TRICKS", help="tricks to add, as warmup+cosine+mixup:alpha=.4; -t=-NAME takes one away, -t none all",
    show_default=False)]
Debug = Annotated[bool, typer.Option("--debug", help="show the traceback of an error")]


def default_text(f):
    return str(f.default) if f.default is not None and f.default is not True else ("yes" if f.default is True else "")


def recipe_param(f, kind):
    "A field of the Recipe as an option: its name, type, default and help come from the field"
    m = f.metadata
    names = [m["flag"] or flag_of(f.name)]
    choices = m["limits"].get("choices")
    metavar = m["metavar"] or ("|".join(choices) if choices else None)
    text = m["help"] + (f" [default: {default_text(f)}]" if default_text(f) and "default" not in m["help"] else "")
    option = typer.Option(*names, help=text, metavar=metavar, show_default=False)
    return inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])


def with_recipe(fn):
    "Give a command `(given, selection, recipe, …)` the options of all Recipe fields"
    hints = get_type_hints(Recipe)
    params = [recipe_param(f, hints[f.name] | None) for f in options()]
    own = [p for n, p in inspect.signature(fn).parameters.items() if n != "given"]

    def command(**kw):
        given = {f.name: v for f in options() if (v := kw.pop(f.name)) is not None}
        return fn(given, **kw)
    command.__name__, command.__doc__ = fn.__name__, fn.__doc__
    command.__signature__ = inspect.Signature([*params, *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own)])
    command.__annotations__ = {p.name: p.annotation for p in command.__signature__.parameters.values()}
    return command


@app.command()
@with_recipe
def train(given,
          recipe: Annotated[str | None, typer.Option(
              metavar="NAME", help="a named recipe (see `fastricks recipes`), or a run folder to repeat")] = None,
          tricks: Tricks = None,
          explain: Annotated[bool, typer.Option("--explain", help="say what would be done, draw the learning rate, don't train")] = False,
          debug: Debug = False):
    """Train a classifier; with no options, on the built-in digits."""
    r = resolve(given, tricks or (), recipe)
    quiet()
    if explain:
        from .explain import explain as say_all
        return say_all(r)
    from .train import last_screen
    from .train import train as run
    result = run(r)
    for line in last_screen(r, result): print(line)


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


# -- show

show = typer.Typer(no_args_is_help=True, rich_markup_mode=None,
                   help="Draw a training's learning rate, first batch or targets.")
app.add_typer(show, name="show")

RecipeName = Annotated[str | None, typer.Option(metavar="NAME", help="a named recipe (see `fastricks recipes`), or a run folder")]
Rows = Annotated[list[str] | None, typer.Option("--tricks", "-t", metavar="TRICKS", show_default=False,
                                               help="one line more, with these tricks")]
To = Annotated[str, typer.Option(metavar="FILE.png", help="where the picture goes")]
Images = Annotated[int, typer.Option(min=1, help="how many images")]
Epoch = Annotated[int, typer.Option(min=1, help="of which epoch")]


@show.command("lr")
@with_recipe
def show_lr(given,
            recipes: Annotated[list[str] | None, typer.Argument(
                metavar="RECIPE", help="named recipes or run folders, a line each", show_default=False)] = None,
            recipe: RecipeName = None, tricks: Rows = None,
            steps_per_epoch: Annotated[int | None, typer.Option(
                min=1, help="optimizer steps an epoch [default: what the data makes]", show_default=False)] = None,
            to: To = "show-lr.png", debug: Debug = False):
    """Draw learning rates, a line for each RECIPE and -t.

    A -t is a row on --recipe, or else on the first RECIPE: `fastricks show lr blog -t warmup:by=epoch,epochs=6 -t cosine`.
    """
    from . import show as s
    s.check_to(to)
    lines = s.lines_of(given, recipes or (), tricks or (), recipe)
    quiet()
    s.tell_lr(s.schedules_of(lines, steps_per_epoch, print), to, sys.stdout.isatty())


@show.command("batch")
@with_recipe
def show_batch(given, recipe: RecipeName = None, tricks: Tricks = None, images: Images = 8, epoch: Epoch = 1, to: To = "show-batch.png",
               debug: Debug = False):
    """Draw the first batch as the network sees it."""
    from . import show as s
    s.check_to(to)
    r = resolve(given, tricks or (), recipe)
    quiet()
    print(f"picture    {s.save_to(s.show_batch(r, images, epoch, print), to)}")


@show.command("targets")
@with_recipe
def show_targets(given, recipe: RecipeName = None, tricks: Tricks = None, images: Images = 4, epoch: Epoch = 1, to: To = "show-targets.png",
                 debug: Debug = False):
    """Draw the targets: smoothed, mixed, a teacher's.

    A teacher must be there already: nothing is trained here.
    """
    from . import show as s
    s.check_to(to)
    r = resolve(given, tricks or (), recipe)
    quiet()
    print(f"picture    {s.save_to(s.show_targets(r, images, epoch, print), to)}")


def quiet():
    "Silence a warning of fastai's import that a user can do nothing about"
    import warnings
    warnings.filterwarnings("ignore", message=".*torch.jit.script. is deprecated.*", category=FutureWarning)


def fail(text, code=2):
    print(f"error: {text}", file=sys.stderr)
    return code


def run(args):
    "Run a command line and return its exit code: 0, 2 for what the user can mend (one sentence), 130 for Ctrl-C"
    debug = "--debug" in args
    try: code = app(args, prog_name="fastricks", standalone_mode=False) or 0
    except UserError as e:
        if debug: raise
        return fail(e)
    except Exception as e:
        if debug: raise
        if type(e).__name__ == "NoArgsIsHelpError": return print(e.format_message(), file=sys.stderr) or 2
        if hasattr(e, "format_message"): return fail(usage_text(e))
        return fail(unexpected(e), getattr(e, "exit_code", 1))
    return fail("interrupted", 130) if code == 130 else code  # Typer turns Ctrl-C into its exit code


def usage_text(e):
    "A usage error as one sentence, with the nearest right option or command"
    text = e.format_message().rstrip(".")
    text = text[0].lower() + text[1:] if text else text
    word = getattr(e, "option_name", None)
    if word and "did you mean" not in text.lower():
        text += nearest(word, [flag_of(f.name) for f in options()] + ["--tricks", "--recipe", "--explain", "--debug"])
    return text.replace(" Did you mean ", "; did you mean ")


def unexpected(e):
    if isinstance(e, OSError) and e.errno == 28: return f"the disk is full ({e.filename or 'no space left on device'})"
    text = str(e).strip().split("\n")[0]
    return f"{type(e).__name__}: {text} (this is not a user's error: --debug shows where)"


def main(): sys.exit(run(sys.argv[1:]))


if __name__ == "__main__": main()

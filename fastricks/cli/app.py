"""The Typer app: one function a verb. Light: what needs torch is imported when it is needed."""
import os
import re
import sys
from errno import ENOSPC
from typing import Annotated

import typer

from .. import __version__
from ..core import output, ranks, stop
from ..core.errors import UserError, first_line, nearest, visible
from ..recipe.recipe import flag_of, options
from .ablate import ablate_command
from .card import card_command
from .clean import clean_command
from .compare import compare_command
from .demo import demo_command
from .evaluate import evaluate_command
from .export import export_command
from .help import GroupedCommand, GroupedVerbs
from .options import with_recipe
from .page import page_command
from .predict import predict_command
from .prepare import prepare_command
from .push import push_command
from .recipes import recipes_command
from .resume import ELSEWHERE, resume_command
from .runs import runs_command
from .show import show_verbs
from .soup import soup_command
from .train import train_command
from .tricks import tricks_command

app = typer.Typer(name="fastricks", cls=GroupedVerbs, no_args_is_help=True, pretty_exceptions_enable=False,
                  rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]},
                  help="Train image classifiers with the bag of tricks, and see which of them pay.")


def say_version(wanted):
    if not wanted:
        return
    print(f"fastricks {__version__}")
    raise typer.Exit


@app.callback()
def options_of_all(version: Annotated[bool, typer.Option("--version", callback=say_version, is_eager=True,
                                                         help="Show the version.")] = False):
    pass


def add_verb(name, function): app.command(name, cls=GroupedCommand)(function)


add_verb("train", with_recipe(train_command))
add_verb("resume", with_recipe(resume_command, ELSEWHERE))
add_verb("ablate", with_recipe(ablate_command))
add_verb("clean", with_recipe(clean_command))
add_verb("compare", compare_command)
add_verb("soup", soup_command)
add_verb("runs", runs_command)
add_verb("evaluate", evaluate_command)
add_verb("page", page_command)
add_verb("predict", predict_command)
add_verb("export", export_command)
add_verb("demo", demo_command)
add_verb("card", card_command)
add_verb("push", push_command)
add_verb("tricks", tricks_command)
add_verb("recipes", recipes_command)
add_verb("prepare", prepare_command)
app.add_typer(show_verbs, name="show")


INSTANT = {"runs", "tricks", "recipes"}  # verbs that load nothing heavy
# verbs that end their work, whether or not somebody reads what they say
ALL_NIGHT = [["train"], ["resume"], ["ablate"], ["clean"]]


def fail(text, code=2):
    with stop.held():  # the launcher ends all processes as soon as one ended
        if ranks.may_tell(text):
            print(f"error: {visible(text)}", file=sys.stderr)
    return code


def run(args):
    """Run a command line and return its exit code: 0, 2 for what the user can fix (one sentence), 130 for Ctrl-C, 143
    for SIGTERM
    """
    with stop.listening():
        code = run_app([option_at_home(a) for a in args])
        return stop.say_stopped() if stop.asked.signum else code


def option_at_home(word):
    "`--out=~/runs` as it is meant: shells know ~ at a word's beginning only"
    option = re.fullmatch(r"(--[a-z-]+=)(~(?:[/\\].*)?)", word, re.DOTALL)
    return option[1] + os.path.expanduser(option[2]) if option else word


def bring_caches_home():
    "`XDG_CACHE_HOME=~/c`, from a file that no shell read, is a folder called ~ to matplotlib"
    place = os.environ.get("XDG_CACHE_HOME", "")
    if place.startswith("~"):
        os.environ["XDG_CACHE_HOME"] = os.path.expanduser(place)


def run_app(args):
    debug = "--debug" in args
    try:
        code = app(args, prog_name="fastricks", standalone_mode=False) or 0
    except UserError as e:
        if debug:
            raise
        return fail(e)
    except Exception as e:
        if debug:
            raise
        if type(e).__name__ == "NoArgsIsHelpError":
            return print(e.format_message(), file=sys.stderr) or 2
        if hasattr(e, "format_message"):
            return fail(usage_text(e))
        return fail(unexpected(e), 2 if disk_full(e) else 1)
    except stop.Stopped:
        return stop.exit_code()
    return code


def usage_text(e):
    "A usage error as one sentence, with the nearest right option or command"
    text = re.sub(r" \(Possible options?: .*\)", "", e.format_message()).rstrip(".")
    text = text[0].lower() + text[1:] if text else text
    word = getattr(e, "option_name", None)
    known = [*(flag_of(f.name) for f in options()), "--tricks", "--recipe", "--resume", "--explain", "--debug"]
    if word and word not in known and "did you mean" not in text.lower():
        text += nearest(word, known)
    return re.sub(r"\.? Did you mean ", "; did you mean ", text)


def disk_full(e): return isinstance(e, OSError) and e.errno == ENOSPC


def unexpected(e):
    if disk_full(e):
        return f"the disk is full ({e.filename or 'no space left on device'}): make room, or choose another --out"
    return (f"{type(e).__name__}: {first_line(e)} (internal error; please report it, with the traceback that --debug "
            "shows)")


def main(args=None):
    args = sys.argv[1:] if args is None else args
    output.write_any_letter()
    bring_caches_home()
    if args[:1] in ALL_NIGHT:
        output.outlive_readers()
    if takes_a_while(args) and ranks.is_first():
        output.announce(f"fastricks {args[0]}: loading PyTorch …")
    if ranks.rank():
        if not trains(args):
            return
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  the first process speaks for all
    with stop.listening(exits=True):
        code = run(args)
        if stop.asked.signum or (code and ranks.world() > 1):
            stop.leave(code)
    sys.exit(code)


def takes_a_while(args):
    "Does a command line load torch before it has anything to say?"
    return bool(args) and args[0][:1] not in ("-", "") and args[0] not in INSTANT and not {"--help", "-h"} & {*args}


def trains(args):
    "Is it a training, which several processes do together?"
    return args[:1] in (["train"], ["resume"]) and not {"--explain", "--help", "-h"} & {*args}


if __name__ == "__main__":
    main()

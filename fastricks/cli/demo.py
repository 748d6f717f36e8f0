"""The verb `demo`. Light."""
from typing import Annotated

import typer

from .options import Debug, Trained


def demo_command(run: Trained,
                 port: Annotated[int, typer.Option(min=1, max=65535, help="where the page is served")] = 7860,
                 host: Annotated[str, typer.Option(help="who may see it: 127.0.0.1 is this machine alone, 0.0.0.0 all "
                                                        "that reach it")] = "127.0.0.1",
                 debug: Debug = False):
    """Serve a web demo (Gradio): drop a photo on a page and see its predicted classes. Ctrl-C ends it.

    Nothing leaves this machine, and no photo stays: needs gradio (`pip install gradio`).
    """
    from ..use.demo import serve
    serve(run, port, host)

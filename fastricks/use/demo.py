"""`fastricks demo`: a page to drop a photo on. Gradio serves it; nothing leaves the machine, no photo stays."""
import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from os import PathLike
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING, Any

from ..core import stop
from ..core.errors import UserError, plural, visible
from ..core.words import Say
from .saved import find_saved

if TYPE_CHECKING:
    import gradio

    from .predictor import Predictor

TOP = 5
SHOWN_SIDE = 280  # pixels of the longer side of a heat map
SHOWN = ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif"  # by every browser
MISSING = "`fastricks demo` needs gradio, which is not installed: `pip install gradio`"


def serve(run: str | PathLike[str], port: int = 7860, host: str = "127.0.0.1", say: Say = print,
          until: Callable[[], object] | None = None) -> None:
    """Serve the page of a finished run until Ctrl-C, or until `until()` returns.

    Raises UserError where gradio, the run or the port is not to be had.
    """
    if find_spec("gradio") is None:
        raise UserError(MISSING)
    find_saved(run)
    require_port(host, port)
    with private(), as_given():
        from .. import load
        app = demo_app(load(run))
        try:
            app.launch(server_name=host, server_port=port, share=False, quiet=True, prevent_thread_lock=True,
                       inbrowser=False, footer_links=[],
                       ssr_mode=False, theme=theme())
            say(f"page      http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}  (Ctrl-C ends it)")
            with suppress(KeyboardInterrupt):
                (until or Event().wait)()
        finally:
            app.close(verbose=False)
    stop.asked.signum = None  # to be stopped is how it ends
    say("stopped")


def require_port(host: str, port: int) -> None:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                raise UserError(
                    f"port {port} of {host} is in use: choose another, as in --port {port % 65535 + 1}") from None
            raise UserError(f"--host {host} --port {port}: can't be served there ({e.strerror or e})") from None


@contextmanager
def private() -> Iterator[None]:
    """Gradio asks nobody for news, loads nothing from elsewhere, and keeps what it is given in a folder that goes with
    it
    """
    own = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    old = {k: os.environ.get(k) for k in (*own, "GRADIO_TEMP_DIR")}
    with TemporaryDirectory(prefix="fastricks-demo-") as folder:
        os.environ.update(own, GRADIO_TEMP_DIR=folder)
        try:
            yield
        finally:
            for k, v in old.items():
                os.environ.pop(k) if v is None else os.environ.update({k: v})


@contextmanager
def as_given() -> Iterator[None]:
    """Gradio opens a photo before its function does, and has no words for what it can't open: that is left to the
    predictor
    """
    from gradio import Image
    old = Image.preprocess
    Image.preprocess = lambda self, given: given and given.path
    try:
        yield
    finally:
        Image.preprocess = old


def theme() -> "gradio.themes.Default":
    "The system's own letters: Gradio's come from Google"
    import gradio as gr
    return gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def demo_app(p: "Predictor") -> "gradio.Blocks":
    "The gradio Blocks of a Predictor"
    import gradio as gr
    nothing = gr.Image(value=None, visible=False)

    def answer(file: str | None) -> tuple[Any, dict[str, float] | None, str, Any]:
        """(photo, answer, what to say, heat map): a file that can't be read is taken away, one that no browser shows is
        shown as it was read
        """
        if file is None:
            return gr.skip(), None, "", nothing
        lost: list[str] = []
        found = p.predict(file, k=TOP, bad=lambda _, why: lost.append(why))
        if lost:
            return None, None, f"**This is no photo that can be read:** {words(lost[0])}.", nothing
        from ..data.pixels.image import load_rgb
        photo = gr.skip() if file.lower().endswith(SHOWN) else load_rgb(file)
        heat = evidence(p, file, found[0].label)
        shown = nothing if heat is None else gr.Image(value=heat, visible=True)
        return photo, dict(zip(map(visible, found[0].labels), found[0].probabilities, strict=True)), "", shown

    with gr.Blocks(title=f"{visible(p.run.name)}: fastricks", analytics_enabled=False) as app:
        gr.Markdown(f"## {words(p.run.name)}\n{words(p.meta['arch'])}, {plural(len(p.classes), 'class', 'classes')}. "
                    f"Drop a photo, or paste one.\n\n{words(p.calibrated().capitalize())}.")
        told = gr.Markdown()
        with gr.Row():
            photo = gr.Image(label="A photo", type="filepath", image_mode=None, sources=["upload", "clipboard"],
                             height=420)
            with gr.Column():
                says = gr.Label(label="Prediction", num_top_classes=TOP)
                seen = gr.Image(label="Evidence for it (LayerCAM)", visible=False, height=SHOWN_SIDE,
                                interactive=False, buttons=["fullscreen"])
        photo.input(answer, photo, [photo, says, told, seen], show_progress="hidden", api_visibility="private")
    return app


def evidence(p: "Predictor", file: str, label: str) -> Any:
    "What the network sees of a photo under its heat map for a class, as a PIL image; None for a network that has none"
    import torch
    from PIL import Image

    from ..data.pixels.canonical import from_torch, scaled
    from ..model.cam import heat_maps
    from ..report.pages.images import as_bytes, under_heat
    x = p.pixels(file)
    try:
        maps = heat_maps(p.model, scaled(x.to(p.device), p.mean, p.std), torch.tensor([p.classes.index(label)]))
    except RuntimeError:  # a network whose feature maps can't be differentiated as they are
        return None
    if maps is None:
        return None
    im = Image.fromarray(from_torch(x))
    scale = max(1, SHOWN_SIDE / max(im.size))
    enlarged = im.resize((round(scale * im.width), round(scale * im.height)), Image.Resampling.BICUBIC)
    return under_heat(enlarged, as_bytes(maps.numpy())[0])


def words(text: object) -> str:
    "Text in Markdown, whatever is in it"
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+-.!<>|~$&" else c for c in visible(text))

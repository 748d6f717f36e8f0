"""The demo's page as a person uses it: served by a process of its own, opened in a real browser, given a real file."""
import os
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec

import pytest
from PIL import Image
from support.devtools import BROWSER, Page
from support.paths import ROOT
from support.small import recipe_of

from fastricks.cli.app import run
from fastricks.core.words import silent
from fastricks.training.training import train

gradio = pytest.mark.skipif(find_spec("gradio") is None, reason="gradio is not installed: pip install -e '.[demo]'")
browser = pytest.mark.skipif(BROWSER is None, reason="there is no chromium on this machine")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return train(recipe_of(epochs=4, lr=3e-3, per_class=20, out=str(out), name="a_b *run*"), silent).folder


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    from fastricks.data.sources.digits import digit_items
    file = tmp_path_factory.mktemp("photos") / "a three.png"
    three = Image.fromarray(next(o.image for o in digit_items().items if o.label == "3"))
    three.resize((160, 160), Image.Resampling.BICUBIC).save(file)
    return file


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listen_to_ctrl_c(): signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="module")
def served(trained, tmp_path_factory):
    "(address, process) of a demo"
    temp, port = tmp_path_factory.mktemp("tmp"), free_port()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temp)}
    p = subprocess.Popen([sys.executable, "-m", "fastricks", "demo", str(trained), "--port", str(port)],
                         stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, env=env, preexec_fn=listen_to_ctrl_c, cwd=temp)
    line = p.stdout.readline()
    assert line == f"page      http://127.0.0.1:{port}  (Ctrl-C ends it)\n", (line, p.stderr.read())
    yield f"http://127.0.0.1:{port}", p, temp
    p.kill()
    p.communicate()


@gradio
@browser
def test_a_photo_is_dropped_on_the_page(served, trained, photo, tmp_path):
    address, *_ = served
    page = Page(tmp_path / "profile")
    try:
        page("Page.navigate", url=address)
        page.until("document.querySelectorAll('input[type=file]').length")
        text = page.js("document.body.innerText")
        assert "a_b *run*" in text and "test_resnet.r160_in1k, 10 classes" in text and "LayerCAM" not in text
        page.upload("input[type=file]", photo)
        text = page.until("(document.body.innerText.match(/\\d+%/g) || []).length >= 5 && document.body.innerText")
        says = [line for line in text.split("\n") if line.strip()]
        assert predicted(trained, photo)[0] in says and text.count("%") == 5
        page.until("document.body.innerText.includes('LayerCAM')")
        assert page.until("[...document.images].some(i => i.naturalWidth == 160)")
        (tmp_path / "demo.png").write_bytes(page.picture())
        bad = tmp_path / "no photo.png"
        bad.write_bytes(b"\x89PNG\r\n\x1a\n, it says")
        page.js("document.querySelector('[aria-label=\"Remove Image\"]').click()")
        page.until("!document.body.innerText.includes('%') && document.querySelectorAll('input[type=file]').length")
        page.upload("input[type=file]", bad)
        page.until("document.body.innerText.includes('no photo that can be read: no image')")
        page.until("document.querySelectorAll('input[type=file]').length")
        (tmp_path / "refused.png").write_bytes(page.picture())
        with Image.open(photo) as im: im.save(tmp_path / "a three.tiff")
        page.upload("input[type=file]", tmp_path / "a three.tiff")
        page.until("[...document.images].some(i => i.naturalWidth == 160) && document.body.innerText.includes('%')")
        assert "no photo" not in page.js("document.body.innerText")
        assert page.requests and {o.split("/")[2] for o in page.requests
                                  if not o.startswith(("data:", "blob:"))} == {address.split("/")[2]}
    finally: page.close()


def predicted(folder, photo):
    from fastricks import load
    return load(folder).predict(photo)[0].labels


@gradio
def test_ctrl_c_ends_it_and_nothing_stays(served):
    address, p, temp = served
    assert list(temp.iterdir())
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=30)
    assert (p.returncode, out, err) == (0, "stopped\n", "") and not list(temp.iterdir())
    with socket.socket() as s: assert s.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) != 0


def fails(capsys, *words):
    code = run([str(w) for w in words])
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1), (out, err)
    return err


@pytest.fixture
def as_if_gradio(monkeypatch): monkeypatch.setattr("fastricks.use.demo.find_spec", lambda name: object())


def test_without_gradio(monkeypatch, capsys):
    monkeypatch.setattr("fastricks.use.demo.find_spec", lambda name: None)
    assert "`pip install gradio`" in fails(capsys, "demo", "runs/x")


def test_wrong_runs(as_if_gradio, tmp_path, capsys):
    assert "there is no run" in fails(capsys, "demo", tmp_path / "x")
    assert "not the folder of a run" in fails(capsys, "demo", tmp_path)


def test_a_port_in_use(as_if_gradio, trained, capsys):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        assert f"port {port} of 127.0.0.1 is in use: choose another" in fails(capsys, "demo", trained, "--port", port)
    assert "can't be served there" in fails(capsys, "demo", trained, "--host", "256.1.1.1")
    assert "--port" in fails(capsys, "demo", trained, "--port", 70000)


def test_it_is_found(capsys):
    assert run(["demo", "--help"]) == 0
    assert "127.0.0.1" in capsys.readouterr().out

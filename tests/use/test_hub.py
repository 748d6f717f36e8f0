"""A run's model card, and the way to the Hugging Face hub and back, by huggingface_hub's own client to a hub on this
machine.
"""
import json
import os
import pickle
import re
import shutil

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import ModelCard
from support.commands import fails
from support.hub import TOKEN, hub_here
from support.run_files import read, rows_of

import fastricks as ft
from fastricks.cli.app import run
from fastricks.report.pages.quality import wilson
from fastricks.use import push as push_module

PLACE = "me/sky"
SENT = ["README.md", "config.json", "metrics.json", "model.safetensors", "recipe.json"]


@pytest.fixture
def own_run(photo_run, tmp_path):
    "A copy of a run, whose folder may get a card"
    return shutil.copytree(photo_run[0], tmp_path / "own" / photo_run[0].name)


@pytest.fixture
def hub(tmp_path):
    with hub_here(tmp_path) as hub: yield hub


@pytest.fixture
def pushed(hub, own_run):
    assert run(["push", str(own_run), PLACE]) == 0
    return hub


def text_of(hub): return "\n".join(data.decode(errors="replace") for data in hub.files.values())


# -- the card

def test_the_hub_reads_a_card(own_run, capsys):
    assert run(["card", str(own_run), "--license", "cc-by-4.0", "--dataset", "me/photos"]) == 0
    file = own_run / "README.md"
    assert capsys.readouterr().out == f"card      {file}\n"
    card, m = ModelCard.load(file), read(own_run, "metrics.json")
    d = card.data
    told = {k: d[k] for k in ("license", "library_name", "pipeline_tag", "datasets", "metrics")}
    assert [*told.values()] == ["cc-by-4.0", "timm", "image-classification", ["me/photos"], ["accuracy", "f1"]]
    assert {"fastricks", "timm", "image-classification"} <= {*d.tags} and d.model_name == own_run.name
    found = {o.metric_type: o for o in d.eval_results}
    assert found["accuracy"].metric_value == pytest.approx(m["top1"], abs=1e-6) and found[
        "f1"
    ].metric_value == pytest.approx(m["macro_f1"], abs=1e-6)
    assert found["accuracy"].dataset_split == "test" and found["accuracy"].dataset_name == "sky"


def test_a_card_has_numbers_with_intervals_data_use_and_limits(own_run):
    text = ft.model_card(own_run).read_text()
    m, data = read(own_run, "metrics.json"), read(own_run, "recipe.json")["data"]
    low, high = (100 * float(x) for x in wilson(m["correct"], m["n"]))
    assert f"| top-1 accuracy | {100 * m['top1']:.2f}% [{low:.2f} – {high:.2f}%] | {m['n']} |" in text
    assert f"{m['correct']} of {m['n']} test images" in text and "n = 1 training" in text
    assert data["fingerprint"] in text
    for heading in ("How good it is", "How to use it", "What it was made from", "Limits", "Licence"):
        assert f"\n## {heading}\n" in text
    assert "| these weights | unknown: their owner has not stated it |" in text and "license: unknown" in text
    assert "It was trained once" in text and 'ft.load("hf://USER/NAME")' in text
    for label in ("blue", "grün", "red sky"): assert f"| {label} | 10 |" in text


def test_a_card_has_no_path(photo_run, own_run):
    text = ft.model_card(own_run).read_text()
    assert str(photo_run[1].parent) not in text and str(own_run.parent) not in text and "--data sky" in text


def test_names_are_no_markdown(own_run):
    file = own_run / "recipe.json"
    what = read(own_run, "recipe.json")
    what["data"]["name"] = "a|b <script>x</script> [c](d)\n# e"
    file.write_text(json.dumps(what))
    body = ft.model_card(own_run).read_text().split("\n---\n", 1)[1]
    bare = re.sub(r"\\.", "", body)  # what a backslash goes before is a letter
    assert "script" in bare and "<" not in bare and "a|b" not in body and "[c](d)" not in body and "\n# e" not in body


def test_a_card_that_was_edited_stays(own_run, capsys):
    ft.model_card(own_run)
    assert "is there already" in fails(capsys, "card", own_run)
    assert ft.model_card(own_run, own_run / "other.md").is_file()


@pytest.mark.parametrize("words, said", [
    (["--license", "My own"], "no identifier of the hub"),
    (["--dataset", "photos"], "--dataset photos is no place on the hub"),
    (["--place", "a/b/c"], "--place a/b/c is no place on the hub")])
def test_what_is_no_option_is_told(own_run, capsys, words, said):
    assert said in fails(capsys, "card", own_run, *words)
    assert not (own_run / "README.md").exists()


def test_a_card_needs_the_predictions(own_run, capsys):
    (own_run / "predictions.csv").unlink()
    assert "no predictions that fit" in fails(capsys, "card", own_run)


# -- there

def test_push_sends_safetensors_json_and_markdown(pushed, own_run, photo_run, capsys):
    assert pushed.names(PLACE) == SENT and pushed.private == {PLACE: True}
    assert pushed.files[PLACE, "model.safetensors"] == (own_run / "model.safetensors").read_bytes()
    assert f'ft.load("hf://{PLACE}")' in pushed.files[PLACE, "README.md"].decode()
    for secret in (TOKEN, str(own_run.parent), str(photo_run[1].parent)): assert secret not in text_of(pushed)
    for row in rows_of(own_run): assert row["image"] not in text_of(pushed)


def test_the_token_goes_to_the_hub_alone(pushed, own_run, capfd):
    assert {a for _, path, a in pushed.asked if path.startswith("/api/repos")} == {f"Bearer {TOKEN}"}
    out, err = capfd.readouterr()
    assert TOKEN not in out + err
    pushed.refuses = f"You may not, with {TOKEN}"
    said = run(["push", str(own_run), PLACE]), *capfd.readouterr()
    assert said[0] == 2 and "You may not, with ***" in said[2] and TOKEN not in said[1] + said[2]
    assert said[2].count("\n") == 1
    assert all(TOKEN not in f.read_text(errors="replace") for f in own_run.iterdir() if f.is_file())


def test_public_is_asked_for(hub, own_run):
    ft.push(own_run, PLACE, public=True, license="mit", quiet=True)
    assert hub.private == {PLACE: False} and b"license: mit" in hub.files[PLACE, "README.md"]


def test_an_own_card_is_sent_as_it_is(hub, own_run, capsys):
    (own_run / "README.md").write_text("---\nlicense: mit\n---\n\nMine.\n")
    assert run(["push", str(own_run), PLACE]) == 0
    assert hub.files[PLACE, "README.md"].decode().endswith("Mine.\n")
    assert "README.md, as it is" in capsys.readouterr().out
    assert "sent as it is" in fails(capsys, "push", own_run, PLACE, "--license", "mit")


def test_nothing_else_is_ever_sent(hub, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "weights.pkl").write_bytes(pickle.dumps(1))
    with pytest.raises(ft.UserError, match=r"weights\.pkl"): push_module.send(tmp_path, PLACE, False, print)
    assert hub.files == {} and hub.asked == []


def test_push_without_a_login(own_run, tmp_path, capsys):
    with hub_here(tmp_path, token=None) as hub:
        assert "hf auth login" in fails(capsys, "push", own_run, PLACE)
        assert hub.asked == []


@pytest.mark.parametrize("place", ["sky", "me/sky/x", "../x", "me/sky?token=1"])
def test_push_to_no_place(hub, own_run, place, capsys):
    assert "no place on the hub" in fails(capsys, "push", own_run, place)
    assert hub.asked == []


# -- and back

def test_load_from_the_hub(pushed, own_run, photo_run, tmp_path):
    here, there = ft.load(own_run), ft.load(f"hf://{PLACE}")
    files = sorted((photo_run[1] / "test").rglob("*.*"))
    assert torch.equal(here.probs(files), there.probs(files)) and there.classes == here.classes
    assert there.metrics == here.metrics and there.recipe.epochs == here.recipe.epochs
    names = {f.name for f in there.folder.iterdir()}
    assert names == {"model.safetensors", "recipe.json", "metrics.json"}


def test_verbs_take_a_place_on_the_hub(pushed, photo_run, capsys):
    photo = next((photo_run[1] / "test").rglob("*.png"))
    assert run(["predict", f"hf://{PLACE}", str(photo), "--to", "jsonl"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["path"] == str(photo)


def test_timm_makes_the_same_of_it(pushed, own_run, tmp_path):
    for name in ("config.json", "model.safetensors"): (tmp_path / name).write_bytes(pushed.files[PLACE, name])
    model = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    p = ft.load(own_run)
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8))
    with torch.inference_mode(): got = model((x / 255 - p.mean) / p.std)
    assert torch.allclose(got, p.logits(x), atol=1e-4) and model.pretrained_cfg["label_names"] == p.classes


def test_no_pickle_comes_from_the_hub(hub, tmp_path, capsys):
    hub.files |= {("me/old", "pytorch_model.bin"): pickle.dumps(1), ("me/old", "config.json"): b"{}"}
    assert "has no model.safetensors" in fails(capsys, "predict", "hf://me/old", "x.jpg")
    assert not [path for _, path, _ in hub.asked if path.endswith(".bin")]


def test_weights_alone_are_enough(pushed):
    for name in ("recipe.json", "metrics.json"): del pushed.files[PLACE, name]
    found = ft.load(f"hf://{PLACE}")
    assert found.recipe is None and found.metrics == {} and len(found.classes) == 3


def test_without_the_network_it_is_the_one_of_before(pushed):
    from huggingface_hub import constants
    before = ft.load(f"hf://{PLACE}")
    # ended before the hub is: `monkeypatch` would put the hub's own value back after it
    with pytest.MonkeyPatch.context() as m:
        m.setattr(constants, "HF_HUB_OFFLINE", True)
        assert os.path.samefile(ft.load(f"hf://{PLACE}").file, before.file)


@pytest.mark.parametrize("text, said", [
    ("hf://sky", "no model on the hub"), ("hf://me/none", "hf://me/none: there is no such model"),
    ("hf://me/sky@", "no model on the hub")])
def test_what_is_not_there_is_one_sentence(hub, text, said, capsys):
    assert said in fails(capsys, "predict", text, "x.jpg")

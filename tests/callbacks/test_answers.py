"""`distill:store=true`: a teacher's answers kept and read, bit-identical to asking it, and never for other views."""
import random
import threading

import numpy as np
import pytest
import torch
from support.small import TINY, learner, recipe_of, same, trained, weights
from support.stopped import EACH, resumed, stopped

from fastricks.callbacks.answers import Answers, half, lines_of_answers
from fastricks.callbacks.distill import Distill
from fastricks.cli.app import run
from fastricks.core.cache import cache_dir
from fastricks.core.errors import UserError
from fastricks.core.tensors import plain
from fastricks.model.network import build_network
from fastricks.model.probe import cpu_has_bf16
from fastricks.recipe.registry import build_tricks
from fastricks.training.learner import fit

pytestmark = pytest.mark.usefixtures("undrawn")
ARGS = [w for k, v in TINY.items() for w in (f"--{k.replace('_', '-')}", str(v))]
bf16 = pytest.mark.skipif(not cpu_has_bf16(), reason="no bf16")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path): monkeypatch.setenv("FASTRICKS_CACHE", str(tmp_path / "cache"))


def files(tmp_path): return sorted((tmp_path / "cache" / "answers").glob("*/*"))


@pytest.fixture
def no_teacher(monkeypatch):
    "From the call on, whoever loads a teacher fails"
    def fail(*a): pytest.fail("a teacher was loaded")

    def gone():
        for place in ("fastricks.callbacks.answers", "fastricks.model.teacher"):
            monkeypatch.setattr(f"{place}.load_teacher", fail)
    return gone


@pytest.mark.parametrize("more, given", [("", {}), ("+accumulate:n=2+label_smoothing+cosine", dict(batch_size=13)),
                                         # 70 = 23 + 23 + 24: the last one joins
                                         ("+accumulate:n=3", dict(batch_size=23)),
                                         ("+mixup:partner=previous", {}), ("+mixup:per=sample", {}),
                                         ("+cutmix+mixup", {}),
                                         pytest.param("+amp:dtype=bf16", dict(size=32, resize=32), marks=bf16)])
def test_the_reading_student_is_the_recording_one_bit_for_bit(teacher, tmp_path, no_teacher, more, given):
    spell = f"distill:teacher={teacher},T=4,store=true{more}"
    first = trained(spell, **given)
    assert first.distill.teacher is not None and not first.distill.found
    no_teacher()
    second = trained(spell, **given)
    assert second.distill.teacher is None and second.distill.found
    assert same(weights(first), weights(second))
    assert [r["train_loss"] for r in first.history.rows] == [r["train_loss"] for r in second.history.rows]
    third = trained(spell.replace(",T=4", ",alpha=.9").replace("+cosine", ""), **{**given, "lr": 3e-3, "opt": "sgd"})
    assert third.distill.found  # another student with other tricks, the same views
    sizes = [f.stat().st_size for f in files(tmp_path)]
    assert len(sizes) == 2 and all(70 * 10 * 2 < s < 70 * 10 * 2 + 2500 for s in sizes)


def test_the_stored_answers_are_the_live_teachers(teacher, tmp_path):
    "Row by row: the teacher asked again for the epoch's views"
    learn = trained(f"distill:teacher={teacher},store=true")
    net, _ = build_network("test_resnet", 10, weights=teacher)
    net, dl = net.eval().to(memory_format=torch.channels_last), learn.dls.train
    for epoch in (0, 1):
        dl.epoch = epoch
        rows = learn.distill.answers.read(epoch)
        for (x, y), places in zip(dl, dl.batch_places(), strict=True):
            with torch.no_grad(): assert torch.equal(rows[places], half(net(plain(x))))
            assert [dl.items[i].label for i in places] == [dl.vocab[k] for k in y]


def test_rounding_is_all_that_store_changes(teacher):
    "As Distill with a teacher whose answers are rounded"
    class Rounded(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = build_network("test_resnet", 10, weights=teacher)[0]
        def forward(self, x): return half(self.net(x).as_subclass(torch.Tensor))
    learn, parts = learner(cbs=[Distill(Rounded(), .5, 4.)])
    assert same(weights(fit(learn, parts)), weights(trained(f"distill:teacher={teacher},T=4,store=true")))


def test_26_megabytes():
    "Food-101-21 and 40 epochs"
    assert Answers({}, 15_750, 21).bytes_an_epoch * 40 == 26_460_000
    assert "26.5 MB" in lines_of_answers(Answers({}, 15_750, 21), 40)[0][0]


@pytest.mark.parametrize("other", [dict(seed=1), dict(per_class=7), dict(batch_size=14), dict(size=24, resize=24),
                                   dict(flip=True),
                                   dict(min_scale=.5), dict(threads=2), dict(valid=.2), dict(resize=20)])
def test_other_views_have_other_answers(teacher, tmp_path, other):
    spell = f"distill:teacher={teacher},store=true"
    trained(spell, epochs=1)
    learn = trained(spell, epochs=1, **other)
    assert not learn.distill.found and len(files(tmp_path)) == 2


def test_other_teachers_and_precisions_have_other_answers(teacher, tmp_path):
    from safetensors.torch import save_file
    other = tmp_path / "other.safetensors"
    save_file(weights(learner(seed=9)[0]), other)
    trained(f"distill:teacher={teacher},store=true", epochs=1, size=32, resize=32)
    for spell in (f"distill:teacher={other},store=true",
                  *([f"distill:teacher={teacher},store=true+amp:dtype=bf16"] if cpu_has_bf16() else [])):
        assert not trained(spell, epochs=1, size=32, resize=32).distill.found
    assert len(files(tmp_path)) == 2 + cpu_has_bf16()


def test_runs_of_other_lengths_share_epochs_and_patience_stores_what_it_trained(teacher, tmp_path):
    spell = f"distill:teacher={teacher},store=true"
    trained(spell, epochs=2)
    learn, parts = learner(spell, epochs=3)
    assert any("those of 2 of 3 epochs are there already" in line for line in parts.lines)
    got = weights(fit(learn, parts))
    assert len(files(tmp_path)) == 3
    assert learner(spell, epochs=3)[0].distill.teacher is None
    for f in files(tmp_path): f.unlink()
    assert same(got, weights(trained(spell, epochs=3)))
    for f in files(tmp_path): f.unlink()
    learn = trained(spell, epochs=9, patience=1, lr=1e-9)
    assert 2 <= len(learn.history.rows) < 9 and len(files(tmp_path)) == len(learn.history.rows)


def test_damage_is_noticed_and_made_good(teacher, tmp_path):
    spell = f"distill:teacher={teacher},store=true"
    want = weights(trained(spell))
    one = files(tmp_path)[0]
    data, rng = one.read_bytes(), random.Random(0)

    def hurt():
        yield b""
        for _ in range(40): yield data[:rng.randrange(len(data))]
        for _ in range(200):
            i = rng.randrange(len(data))
            yield data[:i] + bytes([data[i] ^ 1 << rng.randrange(8)]) + data[i + 1:]
        yield data + b"x"
    store, whole = learner(spell)[0].distill.answers, 0
    for bad in hurt():
        one.write_bytes(bad)
        got = store.read(0)
        whole += got is not None and not torch.equal(got, reference(data))
    assert whole == 0
    one.write_bytes(data[:-7])
    learn, parts = learner(spell)
    assert any("1 of 2 epochs are damaged" in line for line in parts.lines)
    assert same(want, weights(fit(learn, parts))) and one.read_bytes() == data


def reference(data):
    from safetensors.torch import load
    return load(data)["answers"]


def test_an_interrupted_epoch_leaves_nothing(teacher, tmp_path):
    from fastai.callback.core import Callback

    class Stop(Callback):
        order = 90
        def after_batch(self):
            if self.training and self.learn.epoch == 1 and self.learn.iter == 2: raise KeyboardInterrupt
    spell = f"distill:teacher={teacher},store=true"
    want = weights(trained(spell))
    for f in files(tmp_path): f.unlink()
    learn, parts = learner(spell, cbs=[Stop()])
    with pytest.raises(KeyboardInterrupt): fit(learn, parts)
    assert [f.name for f in files(tmp_path)] == ["epoch-0001.safetensors"]
    assert same(want, weights(trained(spell))) and len(files(tmp_path)) == 2


def test_two_students_at_once(teacher, tmp_path):
    "They write the same files under each other's hands"
    spell = f"distill:teacher={teacher},store=true"
    want = weights(trained(spell))
    first = [f.read_bytes() for f in files(tmp_path)]
    for f in files(tmp_path): f.unlink()
    store, rows = learner(spell)[0].distill.answers, reference(first[0])
    seen = []

    def writer():
        for _ in range(50): store.write(0, rows)

    def reader():
        for _ in range(200): seen.append(store.read(0))
    threads = [threading.Thread(target=t) for t in (writer, reader)]
    for t in threads: t.start()
    got = weights(trained(spell))
    for t in threads: t.join()
    assert same(want, got) and [f.read_bytes() for f in files(tmp_path)] == first
    assert all(o is None or torch.equal(o, rows) for o in seen)


def test_no_room_is_said_and_no_error(teacher, tmp_path, capsys):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "answers").write_text("a file where the folder should be")
    spell = f"distill:teacher={teacher},store=true"
    learn = trained(spell)
    assert capsys.readouterr().out.count("can't be stored") == 1 and len(learn.history.rows) == 2


def test_a_mixing_that_is_none_of_the_recipes_is_refused(teacher):
    from fastai.callback.mixup import MixUp
    learn, parts = learner(f"distill:teacher={teacher},store=true", cbs=[MixUp(.2)])  # a user's own
    with pytest.raises(UserError, match="none of its tricks"): fit(learn, parts)


def test_answers_to_mixed_images_are_kept_apart(teacher):
    plain, mixed = (f"distill:teacher={teacher},store=true{more}" for more in ("", "+mixup"))
    for spell in (plain, mixed, mixed.replace("mixup", "mixup:alpha=.3"), mixed + "+cutmix"):
        assert not trained(spell, epochs=1).distill.found
    for spell in (plain, mixed): assert trained(spell, epochs=1).distill.found


def test_other_loaders_are_refused(teacher):
    learn, parts = learner(f"distill:teacher={teacher},store=true")
    learn.dls = learner(per_class=9)[0].dls
    with pytest.raises(UserError, match="loaders of its recipe"): fit(learn, parts)


def test_grammar():
    assert str(build_tricks({"distill": {"store": True}})[0]) == "distill:store=true"
    assert recipe_of("distill:store=false").active["distill"]["store"] is False
    with pytest.raises(UserError, match="store=maybe is not true or false"): recipe_of("distill:store=maybe")


def test_numbers_beyond_float16_stay_numbers():
    x = torch.tensor([1e6, -1e6, 3.25, float("nan"), float("inf")])
    got = half(x)
    assert got[:3].tolist() == [65504., -65504., 3.25] and got[3].isnan() and got[4] == 65504
    b = torch.randn(1000).bfloat16()
    assert torch.equal(half(b).bfloat16(), b)


def test_from_the_command_line(teacher, tmp_path, capsys):
    args = ["train", *ARGS, "--out", str(tmp_path / "runs"), "-t", f"distill:teacher={teacher},store=true"]
    assert run([*args, "--name", "a"]) == 0
    assert "stored for the next student: 2.8 kB in" in capsys.readouterr().out
    assert run([*args, "--name", "b"]) == 0
    assert "are read from" in capsys.readouterr().out
    a, b = ((tmp_path / "runs" / n / "model.safetensors").read_bytes() for n in "ab")
    assert a == b and "no teacher runs" in (tmp_path / "runs" / "b" / "log.txt").read_text()


def test_batch_places_are_the_loaders_batches():
    for per_class, bs in ((8, 69), (8, 23), (8, 32), (8, 80), (3, 7)):
        dl = learner(per_class=per_class, batch_size=bs)[0].dls.train
        for dl.epoch in (0, 3):
            places = dl.batch_places()
            assert len(places) == len(dl) and np.array_equal(np.sort(np.concatenate(places)), np.arange(dl.n))
            for (_, y), p in zip(dl, places, strict=True):
                assert [dl.vocab[k] for k in y] == [dl.items[i].label for i in p]
    valid = learner()[0].dls.valid
    assert np.array_equal(np.concatenate(valid.batch_places()), np.arange(valid.n))


def test_the_exported_learner_loads(teacher, tmp_path):
    learn = trained(f"distill:teacher={teacher},store=true")
    learn.export(tmp_path / "l.pkl")
    assert (tmp_path / "l.pkl").stat().st_size > 0 and cache_dir() == tmp_path / "cache"


def test_a_resumed_student(teacher, tmp_path, monkeypatch):
    """Stopped in its second epoch: it reads the first one's answers; the epoch that was cut is stored by the next
    student
    """

    from fastricks.use.train import train
    spell = f"distill:teacher={teacher},store=true"
    folder = stopped(tmp_path / "a", monkeypatch, spell, epochs=3)
    assert [f.name[6:10] for f in files(tmp_path)] == ["0001"]
    resumed(folder)
    assert [f.name[6:10] for f in files(tmp_path)] == ["0001", "0003"]
    whole = train(recipe_of(spell, **EACH, epochs=3, out=str(tmp_path / "b")), lambda _: None).folder
    assert len(files(tmp_path)) == 3
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()

"""Distillation: the formulas, the teacher's stillness, and teachers found, trained, missing."""
import json
import shutil

import pytest
import torch
import torch.nn.functional as F
from fastai.callback.core import Callback
from safetensors.torch import load_file, save_file
from support.commands import fails
from support.run_files import read
from support.small import TINY, learner, recipe_of, same, trained, weights

from fastricks.callbacks.distill import Distill, distill_loss, kl_term
from fastricks.cli.app import run
from fastricks.core.errors import UserError
from fastricks.model.network import build_network
from fastricks.model.probe import cpu_has_bf16
from fastricks.model.teacher import load_teacher
from fastricks.recipe.recipe import resolve
from fastricks.training.learner import fit

pytestmark = pytest.mark.usefixtures("undrawn")
ARGS = [w for k, v in TINY.items() for w in (f"--{k.replace('_', '-')}", str(v))]


def equation_6(z, r, T):
    "T²·KL(softmax(r/T) ‖ softmax(z/T)), batch mean, summed class by class in double precision"
    p, q = (r.double() / T).softmax(1), (z.double() / T).softmax(1)
    return T * T * (p * (p / q).log()).sum(1).mean()


@pytest.mark.parametrize("T", [1., 4., 20.])
@pytest.mark.parametrize("form, alpha", [("convex", .5), ("convex", .9), ("convex", 1.), ("sum", .5)])
def test_loss_and_gradient_are_the_formulas(T, form, alpha):
    z, r, y = torch.randn(6, 10, requires_grad=True), torch.randn(6, 10) * 3, torch.randint(10, (6,))
    label = F.cross_entropy(z, y)
    want = (1 - alpha) * label + alpha * equation_6(z, r, T) if form == "convex" else label + equation_6(z, r, T)
    got = distill_loss(label, z, r, alpha, T, form)
    assert got.item() == pytest.approx(want.item(), rel=1e-4)
    g = torch.autograd.grad(got, z, retain_graph=True)[0]
    onehot, n = F.one_hot(y, 10), len(y)
    a, b = (1 - alpha, alpha) if form == "convex" else (1, 1)
    by_hand = (a * (z.softmax(1) - onehot) + b * T * ((z / T).softmax(1) - (r / T).softmax(1))) / n
    assert torch.allclose(g, by_hand, atol=1e-5)


def test_no_difference_no_loss():
    z = torch.randn(5, 7)
    assert kl_term(z, z + 3., 20.) == pytest.approx(0, abs=1e-4)


class Watch(Callback):
    "What teacher and student are given and give, at every batch"
    order = 7

    def before_fit(self):
        self.rows, self.modes = [], []
        t = self.learn.distill.teacher
        t.register_forward_hook(self.note)

    def note(self, module, inputs, out):
        self.modes.append(module.training)
        self.given = inputs[0].clone(), out.clone()

    def after_loss(self):
        if not self.training: return
        parts = {k: v.item() for k, v in self.learn.loss_parts.items()}
        z, loss = self.learn.pred.detach().clone(), self.learn.loss.item()
        self.rows.append(dict(x=self.x.clone(), t=self.given, z=z, loss=loss, parts=parts))


@pytest.mark.parametrize("more", ["", "+mixup:alpha=1", "+label_smoothing+mixup:partner=previous", "+accumulate:n=2",
                                  pytest.param("+amp:dtype=bf16",
                                               marks=pytest.mark.skipif(not cpu_has_bf16(), reason="no bf16"))])
def test_the_teacher_is_still_and_sees_what_the_student_sees(teacher, more):
    watch = Watch()
    size = dict(size=32, resize=32) if "amp" in more else {}
    learn, parts = learner(f"distill:teacher={teacher},alpha=.6,T=4{more}", cbs=[watch], **size)
    net = learn.distill.teacher
    before = {k: v.clone() for k, v in net.state_dict().items()}
    fit(learn, parts)
    assert watch.modes and not any(watch.modes) and same(before, net.state_dict())
    assert not any(p.requires_grad or p.grad is not None for p in net.parameters())
    for r in watch.rows:
        assert torch.equal(r["x"], r["t"][0])
        want = equation_6(r["z"], r["t"][1].float(), 4.).item()
        assert r["parts"]["loss_teacher"] == pytest.approx(want, rel=1e-3, abs=1e-5)
        assert r["loss"] == pytest.approx(.4 * r["parts"]["loss_label"] + .6 * r["parts"]["loss_teacher"], rel=1e-4)
    ids = {id(p) for p in net.parameters()}
    assert not ids & {id(p) for g in learn.opt.param_groups for p in g["params"]}
    assert not ids & {id(p) for p in learn.model.parameters()}


def test_loss_is_logged_whole_and_in_its_parts(teacher):
    row = trained(f"distill:teacher={teacher}").history.rows[-1]
    assert row["train_loss"] == pytest.approx(.5 * row["train_loss_label"] + .5 * row["train_loss_teacher"], rel=1e-4)


def test_validation_stays_plain(teacher):
    learn = trained(f"distill:teacher={teacher}+label_smoothing+mixup")
    z, y = learn.get_preds(act=torch.nn.Identity())
    assert learn.history.rows[-1]["valid_loss"] == pytest.approx(F.cross_entropy(z, y).item(), abs=1e-5)


def test_on_ones_own_learner(teacher):
    "Five lines: a Learner, a teacher, the callback"
    learn, _ = learner()
    net = build_network("test_resnet", 10, weights=teacher)[0]
    learn.fit(1, cbs=Distill(net, alpha=.5, T=4))
    assert learn.loss_parts["loss_teacher"] > 0


# -- where teachers come from

def test_an_architecture_is_trained_once_as_an_ordinary_run_and_found_again(tmp_path, capsys):
    out = str(tmp_path / "runs")
    args = ["train", *ARGS, "--epochs", "3", "--out", out, "-t", "distill:teacher=test_resnet,T=4,seed=5"]
    assert run([*args, "--seed", "1"]) == 0
    first = capsys.readouterr().out
    teacher, student = (next((tmp_path / "runs").glob(p)) for p in ("*label_smoothing*", "*distill*"))
    t, s = read(teacher, "recipe.json"), read(student, "recipe.json")
    assert "is trained first, once" in first and t["recipe"]["seed"] == 5 and set(t["recipe"]["tricks"]) == {
        "warmup", "cosine", "label_smoothing"} and read(teacher, "status.json")["status"] == "finished"
    assert s["facts"]["distill"]["run"] == teacher.name and s["facts"]["distill"]["identity"] == t["identity"]
    assert run([*args, "--seed", "2"]) == 0
    assert f"teacher: found {teacher}" in capsys.readouterr().out and len(list((tmp_path / "runs").glob("*/"))) == 3
    assert not set(load_file(student / "model.safetensors")) - set(load_file(teacher / "model.safetensors"))

    shutil.rmtree(teacher)  # the student's own numbers and weights need it no more; a repeat trains it again
    assert run(["train", "--recipe", str(student), "--out", out, "--wandb", "disabled"]) == 0
    again = next(p for p in (tmp_path / "runs").glob("*distill*s1-2"))
    assert read(again, "recipe.json")["identity"] == s["identity"]
    assert same(load_file(again / "model.safetensors"), load_file(student / "model.safetensors"))


def test_a_run_as_teacher_and_its_loss(tmp_path, capsys):
    "The student names its teacher; once that is gone a repeat says so, and nothing else minds"
    base = ["train", *ARGS, "--out", str(tmp_path / "runs")]
    assert run([*base, "--name", "mine"]) == 0
    teacher = tmp_path / "runs" / "mine"
    assert run([*base, "-t", f"distill:teacher={teacher}", "--name", "student"]) == 0
    student = tmp_path / "runs" / "student"
    assert read(student, "recipe.json")["recipe"]["tricks"]["distill"]["teacher"] == str(teacher)
    shutil.rmtree(teacher)
    capsys.readouterr()
    err = fails(capsys, "train", "--recipe", student, "--out", tmp_path / "other", "--wandb", "disabled")
    assert "mine is not there" in err
    assert read(student, "status.json")["status"] == "finished"


def test_the_identity_has_the_teachers_content_not_its_place(tmp_path, teacher):

    from fastricks.data.checked import open_data
    from fastricks.training.job import Job
    from fastricks.training.room import Room
    from fastricks.training.settle import settle_tricks

    def ident(file):
        r = recipe_of(f"distill:teacher={file}")
        return settle_tricks(Job(r, open_data(r, check=False, say=lambda _: None)), Room(print)).identity
    copy, other = tmp_path / "copy.safetensors", tmp_path / "other.safetensors"
    shutil.copy(teacher, copy)
    save_file(weights(learner(seed=9)[0]), other)
    assert ident(teacher) == ident(copy) != ident(other)


def test_teachers_that_cannot_be(tmp_path, teacher, capsys):
    (tmp_path / "empty").mkdir()
    seven = tmp_path / "seven.safetensors"
    save_file(build_network("test_resnet", 7)[0].state_dict(), seven)
    named = tmp_path / "named.safetensors"
    meta = {"arch": "test_resnet", "classes": list("abcdefghij")}
    save_file(load_file(teacher), named, {"fastricks": json.dumps(meta)})
    for value, words in ((tmp_path / "empty", "the run did not finish"), ("nowhere/run", "is not there"),
                         ("gone.safetensors", "no such file"),
                         (seven, "no head for these 10 classes"),
                         (named, "they must be the same"), ("resnet8", "did you mean"),
                         (f"{teacher},weights={teacher}", "leave weights out")):
        assert words in fails(capsys, "train", *ARGS, "--out", tmp_path / "runs", "-t",
                              f"distill:teacher={value}"), value
    assert not (tmp_path / "runs").exists()


def test_known_bad_company_is_said(capsys, tmp_path):
    tricks = "distill:teacher=test_resnet+linear_scaling+mixup+label_smoothing"
    assert run(["train", *ARGS, "-t", tricks, "--explain", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "smoothed teachers" in out and "linear_scaling is meant for SGD" in out
    assert "label_smoothing with mixup" in out
    with pytest.raises(UserError): learner("distill:alpha=2")


def test_a_teacher_whose_network_a_trick_has_changed(resnet_d_run):
    from fastricks.core.words import silent
    from fastricks.data.checked import open_data
    from fastricks.training.job import Job
    from fastricks.training.room import Room
    from fastricks.training.settle import settle_tricks
    run, data = resnet_d_run
    r = resolve(dict(data=str(data), arch="test_resnet", pretrained=False, size=32, valid=.2, threads=1, device="cpu"),
                [f"distill:teacher={run}"])
    source = open_data(r, say=silent)
    job = settle_tricks(Job(r, source), Room(silent))
    teacher = load_teacher(job.facts["distill"], len(source.classes))
    network = teacher.network  # shown the student's images by its own mean and std
    assert set(network.state_dict()) == set(load_file(run / "model.safetensors")) and len(network.conv1) > 1


# -- how a teacher is shown the student's images

def job_of(teacher, **given):
    "The settled Job of a student of this teacher, and its loaders"
    from fastricks.core.words import silent
    from fastricks.training.prepare import prepare
    from fastricks.training.room import Room
    from fastricks.training.settle import settle
    job = settle(recipe_of(f"distill:teacher={teacher}", **given), Room(silent))
    parts, dls = prepare(job)
    return job, parts, dls


@pytest.fixture(scope="module")
def byob_run(tmp_path_factory, undrawn):
    "A run of test_byobnet, whose mean and std are ImageNet's; test_resnet's are .5"
    out = tmp_path_factory.mktemp("runs")
    assert run(["train", *ARGS, "--arch", "test_byobnet", "--size", "32", "--resize", "32", "--out", str(out), "--name",
                "t", "--lr", "3e-3"]) == 0
    return out / "t"


@pytest.mark.parametrize("size", [32, 16])
def test_a_teachers_answers_through_the_students_loader_are_its_own_predictions(byob_run, size):
    "The same pixels, brought to the teacher's size, given to `load(TEACHER)`: the oracle"
    from fastricks import load
    _, parts, dls = job_of(byob_run, size=size, resize=size)
    teacher, p = next(cb for cb in parts.cbs if cb.name == "distill").teacher, load(byob_run)
    mean, std = (torch.tensor([.5] * 3).view(1, 3, 1, 1) for _ in range(2))
    for x, _ in dls.valid:
        x = x.as_subclass(torch.Tensor)
        pixels = (x * std + mean) * 255
        if size != 32: pixels = F.interpolate(pixels, (32, 32), mode="bilinear", antialias=True)
        want = p.model((pixels / 255 - p.mean) / p.std)
        assert torch.allclose(teacher.eval()(x), want, atol=1e-4)
        if size == 32: assert torch.allclose(teacher(x), p.logits(pixels.round().to(torch.uint8)), atol=1e-4)


def test_the_teacher_of_an_older_recipe_is_asked_as_it_was(byob_run, tmp_path):
    "recipe.json without the key: the student's tensor as it is, the same identity; a new recipe says how"
    from fastricks.recipe.recipe import Recipe, read_recipe
    job, _, _ = job_of(byob_run)
    got = json.loads(json.dumps(job.recipe_json))
    for later in ("view", "teacher_tricks"): del got["recipe"]["tricks"]["distill"][later]
    (tmp_path / "recipe.json").write_text(json.dumps(got))
    old = Recipe(**read_recipe(tmp_path / "recipe.json"))
    assert old.tricks["distill"]["view"] == "student" and job.recipe.tricks["distill"]["view"] == "own"
    from fastricks.recipe.identity import identity, numeric
    then, now = (numeric(o, None, job.facts)["tricks"]["distill"] for o in (old, job.recipe))
    assert "view" not in then and now["view"] == "own"
    assert identity(old, "f", None, job.facts) != identity(job.recipe, "f", None, job.facts)


def test_where_nothing_differs_identity_answers_and_network_are_as_they_were(teacher):
    from fastricks.recipe.identity import numeric
    job, parts, _ = job_of(teacher)
    assert not {"view", "teacher_tricks"} & numeric(job.recipe, None, job.facts)["tricks"]["distill"].keys()
    assert type(next(cb for cb in parts.cbs if cb.name == "distill").teacher).__name__ != "Shown"


def test_stored_answers_of_another_view_are_others(byob_run):
    from fastricks.callbacks.answers import answers_of
    from fastricks.recipe.plan import make_plan
    job, _, _ = job_of(byob_run)
    plan = make_plan(job.recipe, job.source, 5, "cpu", job.facts)
    own, student = (answers_of(plan, job.facts["distill"]["file"], "data", view) for view in ("own", "student"))
    assert json.loads(own.what)["shown"]["size"] == 32 and "shown" not in student.what and own.folder != student.folder


def test_its_accuracy_is_said_beside_its_record(byob_run, tmp_path, capsys):
    assert run(["train", *ARGS, "--out", str(tmp_path), "-t", f"distill:teacher={byob_run}"]) == 0
    line = next(o for o in capsys.readouterr().out.splitlines() if o.startswith("teacher: "))
    record = read(byob_run, "metrics.json")["valid"]
    assert f"its own record: {record['top1']:.1%} of {record['n']} valid" in line
    assert "at its own mean, std, size" in line


def test_a_trained_teachers_tricks_fit_its_length_are_said_and_can_be_given(tmp_path, capsys):
    short = ["train", *ARGS, "--epochs", "1", "--out", str(tmp_path)]
    assert run([*short, "-t", "distill:teacher=test_resnet"]) == 0
    assert "once, as an ordinary run, with cosine+label_smoothing" in capsys.readouterr().out
    quoted = "distill:teacher=test_resnet,teacher_tricks='cosine+mixup:alpha=.4,per=sample',seed=3"
    assert run([*short, "-t", quoted]) == 0
    assert "with cosine+mixup:alpha=0.4,per=sample" in capsys.readouterr().out
    err = fails(capsys, *short, "-t", f"distill:teacher={tmp_path},teacher_tricks=cosine")
    assert "is trained already: leave them out" in err


def test_a_pickle_as_teacher_is_said_to_be_one(tmp_path, capsys):
    torch.save({"state_dict": {}}, tmp_path / "t.pth")
    assert "distill:teacher=" in (said := fails(capsys, "train", *ARGS, "-t", f"distill:teacher={tmp_path}/t.pth"))
    assert "is a pickle" in said


@pytest.mark.parametrize("folder", ["c++", "a,b", "it's"])
def test_a_teacher_whose_path_has_the_languages_signs(tmp_path, teacher, folder):
    from fastricks.recipe.names import tricks_text
    (tmp_path / folder).mkdir()
    file = shutil.copy(teacher, tmp_path / folder / "t.safetensors")
    quoted = f'"{file}"' if "'" in folder else f"'{file}'"
    for text in (f"distill:teacher={file},T=4+mixup", f"distill:teacher={quoted},T=4+mixup",
                 f"mixup+distill:T=4,teacher={file}"):
        recipe = resolve(TINY, [text])
        assert recipe.tricks["distill"]["teacher"] == str(file)
        assert recipe.tricks["distill"]["T"] == 4. and "mixup" in recipe.tricks
    assert resolve(TINY, [tricks_text(recipe)]).tricks == recipe.tricks

from dataclasses import dataclass, replace

from fastricks.core import ranks
from fastricks.core.errors import UserError
from fastricks.model.teacher_facts import differing_facts
from fastricks.trick.base import Trick, Wanted, key

SHARED = ("distill:store=true is for a training in one process, as each of several sees a share of the views only: "
          "leave out store=true, or torchrun")


@dataclass(frozen=True)
class Distill(Trick):
    "The network also learns from a teacher's soft labels (temperature T) of the very images it sees."
    teacher: str = key("resnet50.tv_in1k", "a run folder, a FILE.safetensors, or an architecture, "
                       "which is trained first, once, on this data")
    weights: str = key("", "what an architecture's training starts from: FILE.safetensors")
    alpha: float = key(.5, "α, share of the teacher's term (form=convex)", above=0, most=1)
    T: float = key(20., "temperature", above=0)
    form: str = key("convex", "convex: (1−α)·L + α·T²·KL (LearnOpenCV's tutorial); sum: L + T²·KL (paper)",
                    choices=("convex", "sum"))
    seed: int = key(0, "seed of an architecture's training: one teacher serves all seeds of the student", least=0)
    view: str = key("own", "own: the teacher sees each view at its own size and by its own mean and std; student: "
                           "the very tensor that the student sees", choices=("own", "student"))
    teacher_tricks: str = key("", "tricks of an architecture's training, in quotes: teacher_tricks='cosine+mixup' "
                                  "(default: warmup+cosine+label_smoothing, in a run of few steps without warmup)")
    store: bool = key(False, "true: the teacher's answers (float16) are kept in the cache folder, 2 bytes an image, "
                             "class and epoch; the next student with the same data, views, mixing, "
                             "seed and teacher reads them, and no teacher runs")

    source = ("arXiv 1812.01187 §5.3, eq. 6; Hinton et al., arXiv 1503.02531; both forms: the code of LearnOpenCV's "
              "tutorial")
    formula = ("(1−α)·L + α·T²·KL(softmax(r/T) ‖ softmax(z/T)), r the teacher's and z the student's logits, mean over "
               "the batch")
    cost = ("the teacher's forward pass every step (LearnOpenCV: 1.35 times the time), and its training once; with "
            "store=true the forward pass once for all students of a seed, and 26 MB on disk for Food-101-21 and 40 "
            "epochs")

    before = {"view": "student", "teacher_tricks": ""}

    def numeric_keys(self, facts):
        "How a teacher is shown its images counts where it makes a difference; its own tricks are in its identity"
        left_out = {"teacher_tricks"} if differing_facts(facts) else {"teacher_tricks", "view"}
        return {k: v for k, v in super().numeric_keys(facts).items() if k not in left_out}

    def advice(self, recipe, tricks):
        out = []
        if self.is_arch and not self.teacher_tricks:
            out.append("the teacher is trained with label smoothing, as LearnOpenCV's was; smoothed teachers distil "
                       "less well (Müller et al., arXiv 1906.02629)")
            if recipe.weights and not self.weights:
                out.append("the teacher starts from scratch: give distill:weights=FILE.safetensors to change that")
        return out

    def caution(self):
        return ["one teacher serves all seeds of a distilled row: no interval covers the choice of the teacher, and "
                "no time its training"]

    @property
    def wanted(self):
        return Wanted("distill:teacher", self.teacher, "teacher", "student", self.weights, self.seed,
                      tricks=self.teacher_tricks or "warmup+cosine+label_smoothing",
                      brief=None if self.teacher_tricks else "cosine+label_smoothing")

    @property
    def is_arch(self): return self.wanted.kind == "arch"

    def needs(self): return self.wanted
    def of_length(self): return ["distill:teacher"] if self.is_arch else []  # it is trained for as many epochs
    def rehearsal(self): return replace(self, store=False)  # no answers are kept of epochs that do not count

    def check(self, recipe, tricks):
        if self.weights and not self.is_arch:
            raise UserError("distill:weights is where an architecture's training starts; "
                            f"teacher={self.teacher} is trained already: leave weights out")
        if self.teacher_tricks and not self.is_arch:
            raise UserError("distill:teacher_tricks are those of an architecture's training; "
                            f"teacher={self.teacher} is trained already: leave them out")
        if self.store and ranks.world() > 1:
            raise UserError(SHARED)
        if recipe.lr == "find" and self.is_arch:
            raise UserError(
                f"distill:teacher={self.teacher} would be trained before --lr find knows a rate: give --lr a number, "
                "or the run or file of a teacher")

    def settle(self, recipe, source, room):
        settled, facts = super().settle(recipe, source, room)
        if self.store:
            facts["data"] = room.fingerprint(source)
        return settled, facts

    def targets(self, targets, images, plan):
        import torch

        from fastricks.model.teacher import load_teacher
        teacher = load_teacher(plan.facts["distill"], plan.classes, self.view)
        with torch.no_grad():
            soft = (teacher(images.cpu()).float() / self.T).softmax(1)
        words = [f"\nweight {o:.3g}" if self.form == "convex" else "" for o in (1 - self.alpha, self.alpha)]
        return {f"labels{words[0]}": targets["target"], f"teacher, T = {self.T:g}{words[1]}": soft}

    def on_loss(self, cbs, plan):
        from fastricks.callbacks.answers import stored_teacher
        from fastricks.callbacks.distill import Distill, StoredDistill
        from fastricks.model.teacher import load_teacher
        if "distill" not in plan.facts:
            return cbs  # --explain trains no teacher
        facts, how = plan.facts["distill"], (self.alpha, self.T, self.form)
        if not self.store:
            return [*cbs, Distill(load_teacher(facts, plan.classes, self.view), *how, facts=facts)]
        load, answers, lines = stored_teacher(plan, self.view)
        return [*cbs, StoredDistill(load, answers, *how, lines, facts)]

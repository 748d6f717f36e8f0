"""What a type checker says of a trick of the user's own, and that a recipe is what hooks are told it is."""
from dataclasses import fields
from typing import get_origin, get_type_hints

from support.type_checker import checked

from fastricks.recipe.recipe import Recipe
from fastricks.trick.types import RecipeLike

TYPED = '''
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from fastricks.trick.base import Opt, Plan, RoomLike, Trick, Wanted, key
from fastricks.trick.types import GroupLike, Loss, RecipeLike, ScheduleLike, SourceLike


@dataclass(frozen=True)
class Mine(Trick):
    "Every hook."
    by: float = key(3., "factor", above=1)
    at: tuple[float, ...] = key((.1, .5), "points", above=0)
    network: str = key("test_resnet", "a network")
    source = "nowhere"
    conflicts = {"mixup": "because"}
    after = ("accumulate",)

    def needs(self) -> Wanted: return Wanted("mine:network", self.network)

    def settle(self, recipe: RecipeLike, source: SourceLike, room: RoomLike) -> tuple["Mine", dict[str, Any]]:
        value, facts = room.network(self.needs(), recipe, source)
        n, classes = len(source.of("train")), len(source.classes)
        room.say(f"{value}: {n} images of {classes} classes, {room.fingerprint(source)}")
        return replace(self, network=value), facts

    def arch(self, kwargs: dict[str, Any], plan: Plan) -> dict[str, Any]: return {**kwargs, "stem_width": plan.classes}
    def model(self, model: nn.Module, plan: Plan) -> nn.Module: return model.eval()
    def optimizer(self, opt: Opt, plan: Plan) -> Opt: return replace(opt, lr=opt.lr * plan.recipe.whole_batch * self.by)

    def schedule(self, sched: ScheduleLike, plan: Plan) -> ScheduleLike:
        return replace(sched, main=falling, hold=sched.steps(self.at[0]))

    def loss(self, loss_func: Loss, plan: Plan) -> Loss: return lambda z, y: loss_func(z, y) * self.by

    def groups(self, groups: list[GroupLike], model: nn.Module, plan: Plan) -> list[GroupLike]:
        from fastricks.model.optimizers import Group
        return [Group(g.name, g.params, g.wd / 2) for g in groups]


def falling(s: int, sched: ScheduleLike) -> float: return sched.lr * (1 - s / sched.total)
'''

WRONG = [
    ("plan.recipe.whole_batch", "plan.recipe.whole_bach", '"RecipeLike" has no attribute "whole_bach"'),
    ("-> Opt: return replace(opt, lr=opt.lr *", "-> float: return (opt.lr *",
     'Return type "float" of "optimizer" incompatible'),
    ("room.say(", "room.tell(", '"RoomLike" has no attribute "tell"'),
    ("by: float = key(3.", "by: float = key('3'", 'variable has type "float"'),
    ("-> float: return sched.lr", "-> float: return sched.warmup", "Unsupported operand types"),
]


def test_a_typed_trick_of_the_users_own_passes(tmp_path):
    assert checked(tmp_path, TYPED).startswith("Success")


def test_a_wrong_one_is_told(tmp_path):
    code = TYPED
    for old, new, _ in WRONG:
        assert code.count(old) == 1
        code = code.replace(old, new)
    said = checked(tmp_path, code)
    for _, _, error in WRONG: assert error in said


def test_hooks_are_told_of_every_field_that_changes_the_weights():
    told = {name: get_type_hints(o.fget)["return"] for name, o in vars(RecipeLike).items() if isinstance(o, property)}
    hints, numeric = get_type_hints(Recipe), {f.name for f in fields(Recipe) if f.metadata["numeric"]}
    assert numeric <= told.keys()
    assert {n for n in told.keys() & hints.keys() if hints[n] not in (told[n], get_origin(told[n]))} == set()

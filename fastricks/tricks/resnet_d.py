from dataclasses import dataclass

from fastricks.core.errors import UserError
from fastricks.trick.base import Trick, key

KWARGS = {"C": dict(stem_type="deep", stem_width=32), "D": dict(stem_type="deep", stem_width=32, avg_down=True)}


@dataclass(frozen=True)
class ResnetD(Trick):
    "The paper's tweaks of ResNet, each with those before it. From scratch only."
    variant: str = key("D", "B: stride in the 3×3 conv (timm's ResNets have it); C: a stem of three 3×3 convs; "
                       "D: 2×2 average pool before the shortcut's 1×1 conv", choices=("B", "C", "D"))

    source = "arXiv 1812.01187 §4.2, figure 2"
    formula = "stem 7×7/2 → 3×3/2 (32), 3×3 (32), 3×3 (64);  shortcut 1×1/2 → 2×2 average pool /2, 1×1"
    cost = "a heavier stem and shortcuts: more time a step"

    def check(self, recipe, tricks):
        if not recipe.from_scratch:
            raise UserError("resnet_d changes the network, which pre-trained weights do not fit: "
                            f"use --arch {with_d(recipe.arch)}, whose weights have the tweaks, or --no-pretrained")
        if twice := [k for k in KWARGS.get(self.variant, ()) if k in recipe.arch_option]:
            raise UserError(
                f"resnet_d and --arch-option {twice[0]}={recipe.arch_option[twice[0]]} both say how the network is "
                "made: give one of them")
        if self.variant == "B":
            raise UserError("resnet_d:variant=B changes nothing: timm's ResNets have that stride already; "
                            "use variant=C or D")

    def arch(self, kwargs, plan):
        from fastricks.model.network import is_resnet, tweaks_of
        arch = plan.recipe.arch
        if not is_resnet(arch):
            raise UserError(f"resnet_d is a change of ResNets, and {arch} is none")
        if KWARGS[self.variant].keys() <= tweaks_of(arch):
            raise UserError(f"resnet_d:variant={self.variant} changes nothing: {arch} has it")
        return {**kwargs, **KWARGS[self.variant]}


def with_d(arch):
    "timm's name of a ResNet with the tweaks: resnet18d, resnet50d"
    name = arch.split(".")[0]
    return f"{name}d" if name in ("resnet18", "resnet34", "resnet50", "resnet101",
                                  "resnet152") else "resnet18d or resnet50d"

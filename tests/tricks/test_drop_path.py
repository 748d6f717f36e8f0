"""drop_path: stochastic depth."""
import pytest
import timm
import torch
from support.marks import slow
from support.small import learner, recipe_of, same, trained, weights
from timm.layers import DropPath

from fastricks.core.errors import UserError


def test_the_rates_rise_linearly_and_an_image_has_its_branch_or_none():
    model = learner("drop_path:rate=.3", arch="resnet18")[0].model.train()
    paths = [m for m in model.modules() if isinstance(m, DropPath)]
    assert [m.drop_prob for m in paths] == pytest.approx([.3 * i / 7 for i in range(1, 8)])  # the first branch has none
    torch.manual_seed(0)
    y = paths[-1](torch.ones(4000, 1, 1, 1)).flatten()
    assert torch.allclose(y[y > 0], torch.tensor(1 / .7)) and (y > 0).float().mean() == pytest.approx(.7, abs=.03)


def test_evaluation_leaves_nothing_out_and_the_weights_have_the_same_names():
    a, b = learner("drop_path")[0].model.eval(), learner()[0].model.eval()
    x = torch.randn(2, 3, 16, 16)
    assert same(a.state_dict(), b.state_dict()) and torch.equal(a(x), b(x))


def test_the_draws_are_functions_of_the_step():
    assert same(weights(trained("drop_path:rate=.5")), weights(trained("drop_path:rate=.5")))


def test_two_ways_to_say_one_thing_are_refused():
    with pytest.raises(UserError, match=r"drop_path:rate=.* and --arch-option drop_path_rate=.* say the same thing: "
                                        r"give one of them"):
        recipe_of("drop_path:rate=.2", arch_option={"drop_path_rate": .3})
    with pytest.raises(UserError, match="resnet_d and --arch-option stem_width=64 both say how the network is made"):
        recipe_of("resnet_d", arch="resnet18", arch_option={"stem_width": 64})


@pytest.mark.parametrize("arch", [slow("vgg11_bn"), "inception_v3"])
def test_a_network_without_branches_is_refused(arch):
    with pytest.raises(UserError, match="drop_path"): learner("drop_path", arch=arch, size=96, resize=96)
    assert timm.is_model(arch)

"""LayerCAM against the paper's equations written out, and on networks of several families."""
import pytest
import timm
import torch

from fastricks.model.cam import SIDE, at_layer, heat_maps, layer_cam, layers_of


def by_hand(A, g):
    "Eq. 6: w_k,ij = ReLU(g_k,ij); eq. 7: Â_k,ij = w_k,ij A_k,ij; eq. 8: M_ij = ReLU(Σ_k Â_k,ij)"
    n, C, h, w = A.shape
    M = torch.zeros(n, h, w)
    for b in range(n):
        for i in range(h):
            for j in range(w):
                total = sum(max(g[b, k, i, j].item(), 0) * A[b, k, i, j].item() for k in range(C))
                M[b, i, j] = max(total, 0)
    return M


def test_the_formula():
    A, g = torch.randn(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(layer_cam(A, g), by_hand(A, g), atol=1e-6)
    assert layer_cam(A.abs(), -g.abs()).abs().max() == 0


class Pooled(torch.nn.Module):
    "Features that a linear layer reads after their mean: ∂logit_c/∂A_k,ij = W_ck / (h w)"
    def __init__(self, h):
        super().__init__()
        self.body, self.head = torch.nn.Conv2d(3, 4, 1), torch.nn.Linear(4, 3)
        self.pool, self.feature_info = torch.nn.AdaptiveAvgPool2d(h), [{"module": "body"}, {"module": "nowhere"}]

    def forward(self, x): return self.head(self.body(x).mean((2, 3)))


def test_gradients_are_those_of_the_classs_logit():
    torch.manual_seed(1)
    model, x = Pooled(6).eval().requires_grad_(False), torch.randn(2, 3, 6, 6)
    A, g = at_layer(model, model.body, x, torch.tensor([2, 0]))
    assert torch.allclose(A, model.body(x)) and layers_of(model) == ["body"]
    want = model.head.weight[[2, 0]][:, :, None, None].expand(-1, -1, 6, 6) / 36
    assert torch.allclose(g, want, atol=1e-7)
    maps, M = heat_maps(model, x, torch.tensor([2, 0])), by_hand(A, g)
    assert torch.allclose(maps, M / M.amax((1, 2), keepdim=True).clamp_min(1e-12), atol=1e-5)
    assert heat_maps(model, x[:, :, :SIDE - 1], torch.tensor([2, 0])) is None


@pytest.mark.parametrize("name, shape", [("test_resnet", (5, 5)), ("test_convnext", (5, 5)), ("test_mambaout", (5, 5)),
                                         ("test_efficientnet", (5, 5)), ("test_vit", None)])
def test_networks(name, shape):
    "Channels first and last; None for tokens. The model is as it was"
    model = timm.create_model(name, num_classes=5).eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with torch.inference_mode(False):
        maps = heat_maps(model, torch.randn(2, 3, 160, 160), torch.tensor([1, 2]))
    if shape is None:
        assert maps is None
        return
    assert maps.shape == (2, *shape) and maps.min() >= 0 and torch.equal(maps.amax((1, 2)), torch.ones(2))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters()) and not any(m._forward_hooks for m in model.modules())


def test_small_images_take_an_earlier_layer():
    model = timm.create_model("test_resnet", num_classes=5).eval()
    assert heat_maps(model, torch.randn(1, 3, 32, 32), torch.tensor([0])).shape == (1, 4, 4)

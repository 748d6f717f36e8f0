"""torch's optimizers without their copies are torch's optimizers."""
import pytest
import timm
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fastricks.model import optimizers


def trained(kind, layout, steps=3):
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=5).to(memory_format=layout)
    a, b = ({"params": [p for p in model.parameters() if (p.ndim > 1) == w], "weight_decay": wd}
            for w, wd in ((True, .1), (False, 0.)))
    opt = kind([a, b], lr=1e-2, fused=True)
    for _ in range(steps):
        model(torch.randn(4, 3, 32, 32)).square().mean().backward()
        opt.step()
        opt.zero_grad()
    return model, opt


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_the_same_numbers_as_torchs(name, layout):
    (m, o), (m2, o2) = (trained(getattr(kind, name), layout) for kind in (optimizers, torch.optim))
    for p, q in zip(m.parameters(), m2.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-7)
        assert p.stride() == q.stride()
        for k, v in o.state[p].items():
            torch.testing.assert_close(v, o2.state[q][k], rtol=1e-6, atol=1e-9)
            assert v.stride() == o2.state[q][k].stride()


class Copies(TorchDispatchMode):
    "Counts elements that are copied"
    def __init__(self):
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in (torch.ops.aten.clone.default, torch.ops.aten.copy_.default): self.n += args[0].numel()
        if func is torch.ops.aten._fused_adam_.default:
            self.n += sum(t.numel() for ts in args[:4] for t in ts if not t.is_contiguous())
        return func(*args, **(kwargs or {}))


def test_nothing_is_copied():
    def copied(kind):
        model, opt = trained(kind, torch.channels_last, steps=1)
        for p in model.parameters(): p.grad = torch.ones_like(p)
        with Copies() as seen: opt.step()
        return seen.n
    assert copied(torch.optim.Adam) > 10_000 > copied(optimizers.Adam) == 0

"""Which of timm's networks can be trained: the two smallest of each family at two sizes, two steps each. Writes
docs/networks.md.

    python benchmarks/networks.py [--sizes 64 96] [--only FAMILY …] [--out docs/networks.md]

Weights are new, images are noise; what is found out is whether a network can be made, takes images of the size, answers
as a classifier does, and gets finite gradients. Half an hour on one slow core.
"""
import argparse
import sys
import time
import warnings
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from timm.models import list_models, list_modules

from fastricks.core.errors import UserError, first_line
from fastricks.model.layout import lay_out
from fastricks.model.network import arch_cfg, build_network, has_fixed_size, with_tag, zero_last_gammas
from fastricks.model.trial import trouble

MOST = 30_000_000  # parameters of a network that is tried
# in names: not even counted
TOO_LARGE = "large", "huge", "giant", "gigantic", "enormous", "xlarge", "so400m", "xxl", "7b", "1b", "2b"
CLASSES, BATCH, STEPS = 10, 2, 2
HEAD = Path(__file__).with_name("networks.head.md")


def main():
    a = parsed()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rows, start = [], time.perf_counter()
    for family in a.only or list_modules():
        found = smallest(family)
        rows += [row_of(family, arch, n, a.sizes)
                 for n, arch in found] or [[family, "", "", "", *["none of at most 30 M parameters"], ""]]
        for row in rows[-max(len(found), 1):]:
            print(*row, sep=" | ", flush=True)
        write_page(a, rows)
    print(f"{time.perf_counter() - start:,.0f} s")


def parsed():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--sizes", type=int, nargs=2, default=[64, 96])
    p.add_argument("--only", nargs="+", help="families, as timm's modules are called")
    p.add_argument("--out", type=Path, default=Path(__file__).parents[1]/"docs"/"networks.md")
    return p.parse_args()


def smallest(family, n=2):
    "(parameters, name) of the family's `n` smallest networks of at most MOST"
    names = [o for o in list_models(module=family) if not any(w in o for w in TOO_LARGE)]
    counted = sorted((parameters(o), o) for o in names)
    return [(k, o) for k, o in counted if k <= MOST][:n]


def parameters(arch):
    "How many a network has, without memory for them; more than any where it can't be made so"
    try:
        with torch.device("meta"):
            return sum(p.numel() for p in timm.create_model(arch, num_classes=CLASSES).parameters())
    except Exception as e:
        print(f"{arch}: {type(e).__name__}: {first_line(e)}", file=sys.stderr)
        return sys.maxsize


def row_of(family, arch, n, sizes):
    "A row of the table: family, network, millions of parameters, its own size, what happens at each size, zero γ"
    own = arch_cfg(arch).input_size[-1]
    made = f"{own}, given to timm" if has_fixed_size(arch) else f"{own}"
    said = [outcome(arch, size) for size in sizes]
    same = said[:1] if len({*said}) == 1 else [f"{size}: {o}" for size, o in zip(sizes, said, strict=True)]
    return [family, with_tag(arch), f"{n / 1e6:.1f}", made, "; ".join(same), gammas(arch)]


def outcome(arch, size):
    "`trains`, or why not"
    if why := trouble(arch, size):
        return why
    try:
        return two_steps(arch, size)
    except UserError as e:
        return str(e)
    except Exception as e:
        return f"stops in a step: {type(e).__name__} ({first_line(e)})"


def two_steps(arch, size):
    torch.manual_seed(0)
    model = lay_out(build_network(arch, CLASSES, size=size)[0], "cpu").train()
    opt = torch.optim.SGD(model.parameters(), 1e-3)
    x = torch.randn(BATCH, 3, size, size).to(memory_format=torch.channels_last)
    for _ in range(STEPS):
        loss = F.cross_entropy(model(x), torch.arange(BATCH))
        opt.zero_grad()
        loss.backward()
        opt.step()
    finite = all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    return "trains" if finite and loss.isfinite() else "gradients that are not finite"


def gammas(arch):
    "Can zero_gamma be used?"
    try:
        return "yes" if zero_last_gammas(build_network(arch, CLASSES)[0]) else "no"
    except Exception as e:
        return f"stops: {type(e).__name__}"


def write_page(a, rows):
    head = HEAD.read_text().format(timm=timm.__version__, torch=torch.__version__.partition("+")[0], small=a.sizes[0],
                                   large=a.sizes[1],
                                   n=len([r for r in rows if r[1]]), works=sum(r[4] == "trains" for r in rows))
    names = "family", "network", "M parameters", "pixels", f"at {a.sizes[0]} and {a.sizes[1]} pixels", "zero_gamma"
    lines = [names, ["---"] * len(names), *rows]
    cells = [[str(c).replace("|", "\\|") for c in r] for r in lines]
    table = "".join(f"| {' | '.join(r)} |\n" for r in cells)
    a.out.write_text(f"{head}\n{table}")


if __name__ == "__main__":
    main()

"""Pictures as PNG files, drawn without a display."""
from pathlib import Path


def new_figure(width=6, height=3):
    from matplotlib.figure import Figure  # not pyplot: no global state, no window
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.add_subplot()


def plot_lr(traces, file, per_epoch=None):
    "Draw learning rates, name -> one value a step (over epochs with `per_epoch` steps), and write a PNG"
    fig, ax = new_figure()
    for name, lrs in traces.items():
        x = [s / per_epoch for s in range(len(lrs))] if per_epoch else range(len(lrs))
        ax.plot(x, lrs, label=name, linewidth=1.5)
    ax.set(xlabel="epoch" if per_epoch else "step", ylabel="learning rate")
    ax.grid(alpha=.3); ax.set_ylim(bottom=0)
    if traces: ax.legend(fontsize=8, frameon=False)
    return save(fig, file)


def save(fig, file):
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(file, dpi=120)
    return Path(file)

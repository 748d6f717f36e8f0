"""Pictures: PNG files and notebook cells, drawn without a display; curves in the terminal."""
import re
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..core.errors import UserError, shorten
from ..core.files import write, writing
from .palette import BLUE, GREY, LINES, ORANGE, SERIES, with_variables

MANY_CLASSES = 15  # that are each drawn; of more at most the `TOP_CLASSES` largest, the others as one bar
TOP_CLASSES = 10
COLORS = BLUE, ORANGE
PLAIN_TEXT = dict(parse_math=False)  # a class may be called a$b$c


class Picture(Figure):
    "A figure that a notebook shows by itself, with or without pyplot"
    def __init__(self, width=7., height=3.4): super().__init__(figsize=(width, height), dpi=80, layout="constrained")
    def _repr_png_(self): return png(self, self.dpi)


def png(fig, dpi=120):
    "The bytes of a PNG"
    out = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name in letters that the font lacks is no reason to complain
        fig.savefig(out, format="png", dpi=dpi)
    return out.getvalue()


def save_figure(fig, file):
    "Write a figure as a PNG, whole or not at all"
    with writing(file):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    write(file, png(fig))
    return Path(file)


# -- learning rate

def draw_lr(traces, per_epoch, moms=None):
    "Learning rates over epochs, and below them momentum where it moves; all are name -> values, or steps an epoch"
    fig = Picture(height=4.6 if moms else 3.4)
    axs = fig.subplots(2 if moms else 1, sharex=True, squeeze=False, height_ratios=[3, 1.3] if moms else None)[:, 0]
    looks, labels = line_looks(list(traces)), line_labels(traces, per_epoch)
    for ax, lines, what in zip(axs, (traces, moms), ("learning rate", "momentum"), strict=False):
        for k, v in lines.items():
            draw_steps(ax, v, per_epoch[k], **looks[k])
        ax.grid(alpha=.3)
        ax.set_ylabel(what)
    epochs = max(len(v) / per_epoch[k] for k, v in traces.items())
    axs[0].set_xlim(0, epochs)
    highest = [max(v) for v in traces.values()]
    scale_lr(axs[0], highest)
    axs[-1].set_xlabel("epoch")
    name_lines(fig, axs[0], labels)
    return fig


def draw_found(found):
    "The curve of `--lr find` with the rate that was taken"
    fig = Picture()
    ax = fig.subplots()
    ax.plot(found.lrs, found.losses)
    ax.plot(found.lr, np.interp(np.log(found.lr), np.log(found.lrs), found.losses), "o", color=COLORS[1])
    ax.axvline(found.lr, color=COLORS[1], linewidth=.8)
    ax.set(xscale="log", xlabel="learning rate", ylabel="loss, smoothed",
           title=f"{found.lr:g}, by fastai's {found.rule}")
    ax.grid(alpha=.3)
    return fig


def line_looks(names):
    "A colour and a dash pattern each, and widths that decrease: a line below another can be seen"
    return {k: dict(color=SERIES[i % len(SERIES)], linestyle=LINES[i % len(LINES)],
                    linewidth=1.5 + min(.8 * (len(names) - 1 - i), 2.5)) for i, k in enumerate(names)}


def line_labels(traces, per_epoch):
    "The names of lines; of one that lies on an earlier one, that one's too"
    first = {}
    for name, values in traces.items():
        first.setdefault((per_epoch[name], tuple(values)), name)
    found = {name: first[per_epoch[name], tuple(values)] for name, values in traces.items()}
    return [name if same == name else f"{name} (same as {same})" for name, same in found.items()]


def draw_steps(ax, values, per_epoch, **look):
    "Each value lasts for its step"
    ax.plot(np.arange(len(values) + 1) / per_epoch, [*values, values[-1]], drawstyle="steps-post",
            solid_capstyle="butt", dash_capstyle="butt", **look)


def scale_lr(ax, peaks):
    "From 0; rates of different sizes on a logarithmic axis"
    if max(peaks) > 20 * min(peaks):
        ax.set(yscale="log", ylim=(min(peaks) / 300, max(peaks) * 1.5))
    else:
        ax.set_ylim(0, max(peaks) * 1.05)
        ax.ticklabel_format(axis="y", scilimits=(-2, 4))


def name_lines(fig, ax, names):
    "One name is a title, several are a legend"
    if len(names) == 1:
        return ax.set_title(names[0], fontsize=10, **PLAIN_TEXT)
    legend = fig.legend(ax.lines, names, loc="outside upper left", fontsize=8, frameon=False,
                        ncols=2 if len(names) > 4 else 1)
    for t in legend.get_texts():
        t.set(**PLAIN_TEXT)


def print_curve(lrs, per_epoch, title="learning rate"):
    "The learning rate drawn in the terminal"
    import plotext as plt
    fig = plt.figure
    fig.clear()
    fig.plot_size(90, 16)
    fig.title(title)
    fig.label("epoch", "x")
    fig.draw(fig.signal([i / per_epoch for i in range(len(lrs))], lrs, marker="braille").lines())
    return plt.uncolorize(fig.build().string()).split("\n")


# -- images and targets

def draw_batch(images, captions, title, cols=4):
    "Images [n, h, w, 3] from 0 to 1 in rows of `cols`, a caption each"
    cols = min(cols, len(images))
    rows = -(-len(images) // cols)
    fig = Picture(max(2. * cols, 4), (2.2 + .13 * (captions[0].count("\n") + 1)) * rows + .4)
    axs = fig.subplots(rows, cols, squeeze=False).ravel()
    for ax in axs:
        ax.axis("off")
    for ax, image, text in zip(axs, images, captions, strict=False):
        show_image(ax, image, text)
    fig.suptitle(title, fontsize=9, **PLAIN_TEXT)
    return fig


def draw_samples(images, captions, title, cols, cell, inside):
    """PIL images of at most `cell` pixels a side in rows of `cols`, each with its caption above; one picture, as
    hundreds of axes are slow.

    Lines mark the centred square whose side is `inside` of an image's shorter one.
    """
    from matplotlib.patches import Rectangle
    head, gap = 24, 6
    rows = -(-len(images) // cols)
    h = (cell + head) * rows + head + gap
    w = (cell + gap) * cols + gap
    canvas = np.full((h, w, 3), 255, np.uint8)
    fig = Picture(w / 80, h / 80)
    fig.set_layout_engine("none")
    ax = fig.add_axes((0, 0, 1, 1))
    for i, (im, text) in enumerate(zip(images, captions, strict=True)):
        row, col = divmod(i, cols)
        x = gap + col * (cell + gap) + (cell - im.width) // 2
        y = 2 * head + row * (cell + head)
        canvas[y:y + im.height, x:x + im.width] = im
        ax.text(x + im.width / 2, y - 5, text, ha="center", va="bottom", fontsize=8, **PLAIN_TEXT)
        side = inside * min(im.size)
        corner = x + (im.width - side) / 2, y + (im.height - side) / 2
        for color, lw in (("black", 1.6), ("white", .8)):
            ax.add_patch(Rectangle(corner, side, side, fill=False, ec=color, lw=lw))
    ax.text(w / 2, 6, title, ha="center", va="top", fontsize=9, **PLAIN_TEXT)
    ax.imshow(canvas, aspect="auto", extent=(0, w, h, 0))
    ax.axis("off")
    return fig


def show_image(ax, image, text):
    ax.imshow(image, interpolation="nearest" if len(image) < 128 else None)
    ax.set_title(text, fontsize=8, y=1.02, **PLAIN_TEXT)  # a fixed y: to search for it would take half the time
    ax.axis("off")


def draw_targets(images, captions, series, classes, title):
    "Beside each image the bars of its target and of what else is in `series`, name -> [n, K]"
    bars = [gather_classes({k: v[i] for k, v in series.items()}, classes) for i in range(len(images))]
    most = max(5, *(len(names) for names, _ in bars))
    pairs = min(2, len(images))
    rows = -(-len(images) // pairs)
    width, height = 2.1 + 1.7 * len(series), .17 * most + .75
    fig = Picture(width * pairs, rows * height + .4)
    shares = [1.1, *[1] * len(series)]
    axs = fig.subplots(rows, pairs * len(shares), squeeze=False, width_ratios=shares * pairs)
    for ax in axs.flat:
        ax.axis("off")
    groups = axs.reshape(-1, len(shares))
    for row, image, caption, (names, values) in zip(groups, images, captions, bars, strict=False):
        show_image(row[0], image, caption)
        for ax, (k, q), color in zip(row[1:], values.items(), COLORS, strict=False):
            draw_bars(ax, q, k, color, len(classes), most)
        row[1].set_yticks(range(len(names)), names, fontsize=7, **PLAIN_TEXT)
    fig.suptitle(title, fontsize=9, **PLAIN_TEXT)
    return fig


def gather_classes(series, classes):
    "(names, name -> values) of every class, or where there are many of those that matter and the mean of the others"
    if len(classes) <= MANY_CLASSES:
        return [shorten(o) for o in classes], series
    keep = top_of(*series.values())
    rest = np.setdiff1d(np.arange(len(classes)), keep)
    names = [*(shorten(classes[k]) for k in keep), f"{len(rest)} others, mean"]
    return names, {n: np.append(q[keep], q[rest].mean()) for n, q in series.items()}


def top_of(q, *more):
    "At most `TOP_CLASSES` classes: those that stand out of q, then the largest of another"
    own = [k for k in np.argsort(-q, kind="stable") if q[k] > q.min() + 1e-4][:TOP_CLASSES]
    return own + [k for r in more for k in np.argsort(-r, kind="stable") if k not in own][:TOP_CLASSES - len(own)]


def draw_bars(ax, q, title, color, K, most):
    "Horizontal bars with their numbers, on a scale of their own from 0; a last one for all other classes is grey"
    ax.axis("on")
    colors = [color] * len(q)
    if len(q) < K:
        colors[-1] = GREY
    ax.barh(range(len(q)), q, color=colors, height=.75)
    for i, x in enumerate(q):
        if abs(x) > 5e-5:
            ax.text(x, i, " " + short_number(x), va="center", fontsize=7)
    right = max(q.max(), 1e-6) * 1.3
    ax.set(ylim=(most - .5, -.5), xlim=(0, right), xticks=[], yticks=[])
    ax.tick_params(length=0)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.set_title(title, fontsize=8, **PLAIN_TEXT)


def short_number(x): return f"{x:.3g}".replace("0.", ".", 1) if abs(x) < 1 else f"{x:.3g}"


# -- for a page

def svg(fig):
    "A Figure as an <svg> element that needs nothing from elsewhere, in the colours of the page that it stands in"
    from io import StringIO

    from matplotlib import rc_context
    out = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "fastricks", "font.family": "sans-serif"}):
        fig.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return with_variables(bare_svg(out.getvalue()))


def bare_svg(text):
    "Without prolog and metadata, which name addresses; `xlink:href` is plain `href` today"
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg"):], flags=re.S)
    return re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")


# -- files

def save_to(fig, to):
    try:
        return save_figure(fig, to)
    except OSError as e:
        raise UserError(f"--to {to}: can't be written ({e.strerror})") from None

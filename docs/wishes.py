"""README's three wishes and its picture, made by the tool on drawn photos: `python docs/wishes.py [README] [PICTURE]`.

The commands of README's blocks between the marks are run, with `SMALL` added so that nothing is downloaded, in a folder
that is thrown away; below each goes what it printed, shortened to the lines that `KEPT` names. The picture, which needs
chromium, has a terminal and the run's page side by side.
"""
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from drawn import draw, draw_folder
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parents[1]
README, PICTURE = ROOT / "README.md", ROOT / "docs" / "first-run.png"
SMALL = shlex.split("--arch test_resnet --no-pretrained --size 64 --epochs 8 --lr 3e-3 --valid .3 --wandb disabled")
KEPT = {"train": r" +epoch| +[18] |trained|accuracy|run |page", "ablate": r"tricks |baseline|one_cycle|mixup|cosine",
        "predict": r".*"}
BLOCK = re.compile(r"```console\n\$ (fastricks (\w+).*)\n((?:.*\n)*?)```")
SIZE, ZOOM = (1400, 524), 1.6  # of the picture in CSS pixels, and pixels of each


def wishes(text): return [m[1] for m in BLOCK.finditer(text)]


def said(line, folder, kept=KEPT):
    "What a wish's command prints, in lines"
    words = shlex.split(line)
    more = [*SMALL, *(["--jobs", "2", "--threads", "1"] if words[1] == "ablate"
                      else [])] if words[1] != "predict" else []
    out = subprocess.run([sys.executable, "-m", "fastricks", *words[1:], *more], cwd=folder, check=True, text=True,
                         env={**os.environ, "COLUMNS": "100", "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL).stdout
    return [o.rstrip() for o in out.splitlines() if re.match(kept[words[1]], o)]


def with_outputs(text, folder):
    def block(m): return "\n".join(["```console", f"$ {m[1]}", *of_the_end(m[2], said(m[1], folder)), "```"])
    return BLOCK.sub(block, text)


def of_the_end(verb, lines):
    "Of an ablation its table alone, up to the verdict: the figures behind it are for wider terminals"
    if verb != "ablate":
        return lines
    table = lines[[i for i, o in enumerate(lines) if o.startswith("tricks ")][-1]:]
    start = table[0].index("verdict")
    return [o[:start] + re.split(r"\s{2,}", o[start:])[0] for o in table]


# -- the picture

def terminal(lines, folder):
    "An SVG of a terminal in which commands have run; where the cache lies is nobody's business"
    console = Console(record=True, width=88, file=open(os.devnull, "w"))  # noqa: SIM115  nothing is written
    for line in lines:
        console.print(Text(f"$ {line}", style="bold"))
        for o in said(line, folder, {"train": "(?!pixels)", "predict": ""}):
            console.print(Text(o))
        console.print()
    return console.export_svg(title="fastricks", theme=MONOKAI)


def screenshot(page, file, width, height, zoom):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("the picture needs chromium")
    subprocess.run([chromium, "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu",
                    f"--force-device-scale-factor={zoom}", f"--window-size={width},{height}",
                    "--virtual-time-budget=3000", f"--screenshot={file}", page.as_uri()], check=True,
                   capture_output=True)


def draw_picture(lines, folder, file):
    width, height = SIZE
    svg = terminal(lines, folder)
    page = folder / re.search(r"--name (\w+)", lines[0])[1].join(("runs/", "/index.html"))
    screenshot(page, folder / "page.png", 860, 1090, 2)
    (folder / "both.html").write_text(
        f"<body style='margin:0;display:flex;gap:16px;width:{width}px;height:{height}px;background:#fff'>"
        f"<div style='width:800px'>{svg}</div>"
        f"<img src=page.png style='width:568px;height:{height}px;object-fit:cover;object-position:top;"
        "border:1px solid #ccc;border-radius:8px;box-sizing:border-box'>")
    screenshot(folder / "both.html", file, width, height, ZOOM)


def main():
    wanted = sys.argv[1:] or ["README", "PICTURE"]
    with TemporaryDirectory() as top:
        folder = Path(top)
        draw_folder(folder / "PHOTOS")
        draw("pear", 1000).save(folder / "photo.jpg")
        text = README.read_text()
        if "PICTURE" in wanted:
            train, _, predict = wishes(text)
            draw_picture([train, predict], folder, PICTURE)
        if "README" in wanted:
            README.write_text(with_outputs(text, folder))


if __name__ == "__main__":
    main()

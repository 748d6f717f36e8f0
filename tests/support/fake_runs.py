"""Run folders as a training leaves them, without one: any accuracy, image by image."""
import json
from dataclasses import asdict

import numpy as np

from fastricks.core.files import rows_to_csv
from fastricks.recipe.identity import identity
from fastricks.recipe.recipe import resolve
from fastricks.report.runs import Images

CLASSES = "apple_pie", "beignets", "c&a <b>", "d|e", "éclair", "falafel"
ENVIRONMENT = {"fastricks": "0.1.0", "python": "3.11.7", "torch": "2.15.0", "torchvision": "0.29.2", "fastai": "2.8.12",
               "timm": "1.0.31",
               "numpy": "2.4.6", "cpu": "Some CPU", "cores": 2, "device": "cpu",
               "git": {"revision": "0123456789abcdef", "changed": False}}


def write(path, got): path.write_text(got if isinstance(got, str) else json.dumps(got))


def fake_run(out, tricks="none", seed=0, hits=None, valid=None, top1=None, seconds=10., epochs=3, name=None,
             status="finished",
             fingerprint="0123456789ab", data="digits", split="test", facts=None, environment=None, classes=CLASSES,
             ident=None, recipe=None,
             **given):
    """Write the folder of a run and return it.

    `hits` [I] and `valid` [J]: booleans, which test (or `split`) and validation images it gets right; without `valid`
    there is no such split. `top1`: its accuracy on 10,000 images instead, of which it left no predictions.
    """
    hits = np.ones(60, bool) if hits is None else np.asarray(hits, bool)
    small = {} if recipe else dict(arch="test_resnet", size=16, resize=16, batch_size=16, threads=1)
    r = resolve({**small, "epochs": epochs, "device": "cpu", "wandb": "disabled", "seed": seed, **given}, [tricks],
                recipe)
    folder = out / (name or f"{data}-{tricks}-s{seed}".replace(":", "_"))
    folder.mkdir(parents=True)
    counts = {"train": 400, "valid": 0 if valid is None else len(valid), "test": 0, split: len(hits)}
    write(folder / "status.json", status if isinstance(status, dict)
          else {"status": status, "time": "2026-11-22 10:00:00"})
    write(folder / "recipe.json", {
        "recipe": asdict(r), "identity": ident or identity(r, fingerprint, None, facts), "facts": facts or {},
        "data": {"fingerprint": fingerprint, "name": data, **counts}})
    write(folder / "environment.json", {**ENVIRONMENT, **(environment or {})})
    if top1 is not None:
        numbers = {"top1": top1, "top5": top1, "loss": 1 - top1, "correct": round(top1 * 10_000), "n": 10_000}
    else: numbers = predictions(folder / "predictions.csv", hits, classes, split)
    if valid is not None:
        numbers["valid"] = predictions(folder / "predictions-valid.csv", np.asarray(valid, bool), classes, "valid")
    times = {"seconds": seconds + 1, "train_seconds": seconds, "images_per_s": 100.}
    write(folder / "metrics.json", {"split": split, **numbers, "epochs": epochs, **times})
    write(folder / "history.csv", rows_to_csv(history(epochs, seconds, numbers.get("valid"))))
    return folder


def history(epochs, seconds, valid):
    def row(e):
        of = ({"valid_loss": .9 / (e + 1), "accuracy": valid["top1"] * (1 - .5 ** (e + 1))} if valid
              else {"valid_loss": None, "accuracy": None})
        return {"epoch": e + 1, "lr": .1, "train_loss": 1 / (e + 1), **of, "seconds": seconds / epochs,
                "images_per_s": 100.}
    return [row(e) for e in range(epochs)]


def predictions(file, hits, classes, split):
    "Write predictions.csv and return its metrics: misses say the next class, every third of them has rank 5"
    rows = []
    for i, hit in enumerate(hits):
        k = i % len(classes)
        rank = 0 if hit else 5 if i % 3 == 0 else 1
        rows.append({"image": f"{split}/{i:05}", "label": classes[k],
                     "predicted": classes[k if hit else (k + 1) % len(classes)],
                     "p": "0.9000", "rank": rank, "loss": f"{.1 if hit else 2.:.4f}"})
    write(file, rows_to_csv(rows))
    rank, loss = np.array([r["rank"] for r in rows]), np.array([float(r["loss"]) for r in rows])
    return {"top1": float((rank == 0).mean()), "top5": float((rank < 5).mean()), "correct": int((rank == 0).sum()),
            "n": len(hits),
            "loss": float(loss.mean())}


def fake_images(labels, predicted, p=None, loss=None, rank=None):
    "Predictions of images without a run: letters, or lists of class names"
    n, same = len(labels), [a == b for a, b in zip(labels, predicted, strict=True)]
    return Images(np.array([f"{i:04}" for i in range(n)]), np.array([*labels]), np.array([*predicted]),
                  np.array(p or [.5] * n, float),
                  np.array(rank if rank is not None else [0 if s else 1 for s in same]),
                  np.array(loss if loss is not None else [1.] * n, float))


def population(images, rng, easy=4.6, spread=4.):
    "Difficulties [images] of a superpopulation: with logistic noise of a seed, about 86% of them are right"
    return rng.normal(easy, spread, images)


def right(difficulty, seeds, rng, gain=0., own=0., luck=0.):
    "Hits [seeds, images]: `gain` for all images, one of its own for each (sd `own`), and one for each seed (sd `luck`)"
    shift = gain + own * rng.normal(size=len(difficulty)) + luck * rng.normal(size=(seeds, 1))
    return difficulty + shift + rng.logistic(size=(seeds, len(difficulty))) > 0

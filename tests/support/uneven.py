"""Digits as files, with fewer images of each class than of the one before."""
from PIL import Image
from sklearn.datasets import load_digits

CLASSES = 4


def uneven_digits(root, most=24, step=6):
    "root/<digit>/<i>.png: `most` images of 0, `step` fewer of each next of the four digits"
    data = load_digits()
    for k in range(CLASSES):
        (root / str(k)).mkdir(parents=True, exist_ok=True)
        for i, x in enumerate(data.images[data.target == k][:most - step * k]):
            Image.fromarray((x * 255 / 16).astype("uint8")).save(root / str(k) / f"{i:02}.png")
    return root

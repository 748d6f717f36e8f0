"""A plain loop over a folder of photos, as users write it: `predict_loop.py RUN PHOTOS WORKERS OUT.csv`."""
import csv
import json
import sys
from pathlib import Path

import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision import transforms

SIDE, CROP = 256, 224  # of a network of another size: its own


class Photos(torch.utils.data.Dataset):
    def __init__(self, files, size):
        self.files = files
        self.view = transforms.Compose([
            transforms.Resize(round(size * SIDE / CROP)), transforms.CenterCrop(size), transforms.ToTensor(),
            transforms.Normalize((.485, .456, .406), (.229, .224, .225))])

    def __len__(self): return len(self.files)
    def __getitem__(self, i):
        with Image.open(self.files[i]) as image:
            return self.view(image.convert("RGB"))


def main(run, photos, workers, out):
    r = json.loads((Path(run) / "recipe.json").read_text())["recipe"]
    files = sorted(Path(photos).rglob("*.jpg"))
    classes = sum(o.is_dir() for o in Path(photos).iterdir())
    model = timm.create_model(r["arch"], num_classes=classes)
    model.load_state_dict(load_file(Path(run) / "model.safetensors"))
    model.eval()
    loader = torch.utils.data.DataLoader(Photos(files, r["size"]), batch_size=32, num_workers=int(workers))
    with torch.inference_mode(), open(out, "w", newline="") as f:
        rows = csv.writer(f)
        done = 0
        for x in loader:
            p = model(x).softmax(1)
            best = p.max(1)
            rows.writerows(zip(files[done:done + len(x)], best.indices.tolist(), best.values.tolist(), strict=True))
            done += len(x)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The files of a run folder, read back."""
import csv
import json
import subprocess
import sys


def read(folder, name): return json.loads((folder / name).read_text())


def rows_of(run): return list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))


def wandb_records(folder):
    "The records of a run's offline W&B run, by wandb's own reader"
    run = next((folder / "wandb").glob("offline-run-*"))
    out = subprocess.run([sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(run)], capture_output=True,
                         text=True, timeout=120)
    assert out.returncode == 0, out.stderr
    return [json.loads(line) for line in out.stdout.splitlines()]

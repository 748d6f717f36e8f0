"""Run notebooks in Jupyter and keep what they show: `python nbs/execute.py [NAME.ipynb …]`, all of them if none is
named.
"""
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def execute(file):
    """Run a notebook from top to bottom in a new kernel and write it back, its cells numbered as they ran and nothing
    else about the machine
    """
    nb = nbformat.read(file, 4)
    NotebookClient(nb, timeout=600, record_timing=False, resources={"metadata": {"path": str(HERE)}}).execute()
    nb.metadata = {k: v for k, v in nb.metadata.items() if k in ("kernelspec",)}
    for i, cell in enumerate(nb.cells):
        cell.metadata, cell.id = {}, f"cell-{i:02}"
        for output in cell.get("outputs", ()):
            output.get("metadata", {}).clear()
    nbformat.write(nb, file)


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(HERE.glob("*.ipynb")):
        execute(Path(name))

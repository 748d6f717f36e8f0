#!/usr/bin/env python
"""`python train.py …` is `fastricks train …`."""
import sys

from fastricks.cli import run

if __name__ == "__main__": sys.exit(run(["train", *sys.argv[1:]]))

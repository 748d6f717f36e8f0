#!/usr/bin/env python
"""`python train.py …` is `fastricks train …`."""
import sys

from fastricks.cli.app import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])

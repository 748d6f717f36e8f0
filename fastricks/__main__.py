"""`python -m fastricks …` is `fastricks …`, which torchrun can start: `torchrun --nproc-per-node 2 -m fastricks resume
RUN`.
"""
from .cli.app import main

main()

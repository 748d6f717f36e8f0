"""Simulated ablations at the level of moments: seeds' differences drawn, the images' luck known."""
import numpy as np

from fastricks.report.compare.ladder import SeenRow
from fastricks.report.compare.samples import Moments

IMAGES = 5000


def moments_of(d, luck2, own=0., images=IMAGES):
    "Moments of paired differences d [n], whose images' luck has the variance luck2"
    n = len(d)
    return Moments(n, n, True, images, d.mean(), d.var(ddof=1) / n if n > 1 else np.nan, luck2 / n, own,
                   own + luck2 / n, 10 ** 6, False)


def null_table(rng, rows, seeds, R=1., effects=0., luck=.4):
    "d [rows, seeds] of rows that share a baseline, each with the variance R · luck²"
    sd = luck * np.sqrt(np.broadcast_to(R, rows) / 2)
    own = sd[:, None] * rng.normal(size=(rows, seeds))
    baseline = sd[:, None] * rng.normal(size=seeds)
    return np.asarray(effects)[..., None] + own - baseline


def family_of(d, luck2):
    "name -> Moments of a table d [rows, seeds]"
    return {str(i): moments_of(x, v) for i, (x, v) in enumerate(zip(d, np.broadcast_to(luck2, len(d)), strict=True))}


def look_at(d, luck2, own=0.):
    "A Look at a table d [rows, seeds], its rows named 0, 1, …"
    v, o = (np.broadcast_to(x, len(d)) for x in (luck2, own))

    def look(name, n):
        i = int(name)
        return None if n and d.shape[1] < n else SeenRow(moments_of(d[i, :n], v[i], o[i]))
    return look

"""Every step's learning rate against the closed forms, written out."""
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from fastricks.core.errors import UserError
from fastricks.recipe.registry import build_trick
from fastricks.recipe.schedule import Schedule

MAINS = {"step": {}, "cosine": {}, "cosine hold": {"hold": .2}, "step epochs": {"at": (2., 4.), "gamma": .5},
         "wsd": {}, "wsd sqrt": {"shape": "sqrt", "cooldown": 3.}}
WARMUPS = {"none": None, "step": {}, "step start": {"start": 1e-4}, "epoch": {"by": "epoch", "epochs": 2.},
           "keras": {"by": "keras"},
           "keras start": {"by": "keras", "start": 2e-4, "epochs": 1.}}


def schedule(main, warm=None, lr=1e-3, epochs=10, per_epoch=8, **keys):
    s = build_trick(main, keys).schedule(Schedule(lr, epochs, per_epoch), None)
    return (build_trick("warmup", warm).schedule(s, None) if warm is not None else s).check()


def expected(main, keys, warm, l, epochs, per_epoch):
    "The same, as a loop over steps that shares nothing with the package"
    total, out = epochs * per_epoch, []
    warm_steps = 0
    if warm is not None:
        e = warm.get("epochs", .15)
        in_epochs, in_steps = (e * epochs, e * total) if e < 1 else (e, e * per_epoch)
        warm_steps = round(in_epochs) * per_epoch if warm.get("by") == "epoch" else round(in_steps)
    hold = round(keys.get("hold", 0) * total)
    for s in range(total):
        if s < warm_steps:
            by, start = warm.get("by", "step"), warm.get("start", 0)
            part = {"step": (s + 1) / warm_steps, "keras": s / warm_steps,
                    "epoch": (s // per_epoch + 1) / (warm_steps / per_epoch)}[by]
            out.append(start + (l - start) * part)
        elif main == "step":
            at, gamma = keys.get("at", (.375, .75)), keys.get("gamma", .1)
            out.append(l * gamma ** len([a for a in at if s >= (a * epochs if a < 1 else a) * per_epoch]))
        elif main == "wsd":
            cool = keys.get("cooldown", .2)
            C = round(cool * (total if cool < 1 else per_epoch))
            t = s - (total - C)
            out.append(l if t < 0 else l * (1 - (t / C) ** (.5 if keys.get("shape") == "sqrt" else 1)))
        elif s < warm_steps + hold: out.append(l)
        else: out.append(l / 2 * (1 + np.cos(np.pi * (s - warm_steps - hold) / (total - warm_steps - hold))))
    return out


@pytest.mark.parametrize("main", MAINS)
@pytest.mark.parametrize("warm", WARMUPS)
def test_every_step_equals_the_closed_form(main, warm):
    keys, name = MAINS[main], main.split()[0]
    got = schedule(name, WARMUPS[warm], **keys).trace()
    assert got == pytest.approx(expected(name, keys, WARMUPS[warm], 1e-3, 10, 8), rel=1e-12)


def test_golden_figure_3_of_the_tutorial():
    "Warm-up by epoch over 6 of 40, then steps: 1e-4·i/6 for i = 1…6, 1e-4 to epoch 15, 1e-5 to 30, 1e-6 to 40"
    lrs = schedule("step", {"by": "epoch", "epochs": 6.}, lr=1e-4, epochs=40, per_epoch=493).trace()
    want = [1e-4 * i / 6 for i in range(1, 7)] + [1e-4] * 9 + [1e-5] * 15 + [1e-6] * 10
    assert lrs == pytest.approx(np.repeat(want, 493).tolist())
    assert schedule("step", {"by": "epoch"}, lr=1e-4, epochs=40, per_epoch=493).trace() == lrs  # .15 of 40 is 6


def keras_lr(step, l, total, warm_lr=0., warm=0, hold=0):
    "The Keras tutorial's definition, with its two ValueErrors, for one step"
    if total < warm: raise ValueError("total_steps")
    if step > total: return 0.
    if warm > 0:
        if l < warm_lr: raise ValueError("learning_rate_base")
        if step < warm: return (l - warm_lr) / warm * step + warm_lr
    if hold > 0 and step <= warm + hold: return l
    return .5 * l * (1 + np.cos(np.pi * (step - warm - hold) / float(total - warm - hold)))


@pytest.mark.parametrize("warm_lr, hold", [(0., 0.), (1e-4, 0.), (0., .25), (2e-4, .1)])
def test_golden_keras_function(warm_lr, hold):
    got = schedule("cosine", {"by": "keras", "epochs": 10., "start": warm_lr}, lr=1e-3, epochs=100, per_epoch=3,
                   hold=hold).trace()
    assert got == pytest.approx([keras_lr(s, 1e-3, 300, warm_lr, 30, round(hold * 300)) for s in range(300)], rel=1e-12,
                                abs=1e-18)


def test_keras_errors_are_ours_too():
    with pytest.raises(ValueError): keras_lr(0, 1e-3, 10, warm=11)
    with pytest.raises(UserError, match="leave nothing"): schedule("cosine", {"by": "keras", "epochs": 11.})
    with pytest.raises(ValueError): keras_lr(0, 1e-3, 10, 1e-2, 5)
    with pytest.raises(UserError, match="lies above the learning rate"):
        schedule("cosine", {"by": "keras", "start": 1e-2})


@pytest.mark.parametrize("hold, epochs", [(.85, .15), (.5, .5), (9., 1.)])
def test_warmup_and_hold_that_leave_nothing_are_refused(hold, epochs):
    with pytest.raises(UserError, match="leave nothing"): schedule("cosine", {"epochs": epochs}, hold=hold)


@pytest.mark.parametrize("keys", [{"by": "epoch", "epochs": 1.}, {"by": "epoch", "epochs": .01}, {"epochs": .001}])
def test_a_warmup_that_changes_nothing_is_refused(keys):
    with pytest.raises(UserError, match="changes nothing"): schedule("step", keys)


def test_step_comes_at_its_epoch_for_every_length():
    "e/n·n is not e in floating point for many n: the step must not come a batch late"
    for n in range(2, 60):
        for e in range(1, n):
            lrs = schedule("step", epochs=n, per_epoch=3, at=(e / n,)).trace()
            assert lrs[:3 * e] == [1e-3] * 3 * e and lrs[3 * e] == pytest.approx(1e-4), (n, e)


def test_no_step_is_wasted_at_zero_and_cosine_ends_above_zero():
    s = schedule("cosine", {})
    assert min(s.trace()) > 0 and s(s.warm - 1) == s(s.warm) == 1e-3
    assert all(a >= b for a, b in pairwise(s.trace()[s.warm:]))


def test_warmup_does_not_shift_the_steps():
    plain, warm = schedule("step").trace(), schedule("step", {}).trace()
    assert plain[12:] == warm[12:]
    assert replace(schedule("step"), lr=2.)(0) == 2.


def test_wsd_ends_above_zero_and_does_not_move_what_comes_before():
    short, long = (schedule("wsd", {"epochs": 2.}, epochs=n, cooldown=2.) for n in (6, 10))
    assert short.trace()[:4 * 8] == long.trace()[:4 * 8] and min(long.trace()) > 0
    assert long(63) == long(64) == 1e-3 > long(65)
    warm = build_trick("warmup", {"epochs": 7.}).schedule(Schedule(1e-3, 10, 8), None)
    with pytest.raises(UserError, match="do not fit into the run's 80"):
        build_trick("wsd", {"cooldown": 4.}).schedule(warm, None)
    with pytest.raises(UserError, match="would never fall"): schedule("wsd", cooldown=.01)

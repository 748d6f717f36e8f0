"""Conversions to ONNX that a process does once: torch's own takes two to three seconds, whatever the network."""
import hashlib
from contextlib import contextmanager

import pytest
import torch

from fastricks.use.exporters import to_onnx

KEPT = {}  # what a network is -> its converted model
CONVERT = to_onnx.to_proto


@contextmanager
def converting_once():
    "Exports meanwhile convert a network once; what is made of it, checked and written, is so each time"
    with pytest.MonkeyPatch.context() as m:
        m.setattr(to_onnx, "to_proto", convert_once)
        yield


def convert_once(net, x):
    key = what_it_is(net, x)
    if key not in KEPT: KEPT[key] = CONVERT(net, x)
    own = type(KEPT[key])()
    own.CopyFrom(KEPT[key])  # it is changed in place
    return own


def what_it_is(net, x):
    "Of an exporter's network: its layers, all that they hold, the shape of an image, and what it says of black ones"
    held = hashlib.sha256()
    with torch.no_grad(): said = net(torch.zeros_like(x[:2]))
    for v in (*net.parameters(), *net.buffers(), *said): held.update(v.detach().contiguous().numpy().tobytes())
    return repr(net), x.shape[1:], held.hexdigest()

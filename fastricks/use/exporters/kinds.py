"""A trained model in others' formats, each read back and checked against the model before it counts as written."""
from .to_onnx import write_onnx
from .to_timm import write_timm
from .to_torch import write_torch

WRITE = {"onnx": write_onnx, "timm": write_timm, "torch-export": write_torch}  # (Predictor, pixels, path, sizes of batches) -> difference

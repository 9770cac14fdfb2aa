"""Network and arithmetic of segment.py with ONNX Runtime, numpy and scipy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from scipy.ndimage import affine_transform

_file = str(Path(__file__).with_name("network.onnx"))
_network = onnxruntime.InferenceSession(_file, providers=["CPUExecutionProvider"])


def logits(crops: np.ndarray) -> np.ndarray:
    """Logits (crop, class, i, j, k) of normalised crops (crop, 1, i, j, k), float32."""
    return _network.run(["logits"], {"image": crops})[0]


def resampled(volume: np.ndarray, matrix: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Linear interpolation of (i, j, k) at ``matrix`` @ (i, j, k, 1) for each voxel of another shape, in double."""
    source = volume.astype(np.float64)
    return affine_transform(source, matrix, output_shape=shape, order=1, mode="nearest").astype(np.float32)


exp = np.exp


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def softmax(values: np.ndarray) -> np.ndarray:
    """Over the first axis."""
    likely = np.exp(values - values.max(0))
    return likely / likely.sum(0)


def mean_and_deviation(values: np.ndarray) -> tuple[np.float32, np.float32]:
    return np.float32(values.mean(dtype=np.float64)), np.float32(values.std(dtype=np.float64))

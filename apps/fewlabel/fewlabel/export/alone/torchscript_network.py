"""Network and arithmetic of segment.py with PyTorch, so that every number equals the server's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

_network = torch.jit.load(Path(__file__).with_name("network.ts"), map_location="cpu").eval()


@torch.no_grad()
def logits(crops: np.ndarray) -> np.ndarray:
    """Logits (crop, class, i, j, k) of normalised crops (crop, 1, i, j, k), float32."""
    return _network(torch.from_numpy(crops)).numpy()


def resampled(volume: np.ndarray, matrix: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Linear interpolation of (i, j, k) at ``matrix`` @ (i, j, k, 1) for each voxel of another shape, in double."""
    to_scan, from_target = _unit(volume.shape), np.linalg.inv(_unit(shape))
    theta = torch.from_numpy(to_scan @ matrix @ from_target)[[2, 1, 0]][:, [2, 1, 0, 3]]  # torch's axes are k, j, i
    grid = functional.affine_grid(theta[None], [1, 1, *shape], align_corners=False)
    source = torch.from_numpy(np.ascontiguousarray(volume, np.float64))
    return (
        functional.grid_sample(source[None, None], grid, padding_mode="border", align_corners=False)[0, 0]
        .float()
        .numpy()
    )


def _unit(shape: Sequence[int]) -> np.ndarray:
    """From voxels to torch's -1..1, the outer faces of the volume."""
    matrix = np.diag([*(2 / side for side in shape), 1.0])
    matrix[:3, 3] = [1 / side - 1 for side in shape]
    return matrix


def exp(values: np.ndarray) -> np.ndarray:
    return torch.from_numpy(values).exp().numpy()


def sigmoid(values: np.ndarray) -> np.ndarray:
    return torch.from_numpy(values).sigmoid().numpy()


def softmax(values: np.ndarray) -> np.ndarray:
    """Over the first axis."""
    return torch.from_numpy(values).softmax(0).numpy()


def mean_and_deviation(values: np.ndarray) -> tuple[np.float32, np.float32]:
    tensor = torch.from_numpy(values)
    return np.float32(tensor.mean()), np.float32(tensor.std(unbiased=False))

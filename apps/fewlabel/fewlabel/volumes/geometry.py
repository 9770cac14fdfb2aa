"""The grid of a file's voxels, as ITK and so Slicer show it, and distances between grids."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np

LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""LPS (ITK, NRRD, Slicer files) <-> RAS (nibabel, here): the first two axes change sign."""

_ORTHONORMAL = 1e-4
"""ITK's tolerance for the product of the unit axes with their transpose."""

_SAME = 0.1
"""Share of a voxel by which corners of equal grids may differ: float32 quaternions are right to six digits."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The grid of one file.

    Attributes:
        shape: of the array according to the header, of any rank.
        affine: (4, 4), voxel index -> RAS in mm, as ITK shows it.
        former: the affine that FewLabel used up to version 0.1: the sform where there is one.
        notes: sentences for the user about what was decided.
        unshown: why Slicer does not show the file as intended, and what to do; "" where it does.
        opens: whether Slicer can open the file at all.
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    former: np.ndarray
    notes: tuple[str, ...] = ()
    unshown: str = ""
    opens: bool = True


def spacing_of(affine: np.ndarray) -> tuple[float, float, float]:
    """Lengths of the three axes of an affine, mm."""
    i, j, k = (float(length) for length in np.linalg.norm(affine[:3, :3], axis=0))
    return i, j, k


def corner_distance(shape: tuple[int, ...], first: np.ndarray, second: np.ndarray) -> float:
    """Largest distance of a volume's corners between two affines, mm."""
    corners = np.array([(*corner, 1.0) for corner in product(*((-0.5, size - 0.5) for size in shape[:3]))])
    return float(np.linalg.norm((corners @ (first - second).T)[:, :3], axis=1).max())


def agree(shape: tuple[int, ...], first: np.ndarray, second: np.ndarray) -> bool:
    """Whether all corners of a volume agree within a tenth of a voxel between two affines."""
    voxel = min(*spacing_of(first), *spacing_of(second))
    return corner_distance(shape, first, second) <= _SAME * voxel


class Placed(Protocol):
    """An array with its affine, such as a Volume."""

    @property
    def array(self) -> np.ndarray: ...

    @property
    def affine(self) -> np.ndarray: ...


def same_grid(first: Placed, second: Placed) -> bool:
    """Whether both volumes have the same grid: equal shape, corners within a tenth of a voxel."""
    return first.array.shape == second.array.shape and agree(first.array.shape, first.affine, second.affine)


def shear_of(affine: np.ndarray) -> float:
    """Largest deviation of two axes from a right angle, degrees; 0 where ITK considers them orthogonal."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if is_orthonormal(axes):
        return 0.0
    cosine = np.abs(axes.T @ axes - np.eye(3)).max()
    return float(np.degrees(np.arcsin(min(1.0, cosine))))


def nrrd_grid(shape: tuple[int, ...], affine: np.ndarray, notes: list[str]) -> Grid:
    """The grid of an NRRD file, whose directions ITK uses even if they are sheared."""
    angle, unshown = shear_of(affine), ""
    if angle:
        unshown = (
            f"Its axes deviate by {angle:.1f} degrees from right angles, as by a gantry tilt. Slicer shows it, but not "
            "a NIfTI label on it: submit its labels as .nrrd (FewLabel's panel does), or resample the scan to axes at "
            "right angles."
        )
    return Grid(shape, affine, affine, tuple(notes), unshown)


def is_orthonormal(axes: np.ndarray) -> bool:
    """Whether unit axes (columns) are orthogonal within ITK's tolerance."""
    return bool(np.abs(axes @ axes.T - np.eye(3)).max() <= _ORTHONORMAL)

"""Where the voxels of a file lie: on the grid that ITK shows, and so Slicer, and how far two grids are apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np

LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""LPS (ITK, NRRD, Slicer files) <-> RAS (nibabel, here): the first two axes change sign."""

_ORTHONORMAL = 1e-4
"""ITK's bound for the product of the unit axes with their transpose."""

_SAME = 0.1
"""Of a voxel: what grids may lie apart at a corner. Float32 quaternions differ in the sixth digit in most files."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of one file lie.

    Attributes:
        shape: of the array as the header says it, of any rank.
        affine: (4, 4), voxel index -> RAS in mm, as ITK shows it.
        former: the affine that FewLabel took up to version 0.1: the sform where there is one.
        notes: what was decided, a sentence each, for the user.
        unshown: why Slicer does not show the file as it is meant, and what to do, in words; "" where it does.
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
    """How far the corners of a volume lie apart under two affines, at most, mm."""
    corners = np.array([(*corner, 1.0) for corner in product(*((-0.5, size - 0.5) for size in shape[:3]))])
    return float(np.linalg.norm((corners @ (first - second).T)[:, :3], axis=1).max())


def agree(shape: tuple[int, ...], first: np.ndarray, second: np.ndarray) -> bool:
    """Whether no corner of a volume lies more than a tenth of a voxel apart under two affines."""
    voxel = min(*spacing_of(first), *spacing_of(second))
    return corner_distance(shape, first, second) <= _SAME * voxel


class Placed(Protocol):
    """An array with its place in space: a Volume."""

    @property
    def array(self) -> np.ndarray: ...

    @property
    def affine(self) -> np.ndarray: ...


def same_grid(first: Placed, second: Placed) -> bool:
    """Whether voxel (i, j, k) of both volumes is the same place: equal shape, corners within a tenth of a voxel."""
    return first.array.shape == second.array.shape and agree(first.array.shape, first.affine, second.affine)


def shear_of(affine: np.ndarray) -> float:
    """By how many degrees two axes deviate from a right angle, at most; 0 where ITK takes them for orthogonal."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if is_orthonormal(axes):
        return 0.0
    cosine = np.abs(axes.T @ axes - np.eye(3)).max()
    return float(np.degrees(np.arcsin(min(1.0, cosine))))


def nrrd_grid(shape: tuple[int, ...], affine: np.ndarray, notes: list[str]) -> Grid:
    """The grid of an NRRD file, whose directions ITK takes as they are, sheared or not."""
    angle, unshown = shear_of(affine), ""
    if angle:
        unshown = (
            f"Its axes deviate by {angle:.1f} degrees from right angles, as by a gantry tilt. Slicer shows it, but not "
            "a NIfTI label on it: submit its labels as .nrrd (FewLabel's panel does), or resample the scan to axes at "
            "right angles."
        )
    return Grid(shape, affine, affine, tuple(notes), unshown)


def is_orthonormal(axes: np.ndarray) -> bool:
    """Whether unit axes, one a column, are at right angles by ITK's bound."""
    return bool(np.abs(axes @ axes.T - np.eye(3)).max() <= _ORTHONORMAL)

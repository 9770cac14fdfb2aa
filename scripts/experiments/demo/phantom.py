"""Generated 3-D scans of an invented abdomen with their reference labels: for the demo and for tests.

A scan is made as a scanner makes it: the anatomy of `phantom_anatomy` is sampled on an oblique, anisotropic,
perhaps flipped grid (twice as finely, then averaged: partial volume), and gets texture, blur, a receive field
(MR) and noise. Neighbours of the labelled organs are as bright as they are: brightness does not find them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from experiments.demo.phantom_anatomy import ORGANS, TISSUES, VALUE, Subject, build, rotation, smooth_field
from fewlabel.volumes.reading import Volume, write_volume

DIFFICULTIES = ("low contrast", "pathology", "strong noise")
MIRRORED, RESECTED = "mirrored", "resected"
VARIANTS = ("", MIRRORED, RESECTED)
DEFAULT_CLASSES = ("liver", "kidney")

# Mean brightness of each tissue, in the order of TISSUES. MR: T1-weighted, fat about 1. T2: another MR scanner,
# T2-weighted: fluid about 1, blood that flows is dark. CT: Hounsfield units, venous phase. All values are inferred from common experience.
BRIGHTNESS = {
    "mr": (
        0.01, 0.95, 0.38, 0.10, 0.62, 0.35, 0.30, 0.05, 0.42, 0.56, 0.42, 0.36, 0.47, 0.54, 0.43, 0.22,
        0.44, 0.20, 0.02, 0.50, 0.46, 0.30, 0.24, 0.58,
    ),
    "t2": (
        0.01, 0.70, 0.20, 0.06, 0.45, 0.40, 0.80, 0.04, 0.30, 0.32, 0.12, 0.60, 0.62, 0.66, 0.76, 0.98,
        0.30, 1.00, 0.02, 0.34, 0.70, 0.10, 1.00, 0.42,
    ),
    "ct": (
        -1000, -100, 60, 420, 190, 85, 35, -830, 125, 100, 128, 58, 112, 165, 140, 12,
        75, 18, -900, 92, 130, 150, 10, 95,
    ),
}  # fmt: skip


_BRIGHTEST = 1.05  # of MR; what is as bright minus a tissue's brightness is its brightness where contrast is inverted


@dataclass(frozen=True)
class Scanner:
    """How a scanner differs from the demo's, whatever the contrast that it shows.

    Attributes:
        inverted: whether bright tissues are dark and dark ones bright; air and bone stay dark (MR only).
        field, noise, blur: how many times as strong as in the demo (the first: the receive field of MR).
    """

    inverted: bool = False
    field: float = 1.0
    noise: float = 1.0
    blur: float = 1.0


@dataclass(frozen=True)
class Phantom:
    """One scan: `image` and `label` on one grid; value i+1 is `classes[i]`; `hard` says why it is so."""

    image: Volume
    label: Volume
    classes: tuple[str, ...]
    hard: str | None


@dataclass(frozen=True)
class Case:
    """One written scan: its id in MONAI Label, its two files, and why it is hard (None: ordinary)."""

    id: str
    image: Path
    label: Path
    hard: str | None
    seed: int


def generate(
    seed: int,
    *,
    modality: str = "mr",
    hard: bool | str = False,
    classes: Sequence[str] = DEFAULT_CLASSES,
    variant: str = "",
    coarser: float = 1.0,
    scanner: Scanner = Scanner(),  # noqa: B008  (it is frozen)
) -> Phantom:
    """One scan, the same for the same arguments: about 70 x 50 x 38 voxels of 4.5 x 4.5 x 6 mm.

    `hard` is False, True (a difficulty drawn by the seed) or one of DIFFICULTIES. `classes` are keys of
    ORGANS in the order of their label values. `variant` is one of VARIANTS: all organs on the other side (situs
    inversus), or the right lobe of the liver cut out. Voxels are `coarser` times as long. `scanner` changes how it looks,
    not what is there. Images are float32 whole numbers: MR 0 to about 2000, CT -1024
    to 2000 HU.
    """
    if modality not in BRIGHTNESS:
        raise ValueError(f"Modality {modality!r} is unknown; choose one of {', '.join(BRIGHTNESS)}.")
    unknown = [name for name in classes if name not in ORGANS]
    if unknown:
        raise ValueError(f"Organ {unknown[0]!r} is not in the phantom; choose from {', '.join(ORGANS)}.")
    if variant not in VARIANTS:
        raise ValueError(f"Variant {variant!r} is unknown; choose one of {', '.join(VARIANTS[1:])}.")
    rng = np.random.default_rng([seed, len(modality), ord(modality[0])])
    difficulty = _difficulty(hard, seed)
    shape, affine = _grid(rng, coarser)
    tissue = _sample_anatomy(shape, affine, rng, pathology=difficulty == "pathology", variant=variant)
    image = _acquire(tissue, rng, modality, difficulty, scanner)
    return Phantom(Volume(image, affine, ()), Volume(_label(tissue, classes), affine, ()), tuple(classes), difficulty)


def write_study(
    folder: Path,
    truth_folder: Path,
    count: int,
    seed: int,
    *,
    modality: str = "mr",
    hard: int = 0,
    classes: Sequence[str] = DEFAULT_CLASSES,
    extension: str = ".nii.gz",
) -> list[Case]:
    """Write `count` scans to `folder` (case_001, ...) and their labels, same names, to `truth_folder`.

    `hard` of them, drawn by the seed, are hard ones; the returned cases say which.
    """
    rng = np.random.default_rng(seed)
    hard_numbers = set(rng.permutation(count)[:hard].tolist())
    folder.mkdir(parents=True, exist_ok=True)
    truth_folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for number in range(count):
        case_seed = seed * 10_000 + number
        phantom = generate(case_seed, modality=modality, hard=number in hard_numbers, classes=classes)
        name = f"case_{number + 1:03d}"
        case = Case(name, folder / f"{name}{extension}", truth_folder / f"{name}{extension}", phantom.hard, case_seed)
        write_volume(case.image, phantom.image.array.astype(np.int16), phantom.image.affine)
        write_volume(case.label, phantom.label.array, phantom.label.affine)
        cases.append(case)
    return cases


def _difficulty(hard: bool | str, seed: int) -> str | None:
    if hard is False:
        return None
    if hard is True:
        return DIFFICULTIES[seed % len(DIFFICULTIES)]
    if hard not in DIFFICULTIES:
        raise ValueError(f"Difficulty {hard!r} is unknown; choose one of {', '.join(DIFFICULTIES)}.")
    return hard


def _grid(rng: np.random.Generator, coarser: float) -> tuple[tuple[int, ...], np.ndarray]:
    """A scanner's grid: size and affine (voxel to RAS mm): oblique, anisotropic, often flipped, permuted."""
    size = np.array([rng.uniform(292, 345), rng.uniform(212, 246), rng.uniform(200, 245)])
    in_plane = rng.uniform(4.2, 5.2)
    spacing = np.array([in_plane, in_plane, rng.uniform(5.2, 7.0)]) * coarser
    shape = np.round(size / spacing).astype(int)
    axes = rotation(*rng.normal(0, 5, 3)) * spacing
    flips = rng.choice([-1.0, 1.0], 3)
    stored = ([0, 1, 2], [0, 1, 2], [0, 2, 1], [1, 2, 0])  # axial, coronal or sagittal file
    order = np.array(stored[rng.integers(len(stored))])
    axes, shape = (axes * flips)[:, order], shape[order]
    affine = np.eye(4)
    affine[:3, :3] = axes
    centre = np.array([0, 0, 12.0]) + rng.normal(0, (6, 5, 9))
    affine[:3, 3] = centre - axes @ ((shape - 1) / 2)
    return tuple(int(n) for n in shape), affine


def _sample_anatomy(
    shape: tuple[int, ...], affine: np.ndarray, rng: np.random.Generator, *, pathology: bool, variant: str
) -> np.ndarray:
    """Tissue map on a grid twice as fine as `shape` along each axis (uint8)."""
    fine = [(np.arange(2 * n, dtype=np.float32) - 0.5) / 2 for n in shape]
    voxels = np.stack(np.meshgrid(*fine, indexing="ij"))
    points = np.tensordot(affine[:3, :3].astype(np.float32), voxels, axes=1)
    points += affine[:3, 3].astype(np.float32).reshape(3, 1, 1, 1)
    extent = np.linalg.norm(affine[:3, :3], axis=0) * shape
    for wavelength, amplitude in ((150, 6.0), (40, 1.4)):  # each body bends in its own way
        knots = tuple(max(4, round(length / wavelength) + 3) for length in extent)
        points += amplitude * np.stack([smooth_field(points.shape[1:], knots, rng) for _ in range(3)])
    if variant == MIRRORED:
        points[0] *= -1
    return build(Subject(points, extent, rng, pathology, variant == RESECTED))


def _label(tissue: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Label map (uint8) on the scan's grid: an organ where it fills more than half of the voxel."""
    organs = [np.isin(tissue, [VALUE[part] for part in ORGANS[name]]) for name in classes]
    parts = [_average(organ.astype(np.float32)) for organ in organs]
    shares = np.stack([np.full_like(parts[0], 0.501), *parts])
    return shares.argmax(0).astype(np.uint8)


def _average(fine: np.ndarray) -> np.ndarray:
    """Mean of each 2 x 2 x 2 block: what one voxel of the scan receives."""
    x, y, z = (n // 2 for n in fine.shape)
    return fine.reshape(x, 2, y, 2, z, 2).mean(axis=(1, 3, 5))


def _acquire(
    tissue: np.ndarray, rng: np.random.Generator, modality: str, difficulty: str | None, scanner: Scanner
) -> np.ndarray:
    """Tissue map -> image (float32 whole numbers): brightness, texture, blur, receive field and noise."""
    ct = modality == "ct"
    contrast = 70.0 if ct else 0.20  # the range in which the soft tissues lie
    table = np.array(BRIGHTNESS[modality], np.float32)
    soft = table > (-50 if ct else 0.15)
    if scanner.inverted and not ct:
        table = np.where(soft, _BRIGHTEST - table, table)
    table = np.where(soft, table + rng.normal(0, 0.10 * contrast, len(TISSUES)), table)
    content = VALUE["bowel_content"]
    table[content] += rng.uniform(-0.6, 0.6) * contrast
    if difficulty == "low contrast":
        middle = table[VALUE["muscle"]]
        table = np.where(soft & (table != table[VALUE["fat"]]), middle + 0.3 * (table - middle), table)
    image = _average(table[tissue])
    texture = ndimage.gaussian_filter(rng.standard_normal(image.shape), 1.0) * 5
    lively = _average(soft[tissue].astype(np.float32))
    image += lively * texture * 0.06 * contrast
    image = ndimage.gaussian_filter(image, 0.45 * scanner.blur)
    noise = contrast * rng.uniform(0.16, 0.26) * (2.2 if difficulty == "strong noise" else 1.0) * scanner.noise
    if ct:
        grain = ndimage.gaussian_filter(rng.standard_normal(image.shape), 0.5) * 2.2
        return np.round(np.clip(image + noise * grain, -1024, 2000)).astype(np.float32)
    image *= np.exp(scanner.field * rng.uniform(0.08, 0.22) * smooth_field(image.shape, (4, 4, 4), rng))  # receive coil
    real, imaginary = rng.standard_normal((2, *image.shape)) * noise
    magnitude = np.hypot(image + real, imaginary)  # Rician: the magnitude of a complex signal
    return np.round(magnitude * rng.uniform(350, 1200)).clip(0, 32000).astype(np.float32)

"""The volumes that the benchmark measures on: generated or copied, some of them labelled."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.harness.errors import ExperimentError
from fewlabel.volumes.reading import EXTENSIONS, read_volume, split_extension, write_volume

DISTINCT = 20  # files with a content of their own; larger pools are copies of them


def generate(folder: Path, count: int, shape: Sequence[int], seed: int) -> None:
    """Write `count` volumes of `shape` voxels of 1 mm: a bright ellipsoid in noise; at most 20 differ.

    The others are copies: a server takes two links to one file for one case.
    """
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij"))
    distinct = min(count, DISTINCT)
    for number in range(distinct):
        centre, radius = random.uniform(-0.3, 0.3, (3, 1, 1, 1)), random.uniform(0.3, 0.6, (3, 1, 1, 1))
        image = 600 * np.exp(-(((grid - centre) / radius) ** 2).sum(0)) + random.normal(300, 30, shape)
        write_volume(folder / f"case_{number:05d}.nii.gz", image.clip(0).astype(np.int16), np.eye(4))
    for number in range(distinct, count):
        source, target = folder / f"case_{number % distinct:05d}.nii.gz", folder / f"case_{number:05d}.nii.gz"
        shutil.copyfile(source, target)


def take(folder: Path, source: Path, fewest: int, most: int) -> None:
    """Copy the first volumes of `source` by name, at least `fewest` and at most `most`, to `folder`.

    Raises:
        ExperimentError: there are too few of them.
    """
    files = sorted(each for each in source.iterdir() if split_extension(each.name)[1] in EXTENSIONS)
    if len(files) < fewest:
        raise ExperimentError(f"{source} holds {len(files)} volumes; give a folder of at least {fewest}.")
    folder.mkdir(parents=True)
    for file in files[:most]:
        shutil.copyfile(file, folder / file.name)


def label_some(folder: Path, count: int) -> None:
    """Label the first volumes by brightness: the cost of training does not depend on what a label means."""
    for file in sorted(each for each in folder.iterdir() if each.is_file())[:count]:
        volume = read_volume(file)
        levels = np.percentile(volume.array, (85, 95))
        label = np.digitize(volume.array, levels).astype(np.uint8)
        path = folder / "labels" / "final" / f"{split_extension(file.name)[0]}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(path, label, volume.affine)

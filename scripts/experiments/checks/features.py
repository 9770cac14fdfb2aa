"""Which cheap features of scans are best for covering a pool? Measured on development cases with reference labels."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from nibabel.orientations import apply_orientation, io_orientation
from scipy.ndimage import zoom
from scipy.stats import skew, spearmanr

from experiments.comparison.cases import read_cases
from experiments.comparison.table import row, spread
from experiments.harness.say import say
from experiments.speed.table import machine
from fewlabel.selection.features import Geometry, features
from fewlabel.volumes.reading import Volume, read_label, read_volume
from fewlabel.wording import amount

_GRID = 32  # voxels a side on which labels are compared
_CHOSEN = (4, 8)


def on_grid(volume: Volume, order: int) -> np.ndarray:
    """A volume in RAS order, stretched to 32 voxels a side."""
    array = apply_orientation(volume.array, io_orientation(volume.affine)).astype(np.float32)
    return zoom(array, [_GRID / side for side in array.shape], order=order)


def statistics_of(volume: Volume) -> list[float]:
    """Shape and intensity statistics: log extents and spacing, histogram of the scaled intensities, their skewness."""
    array = volume.array.astype(np.float32)
    low, high = np.percentile(array, (1, 99))
    scaled = np.clip((array - low) / max(high - low, 1e-6), 0, 1)
    histogram = np.histogram(scaled, 16, (0, 1))[0] / scaled.size
    extent = np.log(np.multiply(array.shape, volume.spacing))
    return [*histogram.tolist(), *extent.tolist(), *np.log(volume.spacing).tolist(), float(skew(scaled.ravel()))]


def part(first: int, last: int | None) -> Callable[[Volume], list[float]]:
    """Some of the features that are in use."""
    return lambda volume: features(volume)[first:last]


_THUMBNAIL = 6**3 + 3  # with the extents

KINDS: dict[str, Callable[[Volume], list[float]]] = {
    "thumbnail and extents": part(0, _THUMBNAIL),
    "random convolutions": part(_THUMBNAIL, None),
    "both (in use)": features,
    "intensity and shape statistics": statistics_of,
}


def label_dice(first: np.ndarray, second: np.ndarray) -> float:
    """Mean Dice over the classes of two label maps on one grid: how alike two scans are to who labels them."""
    values = [value for value in np.unique([first, second]) if value]
    return statistics.fmean(
        2 * ((first == value) & (second == value)).sum() / ((first == value).sum() + (second == value).sum())
        for value in values
    )


def centres(geometry: Geometry, count: int) -> list[int]:
    """Indices of the first cases of a k-centre cover (Gonzalez 1985), the most typical one first."""
    chosen = [int(np.argmin(geometry.distance.mean(0)))]
    while len(chosen) < count:
        chosen.append(int(np.argmax(geometry.distance[:, chosen].min(1))))
    return chosen


def representatives(geometry: Geometry, count: int) -> list[int]:
    """Indices of the cases that represent the others best, one after the other."""
    nearest, chosen = np.full(len(geometry.distance), np.inf), []
    while len(chosen) < count:
        chosen.append(int(np.argmax(geometry.gains(nearest))))
        nearest = np.minimum(nearest, geometry.distance[chosen[-1]])
    return chosen


def features_table(data: Path, split: Path | None, most: int) -> str:
    """Each kind of features against how alike the labels are; Markdown. Test cases are not opened."""
    cases = read_cases(data, split)
    names = sorted(cases.development)[:most]
    labels = {case: on_grid(read_label(cases.labels[case]), order=0).round() for case in names}
    alike = {(a, b): label_dice(labels[a], labels[b]) for number, a in enumerate(names) for b in names[:number]}
    alike |= {(b, a): value for (a, b), value in alike.items()}
    head = [
        "features",
        "rank correlation of distance and label Dice",
        "picks",
        *(f"nearest of {n} chosen" for n in _CHOSEN),
    ]
    lines = [row(head), "|" + "---|" * len(head)]
    for name, describe in KINDS.items():
        say(f"looking at {amount(len(names), 'scan')}: {name}")
        geometry = Geometry({case: describe(read_volume(cases.images[case])) for case in names})
        pairs = [(a, b) for a, b in alike if a < b]
        distances = [geometry.distance[geometry.index[a], geometry.index[b]] for a, b in pairs]
        correlation = f"{spearmanr(distances, [alike[pair] for pair in pairs]).statistic:.3f}"
        for picks, choose in (("k-centre", centres), ("most representative", representatives)):
            found = ([names[index] for index in choose(geometry, n)] for n in _CHOSEN)
            lines.append(row([name, correlation, picks, *(f"{nearest(each, alike, names):.4f}" for each in found)]))
    draws = {n: [nearest(_draw(names, n, seed), alike, names) for seed in range(50)] for n in _CHOSEN}
    chance = (spread(statistics.fmean(values), statistics.stdev(values), 4) for values in draws.values())
    lines.append(row(["", "", "at random, 50 draws", *chance]))
    heading = (
        f"{data.name}: {len(names)} development cases; `nearest of n chosen`: mean Dice of each case's labels with "
        "those of the most similar of n cases that were chosen by the features"
    )
    return f"{heading}. {machine()}.\n\n" + "\n".join(lines)


def nearest(chosen: Sequence[str], alike: dict[tuple[str, str], float], names: Sequence[str]) -> float:
    """Mean over the cases that were not chosen of the label Dice with the most similar one that was."""
    return statistics.fmean(max(alike[case, other] for other in chosen) for case in names if case not in chosen)


def _draw(names: Sequence[str], count: int, seed: int) -> list[str]:
    return np.random.default_rng(seed).permutation(names)[:count].tolist()

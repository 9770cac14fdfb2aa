"""Pictures of a demo run, each as PNG bytes."""

import io
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np

from experiments.harness.result import Result, class_means, mean, round_mean
from fewlabel.volumes.reading import read_label, read_volume

COLOURS = ("#e4572e", "#f2c14e", "#4d9de0", "#5fad56", "#9b5de5", "#00bbf9", "#f15bb5", "#8d99ae")
DIFFERENT = "#ff2bd6"


def plain_text(name: str) -> str:
    """A name as a legend shows it: matplotlib takes ``$`` for a formula, and leaves out what begins with ``_``."""
    return (" " if name.startswith("_") else "") + name.replace("$", r"\$")


def learning_curve(result: Result) -> bytes:
    """Dice of each class, and of each case, against the number of labels."""
    cases = result.evaluated()
    labels = [done.labels for done in result.rounds]
    figure, axes = plt.subplots(figsize=(7, 4.2))
    for case in cases:
        axes.plot(labels, [mean(list(done.dice[case].values())) for done in result.rounds], color="0.85", lw=0.8)
    for number, name in enumerate(result.classes):
        values = [class_means(done, cases, result.classes)[name] for done in result.rounds]
        axes.plot(labels, values, "o-", color=COLOURS[number % len(COLOURS)], label=plain_text(name))
    means = [round_mean(done, cases, result.classes) for done in result.rounds]
    axes.plot(labels, means, "o-", color="black", lw=2.4, label="mean")
    axes.set(xlabel="labelled cases", ylabel="Dice", ylim=(0, 1), xticks=labels)
    axes.set_title(f"{len(cases)} cases that were never labelled (grey: each case)")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return _png(figure)


def overlays(image: Path, maps: dict[str, Path], truth: Path, values: dict[str, int]) -> bytes:
    """One case, three planes: the image, its reference label, each map, and where the last map is wrong.

    Args:
        image: scan.
        maps: title -> label map with values 1, 2, ... in the order of the classes.
        truth: reference label.
        values: class name -> value in `truth`.
    """
    scan, spacing = _upright(image, read_volume)
    reference = np.zeros(scan.shape, np.uint8)
    stored = _upright(truth, read_label)[0]
    for number, value in enumerate(values.values(), start=1):
        reference[stored == value] = number
    shown = {title: _upright(path, read_label)[0] for title, path in maps.items()}
    last = list(shown)[-1]
    columns = {"image": None, "reference": reference, **shown}
    centre = _centre(reference)
    figure, axes = plt.subplots(3, len(columns) + 1, figsize=(2.6 * (len(columns) + 1), 6.6), squeeze=False)
    for row, plane in enumerate((2, 1, 0)):
        for column, (title, labels) in enumerate(columns.items()):
            _draw(axes[row, column], scan, labels, plane, centre, spacing, title if row == 0 else "")
        wrong = (shown[last] != reference).astype(np.uint8)
        _draw(axes[row, -1], scan, wrong, plane, centre, spacing, f"errors, {last}" * (row == 0), [DIFFERENT])
    return _png(figure)


def comparison(image: Path, of_server: Path, of_bundle: Path, different: int) -> bytes:
    """The server's and the bundle's label map of one case, and where they differ."""
    scan, spacing = _upright(image, read_volume)
    server, bundle = (_upright(path, read_label)[0] for path in (of_server, of_bundle))
    centre = _centre(server)
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.2))
    _draw(axes[0], scan, server, 2, centre, spacing, "server (/infer)")
    _draw(axes[1], scan, bundle, 2, centre, spacing, "exported bundle")
    wrong = (server != bundle).astype(np.uint8)
    _draw(axes[2], scan, wrong, 2, centre, spacing, f"different voxels: {different}", [DIFFERENT])
    return _png(figure)


def thumbnail(image: Path, label: Path) -> bytes:
    """One slice of a chosen case, through the middle of what was labelled in it."""
    scan, spacing = _upright(image, read_volume)
    labels = _upright(label, read_label)[0]
    figure, axes = plt.subplots(figsize=(2.2, 1.8))
    _draw(axes, scan, labels, 2, _centre(labels), spacing, "")
    return _png(figure, 70)


def _upright(path: Path, read) -> tuple[np.ndarray, np.ndarray]:
    """Volume with its axes turned to right, front, head as far as whole axes can; spacing along them, mm."""
    volume = read(path)
    turned = nib.as_closest_canonical(nib.Nifti1Image(volume.array, volume.affine))
    return np.asarray(turned.dataobj), np.linalg.norm(turned.affine[:3, :3], axis=0)


def _centre(labels: np.ndarray) -> list[int]:
    """Along each axis, the slice with most labelled voxels; the middle where nothing is labelled."""
    if not labels.any():
        return [size // 2 for size in labels.shape]
    others = ((1, 2), (0, 2), (0, 1))
    return [int((labels > 0).sum(axis=axes).argmax()) for axes in others]


def _draw(axes, scan, labels, plane, centre, spacing, title, colours=COLOURS) -> None:
    """One slice, seen as radiologists see it: patient's right on the left, front or head up."""
    across, up = (axis for axis in range(3) if axis != plane)
    index = [slice(None)] * 3
    index[plane] = centre[plane]
    low, high = np.percentile(scan, (2, 99))
    options = {"origin": "lower", "aspect": spacing[up] / spacing[across], "interpolation": "nearest"}
    flip = slice(None, None, -1) if across == 0 else slice(None)
    axes.imshow(scan[tuple(index)].T[:, flip], cmap="gray", vmin=low, vmax=high, **options)
    if labels is not None:
        layer = labels[tuple(index)].T[:, flip]
        colour = matplotlib.colors.ListedColormap([colours[n % len(colours)] for n in range(max(1, layer.max()))])
        masked = np.ma.masked_equal(layer, 0)
        axes.imshow(masked, cmap=colour, vmin=0.5, vmax=max(1, layer.max()) + 0.5, alpha=0.55, **options)
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=10)


def _png(figure, resolution: int = 100) -> bytes:
    buffer = io.BytesIO()
    figure.tight_layout()
    figure.savefig(buffer, format="png", dpi=resolution, bbox_inches="tight", pad_inches=0.05)
    plt.close(figure)
    return buffer.getvalue()

"""The demo's study: images in a folder for the server, reference labels in another one that it never sees."""

import shutil
from pathlib import Path

import numpy as np

from experiments.harness.study import Study
from experiments.harness.errors import ExperimentError
from experiments.demo.phantom import DEFAULT_CLASSES, write_study
from fewlabel.volumes.reading import UnreadableVolume, read_label, read_volume, same_grid, split_extension

MARK = ".fewlabel-demo"
PARTS = ("images", "truth", "predictions", "bundle", "bundle_input", "bundle_output", "downloads")


def clear_output(output: Path) -> None:
    """Make `output` ready for a new run: remove what an earlier run left, and nothing else.

    Raises:
        ExperimentError: the folder holds something that no demo wrote, or cannot be written.
    """
    if output.exists() and any(output.iterdir()) and not (output / MARK).exists():
        raise ExperimentError(f"{output} is not empty and not from a demo; choose another folder with --output.")
    try:
        output.mkdir(parents=True, exist_ok=True)
        (output / MARK).write_text("This folder is written by scripts/demo.py and cleared by its next run.\n")
    except OSError as error:
        raise ExperimentError(f"{output} cannot be written ({error}); choose another folder with --output.") from None
    for part in PARTS:
        shutil.rmtree(output / part, ignore_errors=True)


def generated_study(output: Path, count: int, seed: int) -> Study:
    """Generate `count` scans, every eighth a hard one, under `output`."""
    cases = write_study(output / "images", output / "truth", count, seed, hard=max(1, count // 8))
    return Study(
        output / "images",
        {case.id: case.label for case in cases},
        {name: value for value, name in enumerate(DEFAULT_CLASSES, start=1)},
        {case.id: case.hard for case in cases if case.hard},
    )


def given_study(output: Path, studies: Path, truth: Path, names: list[str], limit: int | None, seed: int) -> Study:
    """Copy given images into `output`; their reference labels are read where they are.

    Raises:
        ExperimentError: no images, a truth file missing or unreadable or on another grid, or too few names.
    """
    pairs = pair_files(studies, truth)
    if limit and limit < len(pairs):
        drawn = np.random.default_rng(seed).permutation(sorted(pairs))[:limit]
        pairs = {case: pairs[case] for case in sorted(drawn.tolist())}
    values = check_pairs(pairs)
    (output / "images").mkdir(parents=True)
    for image, _ in pairs.values():
        shutil.copyfile(image, output / "images" / image.name)
    return Study(output / "images", {case: label for case, (_, label) in pairs.items()}, name_classes(values, names))


def pair_files(studies: Path, truth: Path) -> dict[str, tuple[Path, Path]]:
    """Case -> (image, reference label): files of the same name, whatever their extensions.

    Raises:
        ExperimentError: no images, two images of one name, or an image without a reference label.
    """
    images, labels = volumes_in(studies), volumes_in(truth)
    if not images:
        raise ExperimentError(f"{studies} holds no images; give a folder with .nii.gz, .nii or .nrrd files to --studies.")
    missing = sorted(set(images) - set(labels))
    if missing:
        others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
        raise ExperimentError(f"{truth} holds no reference label for {missing[0]}{others}; each image needs its own.")
    return {case: (images[case], labels[case]) for case in sorted(images)}


def volumes_in(folder: Path) -> dict[str, Path]:
    """Name without extension -> file, for the volumes directly in `folder`; hidden files are left out."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        stem, extension = split_extension(path.name)
        if not extension or path.name.startswith(".") or not path.is_file():
            continue
        if stem in found:
            raise ExperimentError(f"{folder} holds {found[stem].name} and {path.name}; keep one file for each case.")
        found[stem] = path
    return found


def check_pairs(pairs: dict[str, tuple[Path, Path]]) -> set[int]:
    """Read every pair; returns the values that the reference labels use, background apart.

    Raises:
        ExperimentError: a file cannot be read, a pair's grids differ, or all reference labels are empty.
    """
    values: set[int] = set()
    for image, label in pairs.values():
        try:
            scan, truth = read_volume(image), read_label(label)
        except UnreadableVolume as error:
            raise ExperimentError(str(error)) from error
        if not same_grid(scan, truth):
            raise ExperimentError(f"{label} is on another grid than {image}; give reference labels on the image's grid.")
        values |= {int(value) for value in np.unique(truth.array)} - {0}
    if not values:
        raise ExperimentError("All reference labels are empty; give label maps with values from 1 up to --truth.")
    return values


def name_classes(values: set[int], names: list[str]) -> dict[str, int]:
    """Class name -> value: `names` for 1, 2, ..., or "class 1", ... for the values that occur.

    Raises:
        ExperimentError: a value has no name.
    """
    if not names:
        return {f"class {value}": value for value in sorted(values)}
    if max(values) > len(names):
        raise ExperimentError(
            f"The reference labels use the value {max(values)}; name every class: --labels name1,name2,..."
        )
    return {name: value for value, name in enumerate(names, start=1)}

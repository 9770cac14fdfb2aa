"""Data folders of an experiment: which cases there are, and which of them are for the last measurement only."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fewlabel.volumes.reading import read_label, split_extension
from fewlabel.workspace import write_json


class UnusableData(ValueError):
    """The folder cannot be used; the message says why and what it should look like."""


@dataclass(frozen=True)
class Cases:
    """Images and reference labels by case id.

    Attributes:
        images: path of each image, those without a label included.
        labels: path of each reference label.
        test: ids that no choice of any kind may look at.
        development: ids with a label that labelled cases are drawn from; the others are used without their label.
        classes: class names in order.
        labelled: fixed draws by their number of cases; other numbers are drawn.
        unlabelled: ids of the unlabelled pool; None: all cases that are neither labelled nor for the test.
    """

    images: dict[str, Path]
    labels: dict[str, Path]
    test: tuple[str, ...]
    development: tuple[str, ...]
    classes: tuple[str, ...]
    labelled: dict[int, tuple[str, ...]] = field(default_factory=dict)
    unlabelled: tuple[str, ...] | None = None

    def draw(self, count: int | None, seed: int) -> tuple[list[str], list[str]]:
        """``count`` development cases to be labelled (None: all), and all cases that are then without a label.

        A fixed draw is the same for every seed. Otherwise, the cases of a smaller count are among those of a larger
        one with the same seed.

        Raises:
            UnusableData: there are not so many.
        """
        if count is not None and count > len(self.development):
            raise UnusableData(f"There are {len(self.development)} development cases, too few to label {count}.")
        order = random.Random(seed).sample(self.development, len(self.development))
        chosen = order if count is None else self.labelled.get(count, order[:count])
        pool = self.images if self.unlabelled is None else self.unlabelled
        rest = [case for case in pool if case not in {*chosen, *self.test}]
        return sorted(chosen), sorted(rest)

    def without_test(self) -> Cases:
        """For tuning: a third of the development cases instead of the test cases, which are left out.

        Fixed draws are left out: they may name cases that are held out here.
        """
        held_out = random.Random(1).sample(self.development, max(1, len(self.development) // 3))
        images, labels = (
            {case: path for case, path in paths.items() if case not in self.test}
            for paths in (self.images, self.labels)
        )
        left = tuple(case for case in self.development if case not in held_out)
        kept = {"images": images, "labels": labels, "test": tuple(sorted(held_out)), "development": left}
        return replace(self, **kept, labelled={})


def read_cases(folder: Path, split: Path | None = None) -> Cases:
    """A folder with ``images/`` and ``labels/`` (and ``unlabelled/``), or as the Medical Segmentation Decathlon has it.

    Args:
        folder: of the data.
        split: JSON file that names ``test`` and ``development`` cases, and maybe ``labelled`` (number: ids) and
            ``unlabelled`` ones; default ``splits.json`` in the folder.

    Raises:
        UnusableData: no images, no labels, no split, or a case of the split without a label.
    """
    images, labels = _images_and_labels(folder)
    split = split or folder / "splits.json"
    named = _read_split(split)
    test, development = tuple(named["test"]), tuple(named["development"])
    missing = [case for case in (*test, *development) if case not in labels]
    if missing:
        raise UnusableData(f"{split} names {missing[0]}, which has no label in {folder}.")
    twice = sorted(set(test) & set(development))
    if twice:
        raise UnusableData(f"{split} names {twice[0]} as a test and as a development case.")
    cases = Cases(images, labels, test, development, _classes(folder, [labels[case] for case in development]))
    return _with_fixed(cases, split, named)


def _images_and_labels(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Files by case; labels without an image are left out."""
    images = {**_files(folder / "imagesTr"), **_files(folder / "images"), **_files(folder / "unlabelled")}
    labels = {**_files(folder / "labelsTr"), **_files(folder / "labels")}
    labels = {case: path for case, path in labels.items() if case in images}
    if not labels:
        raise UnusableData(
            f"{folder} has no labelled volumes: it needs images/ and labels/ (or imagesTr/ and labelsTr/) with the "
            "same file names."
        )
    return images, labels


def _read_split(split: Path) -> dict[str, Any]:
    """The content of a split that names test and development cases."""
    if not split.exists():
        raise UnusableData(
            f"There is no {split}, which names the test cases. Give one with --split, or have one drawn with "
            "--draw-split."
        )
    try:
        named = json.loads(split.read_text(encoding="utf-8"))
        some = list(named["test"]) and list(named["development"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnusableData(f'{split} is not of the form {{"test": [ids], "development": [ids]}}.') from error
    if not some:
        raise UnusableData(f"{split} must name a test case and a development case at least.")
    return named


def _with_fixed(cases: Cases, split: Path, named: dict[str, Any]) -> Cases:
    """The fixed labelled and unlabelled cases of a split that has them."""
    labelled = {int(count): tuple(ids) for count, ids in named.get("labelled", {}).items()}
    unlabelled = named.get("unlabelled")
    for count, ids in labelled.items():
        other = [case for case in ids if case not in cases.development]
        if other or len(set(ids)) != count:
            what = f"{other[0]}, which is no development case" if other else f"{len(set(ids))} of them"
            raise UnusableData(f"{split} names under labelled, {count} cases: {what}.")
    for case in unlabelled or ():
        if case not in cases.images or case in cases.test:
            what = "a test case" if case in cases.test else "of which there is no image"
            raise UnusableData(f"{split} names under unlabelled {case}, {what}.")
    return replace(cases, labelled=labelled, unlabelled=None if unlabelled is None else tuple(unlabelled))


def draw_split(folder: Path, file: Path) -> None:
    """Write a split once: a quarter of the labelled cases, drawn with seed 0, are test cases.

    Raises:
        UnusableData: there are no labelled cases.
    """
    labels = sorted(_images_and_labels(folder)[1])
    test = random.Random(0).sample(labels, max(1, len(labels) // 4))
    write_json(file, {"test": sorted(test), "development": sorted(set(labels) - set(test))})


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    found = [path for path in sorted(folder.iterdir()) if split_extension(path.name)[1] and path.name[0] != "."]
    return {split_extension(path.name)[0]: path for path in found}


def _classes(folder: Path, labels: list[Path]) -> tuple[str, ...]:
    """Names from MSD's ``dataset.json``, else ``class 1`` ... up to the highest value in these labels."""
    if (folder / "dataset.json").exists():
        names = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["labels"]
        return tuple(names[str(value)] for value in range(1, len(names)))
    highest = max(int(read_label(path).array.max()) for path in labels)
    return tuple(f"class {value}" for value in range(1, highest + 1))

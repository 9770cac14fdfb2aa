"""The tasks of real scans: the hippocampus as two data sets have it, in scans of several scanners each."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from experiments.comparison.cases import Cases, UnusableData, read_cases
from experiments.domains.task import Task, some_of_each, training
from fewlabel.data.setting import Sampling
from fewlabel.settings import ADAPTATION, GENERALISATION
from fewlabel.volumes.reading import read_label, write_volume

MSD, OASIS = "MSD", "OASIS"
_FOLDERS = ("hippocampus", "oasis_hippocampus")
_EACH = 4  # labelled scans of each group of the generalisation
_SPACING, _PATCH = (1.0, 1.0, 1.0), (32, 40, 32)


def msd_to_oasis(data: Path, root: Path | None) -> Task:
    """All labels are of MSD, the model is for OASIS."""
    return _between(MSD, OASIS, "msd-oasis", data, root)


def oasis_to_msd(data: Path, root: Path | None) -> Task:
    """The other direction."""
    return _between(OASIS, MSD, "oasis-msd", data, root)


def groups_to_oasis(data: Path, root: Path | None) -> Task:
    """A few labels of each of MSD's three intensity groups, and the model must work on OASIS, which it never sees."""
    folder = _given(root)
    cases, domains = _hippocampi(data, folder)
    group_of = _column(folder / "hippocampus" / "cases.csv", "intensity_group")
    groups = sorted({*group_of.values()})
    remarks = _larger(cases, domains)
    of_target = training(cases, domains, OASIS)
    test = tuple(case for case in cases.test if domains[case] == OASIS)
    by_group = {case: group_of.get(case, domain) for case, domain in domains.items()}
    return Task(
        "groups-oasis",
        f"hippocampus: {len(groups)} groups of MSD → OASIS, never seen",
        _only(cases, test),
        Sampling(GENERALISATION, by_group, frozenset({OASIS})),
        some_of_each(cases, by_group, groups, _EACH),
        of_target,
        _SPACING,
        _PATCH,
        remarks,
    )


def _between(source: str, target: str, name: str, data: Path, root: Path | None) -> Task:
    cases, domains = _hippocampi(data, _given(root))
    test = tuple(case for case in cases.test if domains[case] == target)
    labelled, of_target = (training(cases, domains, domain) for domain in (source, target))
    sampling = Sampling(ADAPTATION, domains, frozenset({target}))
    title, remarks = f"hippocampus: {source} → {target}", _larger(cases, domains)
    return Task(name, title, _only(cases, test), sampling, labelled, of_target, _SPACING, _PATCH, remarks)


def _given(root: Path | None) -> Path:
    missing = [name for name in _FOLDERS if root is None or not (root / name / "cases.csv").is_file()]
    if missing or root is None:
        raise UnusableData(
            f"it needs {' and '.join(f'{name}/ with cases.csv' for name in missing)} in the folder of --data; "
            "docs/data.md says where to get them."
        )
    return root


def _hippocampi(data: Path, root: Path) -> tuple[Cases, dict[str, str]]:
    """Both data sets as one, MSD's two classes merged, its unlabelled scans included; the domain of each case."""
    msd = read_cases(root / "hippocampus")
    merged = _merged(msd.labels, data / "hippocampus")
    folder = root / "oasis_hippocampus"
    part_of = _column(folder / "cases.csv", "set")
    images, labels = ({case: folder / kind / f"{case}.nii.gz" for case in part_of} for kind in ("images", "labels"))
    test, development = (tuple(case for case in part_of if part_of[case] == part) for part in ("test", "development"))
    cases = Cases(
        {**msd.images, **images},
        {**merged, **labels},
        (*msd.test, *test),
        (*msd.development, *development),
        ("hippocampus",),
    )
    return cases, {**dict.fromkeys(msd.images, MSD), **dict.fromkeys(part_of, OASIS)}


def _merged(labels: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """Copies of labels in which every class is 1."""
    made = {case: folder / f"{case}.nii.gz" for case in labels}
    for case, file in made.items():
        if not file.exists():
            label = read_label(labels[case])
            write_volume(file, (label.array > 0).astype(np.uint8), label.affine)
    return made


def _only(cases: Cases, test: tuple[str, ...]) -> Cases:
    """The same with these test cases; the other test cases are left out altogether."""
    left = [case for case in cases.images if case in test or case not in cases.test]
    images, labels = ({case: paths[case] for case in left if case in paths} for paths in (cases.images, cases.labels))
    return Cases(images, labels, test, cases.development, cases.classes)


def _larger(cases: Cases, domains: Mapping[str, str]) -> tuple[str, ...]:
    """How much larger the structures of OASIS are: a difference of the rules of drawing, which no method can know."""
    volumes = {
        domain: _median_volume(path for case, path in cases.labels.items() if domains[case] == domain)
        for domain in (OASIS, MSD)
    }
    ratio = volumes[OASIS] / volumes[MSD]
    return (
        f"Median volume of a labelled hippocampus: {OASIS} {volumes[OASIS]:,.0f} mm³, {MSD} {volumes[MSD]:,.0f} mm³, "
        f"so {ratio:.2f} times as large. A part of it comes from other rules of drawing and is no shift of scanners.",
    )


def _median_volume(labels: Iterable[Path]) -> float:
    volumes = (read_label(path) for path in labels)
    return statistics.median(float((each.array > 0).sum() * np.prod(each.spacing)) for each in volumes)


def _column(file: Path, name: str) -> dict[str, str]:
    with file.open(encoding="utf-8", newline="") as lines:
        return {line["case"]: line[name] for line in csv.DictReader(lines)}

"""The tasks: which scans have labels, which have none, which domain the model is for, and what it is measured on."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.comparison.cases import Cases, UnusableData, read_cases
from experiments.demo.phantom import DEFAULT_CLASSES
from experiments.demo.vendors import write_vendors
from fewlabel.data.setting import Sampling
from fewlabel.plan import Plan
from fewlabel.settings import ADAPTATION, GENERALISATION
from fewlabel.volumes.reading import read_label, write_volume

MSD, OASIS = "MSD", "OASIS"
_EACH = 4  # labelled scans of each source domain of a generalisation
_OF_VENDOR, _TEST = 16, 12  # scans of each vendor to train on, and test scans of the target
_TARGET = "D"
_SOURCES = ("A", "B", "C")


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: as it is typed.
        title: as the table calls it.
        cases: images and labels of all domains; ``test`` are the scans of the target that it is measured on.
        sampling: the setting, the domain of each case, the target.
        labelled: cases of the source domains whose labels are learned from.
        of_target: cases of the target that ``target-supervised`` learns from; adaptation uses them without labels.
        plan: the same for all tasks of these data.
    """

    name: str
    title: str
    cases: Cases
    sampling: Sampling
    labelled: tuple[str, ...]
    of_target: tuple[str, ...]
    plan: Plan

    @property
    def unlabelled(self) -> list[str]:
        """The pool, by the rules of the setting."""
        others = {*self.cases.images} - {*self.labelled, *self.cases.test}
        return sorted(self.sampling.pool(others))


def make_tasks(names: Iterable[str], data: Path, root: Path | None, network: str) -> list[Task]:
    """Read or generate the scans of these tasks.

    Args:
        names: of ``TASKS``.
        data: folder for what is generated or converted once.
        root: folder that holds ``hippocampus`` and ``oasis_hippocampus``; generated tasks need none.
        network: of the plans.

    Raises:
        UnusableData: a task needs scans that are not there.
    """
    return [TASKS[name](data, root, network) for name in names]


def vendor_adaptation(data: Path, root: Path | None, network: str) -> Task:
    """All labels are of vendor A, the model is for vendor D."""
    source = "A"
    cases, domains = _vendors(data)
    of_target = _training(cases, domains, _TARGET)
    sampling = Sampling(ADAPTATION, domains, frozenset({_TARGET}))
    title = f"generated: vendor {source} → {_TARGET}"
    labelled = _training(cases, domains, source)
    return Task("vendor-adaptation", title, cases, sampling, labelled, of_target, _vendor_plan(network))


def vendor_generalisation(data: Path, root: Path | None, network: str) -> Task:
    """A few labels of three vendors each, and the model must work for vendor D, which it never sees."""
    cases, domains = _vendors(data)
    sampling = Sampling(GENERALISATION, domains, frozenset({_TARGET}))
    labelled = _some_of_each(cases, domains, _SOURCES)
    title = f"generated: vendors {', '.join(_SOURCES)} → {_TARGET}, never seen"
    of_target = _training(cases, domains, _TARGET)
    return Task("vendor-generalisation", title, cases, sampling, labelled, of_target, _vendor_plan(network))


def msd_to_oasis(data: Path, root: Path | None, network: str) -> Task:
    """All labels are of MSD, the model is for OASIS."""
    return _between(MSD, OASIS, "msd-oasis", data, root, network)


def oasis_to_msd(data: Path, root: Path | None, network: str) -> Task:
    """The other direction."""
    return _between(OASIS, MSD, "oasis-msd", data, root, network)


def groups_to_oasis(data: Path, root: Path | None, network: str) -> Task:
    """A few labels of each of MSD's three intensity groups, and the model must work on OASIS, which it never sees."""
    cases, domains = _hippocampi(data, _given(root))
    test = tuple(case for case in cases.test if domains[case] == OASIS)
    groups = _column(_given(root) / "hippocampus" / "cases.csv", "intensity_group")
    domains = {case: groups.get(case, domain) for case, domain in domains.items()}
    cases = _only(cases, test)
    sources = sorted({*groups.values()})
    sampling = Sampling(GENERALISATION, domains, frozenset({OASIS}))
    labelled = _some_of_each(cases, domains, sources)
    title = f"hippocampus: {len(sources)} groups of MSD → OASIS, never seen"
    of_target = _training(cases, domains, OASIS)
    return Task("groups-oasis", title, cases, sampling, labelled, of_target, _hippocampus_plan(network))


TASKS: dict[str, Callable[[Path, Path | None, str], Task]] = {
    "vendor-adaptation": vendor_adaptation,
    "vendor-generalisation": vendor_generalisation,
    "msd-oasis": msd_to_oasis,
    "oasis-msd": oasis_to_msd,
    "groups-oasis": groups_to_oasis,
}
GENERATED = tuple(name for name in TASKS if name.startswith("vendor"))


def _vendors(data: Path) -> tuple[Cases, dict[str, str]]:
    counts = {**dict.fromkeys(_SOURCES, _OF_VENDOR), _TARGET: _OF_VENDOR + _TEST}
    domains = write_vendors(data / "vendors", counts)
    images, labels = (
        {case: data / "vendors" / kind / f"{case}.nii.gz" for case in domains} for kind in ("images", "labels")
    )
    test = [case for case in domains if domains[case] == _TARGET][-_TEST:]
    development = tuple(case for case in domains if case not in test)
    return Cases(images, labels, tuple(test), development, DEFAULT_CLASSES), domains


def _vendor_plan(network: str) -> Plan:
    return _plan((7.0, 7.0, 8.0), (40, 32, 24), DEFAULT_CLASSES, network)


def _hippocampus_plan(network: str) -> Plan:
    return _plan((1.0, 1.0, 1.0), (32, 40, 32), ("hippocampus",), network)


def _plan(
    spacing: tuple[float, float, float], patch: tuple[int, int, int], classes: tuple[str, ...], network: str
) -> Plan:
    return Plan(spacing, patch, "meanstd", None, network, 2, classes, ("the same for all tasks of these data",))


def _between(source: str, target: str, name: str, data: Path, root: Path | None, network: str) -> Task:
    cases, domains = _hippocampi(data, _given(root))
    test = tuple(case for case in cases.test if domains[case] == target)
    labelled, of_target = (_training(cases, domains, domain) for domain in (source, target))
    sampling = Sampling(ADAPTATION, domains, frozenset({target}))
    title = f"hippocampus: {source} → {target}"
    return Task(name, title, _only(cases, test), sampling, labelled, of_target, _hippocampus_plan(network))


def _given(root: Path | None) -> Path:
    missing = [name for name in ("hippocampus", "oasis_hippocampus") if root is None or not (root / name).is_dir()]
    if missing or root is None:
        raise UnusableData(
            f"--root: tasks of real scans need the folder that holds {' and '.join(missing)}; docs/data.md says where "
            f"to get them. Without it, give --tasks {' '.join(GENERATED)}."
        )
    return root


def _hippocampi(data: Path, root: Path) -> tuple[Cases, dict[str, str]]:
    """Both data sets as one, MSD's two classes merged, the unlabelled scans of MSD included; the domain of each."""
    msd = read_cases(root / "hippocampus")
    merged = _merged(msd.labels, data / "hippocampus")
    part_of = _column(root / "oasis_hippocampus" / "cases.csv", "set")
    folder = root / "oasis_hippocampus"
    images, labels = ({case: folder / kind / f"{case}.nii.gz" for case in part_of} for kind in ("images", "labels"))
    parts = {part: tuple(case for case in part_of if part_of[case] == part) for part in ("test", "development")}
    cases = Cases(
        {**msd.images, **images},
        {**merged, **labels},
        (*msd.test, *parts["test"]),
        (*msd.development, *parts["development"]),
        ("hippocampus",),
    )
    return cases, {**dict.fromkeys(msd.images, MSD), **dict.fromkeys(part_of, OASIS)}


def _merged(labels: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """Copies of labels in which every class is 1."""
    made = {case: folder / f"{case}.nii.gz" for case in labels}
    for case, file in made.items():
        if not file.exists():
            label = read_label(labels[case])
            write_volume(file, (label.array > 0).astype("uint8"), label.affine)
    return made


def _only(cases: Cases, test: tuple[str, ...]) -> Cases:
    """The same with these test cases; the test cases of other domains are left out altogether."""
    left = {case: path for case, path in cases.images.items() if case in test or case not in cases.test}
    return Cases(
        left,
        {case: cases.labels[case] for case in cases.labels if case in left},
        test,
        cases.development,
        cases.classes,
    )


def _training(cases: Cases, domains: Mapping[str, str], domain: str) -> tuple[str, ...]:
    return tuple(case for case in cases.development if domains[case] == domain)


def _some_of_each(cases: Cases, domains: Mapping[str, str], sources: Iterable[str]) -> tuple[str, ...]:
    """The first few cases of each source, which are in no particular order."""
    return tuple(case for source in sources for case in _training(cases, domains, source)[:_EACH])


def _column(file: Path, name: str) -> dict[str, str]:
    with file.open(encoding="utf-8", newline="") as lines:
        return {line["case"]: line[name] for line in csv.DictReader(lines)}

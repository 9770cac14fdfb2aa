"""The tasks by name, and those of generated scans."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from experiments.comparison.cases import Cases, UnusableData
from experiments.demo.phantom import DEFAULT_CLASSES
from experiments.demo.vendors import write_vendors
from experiments.domains.real import groups_to_oasis, msd_to_oasis, oasis_to_msd
from experiments.domains.task import Task, some_of_each, training
from fewlabel.data.setting import Sampling
from fewlabel.settings import ADAPTATION, GENERALISATION

EACH = 4  # labelled scans of each source vendor of the generalisation
OF_VENDOR, TEST = 16, 12  # scans of each vendor to train on, and test scans of the target
_SOURCES, _TARGET = ("A", "B", "C"), "D"
_SPACING, _PATCH = (7.0, 7.0, 8.0), (40, 32, 24)


def make_tasks(names: Iterable[str], data: Path, root: Path | None) -> tuple[list[Task], list[str]]:
    """Read or generate the scans of these tasks.

    Args:
        names: of ``TASKS``.
        data: folder for what is generated or converted once.
        root: folder that holds ``hippocampus`` and ``oasis_hippocampus``; generated tasks need none.

    Returns:
        The tasks whose scans are there, and for each other one a sentence that says what it lacks.
    """
    made, skipped = [], []
    for name in names:
        try:
            made.append(TASKS[name](data, root))
        except UnusableData as lacking:
            skipped.append(f"{name} is left out: {lacking}")
    return made, skipped


def vendor_adaptation(data: Path, root: Path | None) -> Task:
    """All labels are of vendor A, the model is for vendor D."""
    source = _SOURCES[0]
    cases, domains = _vendors(data)
    sampling = Sampling(ADAPTATION, domains, frozenset({_TARGET}))
    title = f"generated: vendor {source} → {_TARGET}"
    labelled, of_target = (training(cases, domains, vendor) for vendor in (source, _TARGET))
    return Task("vendor-adaptation", title, cases, sampling, labelled, of_target, _SPACING, _PATCH)


def vendor_generalisation(data: Path, root: Path | None) -> Task:
    """A few labels of three vendors each, and the model must work for vendor D, which it never sees."""
    cases, domains = _vendors(data)
    sampling = Sampling(GENERALISATION, domains, frozenset({_TARGET}))
    labelled = some_of_each(cases, domains, _SOURCES, EACH)
    title = f"generated: vendors {', '.join(_SOURCES)} → {_TARGET}, never seen"
    of_target = training(cases, domains, _TARGET)
    return Task("vendor-generalisation", title, cases, sampling, labelled, of_target, _SPACING, _PATCH)


TASKS: dict[str, Callable[[Path, Path | None], Task]] = {
    "vendor-adaptation": vendor_adaptation,
    "vendor-generalisation": vendor_generalisation,
    "msd-oasis": msd_to_oasis,
    "oasis-msd": oasis_to_msd,
    "groups-oasis": groups_to_oasis,
}


def _vendors(data: Path) -> tuple[Cases, dict[str, str]]:
    folder = data / "vendors"
    domains = write_vendors(folder, {**dict.fromkeys(_SOURCES, OF_VENDOR), _TARGET: OF_VENDOR + TEST})
    images, labels = ({case: folder / kind / f"{case}.nii.gz" for case in domains} for kind in ("images", "labels"))
    test = tuple(case for case in domains if domains[case] == _TARGET)[-TEST:]
    development = tuple(case for case in domains if case not in test)
    return Cases(images, labels, test, development, DEFAULT_CLASSES), domains

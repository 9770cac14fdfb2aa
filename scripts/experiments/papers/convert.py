"""From a downloaded data set to the layout of a comparison, once: ``images/``, ``labels/``, ``splits.json``.

Case by case; a stopped conversion goes on where it was. Nothing below the root is written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from experiments.comparison.cases import UnusableData
from experiments.papers import h5, mnms, nifti
from experiments.papers.layouts import Layout, Read, find_cases
from experiments.papers.protocols import Protocol
from experiments.papers.splits import Split, read_split
from fewlabel.volumes.reading import UnreadableVolume, Volume, write_volume
from fewlabel.workspace import read_json, write_json

_LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "la": (h5.LA,),
    "pancreas": (h5.PANCREAS,),
    "brats2019": (h5.BRATS2019, nifti.BRATS2019),
    "synapse": (nifti.SYNAPSE,),
    "amos": (nifti.AMOS,),
    "mmwhs": (nifti.MMWHS,),
    "mnms": (mnms.MNMS,),
}
_TELL_EVERY = 10  # cases


def convert(protocol: Protocol, target: str, root: Path, folder: Path, say: Callable[[str], None]) -> Split:
    """Write what is missing below ``folder``; volumes that are there are not written again.

    Args:
        protocol: of the data set.
        target: domain, "" where the data set has one.
        root: of the downloaded data; is read only.
        folder: of the converted data.
        say: called with the progress.

    Raises:
        UnusableData: the root is not the data set, a case or label is missing or damaged, or the folder holds another
            conversion.
    """
    _check_folders(root, folder)
    split = mnms.read_split(root, target) if protocol.name == "mnms" else read_split(protocol.name, target)
    cases = find_cases(root, protocol.title, _layout(protocol, root), split)
    _claim(folder, {"dataset": protocol.name, "target": target, "root": str(root.resolve()), "grid": protocol.grid})
    missing = [case for case in cases if not _is_there(folder, case, case in split.with_label)]
    say(f"{len(cases) - len(missing)} of {len(cases)} cases of {protocol.title} are converted, {len(missing)} to do.")
    for count, case in enumerate(missing, 1):
        _write_case(folder, case, cases[case], len(protocol.classes))
        if count % _TELL_EVERY == 0 or count == len(missing):
            say(f"converted {count} of {len(missing)}: {case}")
    names = {"0": "background", **{str(value): name for value, name in enumerate(protocol.classes, 1)}}
    write_json(folder / "dataset.json", {"name": protocol.title, "labels": names})
    write_json(folder / "splits.json", split.to_dict())
    return split


def _check_folders(root: Path, folder: Path) -> None:
    if not root.is_dir():
        raise UnusableData(f"--root: {root} is not a folder; give the folder that holds the downloaded data.")
    if root.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise UnusableData(f"--output lies in --root ({root}), where nothing is written. Give another --output.")


def _layout(protocol: Protocol, root: Path) -> Layout:
    """The format that the folder has; the last one where it has none, so that its files are asked for."""
    layouts = _LAYOUTS[protocol.name]
    return next((layout for layout in layouts if layout.images(root)), layouts[-1])


def _claim(folder: Path, settings: dict) -> None:
    """Only one data set, target and source a folder."""
    settings["grid"] = settings["grid"] and list(settings["grid"])
    there = read_json(folder / "conversion.json", settings)
    other = [f"{name} {there.get(name)}, not {value}" for name, value in settings.items() if there.get(name) != value]
    if other:
        raise UnusableData(f"{folder} holds another conversion ({'; '.join(other)}). Give another --output.")
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_json(folder / "conversion.json", settings)


def _is_there(folder: Path, case: str, needs_label: bool) -> bool:
    names = ("images", "labels") if needs_label else ("images",)
    return all((folder / name / f"{case}.nii.gz").exists() for name in names)


def _write_case(folder: Path, case: str, read: Read, classes: int) -> None:
    try:
        image, label = read()
    except UnreadableVolume as error:
        raise UnusableData(f"{case}: {error}") from error
    except MemoryError as error:
        raise UnusableData(f"{case} does not fit into memory. Close other programs, then start again.") from error
    if label is not None:
        if int(label.array.max()) > classes:
            raise UnusableData(
                f"The label of {case} has the value {label.array.max()}, but there are {classes} classes. Download it "
                "again, or check that it is the standard version of the data set."
            )
        _write(folder / "labels" / f"{case}.nii.gz", label)
    _write(folder / "images" / f"{case}.nii.gz", image)


def _write(path: Path, volume: Volume) -> None:
    write_volume(path, volume.array, volume.affine)

"""How a data set lies in a downloaded folder, and what to say where it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.comparison.cases import UnusableData
from experiments.papers.splits import Split
from fewlabel.volumes.reading import Volume, same_grid

Read = Callable[[], tuple[Volume, "Volume | None"]]


@dataclass(frozen=True)
class Layout:
    """One format of one data set.

    Attributes:
        image_name, label_name: what a case's files are called, for people, with CASE for its id.
        images, labels: from the root to where each case is, by id: a path, or what ``read`` makes of it.
        read: from both to the volumes; the label is None where none is needed.
    """

    image_name: str
    label_name: str
    images: Callable[[Path], Mapping[str, Any]]
    labels: Callable[[Path], Mapping[str, Any]]
    read: Callable[[Any, Any], tuple[Volume, Volume | None]]


def find_cases(root: Path, title: str, layout: Layout, split: Split) -> dict[str, Read]:
    """How to read each case of the split.

    Raises:
        UnusableData: the folder does not look like the data set, or a case or a label is not there.
    """
    images, labels = layout.images(root), layout.labels(root)
    missing = [case for case in split.cases if case not in images]
    if len(missing) == len(split.cases):
        raise UnusableData(
            f"{root} does not look like {title}: neither in it nor below it is a file such as "
            f"{layout.image_name.replace('CASE', missing[0])}. Give with --root the folder that you unpacked."
        )
    if missing:
        raise UnusableData(
            f"The standard split of {title} names {missing[0]}, but {layout.image_name.replace('CASE', missing[0])} is "
            f"not below {root} ({len(missing)} of {len(split.cases)} cases are missing). Complete the download."
        )
    bare = [case for case in split.cases if case in split.with_label and case not in labels]
    if bare:
        raise UnusableData(
            f"{bare[0]} of {title} has an image but no label: {layout.label_name.replace('CASE', bare[0])} is not "
            f"below {root} ({len(bare)} labels are missing). Complete the download."
        )

    def reader(case: str) -> Read:
        label = labels[case] if case in split.with_label else None
        return lambda: layout.read(images[case], label)

    return {case: reader(case) for case in split.cases}


def files_below(root: Path, ending: str, parent: str = "") -> dict[str, Path]:
    """Files that end with ``ending``, by the rest of their name, in folders whose name begins with ``parent``."""
    found = sorted(path for path in root.rglob(f"*{ending}") if path.parent.name.startswith(parent))
    return {path.name[: -len(ending)]: path for path in found if not path.name.startswith(".")}


def check_grid(path: Path, image: Volume, label: Volume) -> None:
    """Refuse a label that lies elsewhere than its image."""
    if not same_grid(image, label):
        raise UnusableData(
            f"The label of {path} lies on another grid than the image. Download both again from the same source."
        )

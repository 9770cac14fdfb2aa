"""The cases of a study for its exports, read from the datastore: the only module of this package that imports it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fewlabel.datastore.entries import FINAL
from fewlabel.datastore.kinds import is_unknown, kind_of
from fewlabel.datastore.store import StudyDatastore
from fewlabel.export.source import Case
from fewlabel.workspace import Workspace, read_json


def open_store(studies: Path, workspace: Workspace) -> StudyDatastore:
    """The images and labels of a study for a process beside its server: nothing of it is changed.

    Args:
        studies: folder of the images.
        workspace: of the study.
    """
    store = StudyDatastore(str(studies), workspace, auto_reload=False, read_only=True)
    while store.found().pending:  # a look at headers ends after some seconds
        store.refresh()
    return store


def list_cases(store: StudyDatastore, workspace: Workspace) -> list[Case]:
    """Every scan that can be used, with what is known of its submitted label.

    Args:
        store: of the study.
        workspace: of the study.
    """
    kept = read_json(workspace.pools, {})
    validation = set(kept.get("validation", ())) if isinstance(kept, dict) else set()
    unusable, labelled = store.unusable(), set(store.get_labeled_images())
    return [
        _case(store, case, case in labelled, case in validation) for case in store.list_images() if case not in unusable
    ]


def _case(store: StudyDatastore, case: str, labelled: bool, validates: bool) -> Case:
    image = Path(store.get_image_uri(case))
    if not labelled:
        return Case(case, image)
    info = store.get_label_info(case, FINAL)
    return Case(
        case,
        image,
        label=partial(_label, store, case),
        kind=kind_of(info),
        kind_unknown=is_unknown(info),
        submitted_by=_person(info),
        submitted_at=_utc(info.get("ts")),
        validates=validates,
    )


def _label(store: StudyDatastore, case: str) -> Path:
    return Path(store.label_for_training(case))


def _person(info: Mapping[str, Any]) -> str | None:
    said = info.get("client_id") or info.get("user")
    return str(said) if said else None


def _utc(stored: Any) -> str | None:
    """Seconds since the epoch as people read them."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(stored)) if isinstance(stored, int | float) else None

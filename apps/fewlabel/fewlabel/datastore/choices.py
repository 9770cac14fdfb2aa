"""What the person who starts the server may say about the folder, and what of it is kept for the next start."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from fewlabel.errors import Refusal
from fewlabel.workspace import Workspace, read_json, write_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choices:
    """What may be said about the folder.

    Attributes:
        subfolders: serve what lies in subfolders; None: in a new study, or as before.
        companions: serve what is no scan by its name.
        made: the folder was made by the start of the server.
    """

    subfolders: bool | None = None
    companions: bool = False
    made: bool = False


def serves_subfolders(chosen: bool | None, workspace: Workspace, opened_before: bool, read_only: bool) -> bool:
    """Whether subfolders are served; kept, so that cases stay cases when the setting is left out later.

    Args:
        chosen: the person's choice, if any.
        workspace: of the study.
        opened_before: the study has a list of its cases already.
        read_only: keep nothing.
    """
    kept = read_json(workspace.folder_choices, {})
    before = kept.get("subfolders") if isinstance(kept, dict) else None
    deep = chosen if chosen is not None else bool(before) if before is not None else not opened_before
    if not read_only and deep != before:
        try:
            write_json(workspace.folder_choices, {"subfolders": deep})
        except Refusal as error:
            logger.error("%s", error)
    return deep

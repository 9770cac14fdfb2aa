"""Options about the folder for the person who starts the server; one of them is kept for the next start."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from fewlabel.errors import Refusal
from fewlabel.workspace import Workspace, read_json, write_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choices:
    """Which files of the folder are served.

    Attributes:
        subfolders: serve what lies in subfolders; None: in a new study, or as before.
        companions: serve files whose name says that they are not scans.
        made: the folder was created when the server started.
        domain_pattern: regular expression that finds the domain in an id; None: none.
    """

    subfolders: bool | None = None
    companions: bool = False
    made: bool = False
    domain_pattern: str | None = None


def serves_subfolders(chosen: bool | None, workspace: Workspace, opened_before: bool, read_only: bool) -> bool:
    """Whether subfolders are served; kept, so that cases stay cases when the option is left out later.

    Args:
        chosen: the option, None where it was left out.
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

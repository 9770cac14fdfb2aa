"""Whether a study's training is continuous, and whether somebody let it rest: kept on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fewlabel.settings import TRAINING, Settings
from fewlabel.workspace import Workspace, read_json, write_json

CONTINUOUS, ON_REQUEST = TRAINING


class Mode:
    """The kind of training of one study, as chosen with ``--conf training`` and, after that, by people.

    Args:
        workspace: of the study.
        settings: of the server.
    """

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._file, self._default = workspace.training, settings.training

    def _said(self) -> dict[str, Any]:
        said = read_json(self._file, {})
        return said if isinstance(said, dict) else {}

    def __call__(self) -> str:
        """``continuous`` or ``on_request``: as chosen by people, unless ``--conf training`` was changed since."""
        said = self._said()
        chosen = said.get("training")
        return str(chosen) if chosen in TRAINING and said.get("conf") == self._default else self._default

    def rests(self) -> bool:
        """Whether somebody stopped it; it then rests until somebody presses Train."""
        return bool(self._said().get("rests"))

    def remember(self, training: str | None = None, rests: bool | None = None) -> None:
        """Keep what somebody chose; None: as before.

        Raises:
            Refusal: (507) it cannot be written.
        """
        chosen = {"training": training or self(), "rests": self.rests() if rests is None else rests}
        if chosen != {"training": self(), "rests": self.rests()}:
            write_json(self._file, {**chosen, "conf": self._default})


def asked_for(request: Mapping[str, Any]) -> str | None:
    """The kind of training that a request asks for; None where it names none, or one that does not exist."""
    value = request.get("training")
    value = next(iter(value), None) if isinstance(value, list) else value
    return value if isinstance(value, str) and value in TRAINING else None

"""Whether a study's training is continuous, with which options, and whether somebody let it rest: kept on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fewlabel.settings import REQUEST_KEYS, TRAINING, Settings
from fewlabel.workspace import Workspace, finite, read_json, write_json

CONTINUOUS, ON_REQUEST = TRAINING
_LASTING = [key for key in REQUEST_KEYS if key not in ("training", "max_minutes", "max_steps")]


class Mode:
    """The kind of training of one study and its options, as chosen with ``--conf`` and, after that, by people.

    What people chose holds until the server is started with other settings of a training.

    Args:
        workspace: of the study.
        settings: of the server.
    """

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._file, self._settings, self._default = workspace.training, settings, settings.training
        self._conf = finite({key: getattr(settings, key) for key in REQUEST_KEYS})

    def _said(self) -> dict[str, Any]:
        said = read_json(self._file, {})
        return said if isinstance(said, dict) else {}

    def _chosen(self) -> dict[str, Any]:
        said = self._said()
        return said if said.get("conf") == self._conf else {}

    def __call__(self) -> str:
        """``continuous`` or ``on_request``."""
        chosen = self._chosen().get("training")
        return str(chosen) if chosen in TRAINING else self._default

    def rests(self) -> bool:
        """Whether somebody stopped it; it then rests until somebody presses Train."""
        return bool(self._said().get("rests"))

    def options(self) -> dict[str, Any]:
        """The options (method, device, ...) that were chosen with Train; see ``Settings.with_request``."""
        options = self._chosen().get("options")
        try:
            self._settings.with_request(options or {})
        except (ValueError, TypeError):  # of another version, or damaged: as if nothing had been chosen
            return {}
        return options or {}

    def remember(
        self, training: str | None = None, rests: bool | None = None, options: Mapping[str, Any] | None = None
    ) -> None:
        """Keep what somebody chose.

        Args:
            training: ``continuous`` or ``on_request``; None: as before.
            rests: whether it rests until somebody presses Train; None: as before.
            options: of a train request; those that it does not name stay as before.

        Raises:
            Refusal: (507) it cannot be written.
        """
        kept, given = self.options(), options or {}
        now = {"training": self(), "rests": self.rests(), "options": kept}
        chosen = {
            "training": training or now["training"],
            "rests": now["rests"] if rests is None else rests,
            "options": {**kept, **{key: given[key] for key in _LASTING if key in given}},
        }
        if chosen != now:
            write_json(self._file, {**chosen, "conf": self._conf})


def asked_for(request: Mapping[str, Any]) -> str | None:
    """The kind of training that a request asks for; None where it names none, or one that does not exist."""
    value = request.get("training")
    value = next(iter(value), None) if isinstance(value, list) else value
    return value if isinstance(value, str) and value in TRAINING else None

"""What the published model's members said about each case, as the strategies read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fewlabel.workspace import read_json


@dataclass(frozen=True)
class Scores:
    """The score file of one model.

    Attributes:
        version: of the model.
        done, of: cases scored, and cases there were to score.
        cases: by id: ``score``, ``classes`` (name to score), ``foreground``, ``slices``, ``points``, ... (see scoring).
    """

    version: int = 0
    done: int = 0
    of: int = 0
    cases: dict[str, dict[str, Any]] = field(default_factory=dict)

    def column(self, cases: Iterable[str], name: str | None = None) -> np.ndarray:
        """Scores of these cases, NaN where there is none; of one class, or of all (None)."""
        values = []
        for case in cases:
            known = self.cases.get(case, {})
            value = known.get("score") if name is None else known.get("classes", {}).get(name)
            values.append(np.nan if value is None else float(value))
        return np.array(values, float)

    def classes(self) -> list[str]:
        """Names of the classes that some case is scored for, in the order of their first mention."""
        return list(dict.fromkeys(name for case in self.cases.values() for name in case.get("classes", {})))


class ScoreFile:
    """Reads the score file again only when it changed.

    Args:
        path: ``scores.json`` of the workspace.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[tuple[int, int], Scores] | None = None

    def read(self) -> Scores:
        """The newest scores; none where the file is absent or damaged."""
        try:
            stamp = self.path.stat()
        except FileNotFoundError:
            return Scores()
        key = (stamp.st_mtime_ns, stamp.st_size)
        if self._read is None or self._read[0] != key:
            self._read = (key, _parse(read_json(self.path, {})))
        return self._read[1]


def _parse(content: Any) -> Scores:
    if not isinstance(content, dict) or not isinstance(content.get("cases"), dict):
        return Scores()
    cases = {case: value for case, value in content["cases"].items() if isinstance(value, dict) and "score" in value}
    return Scores(
        int(content.get("version", 0)), int(content.get("done", len(cases))), int(content.get("of", 0)), cases
    )

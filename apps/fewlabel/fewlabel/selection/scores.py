"""The scores of the unlabelled cases, as the strategies read them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fewlabel.files import ReadAgain
from fewlabel.selection.levels import Column, Levels, comparable
from fewlabel.workspace import read_json

_PASSED_ON = ("slices", "points")


@dataclass(frozen=True)
class Scores:
    """The scores of the cases, those of older versions included until a newer one has scored them.

    Attributes:
        version: of the model that scored last.
        done, of: number of cases that it has scored, and of cases to score.
        cases: by id: ``score``, ``classes`` (name to score), ``foreground``, ``slices``, ``points``, ... (see scoring),
            ``version`` of the model that gave them, and ``missing``, classes that the model sees in nearly all scans
            but not in this one. Values of different versions must not be compared: ``column`` gives those that can be.
        levels: comparable values where there are several versions (see levels.comparable).

    Examples:
        >>> scores = Scores(version=3, done=1, of=2, cases={"a": {"score": 0.2, "classes": {"liver": 0.2}}})
        >>> scores.column(["a", "b"]).tolist()
        [0.2, nan]
        >>> scores.classes()
        ['liver']
    """

    version: int = 0
    done: int = 0
    of: int = 0
    cases: dict[str, dict[str, Any]] = field(default_factory=dict)
    levels: Levels = field(default_factory=dict)

    def column(self, cases: Iterable[str], name: str | None = None, kind: str = "classes") -> np.ndarray:
        """Comparable scores of these cases, NaN where there is none; of one class, or of all (None).

        Args:
            cases: ids.
            name: of a class; None: the score of all.
            kind: of the score of a class: ``classes``, its region's, or ``parts``, its most uncertain part's.
        """
        if self.levels:
            column: Column = ("score",) if name is None else (kind, name)
            known = self.levels.get(column, {})
            return np.array([known.get(case, np.nan) for case in cases], float)
        none: dict[str, Any] = {}
        said = (self.cases.get(case, none) for case in cases)
        values = [each.get("score") if name is None else (each.get(kind) or none).get(name) for each in said]
        return np.array([np.nan if value is None else value for value in values], float)

    def version_of(self, case: str) -> int:
        """The model that scored a case; the newest one where none did."""
        return int(self.cases.get(case, {}).get("version", self.version))

    def details(self, case: str) -> dict[str, Any]:
        """Fields of the response about a case besides its reason: score, uncertain class, where to look, version."""
        known, said = self.cases.get(case), {"model_version": self.version_of(case)}
        if known is None:
            return said
        by_class = known.get("classes", {})
        worst = {"uncertain_class": max(by_class, key=by_class.get), "class_scores": by_class} if by_class else {}
        return {**said, "score": known["score"], **worst, **{key: known[key] for key in _PASSED_ON if key in known}}

    def classes(self) -> list[str]:
        """Names of the classes with a score in any case, in order of appearance."""
        return list(dict.fromkeys(name for case in self.cases.values() for name in case.get("classes", {})))


class ScoreFile:
    """Reads the score file, again only if it has changed.

    Args:
        path: ``scores.json`` of the workspace.

    Examples:
        >>> from tempfile import mkdtemp
        >>> ScoreFile(Path(mkdtemp()) / "scores.json").read().version  # nothing was scored yet
        0
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = ReadAgain(lambda path: _parse(read_json(path, {})), Scores)

    def read(self) -> Scores:
        """The newest scores; none where the file is absent or damaged."""
        return self._read(self.path)


def _parse(content: Any) -> Scores:
    if not isinstance(content, dict) or not isinstance(content.get("cases"), dict):
        return Scores()
    version = int(content.get("version", 0))
    cases = {
        case: value if "version" in value else {**value, "version": version}
        for case, value in content["cases"].items()
        if isinstance(value, dict) and "score" in value
    }
    done, of = int(content.get("done", len(cases))), int(content.get("of", 0))
    return Scores(version, done, of, *comparable(cases))

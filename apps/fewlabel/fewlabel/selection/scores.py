"""The scores of the unlabelled cases, as the strategies read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fewlabel.files import ReadAgain
from fewlabel.workspace import read_json

_PASSED_ON = ("slices", "points")
_EXPECTED = 0.9  # a class that the model sees in this share of the scans is expected in all of them


@dataclass(frozen=True)
class Scores:
    """The score file of one model.

    Attributes:
        version: of the model.
        done, of: number of cases scored, and of cases to score.
        cases: by id: ``score``, ``classes`` (name to score), ``foreground``, ``slices``, ``points``, ... (see scoring),
            and ``missing``, classes that the model sees in nearly all scans but not in this one.

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

    def column(self, cases: Iterable[str], name: str | None = None) -> np.ndarray:
        """Scores of these cases, NaN where there is none; of one class, or of all (None)."""
        values = []
        for case in cases:
            known = self.cases.get(case, {})
            value = known.get("score") if name is None else known.get("classes", {}).get(name)
            values.append(np.nan if value is None else float(value))
        return np.array(values, float)

    def details(self, case: str) -> dict[str, Any]:
        """Fields of the response about a case besides its reason: score, uncertain class, where to look, version."""
        known, said = self.cases.get(case), {"model_version": self.version}
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
    cases = {case: value for case, value in content["cases"].items() if isinstance(value, dict) and "score" in value}
    done, of = int(content.get("done", len(cases))), int(content.get("of", 0))
    return Scores(int(content.get("version", 0)), done, of, _with_missing(cases))


def _with_missing(cases: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The cases; an expected class that the model does not see gets the highest score of any scan.

    A class that is not predicted has no region to average over, so a scan in which a confident model misses it would
    get a low score. A class is expected if at least nine of ten scans show it, so that classes that are often absent
    cost nobody time.
    """
    seen = [case.get("classes") or {} for case in cases.values()]
    shown = [classes for classes in seen if classes]
    counts = Counter(name for classes in shown for name in classes)
    expected = [name for name, count in counts.items() if count >= _EXPECTED * len(shown)]
    highest = {name: max(float(classes[name]) for classes in shown if name in classes) for name in expected}
    filled = {}
    for (case, said), classes in zip(cases.items(), seen, strict=True):
        missing = {name: value for name, value in highest.items() if name not in classes}
        if missing:
            scores = {**classes, **missing}
            score = sum(scores.values()) / len(scores) if classes else said["score"]
            filled[case] = {**said, "score": round(score, 4), "classes": scores, "missing": list(missing)}
    return {**cases, **filled}

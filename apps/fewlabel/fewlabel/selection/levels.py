"""Makes scores of several versions of the model comparable: by rank within their version, never by value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from scipy.stats import rankdata

Column = tuple[str, ...]  # ("score",), ("classes", name) or ("parts", name)
Case = dict[str, Any]
Levels = dict[Column, dict[str, float]]
_BY_CLASS = ("classes", "parts")
_EXPECTED = 0.9  # a class that the model sees in this share of the scans is expected in all of them
_FEW = 10  # scores of one version: with fewer of them a case keeps its rank of an earlier version


def columns_of(said: Mapping[str, Any]) -> dict[Column, float]:
    """The values of one case that are compared between cases.

    Examples:
        >>> columns_of({"score": 0.5, "classes": {"liver": 0.5}, "foreground": 0.1})
        {('score',): 0.5, ('classes', 'liver'): 0.5}
    """
    values: dict[Column, float] = {("score",): float(said["score"])}
    for kind in _BY_CLASS:
        values |= {(kind, name): float(value) for name, value in (said.get(kind) or {}).items()}
    return values


def _nested(values: Mapping[Column, float]) -> dict[str, Any]:
    """The inverse of ``columns_of``, for JSON."""
    made: dict[str, Any] = {"score": values[("score",)]}
    for kind in _BY_CLASS:
        found = {column[1]: value for column, value in values.items() if column[0] == kind}
        made |= {kind: found} if found else {}
    return made


def with_missing(cases: dict[str, Case]) -> dict[str, Case]:
    """The cases of one version; an expected class that the model does not see gets the highest score of any scan.

    A class that is not predicted has no region to average over, so a scan in which a confident model misses it would
    get a low score. A class is expected if at least nine of ten scans show it, so that classes that are often absent
    cost nobody time.
    """
    shown = [case["classes"] for case in cases.values() if case.get("classes")]
    counts = Counter(name for classes in shown for name in classes)
    expected = [name for name, count in counts.items() if count >= _EXPECTED * len(shown)]
    highest = {kind: _highest(cases.values(), kind, expected) for kind in _BY_CLASS}
    filled = {}
    for case, said in cases.items():
        classes = said.get("classes") or {}
        missing = [name for name in highest["classes"] if name not in classes]
        if missing:
            scores = {**classes, **{name: highest["classes"][name] for name in missing}}
            score = sum(scores.values()) / len(scores) if classes else said["score"]
            parts = {**(said.get("parts") or {}), **{n: highest["parts"][n] for n in missing if n in highest["parts"]}}
            more = {"parts": parts} if parts else {}
            filled[case] = {**said, "score": round(score, 4), "classes": scores, "missing": missing, **more}
    return {**cases, **filled}


def _highest(cases: Iterable[Case], kind: str, names: list[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for said in cases:
        values = said.get(kind) or {}
        for name in names:
            if name in values:
                found[name] = max(found.get(name, 0.0), float(values[name]))
    return found


def standings(cases: dict[str, Case]) -> dict[str, dict[str, Any]]:
    """The share of the cases of one version below each case, in (0, 1), of its score and of each class; ties share it.

    Examples:
        >>> standings({"a": {"score": 0.1}, "b": {"score": 0.9}})
        {'a': {'score': 0.25}, 'b': {'score': 0.75}}
    """
    found: dict[str, dict[Column, float]] = {case: {} for case in cases}
    for column, values in _by_column({case: columns_of(said) for case, said in with_missing(cases).items()}).items():
        shares = (rankdata(list(values.values())) - 0.5) / len(values)
        for case, share in zip(values, shares.round(6).tolist(), strict=True):
            found[case][column] = share
    return {case: _nested(each) for case, each in found.items()}


def comparable(cases: dict[str, Case]) -> tuple[dict[str, Case], Levels]:
    """The cases of all versions with what they miss, and values of each that can be compared with those of others.

    The most frequent version keeps its values. A case of another version gets the value that has the same rank among
    those: its own value says nothing, since each model has its own scale.

    Args:
        cases: each with ``version``, and with ``standing`` (see ``standings``) where a newer version was scored since.

    Returns:
        The cases; and for each of the columns (see ``columns_of``) the value by case, {} if there is only one version.
    """
    groups: dict[float, dict[str, Case]] = {}
    for case, said in cases.items():
        groups.setdefault(said["version"], {})[case] = said
    if len(groups) < 2:
        return with_missing(cases), {}
    *others, main = sorted(groups, key=lambda version: (len(groups[version]), version))
    filled = with_missing(groups[main])
    levels = _by_column({case: columns_of(said) for case, said in filled.items()})
    standing = {case: each for version in others for case, each in _standing(groups[version]).items()}
    for case, each in standing.items():
        seen = cases[case].get("classes") or {}
        missing = [name for name in each.get("classes", {}) if name not in seen]
        filled[case] = {**cases[case], "missing": missing} if missing else cases[case]
    for column, shares in _by_column({case: columns_of(each) for case, each in standing.items()}).items():
        scale = list(levels.get(column, {}).values())  # none: no case of the main version has this class
        known = np.fromiter(shares.values(), float)
        values = np.quantile(scale, known, method="hazen") if scale else known
        levels.setdefault(column, {}).update(zip(shares, values.tolist(), strict=True))
    return {case: filled[case] for case in cases}, levels


def _by_column(values: Mapping[str, Mapping[Column, float]]) -> Levels:
    found: Levels = {}
    for case, each in values.items():
        for column, value in each.items():
            found.setdefault(column, {})[case] = value
    return found


def _standing(group: dict[str, Case]) -> dict[str, dict[str, Any]]:
    """Where each case of one version stood when that was replaced; with few scores, where it stood in the last one."""
    now = standings(group)
    before = "before" if len(group) < _FEW else "standing"
    return {
        case: next((said[key] for key in ("standing", before) if isinstance(said.get(key), dict)), now[case])
        for case, said in group.items()
    }

"""The list of cases as a table: rows, order and texts. No widgets."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from ..label.labels import key
from ..texts import cases as texts
from .words import count, number

CASE, REASON, STATE, SCORE, EXPECTED, DOMAIN, WHO, WHEN = range(len(texts.COLUMNS))
FALLING = {SCORE, WHEN}  # columns whose first click sorts in descending order
LIMIT = 200  # rows: more would block the panel while they are drawn


@dataclass(frozen=True)
class Order:
    """Column to sort by, and whether in descending order."""

    column: int = CASE
    down: bool = False

    def clicked(self, column: int) -> Order:
        """The order after a click on a heading: another column, or the same column reversed."""
        return Order(column, not self.down) if column == self.column else Order(column, column in FALLING)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        id: of the case.
        texts: one for each of ``texts.COLUMNS``.
        tips: the same number of tool tips.
        flagged: whether something looks wrong with its label or scan.
        proposed: version of the model that made its proposal; None: there is none.
    """

    id: str
    texts: Tuple[str, ...]
    tips: Tuple[str, ...]
    flagged: bool
    proposed: Optional[int] = None


def state(row: Dict[str, Any]) -> str:
    """A key of ``texts.STATES``; skipped cases have their own."""
    return "skipped" if row.get("skipped") else str(row.get("state", ""))


def _called(row: Dict[str, Any]) -> str:
    return texts.STATES.get(state(row), state(row))


def score(row: Dict[str, Any]) -> Any:
    """Uncertainty of the model; that of the stored proposal, where there is one."""
    proposed = (row.get("proposal") or {}).get("score")
    return row.get("score") if proposed is None else proposed


def reason(row: Dict[str, Any]) -> str:
    """What is worth knowing of a case, what looks wrong first."""
    parts = [str(flag) for flag in row.get("flags") or []]
    if row.get("skipped"):
        parts.append(texts.put_off(str(row.get("skip_reason") or "")))
    if row.get("proposal"):
        parts.append(texts.proposed(row["proposal"].get("version"), bool(row["proposal"].get("newest"))))
    if row.get("correction") is not None:
        parts.append(texts.agreed(number(row["correction"])))
    if row.get("kind") in texts.KINDS:
        parts.append(texts.UNKNOWN_KIND if row.get("kind_unknown") else texts.KINDS[row["kind"]])
    if row.get("rank"):
        parts.append(texts.doubt(row["rank"], str(row.get("uncertain_class") or "")))
    return "; ".join(parts)


def shown(rows: Sequence[Dict[str, Any]], text: str, wanted: str, order: Order) -> Tuple[List[Row], int]:
    """The first ``LIMIT`` matching rows, in order, and how many match.

    Args:
        rows: of the server.
        text: words that must all be in a row.
        wanted: a key of ``texts.STATES``, "" for all.
        order: of the rows; those without a value in that column always come last.
    """
    words, ranked = key(text).split(), max((row.get("rank") or 0 for row in rows), default=0)
    found = [
        (_value(row, order.column), row)
        for row in rows
        if (not wanted or state(row) == wanted) and (not words or _holds(_line(row, ranked), words))
    ]
    there = [pair for pair in found if pair[0] not in (None, "")]
    missing = [pair for pair in found if pair[0] in (None, "")]
    there.sort(key=lambda pair: pair[0], reverse=order.down)
    return [_line(row, ranked) for _, row in [*there, *missing][:LIMIT]], len(found)


def unused(rows: Sequence[Dict[str, Any]]) -> Set[int]:
    """Columns in which nothing stands for any of the server's cases: they are hidden."""
    there = {
        SCORE: lambda row: score(row) is not None,
        EXPECTED: lambda row: (row.get("proposal") or {}).get("dice") is not None,
        DOMAIN: lambda row: row.get("domain"),
        WHO: lambda row: row.get("by"),
        WHEN: lambda row: row.get("submitted") or row.get("served"),
    }
    return {column for column, has in there.items() if not any(map(has, rows))}


def summary(all_rows: int, fitting: int) -> str:
    """The line about how much of the list is shown."""
    if not all_rows:
        return ""
    if fitting > LIMIT:
        return texts.first_of(LIMIT, fitting)
    return count(all_rows, "case") if fitting == all_rows else f"{fitting:,} of {count(all_rows, 'case')}"


def _line(row: Dict[str, Any], ranked: int) -> Row:
    level, why = _level(row.get("rank"), ranked), reason(row)
    cells = (
        *(
            str(row["id"]),
            why,
            _called(row),
            texts.score(score(row), level),
            texts.expected_dice(row.get("proposal") or {}),
        ),
        *(str(row.get("domain") or ""), str(row.get("by") or ""), _when(row)),
    )
    meaning = texts.score_meaning(level, str(row.get("uncertain_class") or ""))
    tips = [*cells]
    tips[SCORE] = meaning if cells[SCORE] else ""
    version = (row.get("proposal") or {}).get("version")
    return Row(str(row["id"]), cells, tuple(tips), bool(row.get("flags")), version)


def _level(rank: Optional[int], ranked: int) -> str:
    """What a score is among the others, by thirds of their ranks; "" where it has none or there are too few."""
    levels = texts.LEVELS
    if not rank or ranked < len(levels):
        return ""
    return levels[len(levels) - 1 - len(levels) * (rank - 1) // ranked]


def _when(row: Dict[str, Any]) -> str:
    """When its label was submitted, else when it was handed out, in local time."""
    seconds = row.get("submitted") or row.get("served")
    if not isinstance(seconds, (int, float)):
        return ""
    local = time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    return local if row.get("submitted") else texts.handed_out(local)


def _holds(line: Row, words: Sequence[str]) -> bool:
    whole = " ".join(line.texts).casefold()
    return all(word in whole for word in words)


def _value(row: Dict[str, Any], column: int) -> Any:
    """What a column is sorted by."""
    if column == SCORE:
        return score(row)
    if column == EXPECTED:
        return (row.get("proposal") or {}).get("dice")
    if column == WHEN:
        return row.get("submitted") or row.get("served")
    plain = {CASE: row["id"], STATE: _called(row), DOMAIN: row.get("domain"), WHO: row.get("by")}
    return str((reason(row) if column == REASON else plain[column]) or "").casefold()

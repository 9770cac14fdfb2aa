"""The list of cases as a table: rows, order and texts. No widgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Sequence, Tuple

from ..label.labels import key
from .words import KINDS, STATES, count, number

COLUMNS = ("Case", "State", "Score", "About it")
LIMIT = 200  # rows: more would block the panel while they are drawn


@dataclass(frozen=True)
class Order:
    """Column to sort by, and whether in descending order."""

    column: int = 0
    down: bool = False

    def clicked(self, column: int) -> Order:
        """The order after a click on a heading: another column (scores descending), or the same column reversed."""
        return Order(column, not self.down) if column == self.column else Order(column, column == 2)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        id: of the case.
        texts: one for each of ``COLUMNS``.
        flagged: whether something looks wrong with its label.
    """

    id: str
    texts: Tuple[str, ...]
    flagged: bool


def state(row: Dict[str, Any]) -> str:
    """A key of ``words.STATES``; skipped cases have their own."""
    return "skipped" if row.get("skipped") else str(row.get("state", ""))


def score(row: Dict[str, Any]) -> Any:
    """Uncertainty of the model; that of the stored proposal, where there is one."""
    proposed = (row.get("proposal") or {}).get("score")
    return row.get("score") if proposed is None else proposed


def expected(proposal: Dict[str, Any]) -> str:
    """The proposal of *Label all*, in words."""
    version = "" if proposal.get("newest") else f" of version {proposal.get('version')}, which is not the newest"
    if proposal.get("dice") is None:
        return f"proposal{version}"
    between = f" ({proposal['low']:.2f} to {proposal['high']:.2f})" if proposal.get("low") is not None else ""
    return f"proposal{version}, expected Dice {proposal['dice']:.2f}{between}"


def about(row: Dict[str, Any]) -> str:
    """Further details of a case, in words."""
    parts = [str(flag) for flag in row.get("flags") or []]
    if row.get("proposal"):
        parts.append(expected(row["proposal"]))
    if row.get("skipped"):
        parts.append(f"skipped: {row['skip_reason']}" if row.get("skip_reason") else "skipped")
    if row.get("domain"):
        parts.append(f"domain {row['domain']}")
    if row.get("correction") is not None:
        parts.append(f"the proposal agreed with the label to a Dice of {number(row['correction'])}")
    if row.get("kind") in KINDS:
        parts.append("of unknown kind, counts as drawn" if row.get("kind_unknown") else KINDS[row["kind"]])
    if row.get("rank"):
        worst = f"; least sure of {row['uncertain_class']}" if row.get("uncertain_class") else ""
        parts.append(f"number {row['rank']} by uncertainty{worst}")
    return "; ".join(parts)


def shown(rows: Sequence[Dict[str, Any]], text: str, wanted: str, order: Order) -> List[Row]:
    """All matching rows, in order.

    Args:
        rows: of the server.
        text: words that must all be in a row.
        wanted: a key of ``words.STATES``, "" for all.
        order: of the rows; those without a value in that column always come last.
    """
    words = key(text).split()
    found = []
    for row in rows:
        if wanted and state(row) != wanted:
            continue
        line = _line(row)
        whole = " ".join(line.texts).casefold()
        if all(word in whole for word in words):
            found.append((row, line))
    there = [pair for pair in found if _value(pair, order.column) not in (None, "")]
    missing = [pair for pair in found if _value(pair, order.column) in (None, "")]
    there.sort(key=lambda pair: _value(pair, order.column), reverse=order.down)
    return [line for _, line in [*there, *missing]]


def summary(all_rows: int, fitting: int) -> str:
    """The line about how much of the list is shown."""
    if not all_rows:
        return ""
    if fitting > LIMIT:
        return f"The first {LIMIT} of {fitting:,} are shown: type a part of a name to find others."
    return count(all_rows, "case") if fitting == all_rows else f"{fitting:,} of {count(all_rows, 'case')}"


def _line(row: Dict[str, Any]) -> Row:
    called = STATES.get(state(row), state(row))
    texts = (str(row["id"]), called, number(score(row)), about(row))
    return Row(str(row["id"]), texts, bool(row.get("flags")))


def _value(pair: Tuple[Dict[str, Any], Row], column: int) -> Any:
    row, line = pair
    if column == 2:
        return score(row)
    return line.texts[column].casefold()

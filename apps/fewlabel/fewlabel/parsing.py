"""Turns the text of a setting into its value, or says in a ``ValueError`` what it must be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from fewlabel.labels import check_names


def names(text: str) -> tuple[str, ...]:
    """Class names, separated by commas."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    check_names(found)
    return tuple(found)


def number(kind: type, text: str) -> Any:
    """``text`` as a finite number; viewers also send integers as 10.0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (kind is int and not value.is_integer()):
        raise ValueError("must be a whole number" if kind is int else "must be a number")
    return kind(value)


def positive(kind: type) -> Callable[[str], Any]:
    """A parser of numbers above 0."""

    def parse(text: str) -> Any:
        value = number(kind, text)
        if value <= 0:
            raise ValueError("must be above 0")
        return value

    return parse


def seed(text: str) -> int:
    """A seed that numpy and torch take."""
    value = number(int, text)
    if not 0 <= value < 2**31:
        raise ValueError(f"must be from 0 to {2**31 - 1}")
    return value


def share(text: str) -> float:
    """A number in [0, 1)."""
    value = number(float, text)
    if not 0 <= value < 1:
        raise ValueError("must be from 0 to below 1")
    return value


def three(kind: type) -> Callable[[str], tuple]:
    """A parser of three numbers above 0, or of one that counts for all axes."""

    def parse(text: str) -> tuple:
        values = [positive(kind)(part) for part in text.replace("x", ",").split(",")]
        if len(values) not in (1, 3):
            raise ValueError("must be one number or three, separated by commas")
        return tuple(values * 3 if len(values) == 1 else values)

    return parse


def one_of(table: Mapping[str, Any]) -> Callable[[str], str]:
    """A parser of the keys of a table."""

    def parse(text: str) -> str:
        if text not in table:
            raise ValueError(f"must be one of {', '.join(table)}")
        return text

    return parse


def filled(text: str) -> str:
    """Any text but none."""
    if not text:
        raise ValueError("must not be empty")
    return text


def pattern(text: str) -> str:
    """A regular expression."""
    try:
        re.compile(filled(text))
    except re.error as error:
        raise ValueError(f"must be a regular expression ({error})") from error
    return text


def hosts(text: str) -> tuple[str, ...]:
    """Host names or addresses, separated by commas."""
    found = tuple(name.strip().strip("[]").lower() for name in text.split(",") if name.strip())
    if not found or any(re.fullmatch(r"[a-z0-9._:-]+", name) is None for name in found):
        raise ValueError("must be host names or addresses without http:// and port")
    if any(name.count(":") == 1 for name in found):
        raise ValueError("must be host names without port")
    return found


def origins(text: str) -> tuple[str, ...]:
    """Origins of web pages, separated by commas."""
    found = tuple(origin.strip().lower() for origin in text.split(",") if origin.strip())
    if not found or any(re.fullmatch(r"[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+", origin) is None for origin in found):
        raise ValueError("must be origins such as https://viewer.example:8443, without a path")
    return found


def yes(text: str) -> bool:
    """Whether the text says yes."""
    if text.lower() not in ("yes", "no", "true", "false"):
        raise ValueError("must be yes or no")
    return text.lower() in ("yes", "true")

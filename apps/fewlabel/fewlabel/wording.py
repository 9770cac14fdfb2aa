"""Words of messages that depend on a number."""

from __future__ import annotations


def amount(number: float, noun: str) -> str:
    """A number with its noun, in the plural where it is not 1.

    Examples:
        >>> amount(1, "scan"), amount(1200, "scan"), amount(1.0, "minute"), amount(2.5, "minute")
        ('1 scan', '1,200 scans', '1 minute', '2.5 minutes')
    """
    shown = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{shown} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    Examples:
        >>> duration(3_725.9), duration(90_000)
        ('1:02:05', '25:00:00')
    """
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"

"""Detects changes of files that others may replace at any time, and reads them again only then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
Stamp = tuple[int, int]


def stamp(path: str | Path) -> Stamp | None:
    """(modification time in ns, size in bytes) of a file, to detect changes. None: no such file.

    Raises:
        OSError: it exists but cannot be accessed.
    """
    try:
        stat = Path(path).stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size


class ReadAgain(Generic[T]):
    """Caches the result of reading a file until the file changes.

    Args:
        read: called with the path of an existing file. Its errors are passed on, and nothing is cached then.
        absent: makes the result where there is no file.

    Examples:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "words.txt"
        >>> words = ReadAgain(lambda path: path.read_text().split(), list)
        >>> words(path)
        []
        >>> _ = path.write_text("liver spleen")
        >>> words(path), words(path) is words(path)
        (['liver', 'spleen'], True)
    """

    def __init__(self, read: Callable[[Path], T], absent: Callable[[], T]) -> None:
        self._read, self._absent = read, absent
        self._known: tuple[Path, Stamp, T] | None = None

    def __call__(self, path: Path) -> T:
        """The result for the file as it is now."""
        now = stamp(path)
        if now is None:
            return self._absent()
        known = self._known  # read once: another thread may replace it
        if known is not None and known[:2] == (path, now):
            return known[2]
        value = self._read(path)
        self._known = path, now, value
        return value

    def forget(self) -> None:
        """Drop the cached result."""
        self._known = None

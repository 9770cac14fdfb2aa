"""Files that others may replace at any moment: how to tell that one changed, and to read it again only then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
Stamp = tuple[int, int]


def stamp(path: str | Path) -> Stamp | None:
    """(time of the last change in ns, size in bytes) of a file: other content has another one. None: no such file.

    Raises:
        OSError: it is there and cannot be looked at.
    """
    try:
        stat = Path(path).stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size


class ReadAgain(Generic[T]):
    """What a function makes of a file, made again only when the file changed.

    Args:
        read: called with the path of a file that is there. What it raises reaches the caller, and nothing is kept.
        absent: makes what is given where there is no file.

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
        """What the file says now."""
        now = stamp(path)
        if now is None:
            return self._absent()
        known = self._known  # one look: another thread may replace it
        if known is not None and known[:2] == (path, now):
            return known[2]
        value = self._read(path)
        self._known = path, now, value
        return value

    def forget(self) -> None:
        """Read the file again next time, and keep nothing in memory until then."""
        self._known = None

"""Small pictures of proposals for the list of cases, downloaded in the background one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Optional, Sequence, Tuple

from ..errors import NotReachable
from .connection import Connection
from .context import Context

Wanted = Tuple[str, int]  # a case, and the version of the model that made its proposal

KEPT = 200  # pictures: as many as the list has rows


class Thumbnails:
    """Pictures of proposals; each is downloaded once, and only while nobody waits for anything else."""

    def __init__(self, context: Context, connection: Connection) -> None:
        self._context, self._connection = context, connection
        self.reset()

    def reset(self) -> None:
        """Forget them: another server."""
        self._files: Dict[Wanted, Optional[Path]] = {}  # None: the server has none
        self._under_way = False

    def file(self, wanted: Wanted) -> Optional[Path]:
        """The picture of a proposal; None while there is none here."""
        return self._files.get(wanted)

    def want(self, wanted: Sequence[Wanted]) -> None:
        """Download the first of these that is not here; called again and again with what can be seen."""
        connection = self._connection
        if self._under_way or self._context.worker.busy or not connection.online:
            return
        first = next((each for each in wanted if each not in self._files), None)
        if first is None or not connection.known.has("thumbnail"):
            return
        client, self._under_way = connection.client, True
        self._context.run(
            lambda: client.thumbnail(first[0]),
            lambda file: self._arrived(first, file),
            lambda error: self._failed(first, error),
        )

    def _arrived(self, wanted: Wanted, file: Optional[Path]) -> None:
        self._under_way = False
        self._files[wanted] = file
        while len(self._files) > KEPT:
            del self._files[next(iter(self._files))]

    def _failed(self, wanted: Wanted, error: Exception) -> bool:
        """A missing picture is no message; it is not asked for again."""
        self._under_way = False
        if not isinstance(error, NotReachable):
            self._arrived(wanted, None)
        return True

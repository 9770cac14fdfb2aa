"""A stream of crops whose volumes may change during a training."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from fewlabel.data.loaders import CropStream, Record

_OFTEN = 0.5  # share of the crops that come from new volumes at first
_AT_FIRST = 100  # crops of a new volume that are preferred

Ahead = tuple[Record, "Future[dict | None]"]


class JoiningStream(CropStream):
    """Endless random crops of volumes that may be changed between two passes through it.

    A new pass keeps the volumes in memory that are still in the list, and reads new ones first: half of the crops come
    from new volumes until each has given a hundred; then all volumes are drawn evenly.

    Attributes:
        held: volumes in memory with their records.
    """

    held: list[tuple[Record, dict]]
    _fresh: dict[str, int]  # id -> number of crops for which it is still preferred

    @classmethod
    def of(cls, stream: CropStream) -> JoiningStream:
        """A stream with the same arguments whose volumes may change."""
        joining = cls.__new__(cls)
        joining.__dict__.update(stream.__dict__, held=[], _fresh={})
        return joining

    def change(self, records: Sequence[Record], new: Iterable[str] = ()) -> None:
        """Change the volumes, from the next pass on.

        Args:
            records: of all volumes.
            new: ids of those that are new or have changed: they are read again and preferred at first.
        """
        self.records, new = list(records), set(new)
        self.held = [each for each in self.held if each[0]["id"] not in new]
        there = {record["id"] for record in self.records}
        fresh = {case: left for case, left in self._fresh.items() if case in there}
        self._fresh = {**fresh, **{case: _AT_FIRST for case in new if case in there}}
        for case in new:
            self.bad.pop(case, None)

    def __iter__(self) -> Generator[dict, None, None]:
        self.held = [each for each in self.held if each[0] in self.records]
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
            waiting, order = self._waiting(), self._order()
            ahead = self._read_next(reader, waiting, order)
            for count in itertools.count():
                due = len(self.held) < self.resident or count % self.crops_per_volume == 0
                while ahead is not None and (due or not self.held):
                    due = not self._join(*ahead)
                    ahead = self._read_next(reader, waiting, order)
                crop = self.view(dict(self._draw()))
                yield crop[0] if isinstance(crop, list) else crop
                ahead = ahead or self._read_next(reader, waiting, order)

    def _read_next(
        self, reader: ThreadPoolExecutor, waiting: Iterator[Record], order: Iterator[Record]
    ) -> Ahead | None:
        """Read a volume ahead, unless all of them are in memory."""
        if self.held and len(self.held) >= len(self._good()):
            return None
        record = next(waiting, None) or next(order)
        return record, reader.submit(self._read, record)

    def _join(self, record: Record, volume: Future[dict | None]) -> bool:
        """Take a volume into memory, replacing its former version or the oldest; gives whether it can be read."""
        data = volume.result()
        if data is None:
            return False
        others = [each for each in self.held if each[0]["id"] != record["id"]]
        self.held = [*others, (record, data)][-self.resident :]
        return True

    def _waiting(self) -> Iterator[Record]:
        """Volumes to be read into memory, new ones first, as long as there is room."""
        held = [record for record, _ in self.held]
        missing = [record for record in self._good() if record not in held]
        missing = [missing[index] for index in self.random.permutation(len(missing))]
        missing.sort(key=lambda record: record["id"] not in self._fresh)
        new = sum(record["id"] in self._fresh for record in missing)
        yield from missing[: max(new, self.resident - len(held))]

    def _draw(self) -> dict:
        fresh = [(record, volume) for record, volume in self.held if self._fresh.get(record["id"], 0) > 0]
        among = fresh if fresh and self.random.random_sample() < _OFTEN else self.held
        record, volume = among[self.random.randint(len(among))]
        if record["id"] in self._fresh:
            self._fresh[record["id"]] -= 1
        return volume

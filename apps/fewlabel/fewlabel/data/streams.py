"""Endless random crops of pools that may be far larger than memory."""

from __future__ import annotations

import copy
import itertools
import logging
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from fewlabel.volumes.reading import UnreadableVolume

logger = logging.getLogger(__name__)

Record = dict[str, str]  # id, image, and for labelled records label: file paths


class View(Protocol):
    """Makes a random crop of a volume, or a list with one crop, from a seed."""

    def set_random_state(self, seed: int) -> Any: ...

    def __call__(self, volume: dict, /) -> Any: ...


_RESIDENT = 16  # volumes held in memory per pool, however large the pool


class EmptyPool(ValueError):
    """No volume of a pool can be read; the message says why."""


class CropStream:
    """Endless random crops of a pool of volumes, of which only a few are in memory at a time.

    Crops are drawn from a resident set of at most ``resident`` volumes. A volume is added with every crop, so that
    training can start with the first; once the set is full, its oldest volume is replaced after every few crops.
    Volumes come in shuffled passes over the pool and are prefetched by a thread (so one more may be in memory). The
    order depends on the seed alone. Volumes that cannot be read are left out and reported once.

    Args:
        records: one per volume, each with an ``id`` and what ``load`` needs.
        load: from a record to a preprocessed volume; raises ``UnreadableVolume`` for a bad file.
        view: from a preprocessed volume to one crop.
        seed: of the order and of the crops.
        crops_per_volume: crops between two replacements.
        resident: largest number of volumes in the resident set.
        report: called with (id, reason) for a volume that is left out.
        preferred: gives ids; as long as there are any, only these are drawn. Called for each crop, since they may
            change at any time. None: all volumes.
    """

    def __init__(
        self,
        records: Sequence[Record],
        load: Callable[[Record], dict],
        view: View,
        seed: int,
        crops_per_volume: int = 4,
        resident: int = _RESIDENT,
        report: Callable[[str, str], None] | None = None,
        preferred: Callable[[], Collection[str]] | None = None,
    ) -> None:
        self.preferred = preferred
        self.records = list(records)
        self.load, self.view, self.report = load, view, report
        self.random = np.random.RandomState(seed)
        self.view.set_random_state(seed)
        self.crops_per_volume, self.resident = crops_per_volume, resident
        self.bad: dict[str, str] = {}  # id: why it was left out
        self.read: set[str] = set()

    def part(self, records: Sequence[Record], seed: int, resident: int) -> CropStream:
        """A stream of some of the volumes with random numbers of its own, at most ``resident`` of them in memory.

        What it reads or cannot read is noted here, too.
        """
        part = copy.copy(self)
        part.records, part.resident, part.view = list(records), resident, copy.deepcopy(self.view)
        part.random = np.random.RandomState(seed)
        part.view.set_random_state(seed)
        return part

    def __iter__(self) -> Generator[dict, None, None]:
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
            order = self._order()
            held: list[dict] = []
            ahead = self._submit(reader, order, held)
            for count in itertools.count():
                due = len(held) < self.resident or count % self.crops_per_volume == 0
                while ahead is not None and (due or not held):
                    volume = ahead.result()
                    if volume is not None:
                        held = [*held, volume][-self.resident :]
                        due = False
                    ahead = self._submit(reader, order, held)
                crop = self.view(dict(held[self.random.randint(len(held))]))
                yield crop[0] if isinstance(crop, list) else crop

    def _good(self) -> list[Record]:
        good = [record for record in self.records if record["id"] not in self.bad]
        if self.preferred is None:
            return good
        preferred = self.preferred()
        return [record for record in good if record["id"] in preferred] or good

    def _submit(self, reader: ThreadPoolExecutor, order: Iterator[Record], held: list[dict]) -> Future | None:
        """Prefetch the next volume, unless all of them are in memory."""
        if held and len(held) >= len(self._good()):
            return None
        return reader.submit(self._read, next(order))

    def _order(self) -> Iterator[Record]:
        """Passes over the pool, each in a new random order."""
        while True:
            good = self._good()
            if not good:
                raise EmptyPool("; ".join(self.bad.values()))
            for index in self.random.permutation(len(good)):
                if good[index]["id"] not in self.bad:
                    yield good[index]

    def _read(self, record: Record) -> dict | None:
        try:
            volume = self.load(record)
        except (UnreadableVolume, OSError) as error:
            self.bad[record["id"]] = str(error)
            logger.warning("left out: %s", error)
            if self.report:
                self.report(record["id"], str(error))
            return None
        self.read.add(record["id"])
        return volume

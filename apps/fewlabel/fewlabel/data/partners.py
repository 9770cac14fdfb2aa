"""Draws unlabelled crops whose domain differs from that of the labelled crop that they are mixed with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from types import TracebackType

import numpy as np

from fewlabel.data.streams import CropStream, EmptyPool, Record


class Partners:
    """Endless random crops of a pool, by domain; each domain has a stream of its own, which starts when it is needed.

    Methods mix the crops of a batch in their order, the first labelled one with the first unlabelled one. So a mixture
    of two domains needs only the right order: this is what cross-set CutMix does in the papers where domains are known.

    Args:
        pool: stream of all unlabelled volumes; notes those that are read or cannot be read.
        domain_of: domain by id; "" counts as the domain of all others.
        seed: same seed, same crops.
        ahead: prefetches the items of a generator in a thread.

    Examples:
        A context manager, since it owns threads: ``with Partners(...) as partners: crop = partners.draw("north")``.
    """

    def __init__(
        self, pool: CropStream, domain_of: Mapping[str, str], seed: int, ahead: Callable[[Generator], Generator]
    ) -> None:
        self._pool, self._seed, self._ahead = pool, seed, ahead
        self._random = np.random.RandomState(seed)
        self._records: dict[str, list[Record]] = {}
        for record in pool.records:
            self._records.setdefault(domain_of.get(record["id"], ""), []).append(record)
        self._numbers = {domain: number for number, domain in enumerate(sorted(self._records))}
        self._streams: dict[str, Generator] = {}
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Partners:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def draw(self, domain: str) -> dict:
        """The next crop of another domain than this one, or of any where there is no other.

        Domains are drawn by their numbers of volumes, so that all volumes of the other domains are equally likely.

        Raises:
            EmptyPool: no volume of the pool can be read.
        """
        while self._records:
            others = sorted(set(self._records) - {domain}) or sorted(self._records)
            sizes = np.array([len(self._records[each]) for each in others], dtype=float)
            chosen = others[self._random.choice(len(others), p=sizes / sizes.sum())]
            try:
                return next(self._stream(chosen))
            except EmptyPool:
                del self._records[chosen]
        raise EmptyPool("; ".join(self._pool.bad.values()))

    def _stream(self, domain: str) -> Generator:
        if domain not in self._streams:
            resident = max(1, self._pool.resident // len(self._numbers))
            part = self._pool.part(self._records[domain], self._seed + self._numbers[domain], resident)
            self._streams[domain] = self._open.enter_context(contextlib.closing(self._ahead(iter(part))))
        return self._streams[domain]

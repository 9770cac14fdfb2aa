"""Batches of labelled and unlabelled crops from pools that may be far larger than memory."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypedDict

import numpy as np
import torch
from monai.data import MetaTensor, ThreadBuffer
from monai.transforms import Compose

from fewlabel.data import transforms
from fewlabel.plan import Plan
from fewlabel.volumes.reading import UnreadableVolume

logger = logging.getLogger(__name__)

Record = dict[str, str]  # id, image, and for labelled records label: file paths


class Batch(TypedDict):
    """One step's crops; ``unlabelled`` is None where there are no unlabelled volumes."""

    labelled: dict[str, torch.Tensor]
    unlabelled: dict[str, torch.Tensor] | None


_RESIDENT = 16  # volumes held in memory per pool, however large the pool


class EmptyPool(ValueError):
    """Not one volume of a pool can be read; the message says why."""


class CropStream:
    """Endless random crops of a pool of volumes, of which only a few are in memory at a time.

    A resident set of at most ``resident`` volumes is drawn from at random. It gains a volume with every crop, so that
    training starts with the first one; once it is full, its oldest member is replaced after every few crops. Volumes
    come in shuffled passes over the pool, read ahead by one thread (so one more may be in memory). The order depends
    on the seed alone. Volumes that cannot be read are left out and reported once.

    Args:
        records: what ``load`` needs, one per volume, each with an ``id``.
        load: record to preprocessed volume; raises ``UnreadableVolume`` for a bad file.
        view: preprocessed volume to one crop.
        seed: of the order and of the crops.
        crops_per_volume: crops between two replacements.
        resident: most volumes that are drawn from.
        report: called with (id, reason) for a volume that is left out.
    """

    def __init__(
        self,
        records: Sequence[Record],
        load: Callable[[Record], dict],
        view: Compose,
        seed: int,
        crops_per_volume: int = 4,
        resident: int = _RESIDENT,
        report: Callable[[str, str], None] | None = None,
    ) -> None:
        self.records = list(records)
        self.load, self.view, self.report = load, view, report
        self.random = np.random.RandomState(seed)
        self.view.set_random_state(seed)
        self.crops_per_volume, self.resident = crops_per_volume, resident
        self.bad: dict[str, str] = {}  # id: why it was left out
        self.read: set[str] = set()

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
        return [record for record in self.records if record["id"] not in self.bad]

    def _submit(self, reader: ThreadPoolExecutor, order: Iterator[Record], held: list[dict]) -> Future | None:
        """Read the next volume ahead, unless all of them are in memory."""
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


def volume_loader(plan: Plan, labelled: bool) -> Callable[[Record], dict]:
    """Record to a preprocessed, padded volume; with class locations where there is a label."""
    keys = ("image", "label") if labelled else ("image",)
    preprocess = transforms.Preprocessing(plan, keys)
    steps = [transforms.pad_to_patch(plan, keys)]
    if labelled:
        steps.append(transforms.class_locations(plan))
    prepare = Compose(steps)

    def load(record: Record) -> dict:
        data = prepare(preprocess({key: record[key] for key in keys}))
        # crops without history of resampling: affine bookkeeping per crop costs more than the crop
        return {key: _plain(value) for key, value in data.items()}

    return load


class PairedLoader:
    """Endless batches ``{"labelled": {image, label}, "unlabelled": {weak, strong} | None}`` of B1HWD tensors.

    float32; labels are int64.

    Labels of unlabelled volumes are never opened: their records hold no label path.

    Args:
        labelled: records with ``id``, ``image``, ``label``; at least one readable.
        unlabelled: records with ``id``, ``image``; may be empty.
        plan: crop size, batch size, preprocessing.
        seed: same seed, same batches.
        report: called with (id, reason) for a volume that is left out.
    """

    def __init__(
        self,
        labelled: Sequence[Record],
        unlabelled: Sequence[Record],
        plan: Plan,
        seed: int = 0,
        report: Callable[[str, str], None] | None = None,
    ) -> None:
        self.plan = plan
        self.labelled = CropStream(
            labelled, volume_loader(plan, True), transforms.labelled_view(plan), seed, report=report
        )
        self.unlabelled = CropStream(
            unlabelled, volume_loader(plan, False), transforms.unlabelled_view(plan), seed + 1, report=report
        )

    def __iter__(self) -> Iterator[Batch]:
        # closed in this order, however it ends: first the thread that makes batches, then those that read files
        with (
            contextlib.closing(self._guarded()) as source,
            contextlib.closing(iter(ThreadBuffer(source, buffer_size=2))) as batches,
        ):
            for batch in batches:
                if isinstance(batch, Exception):
                    raise batch
                yield batch

    def _guarded(self) -> Generator[Batch | Exception, None, None]:
        """ThreadBuffer would print an exception and end as if all were well: hand it over instead."""
        try:
            yield from self._batches()
        except Exception as error:
            yield error

    def __len__(self) -> int:
        """Steps in which about every labelled volume was seen once."""
        return max(1, -(-len(self.labelled.records) // self.plan.batch))

    def _batches(self) -> Iterator[Batch]:
        pool = bool(self.unlabelled.records)
        with (
            contextlib.closing(iter(self.labelled)) as labelled,
            contextlib.closing(iter(self.unlabelled)) as unlabelled,
        ):
            while True:
                batch: Batch = {"labelled": self._batch(labelled, ("image", "label")), "unlabelled": None}
                if pool:
                    try:
                        batch["unlabelled"] = self._batch(unlabelled, ("weak", "strong"))
                    except EmptyPool:
                        pool = False  # reported volume by volume already; the labels still train
                yield batch

    def _batch(self, crops: Iterator[dict], keys: tuple[str, ...]) -> dict[str, torch.Tensor]:
        items = [next(crops) for _ in range(self.plan.batch)]
        batch = {key: torch.stack([_plain(item[key]) for item in items]) for key in keys}
        return {key: value.to(torch.long if key == "label" else torch.float32) for key, value in batch.items()}


def _plain(value: Any) -> Any:
    """A tensor without MONAI's meta data."""
    return value.as_tensor() if isinstance(value, MetaTensor) else value

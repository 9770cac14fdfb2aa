"""Batches of labelled and unlabelled crops, prefetched in threads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from typing import Any, TypedDict

import torch
from monai.data import MetaTensor, ThreadBuffer
from monai.transforms import Compose

from fewlabel.data import transforms
from fewlabel.data.partners import Partners
from fewlabel.data.pool_view import PoolView, StoredGuesses, with_guesses
from fewlabel.data.setting import ADAPTATION, Sampling
from fewlabel.data.shift import Style
from fewlabel.data.streams import CropStream, EmptyPool, Record
from fewlabel.plan import Plan
from fewlabel.settings import STANDARD

__all__ = ["Batch", "CropStream", "EmptyPool", "PairedLoader", "Record", "volume_loader"]


class Batch(TypedDict):
    """The crops of one step; ``unlabelled`` is None where there are no unlabelled volumes or none are wanted."""

    labelled: dict[str, torch.Tensor]
    unlabelled: dict[str, torch.Tensor] | None


_WHOLE = {"label", "pseudo_label"}  # class indices


def volume_loader(plan: Plan, labelled: bool) -> Callable[[Record], dict]:
    """A function from a record to a preprocessed, padded volume, with class locations or (unlabelled) its ``grid``."""
    keys = ("image", "label") if labelled else ("image",)
    preprocess = transforms.Preprocessing(plan, keys)
    steps = [transforms.pad_to_patch(plan, keys)]
    if labelled:
        steps.append(transforms.class_locations(plan))
    prepare = Compose(steps)

    def load(record: Record) -> dict:
        data = preprocess({key: record[key] for key in keys})
        image = data["image"]
        grid = tuple(image.shape[1:]), image.affine.numpy()
        # plain tensors: MetaTensor's bookkeeping of the affine costs more than the crop
        plain = {key: _plain(value) for key, value in prepare(data).items()}
        return plain if labelled else {**plain, "grid": grid}

    return load


class PairedLoader:
    """Endless batches ``{"labelled": {image, label}, "unlabelled": {weak, strong, ...} | None}`` of B1HWD tensors.

    float32; labels and pseudo-labels are int64. Crops of the pool are made only while they are wanted. Each kind of
    crop is prefetched by its own thread, so that the labelled ones are the same whether the pool is wanted or not.

    Labels of unlabelled volumes are never opened: their records have no label path.

    Args:
        labelled: records with ``id``, ``image``, ``label``; at least one readable.
        unlabelled: records with ``id``, ``image``; may be empty.
        plan: crop size, batch size, preprocessing.
        seed: same seed, same batches.
        report: called with (id, reason) for a volume that is left out.
        views: tensors of the unlabelled batch (see Method.needs).
        predictions: of the pool; crops are drawn by them and, if ``views`` names them, contain them.
        sampling: pairs crops of different domains, where the setting asks for that, and says what an epoch is.
        augmentation: ``standard``, or ``shift`` to vary crops like scans of other scanners, too.

    Attributes:
        pool_wanted: whether the next batches contain crops of the pool; may be set at any time.
    """

    def __init__(
        self,
        labelled: Sequence[Record],
        unlabelled: Sequence[Record],
        plan: Plan,
        seed: int = 0,
        report: Callable[[str, str], None] | None = None,
        views: Collection[str] = ("weak", "strong"),
        predictions: StoredGuesses | None = None,
        sampling: Sampling = Sampling(),  # noqa: B008  (it is frozen)
        augmentation: str = STANDARD,
    ) -> None:
        self.plan, self.views, self.predictions = plan, tuple(sorted(views)), predictions
        self.sampling, self.seed, self.augmentation = sampling, seed, augmentation
        known = volume_loader(plan, True)
        known = _with_id(known) if sampling.pairs else known
        known_view = transforms.labelled_view(plan, augmentation)
        self.labelled = CropStream(labelled, known, known_view, seed, report=report)
        load = with_guesses(volume_loader(plan, False), predictions, plan)
        preferred = predictions.usable if predictions is not None else None
        view = PoolView(plan, views, augmentation)
        self.unlabelled = CropStream(unlabelled, load, view, seed + 1, report=report, preferred=preferred)
        self.pool_wanted = True

    def __iter__(self) -> Generator[Batch, None, None]:
        with contextlib.closing(_ahead(self._known())) as labelled, self._unlabelled() as draw:
            pool = bool(self.unlabelled.records)
            style = Style(self.plan, self.augmentation, self.seed + 3)
            for batch, domains in labelled:
                crops = None
                if pool and self.pool_wanted and self._is_ready():
                    try:
                        crops = draw(domains)
                    except EmptyPool:
                        pool = False  # each volume was reported already; training goes on with labels
                yield {"labelled": style(batch, crops), "unlabelled": crops}

    def __len__(self) -> int:
        """Steps of an epoch, in which every volume of the pool that drives it is seen about once; others repeat.

        The unlabelled volumes drive it where there are any, in adaptation the labelled ones (those of the source).
        """
        by_labels = self.sampling.setting == ADAPTATION or not self.unlabelled.records
        driving = self.labelled.records if by_labels else self.unlabelled.records
        return max(1, -(-len(driving) // self.plan.batch))

    def _known(self) -> Generator[tuple[dict[str, torch.Tensor], list[str]], None, None]:
        """Labelled batches, and the domain of each crop, "" where it is not known."""
        with contextlib.closing(self._items(self.labelled)) as labelled:
            for items in labelled:
                domains = [self.sampling.domain_of.get(item.get("id", ""), "") for item in items]
                yield _stacked(items, ("image", "label")), domains

    @contextlib.contextmanager
    def _unlabelled(self) -> Iterator[Callable[[list[str]], dict[str, torch.Tensor]]]:
        """Gives the next unlabelled batch, for the domains of a labelled one."""
        if self.sampling.pairs:
            with Partners(self.unlabelled, self.sampling.domain_of, self.seed + 2, _ahead) as partners:
                yield lambda domains: _stacked([partners.draw(domain) for domain in domains], self.views)
        else:
            with contextlib.closing(_ahead(self._items(self.unlabelled))) as batches:
                yield lambda _: _stacked(next(batches), self.views)

    def _is_ready(self) -> bool:
        """Whether the views can be made: stored guesses need at least one prediction."""
        return "pseudo_label" not in self.views or bool(self.predictions and self.predictions.usable())

    def _items(self, stream: CropStream) -> Generator[list[dict], None, None]:
        """The crops of each batch."""
        with contextlib.closing(iter(stream)) as crops:
            while True:
                yield [next(crops) for _ in range(self.plan.batch)]


def _stacked(items: list[dict], keys: Sequence[str]) -> dict[str, torch.Tensor]:
    batch = {key: torch.stack([_plain(item[key]) for item in items]) for key in keys}
    return {key: value.to(torch.long if key in _WHOLE else torch.float32) for key, value in batch.items()}


def _with_id(load: Callable[[Record], dict]) -> Callable[[Record], dict]:
    return lambda record: {**load(record), "id": record["id"]}


def _ahead(source: Generator) -> Generator:
    """Prefetch from the source in a thread, which starts with the first item that is requested."""
    # closed in this order in any case: first the thread that makes batches, then those that read files
    with (
        contextlib.closing(_guarded(source)) as guarded,
        contextlib.closing(iter(ThreadBuffer(guarded, buffer_size=2))) as items,
    ):
        for item in items:
            if isinstance(item, Exception):
                raise item
            yield item


def _guarded(source: Generator) -> Generator:
    """Hand exceptions over as items: ThreadBuffer would print them and end normally."""
    try:
        yield from source
    except Exception as error:
        yield error


def _plain(value: Any) -> Any:
    """A tensor without MONAI's meta data."""
    return value.as_tensor() if isinstance(value, MetaTensor) else value

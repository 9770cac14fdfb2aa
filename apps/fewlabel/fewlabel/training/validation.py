"""Dice per class of a network on whole validation volumes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from monai.metrics import DiceMetric
from monai.networks.utils import one_hot

from fewlabel.data.transforms import Preprocessing
from fewlabel.inference.predict import sliding_window
from fewlabel.networks import partner
from fewlabel.plan import Plan
from fewlabel.published import Published
from fewlabel.volumes.reading import UnreadableVolume


class Measured(dict[str, float]):
    """Mean Dice per class, NaN for a class that no case has.

    Attributes:
        cases: Dice of each case by id, a list in the plan's order of classes; None for a class that it does not have.
    """

    def __init__(
        self, means: Mapping[str, float] | None = None, cases: Mapping[str, list[float | None]] | None = None
    ) -> None:
        super().__init__(means or {})
        self.cases = dict(cases or {})


class Validator:
    """Measures whole volumes, not crops around the label, so that false positives far away count.

    Args:
        records: validation cases with ``id``, ``image``, ``label``; the first ``most`` are held in memory.
        plan: preprocessing and classes.
        device: to compute on.
        report: called with (id, reason) for a case that cannot be read; it is left out from then on.
    """

    def __init__(
        self,
        records: Sequence[dict],
        plan: Plan,
        device: str,
        most: int = 16,
        report: Callable[[str, str], None] | None = None,
    ) -> None:
        self.plan, self.device, self.report = plan, device, report
        self.steps = Preprocessing(plan, ("image", "label"))
        self.records = list(records)
        self.most = most
        self._held: dict[str, dict] = {}

    @torch.no_grad()
    def __call__(self, network: torch.nn.Module, beat: Callable[[], None] = lambda: None) -> Measured:
        """Mean Dice per class over the cases.

        Args:
            network: logits from BCDHW.
            beat: called before each pass of the network, to show that it is alive.
        """

        def predict(crops: torch.Tensor) -> torch.Tensor:
            beat()
            return network(crops)

        was_training = network.training
        network.eval()
        metric = DiceMetric(include_background=False, reduction="mean_batch", get_not_nans=True)
        classes = len(self.plan.classes) + 1
        seen: list[str] = []
        for record in list(self.records):
            data = self._load(record)
            if data is None:
                continue
            logits = sliding_window(self.plan, overlap=0.25)(data["image"][None].to(self.device), predict)
            predicted = one_hot(logits.argmax(1, keepdim=True), classes)
            metric(predicted, one_hot(data["label"][None].to(predicted.device), classes))
            seen.append(record["id"])
        network.train(was_training)
        if not seen:
            return Measured()
        dice, counted = metric.aggregate()
        values = [round(float(d), 4) if n > 0 else math.nan for d, n in zip(dice, counted, strict=True)]
        each = [[None if d.isnan() else round(float(d), 4) for d in row] for row in metric.get_buffer()]
        return Measured(dict(zip(self.plan.classes, values, strict=True)), dict(zip(seen, each, strict=True)))

    def _load(self, record: dict) -> dict[str, torch.Tensor] | None:
        if record["id"] in self._held:
            return self._held[record["id"]]
        try:
            data = self.steps({"image": record["image"], "label": record["label"]})
        except (UnreadableVolume, OSError) as error:
            self.records.remove(record)
            if self.report:
                self.report(record["id"], f"Not used for validation: {error}")
            return None
        loaded = {key: data[key].as_tensor() for key in ("image", "label")}
        if len(self._held) < self.most:
            self._held[record["id"]] = loaded
        return loaded


_Dice = TypeVar("_Dice", bound=Mapping[str, float])


def dice_of_published(
    published: Published, validator: Validator, beat: Callable[[], None] = lambda: None
) -> dict[str, float] | None:
    """Dice of a published model on the same cases, with its own plan; None where it has other classes."""
    classes = validator.plan.classes
    if set(published.plan.classes) != set(classes):
        return None
    network = published.network
    if published.plan.classes != classes:
        network = _InOrder(network, [published.plan.classes.index(name) + 1 for name in classes])
    plan = dataclasses.replace(published.plan, classes=classes)
    if plan != validator.plan:
        validator = Validator(validator.records, plan, validator.device)
    return validator(network, beat)


class _InOrder(torch.nn.Module):
    """Reorders the classes of a network that was trained before the study's order was changed."""

    def __init__(self, network: torch.nn.Module, order: list[int]) -> None:
        super().__init__()
        self.network, self.order = network, [0, *order]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(image)[:, self.order]


def mean_dice(dice: Mapping[str, float]) -> float:
    """Mean over the classes that could be measured; NaN if there was none."""
    measured = [value for value in dice.values() if value is not None and math.isfinite(value)]
    return sum(measured) / len(measured) if measured else math.nan


def may_replace(candidate: Mapping[str, float], published: Mapping[str, float] | None) -> bool:
    """Whether a model with ``candidate`` Dice may replace one with ``published`` Dice.

    Both are measured on the same validation cases. Where nothing could be measured (too few labels) the new model
    replaces the old one, and its card says that it is not validated.
    """
    new, old = mean_dice(candidate), mean_dice(published or {})
    return not (math.isfinite(new) and math.isfinite(old)) or new >= old


def best_candidate(measured: Mapping[str, _Dice]) -> tuple[str, _Dice]:
    """Name and Dice per class of the candidate with the highest mean Dice; the first where nothing was measured."""
    means = {name: mean_dice(dice) for name, dice in measured.items()}
    best = max(means, key=lambda name: means[name] if math.isfinite(means[name]) else -1.0)
    return best, measured[best]


def published_plan(plan: Plan, candidate: str) -> Plan:
    """The plan for publishing a candidate of ``Method.candidates``: it names the candidate's network."""
    first, second = plan.network, partner(plan.network)
    names = {"network": first, "first": first, "second": second, "mean": f"{first}+{second}"}
    return dataclasses.replace(plan, network=names[candidate])

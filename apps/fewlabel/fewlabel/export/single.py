"""One network of a published mean of several, as a model: some formats can hold only one network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from fewlabel.published import Published


@dataclass(frozen=True)
class Member:
    """One network of a published mean.

    Attributes:
        index: among the networks of the mean.
        network: name of its kind (see ``fewlabel.networks``).
        dice: on the validation cases, per class in the plan's order; None where no case has the class; () where the
            network was not measured alone.

    Examples:
        >>> Member(0, "unet", (0.5, None, 1.0)).mean
        0.75
    """

    index: int
    network: str
    dice: tuple[float | None, ...] = ()

    @property
    def mean(self) -> float | None:
        """Dice over the classes that could be measured, 0..1; None where none could."""
        measured = [value for value in self.dice if value is not None]
        return sum(measured) / len(measured) if measured else None


def members(model: Published) -> list[Member]:
    """The networks of a published mean, the better one first; [] where one network is published."""
    names = model.plan.network.split("+")
    if len(names) == 1:
        return []
    alone = model.card.get("alone")
    known = list(alone.values()) if isinstance(alone, dict) and len(alone) == len(names) else [()] * len(names)
    found = [Member(index, name, tuple(dice)) for index, (name, dice) in enumerate(zip(names, known, strict=True))]
    return sorted(found, key=lambda member: -1.0 if member.mean is None else member.mean, reverse=True)


def better_alone(model: Published, usable: Callable[[str], bool] = lambda name: True) -> Published:
    """The better network of a published mean as a model of its own, with its own Dice; any other model as it is.

    Args:
        model: published.
        usable: whether a kind of network may be chosen.
    """
    chosen = next((member for member in members(model) if usable(member.network)), None)
    if chosen is None:
        return model
    dice = dict(zip(model.plan.classes, chosen.dice, strict=False))
    card = {key: value for key, value in model.card.items() if key not in ("alone", "validated_on")}
    card |= {"network": chosen.network, "candidate": "one of the mean", "validation": dice}
    card["validated"] = chosen.mean is not None
    network = list(model.network.networks)[chosen.index]  # type: ignore[arg-type]
    return Published(network, dataclasses.replace(model.plan, network=chosen.network), card)

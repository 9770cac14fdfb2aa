"""Uncertainty of predictions: per voxel (probabilities BCDHW, maps BDHW) and as one number for a case."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def entropy(probabilities: Tensor) -> Tensor:
    """Shannon entropy over the classes in nats: BCDHW to BDHW, 0..log C."""
    return torch.special.entr(probabilities).sum(1)


def normalised_entropy(probabilities: Tensor) -> Tensor:
    """Entropy divided by that of the uniform distribution: BCDHW (C > 1) to BDHW, 0..1."""
    return entropy(probabilities) / math.log(probabilities.shape[1])


def mean_prediction(members: Sequence[Tensor]) -> Tensor:
    """Mean of the members' probabilities, BCDHW each; the result is BCDHW."""
    return sum(members[1:], members[0]) / len(members)


def expected_entropy(members: Sequence[Tensor]) -> Tensor:
    """Mean of the members' entropies in nats, BDHW: the uncertainty that remains where they agree."""
    first, *others = (entropy(member) for member in members)
    return sum(others, first) / len(members)


def mutual_information(members: Sequence[Tensor]) -> Tensor:
    """Entropy of the mean minus mean of the entropies, in nats, BDHW: the members' disagreement.

    BALD (Houlsby 2011, eq. 2); for equally weighted members the same as their Jensen-Shannon divergence. At
    least 0, at most the logarithm of the number of members or of classes, whichever is smaller.
    """
    return (entropy(mean_prediction(members)) - expected_entropy(members)).clamp_min(0)


def disagreement(members: Sequence[Tensor]) -> Tensor:
    """Mutual information as a share of its maximum: BDHW, 0..1; 0 for a single member."""
    most = min(len(members), members[0].shape[1])
    if most == 1:
        return torch.zeros_like(members[0][:, 0])
    return mutual_information(members) / math.log(most)


def dilate(mask: Tensor, margin: int) -> Tensor:
    """A boolean mask BDHW grown by a cube of ``margin`` voxels to each side."""
    grown = mask[:, None].float()
    for axis in range(3):  # one axis after the other: the same result, far cheaper
        side = [1, 1, 1]
        side[axis] = 2 * margin + 1
        grown = functional.max_pool3d(grown, side, stride=1, padding=[length // 2 for length in side])
    return grown[:, 0] > 0.5


def case_score(probabilities: Sequence[Tensor], margin: int = 2) -> dict[str, Any]:
    """One case's uncertainty from its members' predictions.

    Each map is averaged over the predicted region of a class and a margin around it, then over the predicted
    classes. So the amount of background does not matter, and a small structure counts as much as a large one.

    Args:
        probabilities: of each member for the whole case, BCDHW.
        margin: width in voxels around the predicted foreground that counts too, since errors are at borders.

    Returns:
        Numbers in 0..1. ``score``: normalised entropy of the mean prediction, which grows with the members'
        entropies and with their disagreement; ``disagreement``: the latter alone; ``foreground``: share of the
        volume that is predicted as foreground; ``classes``: the score of each predicted class, by its value.
        Where no foreground is predicted, score and disagreement are 1: either the structure is missing or the model
        has missed it, and a person should look.

    Raises:
        ValueError: a member's shape is not BCDHW with at least two classes.
    """
    mean = _checked_mean(probabilities)
    predicted = mean.argmax(1)
    maps = {"score": normalised_entropy(mean), "disagreement": disagreement(probabilities)}
    present = [value for value in range(1, mean.shape[1]) if (predicted == value).any()]
    regions = {value: dilate(predicted == value, margin) for value in present}
    classes = {
        name: {v: float(values[region].mean()) for v, region in regions.items()} for name, values in maps.items()
    }
    scores = {name: sum(each.values()) / len(each) if each else 1.0 for name, each in classes.items()}
    return {**scores, "foreground": float((predicted > 0).float().mean()), "classes": classes["score"]}


def uncertain_voxels(probabilities: Sequence[Tensor], margin: int = 2) -> Tensor:
    """Normalised entropy of the mean prediction, BDHW, 0 outside of the predicted foreground and its margin.

    Where no foreground is predicted, it is given for the whole case. Arguments and errors as for ``case_score``.
    """
    mean = _checked_mean(probabilities)
    values = normalised_entropy(mean)
    foreground = mean.argmax(1) > 0
    return values * dilate(foreground, margin) if foreground.any() else values


def _checked_mean(probabilities: Sequence[Tensor]) -> Tensor:
    for member in probabilities:
        if member.ndim != 5 or member.shape[1] < 2:
            raise ValueError(f"A member has the shape {tuple(member.shape)}; BCDHW with C > 1 is needed.")
    return mean_prediction(probabilities)

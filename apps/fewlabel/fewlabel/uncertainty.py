"""Uncertainty of predictions: per voxel (probabilities BCDHW, maps BDHW) and as one number for a case."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

_PART = 0.1  # of a class's region: the most uncertain part


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


class Maps(NamedTuple):
    """The members' prediction of one case, as far as scores depend on it.

    Attributes:
        predicted: class of each voxel, BDHW.
        entropy: normalised, of the mean prediction, BDHW, 0..1.
        disagreement: see ``disagreement``, BDHW, 0..1.
    """

    predicted: Tensor
    entropy: Tensor
    disagreement: Tensor


def maps_of(probabilities: Sequence[Tensor]) -> Maps:
    """The maps of members' probabilities of a whole case, BCDHW each.

    Raises:
        ValueError: a member's shape is not BCDHW with at least two classes.
    """
    for member in probabilities:
        if member.ndim != 5 or member.shape[1] < 2:
            raise ValueError(f"A member has the shape {tuple(member.shape)}; BCDHW with C > 1 is needed.")
    mean = mean_prediction(probabilities)
    return Maps(mean.argmax(1), normalised_entropy(mean), disagreement(probabilities))


def case_score(probabilities: Sequence[Tensor], margin: int = 2) -> dict[str, Any]:
    """``score_of`` the maps of members' probabilities; errors as for ``maps_of``."""
    return score_of(maps_of(probabilities), margin)


def score_of(maps: Maps, margin: int = 2) -> dict[str, Any]:
    """One case's uncertainty from its maps.

    Each map is averaged over the predicted region of a class and a margin around it, then over the predicted
    classes. So the amount of background does not matter, and a small structure counts as much as a large one.

    Args:
        maps: of the whole case.
        margin: width in voxels around the predicted foreground that counts too, since errors are at borders.

    Returns:
        Numbers in 0..1. ``score``: normalised entropy of the mean prediction, which grows with the members'
        entropies and with their disagreement; ``disagreement``: the latter alone; ``foreground``: share of the
        volume that is predicted as foreground; ``classes``: the score of each predicted class, by its value;
        ``parts``: the same over the most uncertain tenth of each class's region alone, which a wide certain inside
        does not dilute (cf. arXiv 2603.29941; a tenth is inferred).
        Where no foreground is predicted, score and disagreement are 1: either the structure is missing or the model
        has missed it, and a person should look.
    """
    predicted = maps.predicted
    present = [int(value) for value in predicted.unique() if value > 0]
    regions = {value: dilate(predicted == value, margin) for value in present}
    classes = {value: float(maps.entropy[region].mean()) for value, region in regions.items()}
    apart = {value: float(maps.disagreement[region].mean()) for value, region in regions.items()}
    return {
        "score": sum(classes.values()) / len(classes) if classes else 1.0,
        "disagreement": sum(apart.values()) / len(apart) if apart else 1.0,
        "foreground": float((predicted > 0).float().mean()),
        "classes": classes,
        "parts": {value: _mean_of_highest(maps.entropy[region]) for value, region in regions.items()},
    }


def _mean_of_highest(values: Tensor) -> float:
    """Mean of the highest tenth of some values, of one at least."""
    return float(values.topk(max(1, round(_PART * values.numel()))).values.mean())


def uncertain_voxels(maps: Maps, margin: int = 2) -> Tensor:
    """Normalised entropy of the mean prediction, BDHW, 0 outside of the predicted foreground and its margin.

    Where no foreground is predicted, it is given for the whole case. Arguments as for ``score_of``.
    """
    foreground = maps.predicted > 0
    return maps.entropy * dilate(foreground, margin) if foreground.any() else maps.entropy

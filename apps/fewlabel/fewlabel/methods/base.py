"""The contract between a semi-supervised method and the rest of the package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn


class Step(NamedTuple):
    """The result of one training step.

    Attributes:
        logits: of the labelled crops, BCDHW, from the network in training (for metrics).
        losses: unweighted scalar terms, under the names that the method's paper uses.
    """

    logits: Tensor
    losses: dict[str, Tensor]


def total(step: Step, weights: Mapping[str, float]) -> Tensor:
    """The scalar to minimise: ``sum(weight * term)``; terms of weight 0 are left out.

    Raises:
        ValueError: terms and weights do not have the same names.
    """
    if step.losses.keys() != weights.keys():
        raise ValueError(f"Terms {sorted(step.losses)} and weights {sorted(weights)} must have the same names.")
    used = [weights[name] * loss for name, loss in step.losses.items() if weights[name] != 0]
    return sum(used, step.logits.new_zeros(()))


class Method(nn.Module, ABC):
    """One way to learn from a few labelled and many unlabelled volumes.

    Networks, teachers and counters are submodules and buffers, so the state dict is the complete state. The
    optimiser gets the parameters that require a gradient. A method knows batches and progress only: no epochs,
    files or devices. ``tests/methods/test_contract.py`` says what a new method lacks.

    Args:
        build: makes one network, image B1DHW to logits BCDHW; called once for each network that the method
        needs.
        classes: number of classes C, background (class 0) included.
    """

    description: ClassVar[str]
    """One line for people who choose a method."""

    trains: ClassVar[dict[str, tuple[str, ...]]]
    """For each loss term, the names of the submodules that get its gradient."""

    labelled_terms: ClassVar[frozenset[str]] = frozenset({"supervised"})
    """The terms that learn from labels alone; all others need unlabelled scans."""

    every_voxel: ClassVar[frozenset[str]] = frozenset()
    """Further terms that use every voxel, as in their paper: they need not be zero where no voxel is selected."""

    switches: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """The parts for an ablation: name, and the arguments that switch it off."""

    needs_second: ClassVar[bool] = False
    """Whether it takes ``build_second``, which makes a second network; without it, ``build`` is called again."""

    takes_cached: ClassVar[bool] = False
    """Whether it takes ``teacher="cached"``: stored predictions instead of a teacher's pass (see Guesses)."""

    def __init__(self, build: Callable[[], nn.Module], classes: int) -> None:
        super().__init__()
        self.classes = classes

    @property
    def needs(self) -> frozenset[str]:
        """Names of the tensors of unlabelled crops that it uses; the loader makes no others."""
        return frozenset({"weak", "strong"})

    @abstractmethod
    def step(self, labelled: Mapping[str, Tensor], unlabelled: Mapping[str, Tensor] | None, progress: float) -> Step:
        """Forward passes and loss terms of one pair of batches.

        Args:
            labelled: ``image`` B1DHW float32 and ``label`` B1DHW integer in 0..C-1.
            unlabelled: the tensors B1DHW named by ``needs``, of one geometry: ``weak`` and ``strong`` views float32,
                ``pseudo_label`` integer in 0..C-1 and its ``confidence`` 0..1; None or no crops: labels only.
            progress: share of the training that is done, 0..1.
        """

    @abstractmethod
    def weights(self, progress: float) -> dict[str, float]:
        """The weight of each loss term at this progress (0..1): the same names as in ``Step.losses``."""

    def learns_from_unlabelled(self, progress: float) -> bool:
        """Whether any term on unlabelled scans has a weight at this progress."""
        return any(weight for name, weight in self.weights(progress).items() if name not in self.labelled_terms)

    def after_step(self, progress: float) -> None:
        """Called after each step of the optimiser, e.g. for moving averages."""

    @property
    @abstractmethod
    def deployed(self) -> nn.Module:
        """The one network that is published: its state dict fits a network made by ``build``.

        For a method with two networks, their mean: a ``MeanOfNetworks`` of one made by each builder.
        """

    @property
    def candidates(self) -> dict[str, nn.Module]:
        """The networks from which validation chooses the one to publish, the default (``deployed``) first.

        ``network``: the only one; ``mean``, ``first``, ``second``: of a method with two.
        """
        return {"network": self.deployed}

    @property
    @abstractmethod
    def member_networks(self) -> tuple[nn.Module, ...]:
        """The networks whose disagreement measures how uncertain a prediction is."""

    @torch.no_grad()
    def members(self, image: Tensor) -> list[Tensor]:
        """Each member's class probabilities BCDHW of an image B1DHW, in evaluation mode, without gradient."""
        return [_probabilities(network, image) for network in self.member_networks]


def is_empty(unlabelled: Mapping[str, Tensor] | None) -> bool:
    """Whether there are no unlabelled crops."""
    return unlabelled is None or unlabelled["strong"].shape[0] == 0


def _probabilities(network: nn.Module, image: Tensor) -> Tensor:
    was_training = network.training
    network.eval()
    try:
        return network(image).softmax(1)
    finally:
        network.train(was_training)

"""The base of methods with two networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from fewlabel.methods.guesses import Guess, Guesses
from fewlabel.networks.mean import MeanOfNetworks


class TwoNetworks:
    """Two networks, ``first`` and ``second``, trained side by side; comes before ``Method`` among the bases.

    The mean of their probabilities or the better one alone is published, whichever validates better.
    """

    needs_second = True
    takes_cached = True
    first: nn.Module
    second: nn.Module
    guesses: Guesses
    training: bool  # of the Method

    def make_networks(
        self,
        build: Callable[[], nn.Module],
        build_second: Callable[[], nn.Module] | None,
        teacher: str,
    ) -> None:
        """Build both; without ``build_second``, the second is of the same kind with other initial weights.

        Args:
            build, build_second: see Method.
            teacher: ``live``: each network teaches the other; ``cached``: the stored prediction of the whole scan
                teaches both (see Guesses).
        """
        self.first = build()
        self.second = (build_second or build)()
        self.guesses = Guesses(teacher)

    @property
    def needs(self) -> frozenset[str]:
        return self.guesses.views | {"weak", "strong"}

    def taught(self, unlabelled: Mapping[str, Tensor], logits: Sequence[Tensor]) -> tuple[Guess, Guess]:
        """The guesses of the first and the second network, from their logits BCDHW of the unlabelled crops.

        With a cached teacher, both are the stored guess.
        """
        if self.guesses.cached:
            known = self.guesses(unlabelled, None)
            return known, known
        found = (each.detach().softmax(1).max(1) for each in logits)
        first, second = (Guess(classes, confidence) for confidence, classes in found)
        return first, second

    def views(self, unlabelled: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The view of each network: of every crop one gets the weak view and the other the strong one, at random.

        Published code gives both networks the same input; different views make the networks differ. One pass of each
        network is used to teach and to learn; separate passes for pseudo-labels would cost half as much again.
        """
        weak, strong = unlabelled["weak"], unlabelled["strong"]
        swap = torch.rand(len(weak), 1, 1, 1, 1, device=weak.device) < 0.5
        return torch.where(swap, strong, weak), torch.where(swap, weak, strong)

    @property
    def candidates(self) -> dict[str, nn.Module]:
        """What may be published: the mean, or one network alone."""
        return {"mean": self.deployed, "first": self.first, "second": self.second}

    @property
    def deployed(self) -> nn.Module:
        """The mean of both, as evaluated in the papers; a new module around the same networks at each call."""
        return MeanOfNetworks([self.first, self.second]).train(self.training)

    @property
    def member_networks(self) -> tuple[nn.Module, ...]:
        return (self.first, self.second)

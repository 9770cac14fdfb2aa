"""Dual network with uncertainty-guided pseudo-labels (arXiv 2509.13084; an earlier form is arXiv 2505.17690)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fewlabel.losses.agreement import agreement_weights, cosine_distance, divergence
from fewlabel.losses.entropy_filter import entropy_bounds, filtered_cross_entropy, filtered_dice
from fewlabel.losses.rectification import confident_disagreement, rectification
from fewlabel.losses.supervised import dice_cross_entropy
from fewlabel.methods.base import Method, Step, is_empty
from fewlabel.methods.guesses import Guess
from fewlabel.methods.prototypes import Evidence, PrototypeContrast
from fewlabel.methods.ramps import linear_ramp, sigmoid_ramp
from fewlabel.methods.two_networks import TwoNetworks

_EVERY = ("first", "second")


class DualNetwork(TwoNetworks, Method):
    """Two networks of different kinds teach each other where they are sure; elsewhere prototypes guide their features.

    With logits z, probabilities p, classes ŷ = argmax p, and each line the sum over both networks (k, other):

    - supervised: Dice + cross entropy on labelled crops (paper: L_s).
    - rectification: ‖p_k - y‖² on labelled voxels where the networks disagree with confidence (L_cr).
    - cross_pseudo: m w CE(z_k, ŷ_other) on unlabelled crops (CCE). m: the other's entropy is among the lowest; the
      share grows; w = exp(-D), D = the symmetric KL divergence of both.
    - cross_pseudo_dice: the Dice loss on the same voxels (inferred).
    - divergence: KL(sg p_other ‖ p_k), every unlabelled voxel (the KL guidance of the paper's code).
    - cosine: 1 - cos(p_k, sg p_other), every unlabelled voxel (cosine consistency, 2505.17690).
    - contrast: uncertain voxels' features against the prototypes of all classes (L_c; see PrototypeContrast).

    The papers' full text was not available, and their published code trains little of this: entropy-filtered and
    prototype terms have no gradient there, entropy is taken of logits, the prototypes are pulled together, and more.
    The terms here are those named in the abstracts, with these faults corrected (inferred), for any number of classes.
    Further deviations: only labels are used first; both networks learn, while the code trains the worse network of each
    batch (``winner_share`` restores that, by a running average); each network sees a different view of a crop
    (TwoNetworks.views); agreement terms use unlabelled crops only.

    One pass of each network per step, over labelled and unlabelled crops together.

    Args:
        build, classes: see Method.
        build_second: makes the second network (paper: V-Net and 3-D ResNet-34); default: ``build``.
        threshold: confidence of a disagreement, 0..1 (code: 0.6).
        keep: share of voxels that each network teaches, at the start of the unlabelled terms and at the end
            (inferred: 0.5 to 0.8; code: 0.2); (1, 1) turns the filter off.
        per_class: whether this is a share of each predicted class (ours), or of all voxels (paper), which leaves little
            but background where that is large.
        most_entropy: voxels above this share of log C are never taught (UA-MT: 3/4).
        agreement: whether voxels are weighted by exp(-D) (paper: yes).
        winner_share: factor of the unlabelled terms for the network with the lower labelled loss, 0..1; 1: no such
            gate. The loss is a running average, decay 0.99 (code: the last batch, share 0).
        teacher: ``live``, as above, or ``cached``: cross_pseudo and its Dice use the stored classes.
        start, ramp: only labels until ``start``; then the weights grow over ``ramp`` (inferred: full at 0.4).
        rectification, cross_pseudo, cross_pseudo_dice, divergence, cosine, contrast: final weights; 0 turns a term
            off (code: 0.5, 1, none, 1, 1, 0.1; cosine 0.5 inferred).
        prototype_decay, voxels_per_class, temperature: see PrototypeContrast.

    Examples:
        >>> from fewlabel.methods.base import total
        >>> from fewlabel.networks import find
        >>> _ = torch.manual_seed(0)
        >>> method = DualNetwork(lambda: find("unet_small")(2), classes=2)
        >>> crops = torch.randn(2, 1, 16, 16, 16)
        >>> labelled = {"image": crops, "label": (crops > 1).long()}
        >>> step = method.step(labelled, {"weak": crops, "strong": crops}, progress=1.0)
        >>> sorted(step.losses)
        ['contrast', 'cosine', 'cross_pseudo', 'cross_pseudo_dice', 'divergence', 'rectification', 'supervised']
        >>> total(step, method.weights(1.0)).backward()
        >>> method.after_step(1.0)
        >>> method.deployed(crops).shape
        torch.Size([2, 2, 16, 16, 16])
    """

    description: ClassVar[str] = "Dual network: two networks teach each other where sure; prototypes guide the rest."
    labelled_terms: ClassVar[frozenset[str]] = frozenset({"supervised", "rectification"})
    every_voxel: ClassVar[frozenset[str]] = frozenset({"contrast"})  # it uses exactly the voxels that are not selected
    trains: ClassVar[dict[str, tuple[str, ...]]] = {
        "supervised": _EVERY,
        "rectification": _EVERY,
        "cross_pseudo": _EVERY,
        "cross_pseudo_dice": _EVERY,
        "divergence": _EVERY,
        "cosine": _EVERY,
        "contrast": (*_EVERY, "prototypes"),
    }
    switches: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "rectification": {"rectification": 0.0},
        "cross pseudo supervision": {"cross_pseudo": 0.0, "cross_pseudo_dice": 0.0},
        "pseudo Dice": {"cross_pseudo_dice": 0.0},
        "entropy filter": {"keep": (1.0, 1.0), "most_entropy": 1.0},
        "dynamic weights": {"agreement": False},
        "divergence": {"divergence": 0.0},
        "cosine agreement": {"cosine": 0.0},
        "prototype contrast": {"contrast": 0.0},
    }

    labelled_loss: Tensor
    steps: Tensor

    def __init__(
        self,
        build: Callable[[], nn.Module],
        classes: int,
        *,
        build_second: Callable[[], nn.Module] | None = None,
        threshold: float = 0.6,
        keep: tuple[float, float] = (0.5, 0.8),
        per_class: bool = True,
        most_entropy: float = 0.75,
        agreement: bool = True,
        winner_share: float = 1.0,
        teacher: str = "live",
        start: float = 0.2,
        ramp: float = 0.2,
        rectification: float = 0.5,
        cross_pseudo: float = 1.0,
        cross_pseudo_dice: float = 1.0,
        divergence: float = 1.0,
        cosine: float = 0.5,
        contrast: float = 0.1,
        prototype_decay: float = 0.99,
        voxels_per_class: int = 512,
        temperature: float = 0.1,
    ) -> None:
        super().__init__(build, classes)
        self.make_networks(build, build_second, teacher)
        self.threshold, self.keep, self.per_class = threshold, keep, per_class
        self.most_entropy, self.agreement = most_entropy, agreement
        self.winner_share, self.start, self.ramp = winner_share, start, ramp
        self.always = {"supervised": 1.0, "rectification": rectification}
        self.ramped = {
            "cross_pseudo": cross_pseudo,
            "cross_pseudo_dice": cross_pseudo_dice,
            "divergence": divergence,
            "cosine": cosine,
            "contrast": contrast,
        }
        self.prototypes = PrototypeContrast(
            self.member_networks, classes, prototype_decay, voxels_per_class, temperature
        )
        self.register_buffer("labelled_loss", torch.zeros(2))
        self.register_buffer("steps", torch.zeros(()))

    def weights(self, progress: float) -> dict[str, float]:
        ramp = sigmoid_ramp(progress, self.start, self.ramp)
        return {**self.always, **{name: weight * ramp for name, weight in self.ramped.items()}}

    def step(self, labelled: Mapping[str, Tensor], unlabelled: Mapping[str, Tensor] | None, progress: float) -> Step:
        image, label = labelled["image"], labelled["label"]
        weights = self.weights(progress)
        taught = any(weights[name] for name in self.ramped) and not is_empty(unlabelled)
        if unlabelled is not None and taught:
            images = [torch.cat([image, view]) for view in self.views(unlabelled)]
        else:
            images = [image, image]
        contrasting = taught and weights["contrast"] != 0
        logits, features = self.prototypes.look(self.member_networks, images, contrasting)
        parts = [each.split([len(image), len(each) - len(image)]) for each in logits]
        ours, theirs = zip(*parts, strict=True)
        if taught and unlabelled is not None:
            unsupervised = self._unlabelled_terms(theirs, unlabelled, label, features, progress)
        else:
            unsupervised = dict.fromkeys(self.ramped, ours[0].new_zeros(()))
        return Step(ours[0], {**self._labelled_terms(ours, label), **unsupervised})

    def _labelled_terms(self, logits: Sequence[Tensor], label: Tensor) -> dict[str, Tensor]:
        supervised = torch.stack([dice_cross_entropy(each, label) for each in logits])
        with torch.no_grad():
            share = (1 / (self.steps + 1)).clamp_min(0.01)  # a plain mean at first, then a running one of decay 0.99
            self.labelled_loss.lerp_(supervised.detach().to(self.labelled_loss.dtype), share)
            self.steps += 1
        first, second = (each.softmax(1) for each in logits)
        mask = confident_disagreement(first, second, self.threshold)
        wrong = rectification(first, label, mask) + rectification(second, label, mask)
        return {"supervised": supervised.sum(), "rectification": wrong}

    def _unlabelled_terms(
        self,
        logits: Sequence[Tensor],
        unlabelled: Mapping[str, Tensor],
        label: Tensor,
        features: Sequence[Tensor],
        progress: float,
    ) -> dict[str, Tensor]:
        logs = [each.log_softmax(1) for each in logits]
        named = [each.detach().max(1).indices for each in logits]  # on a CPU far faster than argmax
        classes, sure = self._taught(unlabelled, logs, named, progress)
        belief = agreement_weights(*logs) if self.agreement else torch.ones_like(logs[0][:, 0])
        second_is_better = self.labelled_loss[1] < self.labelled_loss[0]
        shares = 1 - (1 - self.winner_share) * torch.stack([~second_is_better, second_is_better])
        losses = dict.fromkeys(self.ramped, logs[0].new_zeros(()))
        for k, other in ((0, 1), (1, 0)):
            learnt = self._learn(logs[k], logs[other], classes[other], sure[other], belief)
            losses |= {name: losses[name] + shares[k] * loss for name, loss in learnt.items()}
        if features:
            better = torch.where(second_is_better, named[1], named[0])
            evidence = Evidence(label[:, 0].long(), better, sure[0] & sure[1], named[0] == named[1], belief)
            losses["contrast"] = self.prototypes(features, evidence)
        return losses

    def _taught(
        self, unlabelled: Mapping[str, Tensor], logs: Sequence[Tensor], named: list[Tensor], progress: float
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Classes and mask that each network teaches: its own, or for both those of the stored prediction."""
        if self.guesses.cached:
            known = self.guesses(unlabelled, None)
            return [known.classes] * 2, [self.reliable_guess(known, progress)] * 2
        return named, [self.reliable(log, classes, progress) for log, classes in zip(logs, named, strict=True)]

    def _learn(self, log: Tensor, other: Tensor, classes: Tensor, sure: Tensor, belief: Tensor) -> dict[str, Tensor]:
        """Terms of one network against the other: its classes where it is sure, its probabilities everywhere.

        ``log`` and ``other`` are the log-probabilities of the learner and of the other.
        """
        probabilities = log.exp()
        return {
            "cross_pseudo": filtered_cross_entropy(log, classes, sure, belief),
            "cross_pseudo_dice": filtered_dice(probabilities, classes, sure, belief),
            "divergence": divergence(other, log).mean(),
            "cosine": cosine_distance(probabilities, other.detach().exp()),
        }

    @torch.no_grad()
    def reliable(self, log_probabilities: Tensor, classes: Tensor, progress: float) -> Tensor:
        """Where a network may teach, BDHW bool: among the lowest entropies of a class, and below ``most_entropy``."""
        entropy = -(log_probabilities.exp() * log_probabilities).sum(1)
        return self._among_the_surest(entropy, classes, progress)

    @torch.no_grad()
    def reliable_guess(self, guess: Guess, progress: float) -> Tensor:
        """The same for a stored guess, with the entropy of its class against all others."""
        both = torch.special.entr(guess.confidence) + torch.special.entr(1 - guess.confidence)
        return self._among_the_surest(both, guess.classes, progress) & guess.sure(0.0)

    def _among_the_surest(self, entropy: Tensor, classes: Tensor, progress: float) -> Tensor:
        entropy = entropy / math.log(self.classes)  # 0..1
        keep = linear_ramp(progress, self.start, *self.keep)
        classes = classes if self.per_class else torch.zeros_like(classes)
        bounds = entropy_bounds(entropy, classes, self.classes, keep).clamp_max(self.most_entropy)
        return entropy <= bounds[classes]

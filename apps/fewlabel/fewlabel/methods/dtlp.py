"""Diverse teaching and label propagation (DTLP-Net, arXiv 2508.08549)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fewlabel.losses.ensemble import distillation
from fewlabel.losses.propagation import propagation_loss
from fewlabel.losses.reconstruction import feature_distance, hide_voxels
from fewlabel.losses.regions import weighted_dice_cross_entropy
from fewlabel.losses.supervised import dice_cross_entropy
from fewlabel.methods.base import Step, is_empty
from fewlabel.methods.dtlp_parts import Propagation, Pseudo, exchange, feature_generator, share_out
from fewlabel.methods.dtlp_teachers import DiverseTeaching
from fewlabel.mixing import hide, random_cubes
from fewlabel.networks.diffusion_decoder import DiffusionDecoder
from fewlabel.networks.features import with_features


class DTLP(DiverseTeaching):
    """A student learns from labels, a diffusion teacher and a mean teacher; only the student is published.

    Only the abstracts of both versions of the paper were available. They name the modules; formulas and numbers are
    those of the predecessors or inferred. Each term is switched off, with its cost, by a weight of 0:

    supervised: Dice and cross entropy of the student on the labelled crops.
    denoising: the same of the diffusion teacher, which learns from labels alone (see DiffusionDecoder; A&D, Wang
    2023, L_deno), so that its errors differ from the student's. 0: there is no such teacher.
    cutmix: cross-set CutMix. Boxes of strong unlabelled and labelled crops are exchanged, labels likewise (AD-MT,
    Zhao 2024; the pseudo-label's weight from BCP, Bai 2023); Dice and cross entropy.
    masking: masked image modelling. Cubes of the strong crop are hidden; all of it is segmented (inferred).
    reconstruction: the mean teacher's features on the weak crop, from the student's with voxels hidden
    (masked generative distillation, Yang 2022).
    distillation: the ensemble's probabilities at all voxels (Hinton 2015).
    propagation: classes from voxels with similar features (CorrMatch, Sun 2024), half on labelled, half on strong
    crops. The values are the student's probabilities without gradient; only the features get a gradient.

    The pseudo-label is the mean of both teachers' probabilities weighted by entropy (AD-MT), and counts where it is
    confident. All terms on unlabelled crops start later and grow, as in MeanTeacher; the teachers learn from step 0.

    Deviations, to keep the cost of a step below four supervised ones: strong crops alternate between masking and the
    last three terms; each pair of a labelled and an unlabelled crop gives one mixture, with the box taken from either
    side in turns (``both_mixtures``: both); propagation does not use the weak crop; the diffusion teacher is trained
    in some steps and sampled in others, and in the rest the mean teacher is used alone. Since crops are random,
    nothing can be cached.

    Passes per step for B + B crops: student B before the start, then 3 B, all in one batch; mean teacher B;
    diffusion teacher, in turns of ``every`` steps, B with gradient, then K B without.

    Args:
        build, classes: see Method.
        decay, teacher_every: of the moving average (0: the student is its own teacher), and steps between updates
            (the paper's first version updates "periodically"; AD-MT draws the period; default 1: each step).
        threshold: least probability of the ensemble's class, 0..1 (AD-MT: τ 0.8).
        teacher: ``live``, as above, or ``cached``: the scan's stored prediction replaces the mean teacher's; it has no
            features, so there is no reconstruction.
        start, ramp: progress until which only labels are used, and over which the weights then grow, 0..1; None: 0.35
            and 0.2, with a cached teacher 0.2 and 0.
        denoising, cutmix: final weights (inferred: 1).
        masking, reconstruction, distillation, propagation: final weights (chosen on development cases: 0.1, 0.02, 0.1,
            0.05. The predecessors' 0.5, 0.1, 1 and 0.5 are for trainings of 15,000 steps; in 400 steps they lost 0.013
            Dice compared with mean teacher and CutMix alone, these lose 0.002 to 0.003).
        ensemble: whether the teachers are weighted by entropy; False: plain mean.
        pseudo_weight: of an unlabelled voxel in a mixture against a labelled one (BCP: 0.5).
        box_share: share of the volume that the box fills; None: from Beta(4, 4), as in AD-MT. BCP: 8/27.
        both_mixtures: see above.
        cube, hidden: side of the hidden cubes as a share of the crop's shortest side (inferred: 16 of 80 voxels; 16 of
            32 hid whole structures), lowest and highest share to hide (chosen on development cases: 0.1, 0.4;
            inferred from the predecessors: 0.3, 0.7).
        hidden_features: share of feature voxels to hide (inferred: 0.5).
        temperature: of the distillation (inferred: 1; 1.5 in a relative).
        stride: of the features that are reconstructed and compared, in voxels (inferred: 8).
        width, tokens: channels of the projections (inferred: 32), and limit of the voxels of a crop between which
            classes are propagated; the memory grows with its square.
        diffusion_channels, diffusion_patch, diffusion_steps: see DiffusionDecoder (A&D: 32 to 512 channels on single
            voxels, 10 steps; the defaults are for the cost on a CPU).
        every: steps between two training steps of the diffusion teacher, and between two of its samples (inferred).
        noise_seed: seed of the diffusion teacher's first noise, to use the same at each step; None: random.

    Examples:
        >>> from fewlabel.methods.base import total
        >>> from fewlabel.networks import find
        >>> _ = torch.manual_seed(0)
        >>> method = DTLP(lambda: find("unet_small")(2), classes=2)
        >>> crops = torch.randn(2, 1, 16, 16, 16)
        >>> labelled = {"image": crops, "label": (crops > 1).long()}
        >>> step = method.step(labelled, {"weak": crops, "strong": crops}, progress=1.0)
        >>> sorted(step.losses)
        ['cutmix', 'denoising', 'distillation', 'masking', 'propagation', 'reconstruction', 'supervised']
        >>> total(step, method.weights(1.0)).backward()
        >>> method.after_step(1.0)
        >>> method.deployed(crops).shape
        torch.Size([2, 2, 16, 16, 16])
    """

    description: ClassVar[str] = "DTLP: a diffusion and a mean teacher, mixing, masking and label propagation."
    labelled_terms: ClassVar[frozenset[str]] = frozenset({"supervised", "denoising"})
    takes_cached: ClassVar[bool] = True
    every_voxel: ClassVar[frozenset[str]] = frozenset({"cutmix", "reconstruction", "distillation", "propagation"})
    trains: ClassVar[dict[str, tuple[str, ...]]] = {
        "supervised": ("student",),
        "denoising": ("diffusion",),
        "cutmix": ("student",),
        "masking": ("student",),
        "reconstruction": ("student", "generator"),
        "distillation": ("student",),
        "propagation": ("student", "projections"),
    }
    switches: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "diffusion teacher": {"denoising": 0.0},
        "mean teacher": {"decay": 0.0},
        "entropy ensemble": {"ensemble": False},
        "CutMix": {"cutmix": 0.0},
        "masked image modelling": {"masking": 0.0},
        "feature reconstruction": {"reconstruction": 0.0},
        "soft distillation": {"distillation": 0.0},
        "label propagation": {"propagation": 0.0},
    }

    def __init__(
        self,
        build: Callable[[], nn.Module],
        classes: int,
        *,
        decay: float = 0.99,
        teacher_every: int = 1,
        threshold: float = 0.8,
        teacher: str = "live",
        start: float | None = None,
        ramp: float | None = None,
        denoising: float = 1.0,
        cutmix: float = 1.0,
        masking: float = 0.1,
        reconstruction: float = 0.02,
        distillation: float = 0.1,
        propagation: float = 0.05,
        ensemble: bool = True,
        pseudo_weight: float = 0.5,
        box_share: float | None = None,
        both_mixtures: bool = False,
        cube: float = 0.2,
        hidden: tuple[float, float] = (0.1, 0.4),
        hidden_features: float = 0.5,
        temperature: float = 1.0,
        stride: int = 8,
        width: int = 32,
        tokens: int = 1000,
        diffusion_channels: Sequence[int] = (16, 32),
        diffusion_patch: int = 4,
        diffusion_steps: int = 2,
        every: int = 3,
        noise_seed: int | None = None,
    ) -> None:
        diffusion = partial(DiffusionDecoder, classes, diffusion_channels, diffusion_patch, diffusion_steps)
        super().__init__(
            build,
            classes,
            (decay, teacher, start, ramp),
            diffusion if denoising else None,
            stride=stride,
            threshold=threshold,
            ensemble=ensemble,
            every=every,
            noise_seed=noise_seed,
            teacher_every=teacher_every,
        )
        reconstruction = 0.0 if self.guesses.cached else reconstruction
        self.generator = feature_generator(self.tap.channels) if reconstruction else None
        self.projections = Propagation(self.tap.channels, width, tokens) if propagation else None
        self.denoising = denoising
        firmly = {"cutmix": cutmix, "masking": masking}
        softly = {"reconstruction": reconstruction, "distillation": distillation, "propagation": propagation}
        self.consistency = {**firmly, **softly}
        self.pseudo_weight, self.box_share, self.both_mixtures = pseudo_weight, box_share, both_mixtures
        self.cube, self.hidden, self.hidden_features, self.temperature = cube, hidden, hidden_features, temperature

    def step(self, labelled: Mapping[str, Tensor], unlabelled: Mapping[str, Tensor] | None, progress: float) -> Step:
        image, label = labelled["image"], labelled["label"].long()
        weights = self.weights(progress)
        losses = {name: image.new_zeros(()) for name in weights}
        if self.diffusion is not None and self.steps % self.every == 0:
            losses["denoising"] = dice_cross_entropy(self.diffusion.denoise(image, label), label)
        on = {name for name in self.consistency if weights[name] != 0}
        if unlabelled is None or is_empty(unlabelled) or not on:
            logits = self.student(image)
        else:
            logits = self._learn_from_both(image, label, unlabelled, on, losses)
        losses["supervised"] = dice_cross_entropy(logits, label)
        return Step(logits, losses)

    def _learn_from_both(
        self, image: Tensor, label: Tensor, unlabelled: Mapping[str, Tensor], on: set[str], losses: dict[str, Tensor]
    ) -> Tensor:
        """Add the active terms to ``losses``; gives the logits of the labelled crops."""
        pseudo, strong = self._teach(unlabelled), unlabelled["strong"]
        whole, covered = share_out(on, self.steps)
        views = {"labelled": image, "strong": strong[whole], "covered": strong[covered]}
        side = max(1, round(self.cube * min(image.shape[2:])))
        views["covered"] = hide(views["covered"], random_cubes(views["covered"], side, *self.hidden))
        if "cutmix" in on:
            how = self.pseudo_weight, self.box_share, self.both_mixtures, self.steps
            mixture = exchange(image, label, strong, pseudo, *how)
            views["mixed"] = mixture.image
        all_logits, (all_features,) = with_features(self.student, torch.cat(list(views.values())), self.tap)
        sizes = [len(view) for view in views.values()]
        logits = dict(zip(views, all_logits.split(sizes), strict=True))
        features = dict(zip(views, all_features.split(sizes), strict=True))
        if "cutmix" in on:
            losses["cutmix"] = weighted_dice_cross_entropy(logits["mixed"], mixture.label, mixture.weight)
        if len(views["covered"]):
            classes, mask = (value[covered, None] for value in (pseudo.classes, pseudo.mask))
            losses["masking"] = weighted_dice_cross_entropy(logits["covered"], classes, mask)
        if len(views["strong"]):
            self._learn_from_strong(logits["strong"], features["strong"], pseudo.part(whole), on, losses)
        if "propagation" in on and self.projections is not None:
            propagated = self.projections(features["labelled"], logits["labelled"].softmax(1))
            on_labelled = propagation_loss(propagated, label[:, 0], torch.ones_like(label[:, 0]))
            losses["propagation"] = losses["propagation"] + on_labelled / 2
        return logits["labelled"]

    def _learn_from_strong(
        self, logits: Tensor, features: Tensor, pseudo: Pseudo, on: set[str], losses: dict[str, Tensor]
    ) -> None:
        """Add the active terms on strong crops without hidden cubes to ``losses``."""
        if "reconstruction" in on and self.generator is not None and pseudo.features is not None:
            rebuilt = self.generator(hide_voxels(features, self.hidden_features))
            losses["reconstruction"] = feature_distance(rebuilt, pseudo.features)
        if "distillation" in on:
            losses["distillation"] = distillation(logits, pseudo.probabilities, self.temperature)
        if "propagation" in on and self.projections is not None:
            propagated = self.projections(features, logits.softmax(1))
            losses["propagation"] = propagation_loss(propagated, pseudo.classes, pseudo.mask) / 2

    def weights(self, progress: float) -> dict[str, float]:
        ramp = self.grown(progress)
        grown = {name: weight * ramp for name, weight in self.consistency.items()}
        return {"supervised": 1.0, "denoising": self.denoising, **grown}

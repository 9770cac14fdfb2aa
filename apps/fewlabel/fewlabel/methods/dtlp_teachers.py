"""The two teachers of DTLP and their ensemble (arXiv 2508.08549; A&D, Wang 2023; AD-MT, Zhao 2024)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from fewlabel.losses.ensemble import entropy_weighted_mean
from fewlabel.methods.dtlp_parts import Pseudo
from fewlabel.methods.student_teacher import StudentTeacher
from fewlabel.networks.diffusion_decoder import DiffusionDecoder
from fewlabel.networks.features import find_tap, with_features


class DiverseTeaching(StudentTeacher):
    """A student with a mean teacher and a diffusion teacher, which is sampled in some of the steps.

    Args:
        build, classes: see Method.
        mean: decay, teacher, start and ramp, see StudentTeacher.
        diffusion: makes the second teacher; None: there is none.
        stride, threshold, ensemble, every, noise_seed, teacher_every: see DTLP.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        classes: int,
        mean: tuple[float, str, float | None, float | None],
        diffusion: Callable[[], DiffusionDecoder] | None,
        *,
        stride: int,
        threshold: float,
        ensemble: bool,
        every: int,
        noise_seed: int | None,
        teacher_every: int,
    ) -> None:
        super().__init__(build, classes, *mean)
        self.tap = find_tap(self.student, stride)
        self.diffusion = None if diffusion is None else diffusion()
        self.threshold, self.ensemble = threshold, ensemble
        self.every, self.noise_seed, self.teacher_every = every, noise_seed, teacher_every
        self.steps = 0  # on the host, since it decides what is computed

    @property
    def needs(self) -> frozenset[str]:
        return self.guesses.views | ({"weak"} if self.diffusion is not None else set())

    @torch.no_grad()
    def _teach(self, unlabelled: Mapping[str, Tensor]) -> Pseudo:
        """The ensemble's prediction; without the diffusion teacher, that of the mean teacher, live or stored."""
        if self.guesses.cached:
            guess, features = self.guesses(unlabelled, None), None
            probabilities, known = guess.probabilities(self.classes), guess.sure(0.0)
        else:
            logits, (features,) = with_features(self.teacher.network, unlabelled["weak"], self.tap)
            probabilities = logits.softmax(1)
            known = torch.ones_like(probabilities[:, 0], dtype=torch.bool)
        if self.diffusion is not None and self.steps % self.every == self.every - 1:
            sampled = self.diffusion.sample(unlabelled["weak"], self.noise_seed).softmax(1)
            if self.ensemble:
                probabilities = entropy_weighted_mean(sampled, probabilities)
            else:
                probabilities = (sampled + probabilities) / 2
        confidence, classes = probabilities.max(1)
        return Pseudo(probabilities, classes, (confidence >= self.threshold) & known, features)

    def after_step(self, progress: float) -> None:
        self.steps += 1
        if self.steps % self.teacher_every == 0:
            self.teacher.update(self.student, progress)

    def get_extra_state(self) -> Tensor:
        """The number of steps, so that a resumed training continues the alternation."""
        return torch.tensor(self.steps)

    def set_extra_state(self, state: Tensor) -> None:
        self.steps = int(state)

    @property
    def deployed(self) -> nn.Module:
        return self.student

    @property
    def member_networks(self) -> tuple[nn.Module, ...]:
        return (self.student, self.teacher.network)

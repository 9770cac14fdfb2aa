"""The mean teacher's network: a moving average of another network's weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Teacher(nn.Module):
    """Exponential moving average of a student, for any method that needs one.

    An update gives the student a share, the teacher keeps the rest; the share is the largest of

    - ``1 / (n + 1)`` at update n (from 0): a plain mean at first, so that the random start is forgotten
      (Tarvainen & Valpola 2017, section 3; the warm-up as in UA-MT);
    - ``1 - decay``;
    - progress since the last update, divided by ``window``: the average reaches back over no more than that
      share of the training. Our addition: in a training of 180 steps a decay of 0.99 averages over most of
      it, and made the teacher 0.04 Dice worse than its student (hippocampus, four labels).

    Floating buffers (batch norm statistics) are averaged likewise, counters are copied. The teacher asks for
    no gradient, gives none, and stays in evaluation mode whatever its owner does. torch's ``AveragedModel``
    keeps none of this, and reads its counter on the host at each step.

    Args:
        student: the network to follow; copied, not kept.
        decay: most that the teacher keeps, in [0, 1).
        window: share of the training, in (0, 1].
    """

    updates: Tensor
    progress: Tensor

    def __init__(self, student: nn.Module, decay: float = 0.99, window: float = 0.05) -> None:
        super().__init__()
        self.network = copy.deepcopy(student).requires_grad_(False)
        self.decay, self.window = decay, window
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))
        self.register_buffer("progress", torch.zeros(()))
        self.eval()

    def train(self, mode: bool = True) -> Teacher:
        """Stay in evaluation mode: pseudo-labels come from running statistics and without dropout."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Logits BCDHW of an image B1DHW, without gradient."""
        return self.network(image)

    @torch.no_grad()
    def update(self, student: nn.Module, progress: float) -> None:
        """Move towards the student, whose state dict has the teacher's names and shapes; progress is 0..1."""
        share = torch.maximum(1 / (self.updates + 1), (progress - self.progress) / self.window)
        share = share.clamp(1 - self.decay, 1)  # a tensor all along: the host need not wait for the device
        current = student.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(current[name], share.to(average.dtype))
            else:
                average.copy_(current[name])
        self.updates += 1
        self.progress.fill_(progress)

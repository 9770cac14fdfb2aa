"""The network of a mean teacher: a moving average of another network's weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Teacher(nn.Module):
    """Exponential moving average of a student.

    An update is ``teacher = (1 - share) * teacher + share * student``; the share is the largest of

    - ``1 / (n + 1)`` at update n (from 0): a plain mean at first, so that the random initial weights are forgotten
      (Tarvainen & Valpola 2017, section 3; the warm-up as in UA-MT);
    - ``1 - decay``;
    - progress since the last update, divided by ``window``: the average covers no more than that share of the
      training. Our addition: in a training of 180 steps a decay of 0.99 averages over most of it, which made the
      teacher 0.04 Dice worse than its student (hippocampus, four labels).

    Floating-point buffers (batch norm statistics) are averaged likewise, integers are copied. The teacher requires and
    gives no gradient, and stays in evaluation mode whatever its owner does. torch's ``AveragedModel`` does none of
    this, and reads its counter on the host at each step.

    Args:
        student: the network to average; copied, not kept.
        decay: largest share that the teacher keeps, in [0, 1).
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
        """Stay in evaluation mode: pseudo-labels use running statistics and no dropout."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Logits BCDHW of an image B1DHW, without gradient."""
        return self.network(image)

    @torch.no_grad()
    def update(self, student: nn.Module, progress: float) -> None:
        """Update the average with a student of the same architecture; progress is 0..1."""
        share = torch.maximum(1 / (self.updates + 1), (progress - self.progress) / self.window)
        share = share.clamp(1 - self.decay, 1)  # a tensor, so that the host does not wait for the device
        current = student.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(current[name], share.to(average.dtype))
            else:
                average.copy_(current[name])
        self.updates += 1
        self.progress.fill_(progress)

"""Small networks, batches and a few steps, on which methods are tried."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fewlabel.methods.base import total


class SmallNetwork(nn.Module):
    """Four channels, batch norm (buffers that a teacher must follow), logits scaled and reordered at will."""

    def __init__(self, classes=3, scale=1.0, order=None):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(1, 4, 3, padding=1, bias=False),
            nn.BatchNorm3d(4),
            nn.LeakyReLU(),
            nn.Conv3d(4, classes, 1),
        )
        self.scale, self.order = scale, order

    def forward(self, image):
        logits = self.features(image) * self.scale
        return logits if self.order is None else logits[:, self.order]


class Trial:
    """What any method is tried with, on crops of a few voxels; the same random numbers each time."""

    crop = (8, 8, 8)

    @staticmethod
    def make(method, classes=3, seed=0, **network):
        """A method of the table, of SmallNetwork."""
        torch.manual_seed(seed)
        return method(lambda: SmallNetwork(classes, **network), classes).train()

    def batches(self, classes=3, seed=1):
        """A labelled batch whose classes are intensity bands; an unlabelled one with views and a stored guess."""
        generator = torch.Generator().manual_seed(seed)
        image, weak, noise = torch.randn(3, 2, 1, *self.crop, generator=generator).unbind()
        bands = torch.linspace(-1, 1, classes + 1)[1:-1]
        labelled = {"image": image, "label": torch.bucketize(image, bands)}
        stored = {"pseudo_label": torch.bucketize(weak, bands), "confidence": 0.5 + 0.5 * noise.sigmoid()}
        return labelled, {"weak": weak, "strong": weak + 0.5 * noise, **stored}

    @staticmethod
    def step(method, labelled, unlabelled, progress=1.0, seed=2):
        """One step whose random numbers begin with a seed."""
        torch.manual_seed(seed)
        return method.step(labelled, unlabelled, progress)

    def train(self, method, labelled, unlabelled, steps, progress=None, rate=0.1, first=0):
        """A few steps of plain gradient descent, at a fixed progress or from 0 to 1; the losses of each, by term."""
        optimiser, losses = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], rate), []
        for number in range(first, first + steps):
            now = number / steps if progress is None else progress
            optimiser.zero_grad()
            step = self.step(method, labelled, unlabelled, now, seed=number)
            total(step, method.weights(now)).backward()
            optimiser.step()
            method.after_step(now)
            losses.append({term: float(loss.detach()) for term, loss in step.losses.items()})
        return losses


@pytest.fixture(scope="session")
def trial():
    """See Trial."""
    return Trial()


@pytest.fixture
def batches():
    """A labelled batch of two classes and an unlabelled one, two tiny crops each."""
    torch.manual_seed(1)
    image, weak, strong = torch.randn(3, 2, 1, 4, 4, 4).unbind()
    return {"image": image, "label": (image > 0).long()}, {"weak": weak, "strong": strong}

import itertools
import math

import pytest
import torch
from torch import nn

from fewlabel.methods.base import Method, Step
from fewlabel.training.budget import learning_rate
from fewlabel.training.trainer import Diverged, dice_of_crops
from fewlabel.workspace import read_json


def test_steps_end_the_training(make_trainer):
    trainer = make_trainer(steps=7)
    trainer.run()
    assert trainer.step == 7
    assert trainer.done() == 1


def test_time_ends_the_training(make_trainer, slow):
    trainer = make_trainer(steps=1000, seconds=10.0, loader=slow(1.0))
    trainer.run()
    assert trainer.step == 10


def test_the_checkpoint_is_written_at_every_tenth_and_every_twenty_seconds(make_trainer, clock, monkeypatch, slow):
    saved = []
    trainer = make_trainer(steps=1000, seconds=1000.0, loader=slow(5.0))
    trainer.save = lambda finished: (saved.append((clock.now, finished)), setattr(trainer, "_saved", clock.now))
    trainer.run()
    times = [when for when, _ in saved]
    assert max(later - earlier for earlier, later in itertools.pairwise([0.0, *times])) <= 25
    assert {100.0 * tenth for tenth in range(1, 10)} <= set(times)
    assert [finished for _, finished in saved] == [False] * (len(saved) - 1) + [True]


def test_it_validates_at_every_tenth_and_at_the_end(make_trainer):
    shares = []
    make_trainer(steps=100, validate=lambda method, done: shares.append(done)).run()
    assert shares == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


class Sick(Method):
    """Its loss or its gradient is no number from the third step on."""

    description = "sick"
    trains = {"supervised": ("network",)}  # noqa: RUF012 as the contract says

    def __init__(self, ill):
        super().__init__(lambda: None, 2)
        self.network, self.ill, self.count = nn.Conv3d(1, 2, 1), ill, 0

    def step(self, labelled, unlabelled, progress):
        self.count += 1
        logits = self.network(labelled["image"])
        loss = logits.square().mean()
        if self.count >= 3:
            loss = loss * math.nan if self.ill == "loss" else (loss - loss.detach()).abs().sqrt()
        return Step(logits, {"supervised": loss})

    def weights(self, progress):
        return {"supervised": 1.0}

    @property
    def deployed(self):
        return self.network

    @property
    def member_networks(self):
        return (self.network,)


@pytest.mark.parametrize("ill", ["loss", "gradient"])
def test_a_divergence_is_found_before_anything_is_validated_or_saved(make_trainer, ill):
    validated = []
    trainer = make_trainer(steps=20, method=Sick(ill), validate=lambda method, done: validated.append(done))
    with pytest.raises(Diverged, match="diverged at step 4"):
        trainer.run()
    assert max(validated) < 0.2
    saved = torch.load(trainer.checkpoint, weights_only=True)["method"]
    assert all(value.isfinite().all() for value in saved.values())


def test_losses_by_name_and_time_left_are_reported(make_trainer):
    trainer = make_trainer(steps=4)
    trainer.run()
    report = read_json(trainer.progress.path)
    assert report["losses"].keys() == {"total", "supervised", "consistency"}
    assert report["weights"].keys() == {"supervised", "consistency"}
    assert (report["step"], report["steps"], report["seconds_left"]) == (4, 4, 0.0)
    assert report["memory"] > 1_000_000  # bytes


def test_the_learning_rate_rises_for_a_tenth_and_falls_to_a_hundredth():
    rates = [learning_rate(progress / 1000, 2.0) for progress in range(1001)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == pytest.approx(rates[100]) == pytest.approx(2.0)
    assert rates[1000] == pytest.approx(0.02)
    assert rates[:101] == sorted(rates[:101])
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert max(abs(a - b) for a, b in itertools.pairwise(rates)) < 0.02


def test_the_dice_of_crops_is_exact_and_nan_without_foreground():
    label = torch.zeros(1, 1, 2, 2, 2)
    label[..., 1] = 1
    logits = torch.cat([torch.zeros_like(label), 2 * label - 1], 1)
    assert dice_of_crops(logits, label) == 1
    logits[0, 1, 0, 0, 1] = -1
    assert dice_of_crops(logits, label) == pytest.approx(2 * 3 / 7)
    assert math.isnan(dice_of_crops(logits, torch.zeros_like(label)))


def test_the_dice_of_crops_is_the_mean_of_the_classes_that_are_there():
    label = torch.tensor([0, 0, 1, 1, 2, 2]).reshape(1, 1, 1, 1, 6)
    predicted = torch.tensor([0, 0, 1, 1, 2, 0]).reshape(1, 1, 1, 6)
    logits = nn.functional.one_hot(predicted, 4).movedim(-1, 1).float()
    assert dice_of_crops(logits, label) == pytest.approx((1 + 2 / 3) / 2)

"""Where a guess comes from, and what it costs to ask."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fewlabel.methods import METHODS
from fewlabel.methods.guesses import Guess, Guesses


class Asked:
    """A teacher that is sure of class 1; keeps what it is asked."""

    def __init__(self):
        self.seen = []

    def __call__(self, crops):
        self.seen.append(crops)
        return torch.stack([-5 * torch.ones_like(crops[:, 0]), 5 * torch.ones_like(crops[:, 0])], 1)


def crops():
    torch.manual_seed(0)
    weak, strong = torch.rand(2, 2, 1, 3, 3, 3).unbind()
    stored = {"pseudo_label": torch.randint(2, weak.shape), "confidence": torch.rand(weak.shape)}
    return {"weak": weak, "strong": strong, **stored}


def test_a_live_teacher_is_asked_about_the_weak_view():
    teacher, batch = Asked(), crops()
    guess = Guesses("live")(batch, teacher)
    assert torch.equal(teacher.seen[0], batch["weak"])
    assert (guess.classes == 1).all()
    assert guess.sure(0.99).all()


def test_a_cached_guess_is_what_came_with_the_crops_and_nobody_is_asked():
    teacher, batch = Asked(), crops()
    guess = Guesses("cached")({name: batch[name] for name in Guesses("cached").views}, teacher)
    assert teacher.seen == []
    assert torch.equal(guess.classes, batch["pseudo_label"][:, 0])
    assert torch.equal(guess.sure(0.5), batch["confidence"][:, 0] >= 0.5)


def test_what_is_not_known_is_never_sure_and_every_class_alike():
    guess = Guess(torch.tensor([[[[0, 1]]]]), torch.tensor([[[[0.0, 0.7]]]]))
    assert guess.sure(0.0).flatten().tolist() == [False, True]
    expected = torch.tensor([[1 / 3, 0.15], [1 / 3, 0.7], [1 / 3, 0.15]]).reshape(1, 3, 1, 1, 2)
    torch.testing.assert_close(guess.probabilities(3), expected)


def test_another_teacher_is_refused_in_words():
    with pytest.raises(ValueError, match="There is no teacher 'old'; there is live and cached"):
        Guesses("old")


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.head, self.crops = nn.Conv3d(1, 2, 1), 0

    def forward(self, image):
        self.crops += len(image)
        return self.head(image)


@pytest.mark.parametrize(("name", "student"), [("bcp", 4), ("mean_teacher", 4)])
def test_with_a_cached_teacher_a_step_is_one_pass_of_the_student_over_twice_the_crops(name, student):
    method, batch = METHODS[name](Counted, 2, teacher="cached"), crops()
    image = batch["weak"]
    before = {"image": image, "label": (image > 0.5).long()}
    method.step(before, batch, 0.1)
    assert (method.student.crops, method.teacher.network.crops) == (2, 0)
    method.step(before, batch, 0.3)
    assert (method.student.crops, method.teacher.network.crops) == (2 + student, 0)
    assert method.weights(0.2) == method.weights(1.0)


def test_in_the_mixture_the_box_is_of_the_labelled_crop_and_the_rest_is_learnt_from_the_guess():
    method, batch = METHODS["bcp"](Counted, 2, teacher="cached"), crops()
    seen = []
    method.student.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    image = batch["weak"] + 5
    method.step({"image": image, "label": torch.zeros_like(image).long()}, batch, 1.0)
    plain, mixture = seen[0].split(2)
    box = mixture > 4
    assert torch.equal(plain, image)
    assert torch.equal(torch.where(box, image, batch["strong"]), mixture)
    assert box.flatten(1).sum(1).tolist() == [8, 8]  # two thirds of each side of three


def test_true_labels_count_in_the_box_and_guesses_outside_of_it():
    """A student that is sure of class 1 pays nothing where that is true, and much where it is not guessed."""
    method, batch = METHODS["bcp"](Counted, 2, teacher="cached"), crops()
    with torch.no_grad():
        method.student.head.weight.zero_()
        method.student.head.bias.copy_(torch.tensor([-50.0, 50.0]))
    batch |= {"pseudo_label": torch.zeros_like(batch["pseudo_label"]), "confidence": torch.ones_like(batch["weak"])}
    losses = method.step({"image": batch["weak"], "label": torch.ones_like(batch["pseudo_label"])}, batch, 1.0).losses
    assert losses["copy_paste"].item() == pytest.approx(0, abs=1e-5)
    assert losses["pseudo"] > 10

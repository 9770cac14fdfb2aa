"""Which network sees which view, and what teaches what: over every method of the table.

Intensities tell where a voxel is from, and networks that are right or wrong by design tell what a term compares.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fewlabel.losses.supervised import dice_cross_entropy
from fewlabel.methods import METHODS, make_method
from fewlabel.methods.teacher import Teacher

CROP = (8, 8, 8)
CENTRES = torch.tensor([0.0, 1.0, 2.0]).reshape(1, 3, 1, 1, 1)
# Terms of which the value says nothing about classes: they compare features, or train a network of their own.
NOT_OF_CLASSES = {"contrast", "reconstruction", "propagation", "denoising"}
# Switched off where they would hide what is asked: cubes that are hidden, a teacher that has not learnt yet.
PLAIN = {"dtlp": {"hidden": (0.0, 0.0), "denoising": 0.0}}
# Terms that cost a certain mistake 2 at most; all others are cross entropies, which cost it its logit, 90 and more.
BOUNDED = {"uamt": {"consistency"}, "dual_network": {"rectification", "cross_pseudo_dice", "cosine"}}
SEMI = [name for name in METHODS if name != "supervised"]


class Oracle(nn.Module):
    """Knows the class of a voxel by its intensity (0, 1, 2), with certainty; ``turn`` makes it wrong everywhere.

    Its features are there to be tapped, and keep their part of the output at nothing.
    """

    def __init__(self, turn=0):
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.LeakyReLU())
        self.head = nn.Conv3d(4, 3, 1)
        self.turn, self.seen = turn, []

    def forward(self, image):
        self.seen.append(image.detach().clone())
        known = -50 * (image - CENTRES) ** 2
        return known.roll(self.turn, 1) + 0 * self.head(self.body(image))


def make(name, first=0, second=0, **settings):
    """A method with networks of these turns: student and teacher, or the first and the second of two."""
    torch.manual_seed(0)
    turns = iter([first, second])
    made = make_method(name, lambda: Oracle(next(turns)), lambda: Oracle(next(turns)), 3, **settings).train()
    for module in made.modules():
        if isinstance(module, Teacher):
            module.network.turn = second
        if isinstance(module, Oracle):
            module.seen.clear()
    return made


def seen(method, teacher):
    """Crops that the networks saw in one step: of the teacher's, or of those that learn."""
    inside = {id(each) for module in method.modules() if isinstance(module, Teacher) for each in module.modules()}
    networks = [each for each in method.modules() if isinstance(each, Oracle) and (id(each) in inside) == teacher]
    return [torch.cat(network.seen) for network in networks if network.seen]


def distinguishable():
    """Labelled crops in 0..1, weak views in 10..11, strong ones in 20..21."""
    torch.manual_seed(1)
    image, weak, strong = torch.rand(3, 2, 1, *CROP).unbind()
    return {"image": image, "label": (image > 0.5).long()}, {"weak": weak + 10, "strong": strong + 20}


def truthful():
    """Crops whose intensity is their class and a little noise, in each view."""
    torch.manual_seed(2)
    label, hidden = torch.randint(3, (2, 2, 1, *CROP)).unbind()
    image, weak, strong = (true + 0.2 * torch.rand(true.shape) - 0.1 for true in (label, hidden, hidden))
    return {"image": image, "label": label}, {"weak": weak, "strong": strong}


def with_teacher(name):
    return any(isinstance(module, Teacher) for module in make(name).modules())


TAUGHT = [name for name in METHODS if with_teacher(name)]
IN_PAIRS = [name for name in METHODS if METHODS[name].needs_second]


@pytest.mark.parametrize("step", range(3))
@pytest.mark.parametrize("name", TAUGHT)
def test_a_teacher_sees_the_weak_view_alone_and_its_student_never_does(name, step):
    method, batches = make(name), distinguishable()
    for _ in range(step):
        method.after_step(1.0)
    torch.manual_seed(3)
    method.step(*batches, 1.0)
    (teacher,) = seen(method, teacher=True)
    (student,) = seen(method, teacher=False)
    noise = 2 * getattr(method, "noise", 0.0) + 1e-5
    asked = teacher.split(2)
    assert all((crops - batches[1]["weak"]).abs().max() <= noise for crops in asked)
    assert torch.equal(student[:2], batches[0]["image"])
    assert not ((student > 5) & (student < 15)).any()
    assert (student > 15).any()


@pytest.mark.parametrize("name", IN_PAIRS)
def test_of_two_networks_one_sees_the_weak_and_the_other_the_strong_view_of_a_crop(name):
    method, (labelled, unlabelled) = make(name), distinguishable()
    torch.manual_seed(3)
    method.step(labelled, unlabelled, 1.0)
    first, second = seen(method, teacher=False)
    for crops in (first, second):
        assert torch.equal(crops[:2], labelled["image"])
    for number in range(2):
        views = [crops[2 + number] for crops in (first, second)]
        expected = [unlabelled["weak"][number], unlabelled["strong"][number]]
        assert any(torch.equal(one, expected[0]) and torch.equal(two, expected[1]) for one, two in (views, views[::-1]))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("progress", [0.0, 1.0])
def test_networks_that_are_right_everywhere_pay_nothing_for_any_class(name, progress):
    """So each voxel, wherever it was pasted or cropped to, meets the class that it has, of its own crop."""
    method = make(name, **PLAIN.get(name, {}))
    for number in range(2):
        torch.manual_seed(number)
        for term, loss in method.step(*truthful(), progress).losses.items():
            assert term in NOT_OF_CLASSES or loss < 1e-3, term
        method.after_step(0.0)


@pytest.mark.parametrize("name", SEMI)
@pytest.mark.parametrize("turn", [1, 2])
def test_one_that_is_wrong_everywhere_pays_for_every_class_by_what_it_is_taught(name, turn):
    """The other one is right: it teaches, and where the two disagree the label tells who is wrong."""
    settings = {"agreement": False} if name == "dual_network" else PLAIN.get(name, {})
    method = make(name, first=turn, **settings)
    torch.manual_seed(0)
    losses = method.step(*truthful(), 1.0).losses
    found = {term: float(loss) for term, loss in losses.items() if term not in NOT_OF_CLASSES}
    least = {term: 1.9 if term in BOUNDED.get(name, ()) else 90.0 for term in found}
    assert {term for term, loss in found.items() if loss < least[term]} == set()


@pytest.mark.parametrize("name", TAUGHT)
def test_a_student_that_is_right_pays_for_what_a_wrong_teacher_says(name):
    """It is the teacher's word that is learnt and not the student's own."""
    method = make(name, second=1, **PLAIN.get(name, {}))
    torch.manual_seed(0)
    step = method.step(*truthful(), 1.0)
    for term, loss in step.losses.items():
        if term in NOT_OF_CLASSES:
            continue
        if term in method.labelled_terms:
            assert loss < 1e-3, term
        else:
            assert loss > 0.2, term


@pytest.mark.parametrize("name", METHODS)
def test_what_is_not_learnt_yet_is_not_looked_at(name):
    """At the start of a training the pool has no part in the step: no pass, no term, no weight."""
    method, batches = make(name), distinguishable()
    step = method.step(*batches, 0.0)
    assert not seen(method, teacher=True)
    assert all((crops < 5).all() for crops in seen(method, teacher=False))
    for term, loss in step.losses.items():
        if term not in method.labelled_terms and term != "copy_paste":
            assert loss == 0 == method.weights(0.0)[term], term


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("progress", [0.0, 1.0])
def test_labels_count_in_full_whatever_else_is_learnt(name, progress):
    """Dice and cross entropy of each network that learns, on the labelled crops as they are."""
    method, (labelled, unlabelled) = make(name, first=1, second=2), truthful()
    step = method.step(labelled, unlabelled, progress)
    turns = (1, 2) if name in IN_PAIRS else (1,)
    said = [Oracle(turn)(labelled["image"]) for turn in turns]
    expected = sum(dice_cross_entropy(logits, labelled["label"]) for logits in said)
    torch.testing.assert_close(step.losses["supervised"], expected)
    torch.testing.assert_close(step.logits, said[0])

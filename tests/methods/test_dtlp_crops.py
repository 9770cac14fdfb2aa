"""Each crop of DTLP is taught by what its teachers say of that crop, and rebuilt from what was hidden of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fewlabel.methods.dtlp import DTLP

WHOLE = ("reconstruction", "distillation", "propagation")


class Network(nn.Module):
    """Features at half the side; sharp, so that the teacher is confident."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv3d(1, 6, 2, stride=2), nn.LeakyReLU())
        self.decoder = nn.ConvTranspose3d(6, 3, 2, stride=2)

    def forward(self, image):
        return 4 * self.decoder(self.encoder(image))


def build(**settings):
    torch.manual_seed(0)
    return DTLP(Network, 3, denoising=0.0, threshold=0.0, **settings).train()


def batches():
    torch.manual_seed(1)
    image, weak, strong = torch.randn(3, 2, 1, 8, 8, 8).unbind()
    return {"image": image, "label": (image > 0).long() + (image > 1)}, {"weak": weak, "strong": strong}


def losses(step, changed=None, **settings):
    """Terms of the first or second step, with another weak view of one crop."""
    method, (labelled, unlabelled) = build(**settings), batches()
    for _ in range(step):
        method.after_step(0.0)
    if changed is not None:
        unlabelled["weak"][changed] = -3 * unlabelled["weak"][changed]
    torch.manual_seed(2)
    return method.step(labelled, unlabelled, 1.0).losses


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("term", [*WHOLE, "masking"])
def test_a_crop_learns_what_the_teachers_say_of_itself_and_not_of_its_neighbour(term, step):
    """At an even step the first crop is seen whole and the second with cubes hidden, then the other way round."""
    own = step if term in WHOLE else 1 - step
    plain = losses(step)[term]
    assert not torch.equal(plain, losses(step, changed=own)[term])
    assert torch.equal(plain, losses(step, changed=1 - own)[term])


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_features_are_rebuilt_from_those_of_which_this_share_is_hidden(share):
    method, given = build(hidden_features=share), []
    method.generator.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0].detach()))
    torch.manual_seed(2)
    method.step(*batches(), 1.0)
    hidden = (given[0] == 0).all(1).float().mean().item()
    assert hidden == pytest.approx(share, abs=0.2)
    assert share in (0.0, 1.0) or 0 < hidden < 1


def test_what_is_rebuilt_is_what_the_teacher_has_at_every_voxel_of_the_weak_view():
    method, (labelled, unlabelled) = build(hidden_features=1.0), batches()
    with torch.no_grad():
        teacher = method.teacher.network.encoder[0](unlabelled["weak"])[:1]
    features = [None]

    def rebuild(module, inputs, output):
        features[0] = output.shape
        return 7 * teacher if output.shape == teacher.shape else output

    method.generator.register_forward_hook(rebuild)
    loss = method.step(labelled, unlabelled, 1.0).losses["reconstruction"]
    tapped = method._teach({"weak": unlabelled["weak"]}).features[:1]
    expected = (nn.functional.normalize(teacher, dim=1) - nn.functional.normalize(tapped, dim=1)).square().sum(1).mean()
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-3)


def test_only_a_part_of_the_covered_crop_is_hidden():
    method, (labelled, unlabelled) = build(hidden=(0.2, 0.3), cutmix=0.0, cube=0.25), batches()
    seen = []
    method.student.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    method.step(labelled, unlabelled, 1.0)
    covered = seen[0][3]
    assert 0.15 < (covered != unlabelled["strong"][1]).float().mean() < 0.35


@pytest.mark.parametrize("threshold", [0.0, 1.1])
def test_what_the_teachers_are_not_sure_of_is_taught_softly_alone(threshold):
    torch.manual_seed(2)
    method = build()
    method.threshold = threshold
    found = method.step(*batches(), 1.0).losses
    assert found["distillation"] > 0
    assert (found["masking"] > 0) == (threshold == 0)


def test_classes_are_propagated_to_the_voxels_that_they_are_of():
    """With projections that leave every voxel alone, each pays for the class that its own teacher and label give it."""
    method, (labelled, unlabelled) = build(cutmix=0.0), batches()
    unlabelled["strong"] = unlabelled["weak"]
    method.projections.forward = lambda features, probabilities: probabilities
    loss = method.step(labelled, unlabelled, 1.0).losses["propagation"]
    with torch.no_grad():
        on_labelled = nn.functional.cross_entropy(method.student(labelled["image"]), labelled["label"][:, 0])
        on_strong = -method.student(unlabelled["strong"][:1]).log_softmax(1).max(1).values.mean()
    torch.testing.assert_close(loss, (on_labelled + on_strong) / 2)

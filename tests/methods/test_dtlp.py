from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fewlabel.losses.pseudo_labels import confident_classes
from fewlabel.methods.base import total
from fewlabel.methods.dtlp import DTLP
from fewlabel.methods.dtlp_parts import exchange
from fewlabel.methods.supervised import Supervised
from fewlabel.networks import NETWORKS

TERMS = ("cutmix", "masking", "reconstruction", "distillation", "propagation")


class CountedNetwork(nn.Module):
    """Features at half the side, batch norm, and the crops that it sees."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv3d(1, 6, 2, stride=2), nn.BatchNorm3d(6), nn.LeakyReLU())
        self.decoder = nn.ConvTranspose3d(6, 3, 2, stride=2)
        self.seen = []

    def forward(self, image):
        self.seen.append(image)
        return self.decoder(self.encoder(image))


def build(**settings):
    torch.manual_seed(0)
    method = DTLP(CountedNetwork, 3, **settings).train()
    for network in (method.student, method.teacher.network):
        network.seen.clear()
    return method


@pytest.fixture
def batches():
    torch.manual_seed(1)
    image, weak, strong = torch.randn(3, 2, 1, 8, 8, 8).unbind()
    return {"image": image, "label": (image > 0).long() + (image > 1)}, {"weak": weak, "strong": strong}


def crops(network):
    return sum(len(image) for image in network.seen)


def sampled(method):
    """Counts the diffusion teacher's lessons and samples."""
    counts = {}

    def count(name):
        original = getattr(method.diffusion, name)
        counts[name] = 0

        def counted(*arguments):
            counts[name] += 1
            return original(*arguments)

        setattr(method.diffusion, name, counted)

    count("denoise")
    count("sample")
    return counts


def say(network, logit):
    """Make a network say class 1 everywhere with this logit against 0."""
    with torch.no_grad():
        network.decoder.weight.zero_()
        network.decoder.bias.copy_(torch.tensor([0.0, logit, 0.0]))


def test_labels_alone_are_learnt_first_by_student_and_diffusion_teacher(batches):
    method = build()
    step = method.step(*batches, progress=0.2)
    assert all(step.losses[name] == method.weights(0.2)[name] == 0 for name in TERMS)
    assert step.losses["supervised"] > 0
    assert step.losses["denoising"] > 0
    assert (crops(method.student), crops(method.teacher.network)) == (2, 0)


def test_a_full_step_costs_three_times_the_labelled_crops_and_one_pass_of_the_mean_teacher(batches):
    method = build()
    method.step(*batches, progress=1.0)
    assert len(method.student.seen) == 1
    assert (crops(method.student), crops(method.teacher.network)) == (6, 2)


@pytest.mark.parametrize("name", ["unet", pytest.param("segresnet", marks=pytest.mark.slow)])
def test_a_step_takes_at_most_four_times_the_operations_of_a_supervised_one(name):
    image, weak, strong = torch.randn(3, 2, 1, 16, 16, 16).unbind()
    batches = {"image": image, "label": (image > 0).long()}, {"weak": weak, "strong": strong}

    def operations(method):
        with FlopCounterMode(display=False) as counter:
            for _ in range(3):  # one turn of the diffusion teacher
                total(method.step(*batches, 1.0), method.weights(1.0)).backward()
                method.after_step(1.0)
        return counter.get_total_flops()

    supervised, ours = (operations(method(lambda: NETWORKS[name](3), 3)) for method in (Supervised, DTLP))
    assert ours < 4 * supervised


@pytest.mark.parametrize(
    ("off", "student", "teacher"),
    [
        (("cutmix",), 4, 2),
        (("masking", "reconstruction", "distillation", "propagation"), 4, 2),
        (("masking",), 6, 2),
        (("reconstruction", "distillation", "propagation"), 6, 2),
        (TERMS, 2, 0),
    ],
)
def test_a_weight_of_zero_saves_what_its_term_costs(batches, off, student, teacher):
    method = build(**dict.fromkeys(off, 0.0), threshold=0.0)
    losses = method.step(*batches, progress=1.0).losses
    assert (crops(method.student), crops(method.teacher.network)) == (student, teacher)
    assert all((losses[name] == 0) == (name in off) for name in TERMS)
    assert (method.generator is None) == ("reconstruction" in off)
    assert (method.projections is None) == ("propagation" in off)


def test_without_denoising_there_is_no_diffusion_teacher(batches):
    method = build(denoising=0.0)
    step = method.step(*batches, progress=1.0)
    assert method.diffusion is None
    assert step.losses["denoising"] == 0
    assert torch.isfinite(total(step, method.weights(1.0)))


def test_the_diffusion_teacher_learns_and_speaks_in_turns_and_only_learns_before_the_start(batches):
    method = build(every=3)
    counts = sampled(method)
    for _ in range(6):
        method.step(*batches, progress=0.1)
        method.after_step(0.1)
    assert counts == {"denoise": 2, "sample": 0}
    for _ in range(6):
        method.step(*batches, progress=1.0)
        method.after_step(1.0)
    assert counts == {"denoise": 4, "sample": 2}


def test_with_a_period_of_one_the_diffusion_teacher_learns_and_speaks_at_each_step(batches):
    method = build(every=1)
    counts = sampled(method)
    method.step(*batches, progress=1.0)
    assert counts == {"denoise": 1, "sample": 1}


def test_the_diffusion_teacher_learns_from_labels_alone(batches):
    """Its lesson is the same whatever the unlabelled crops are, and no other term reaches it."""
    labelled, unlabelled = batches
    lessons = []
    for other in (unlabelled, {"weak": unlabelled["weak"] + 3, "strong": -unlabelled["strong"]}, None):
        method = build(every=1)
        nn.init.normal_(method.diffusion.network.out[2].conv.weight)
        torch.manual_seed(2)
        lessons.append(method.step(labelled, other, 1.0).losses["denoising"])
    assert lessons[0] == lessons[1] == lessons[2]


def test_fault_ad_1_the_ensemble_listens_to_a_confident_diffusion_teacher(batches):
    """A&D defect 1: with its output clamped to -1..1 this teacher would never pass the threshold."""
    method = build(every=1)
    say(method.teacher.network, 0.0)
    head = method.diffusion.network.out[2].conv
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0.0, 0.0, 12.0]).repeat_interleave(4**3))
    pseudo = method._teach(batches[1])
    assert (pseudo.classes == 2).all()
    assert (pseudo.probabilities[:, 2] > 0.85).all()
    assert pseudo.mask.all()
    capped = head.bias.clamp(-1, 1)[:: 4**3].softmax(0)
    assert not confident_classes(capped.reshape(1, 3, 1, 1, 1), method.threshold)[1].any()


def test_pseudo_labels_carry_no_gradient(batches):
    method = build(every=1)
    assert not any(value.requires_grad for value in method._teach(batches[1]))


def test_with_a_noise_seed_the_pseudo_labels_are_the_same_each_time(batches):
    method = build(every=1, noise_seed=7)
    nn.init.normal_(method.diffusion.network.out[2].conv.weight)
    first, second = (method._teach(batches[1]).probabilities for _ in range(2))
    assert torch.equal(first, second)


def test_strong_crops_are_shared_out_in_turns(batches):
    method = build(cutmix=0.0)
    strong = batches[1]["strong"]
    for whole in (0, 1):
        method.step(*batches, progress=1.0)
        _, _, plain, covered = method.student.seen[-1].unbind()
        assert torch.equal(plain, strong[whole])
        assert not torch.equal(covered, strong[1 - whole])
        same = covered == strong[1 - whole]
        assert same.any()
        assert covered[~same].unique().numel() == 1
        method.after_step(1.0)


def test_one_crop_of_each_kind_is_enough(batches):
    method = build()
    labelled, unlabelled = ({name: value[:1] for name, value in batch.items()} for batch in batches)
    for _ in range(2):
        step = method.step(labelled, unlabelled, 1.0)
        assert all(torch.isfinite(loss) for loss in step.losses.values())
        total(step, method.weights(1.0)).backward()
        method.after_step(1.0)


def mix(method, labelled, unlabelled, pseudo):
    how = method.pseudo_weight, method.box_share, method.both_mixtures, method.steps
    return exchange(labelled["image"], labelled["label"], unlabelled["strong"], pseudo, *how)


def test_a_mixture_holds_voxels_of_both_crops_and_pseudo_labels_count_half_where_confident(batches):
    labelled, unlabelled = batches
    method = build(box_share=8 / 27)
    say(method.teacher.network, 9.0)
    pseudo = method._teach({"weak": unlabelled["weak"]})
    mixture = mix(method, labelled, unlabelled, pseudo)
    for number, inside in enumerate(("unlabelled", "labelled")):  # the box changes sides from crop to crop
        guessed = mixture.weight[number] == 0.5
        assert (guessed | (mixture.weight[number] == 1)).all()
        assert guessed.sum() == (5**3 if inside == "unlabelled" else 8**3 - 5**3)
        source = torch.where(guessed, unlabelled["strong"][number], labelled["image"][number])
        assert torch.equal(mixture.image[number], source)
        assert (mixture.label[number][guessed] == 1).all()
    say(method.teacher.network, 0.1)
    unsure = method._teach({"weak": unlabelled["weak"]})
    mixture = mix(method, labelled, unlabelled, unsure)
    assert set(mixture.weight.unique().tolist()) == {0.0, 1.0}


def test_both_mixtures_can_be_asked_for(batches):
    method = build(both_mixtures=True, box_share=0.5)
    method.step(*batches, progress=1.0)
    assert crops(method.student) == 8


def test_the_mean_teacher_can_be_updated_periodically():
    method = build(teacher_every=3)
    for number in range(1, 7):
        method.after_step(number / 100)
        assert int(method.teacher.updates) == number // 3


def test_fault_ad_2_statistics_of_batch_norm_are_averaged_as_well(batches):
    """A&D defect 2: the averaged network keeps its first running statistics."""
    method = build()
    with torch.no_grad():
        method.student(batches[0]["image"] * 5 + 3)
    method.after_step(0.0)
    torch.testing.assert_close(method.teacher.network.encoder[1].running_mean, method.student.encoder[1].running_mean)
    assert (method.teacher.network.encoder[1].running_mean != 0).any()


def test_a_resumed_training_goes_on_in_turn(batches):
    method, twin = build(every=3), build(every=3)
    method.after_step(0.0)
    method.after_step(0.0)
    twin.load_state_dict(method.state_dict())
    assert twin.steps == 2
    counts = sampled(twin)
    twin.step(*batches, progress=1.0)
    assert counts == {"denoise": 0, "sample": 1}


def test_the_student_alone_is_published_and_the_mean_teacher_is_a_member():
    method = build()
    assert method.deployed is method.student
    assert method.member_networks == (method.student, method.teacher.network)
    assert method.deployed.state_dict().keys() == CountedNetwork().state_dict().keys()

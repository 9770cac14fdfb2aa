"""What every method must do, whatever teaches it: twelve items, each there because published code fails it.

``scripts/experiment.py mutants`` plants for each item the faults that it must catch.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from fewlabel.methods import METHODS
from fewlabel.methods.base import Method, Step, total
from fewlabel.methods.teacher import Teacher

NOT_STORED = {"reconstruction"}  # terms that a cached teacher cannot teach: features of the crop
PARTS = {
    "step": "step(labelled, unlabelled, progress), which gives Step(logits, losses)",
    "weights": "weights(progress), which gives the weight of each term",
    "deployed": "deployed, a property: the network that is published",
    "member_networks": "member_networks, a property: the networks whose disagreement tells how uncertain it is",
}


class Cached:
    """A method of the table with a cached teacher: made as the method itself is."""

    def __init__(self, method):
        self.method = method

    def __call__(self, *arguments, **settings):
        return self.method(*arguments, teacher="cached", **settings)


def teachers_of(method):
    return [module for module in method.modules() if isinstance(module, Teacher)]


def copied_state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def item_1_terms_and_weights_have_the_same_names_and_are_finite_scalars(trial, method):
    for unlabelled in (trial.batches()[1], None):
        for progress in (0.0, 0.5, 1.0):
            made = trial.make(method)
            step = trial.step(made, trial.batches()[0], unlabelled, progress)
            assert step.losses.keys() == made.weights(progress).keys() == made.trains.keys()
            assert step.logits.shape == (2, 3, *trial.crop)
            for name, loss in step.losses.items():
                assert loss.shape == (), name
                assert torch.isfinite(loss), name


def item_2_each_term_by_itself_trains_what_it_is_meant_for(trial, method):
    made = trial.make(method, scale=10.0)  # sharp predictions: confident teachers
    for name, parts in made.trains.items():
        if isinstance(method, Cached) and name in NOT_STORED:
            continue
        assert made.weights(1.0)[name] > 0, name
        loss = trial.step(made, *trial.batches()).losses[name]
        assert loss.requires_grad, f"{name} has no gradient"
        made.zero_grad()
        loss.backward()
        reached = [key for key, p in made.named_parameters() if p.grad is not None and p.grad.any()]
        trained = {key.split(".")[0] for key in reached}
        assert trained == set(parts), name


def item_3_labels_alone_train_every_parameter_of_the_deployed_network(trial, method):
    nothing = {view: each[:0] for view, each in trial.batches()[1].items()}
    for unlabelled in (None, nothing):
        made = trial.make(method)
        before = {name: value.detach().clone() for name, value in made.deployed.named_parameters()}
        trial.train(made, trial.batches()[0], unlabelled, steps=2)
        for name, value in made.deployed.named_parameters():
            assert not torch.equal(value, before[name]), f"{name} is not trained"


def item_4_labels_of_the_unlabelled_batch_are_never_read(trial, method):
    labelled, unlabelled = trial.batches()
    unknown = torch.full((2, 1, *trial.crop), torch.nan)
    plain = trial.step(trial.make(method), labelled, unlabelled).losses
    spiked = trial.step(trial.make(method), labelled, {**unlabelled, "label": unknown, "image": unknown}).losses
    for name, loss in plain.items():
        assert torch.equal(loss, spiked[name]), f"{name} reads them"


def item_5_the_teacher_is_the_running_mean_of_the_student_with_its_buffers(trial, method):
    made = trial.make(method)
    teachers = teachers_of(made)
    inside = {id(value) for teacher in teachers for value in teacher.state_dict(keep_vars=True).values()}
    for number in (1, 2):
        for value in made.state_dict(keep_vars=True).values():
            if id(value) not in inside:
                value.data.fill_(number)
        made.after_step(1.0)
    for teacher in teachers:
        for name, value in teacher.network.state_dict().items():
            expected = 1.5 if value.is_floating_point() else 2
            assert (value == expected).all(), f"{name} is {value.flatten()[0]} and not {expected}"


def item_6_teachers_get_no_gradient_ask_for_none_and_change_by_updates_alone(trial, method):
    made = trial.make(method, scale=10.0)
    before = [copied_state(teacher) for teacher in teachers_of(made)]
    total(trial.step(made, *trial.batches()), made.weights(1.0)).backward()
    for name, parameter in made.named_parameters():
        got_one = parameter.grad is not None
        assert got_one == parameter.requires_grad, f"{name} asks for a gradient or gets one, but not both"
    for teacher, state in zip(teachers_of(made), before, strict=True):
        assert not any(parameter.requires_grad for parameter in teacher.parameters())
        for name, value in teacher.state_dict().items():
            assert torch.equal(value, state[name]), f"{name} changed during the step"


def item_7_it_learns_a_labelled_batch(trial, method):
    made, (labelled, unlabelled) = trial.make(method), trial.batches()
    trial.train(made, labelled, unlabelled, steps=60, rate=0.5)
    with torch.no_grad():
        predicted = made.deployed.eval()(labelled["image"]).argmax(1, keepdim=True)
    assert (predicted == labelled["label"]).float().mean() > 0.9


def item_8_the_state_dict_makes_a_round_trip(trial, method):
    made, twin, (labelled, unlabelled) = trial.make(method), trial.make(method, seed=5), trial.batches()
    trial.train(made, labelled, unlabelled, steps=3, progress=1.0)
    stored = io.BytesIO()
    torch.save({"whole": made.state_dict(), "deployed": made.deployed.state_dict()}, stored)
    stored.seek(0)
    state = torch.load(stored, weights_only=True)
    twin.load_state_dict(state["whole"])
    for one_more_step in range(2):
        mine, theirs = made.members(unlabelled["weak"]), twin.members(unlabelled["weak"])
        torch.testing.assert_close(mine, theirs, msg=f"differs after loading and {one_more_step} steps")
        if one_more_step == 0:
            published = trial.make(method, seed=7).deployed.eval()
            published.load_state_dict(state["deployed"])
            expected = made.deployed.eval()(unlabelled["weak"])
            torch.testing.assert_close(published(unlabelled["weak"]), expected)
        for each in (made.train(), twin.train()):
            trial.train(each, labelled, unlabelled, steps=1, progress=1.0)


def item_9_extreme_constant_and_empty_input_stays_finite_and_unselected_voxels_cost_nothing(trial, method):
    labelled, unlabelled = trial.batches()
    empty = {"image": labelled["image"], "label": torch.zeros_like(labelled["label"])}
    for scale in (0.0, 1.0, 1e4):  # constant logits: every class equally likely, nothing to be confident of
        for labels in (labelled, empty):
            made = trial.make(method, scale=scale)
            step = trial.step(made, labels, unlabelled)
            total(step, made.weights(1.0)).backward()
            assert all(torch.isfinite(loss) for loss in step.losses.values()), f"scale {scale}: {step.losses}"
            gradients = [p.grad for p in made.parameters() if p.grad is not None]
            assert all(torch.isfinite(gradient).all() for gradient in gradients), f"scale {scale}"
            if scale == 0 and not isinstance(method, Cached):  # a stored guess stays as sure as it was
                for name in step.losses.keys() - method.labelled_terms - method.every_voxel:
                    assert step.losses[name] == 0, f"{name} where nothing is selected; or name it in every_voxel"


def item_10_permuting_the_foreground_classes_permutes_the_output_and_leaves_the_loss(trial, method):
    order = [0, 3, 1, 2]  # background stays: the Dice term leaves it out
    labelled, unlabelled = trial.batches(classes=4)
    renamed = torch.tensor(order).argsort()
    permuted = {"image": labelled["image"], "label": renamed[labelled["label"]]}
    guessed = {**unlabelled, "pseudo_label": renamed[unlabelled["pseudo_label"]]}
    made, twin = trial.make(method, 4, scale=10.0), trial.make(method, 4, scale=10.0, order=order)
    plain, other = trial.step(made, labelled, unlabelled), trial.step(twin, permuted, guessed)
    for name, loss in plain.losses.items():
        torch.testing.assert_close(loss, other.losses[name], msg=lambda text, name=name: f"{name}: {text}")
    torch.testing.assert_close(plain.logits[:, order], other.logits)


def item_11_a_guess_of_which_nothing_is_known_teaches_nothing(trial, method):
    """Cached only: confidence 0, as where a scan was not predicted yet; and a guess is taken from the batch alone."""
    made, (labelled, unlabelled) = trial.make(method), trial.batches()
    assert {"pseudo_label", "confidence"} <= made.needs
    unknown = {**unlabelled, "confidence": torch.zeros_like(unlabelled["confidence"])}
    losses = []
    for labels in (unlabelled["pseudo_label"], unlabelled["pseudo_label"].flip(0)):
        for known in (unknown, unlabelled):
            losses.append(trial.step(trial.make(method), labelled, {**known, "pseudo_label": labels}).losses)
    for name, loss in losses[0].items():
        assert torch.equal(loss, losses[2][name]), f"{name} learns what is not known"
    assert any(not torch.equal(loss, losses[3][name]) for name, loss in losses[1].items()), "nothing is learnt from it"


def item_12_only_what_is_needed_is_asked_of_the_loader(trial, method):
    made, (labelled, unlabelled) = trial.make(method), trial.batches()
    given = {name: unlabelled[name] for name in made.needs}
    for name, loss in trial.step(made, labelled, unlabelled).losses.items():
        assert torch.equal(loss, trial.step(trial.make(method), labelled, given).losses[name]), name


ITEMS = {int(key.split("_")[1]): check for key, check in list(globals().items()) if key.startswith("item_")}


def missing(method: object, trial: Any) -> list[str]:
    """What a class lacks of a method, a sentence each."""
    if not (isinstance(method, type) and issubclass(method, Method)):
        return ["Derive it from Method (fewlabel.methods.base), and name the class, not one of its objects."]
    lacking = []
    description, trains = getattr(method, "description", ""), getattr(method, "trains", None)
    if not isinstance(description, str) or not 10 < len(description) < 100 or "\n" in description:
        lacking.append("It has no description: one line, which viewers show.")
    if not isinstance(trains, dict) or not trains:
        lacking.append("It has no trains: each loss term, and the names of the parts that it sends gradient to.")
    elif not all(isinstance(parts, tuple) for parts in trains.values()):
        lacking.append('Its trains must give a tuple of names for each term, with a comma: ("network",).')
    lacking += [f"It has no {PARTS[name]}." for name in sorted(method.__abstractmethods__)]
    return lacking or missing_in_use(method, trial)


def missing_in_use(method, trial):
    """What is seen only once the method is made and has made a step."""
    try:
        made = trial.make(method)
    except Exception as error:
        return [f"It cannot be made with (build, classes); call super().__init__(build, classes) first: {error}"]
    parts = {name for name, _ in made.named_children()}
    if unknown := sorted({part for named in made.trains.values() for part in named} - parts):
        return [f"Its trains names {', '.join(unknown)}, but its parts are {', '.join(sorted(parts))}."]
    try:
        begun, weights = dict(made.weights(0.0)), dict(made.weights(1.0))
    except Exception as error:
        return [f"Its weights(progress) fails, or gives no dictionary: {error!r}"]
    if unweighted := sorted(set(made.trains) - set(weights)):
        return [f"weights() gives none for the term {', '.join(map(repr, unweighted))}."]
    if begun := sorted(n for n, w in begun.items() if w and n not in made.labelled_terms and n in made.trains):
        return [f"At the start, the pool term {', '.join(map(repr, begun))} must have weight 0: let it grow."]
    try:
        step = trial.step(made, *trial.batches())
    except Exception as error:
        return [f"Its step fails on a labelled and an unlabelled batch: {error!r}"]
    if not isinstance(step, Step):
        return [f"Its step gives {type(step).__name__}: give Step(logits, losses)."]
    names = {"step": sorted(step.losses), "weights": sorted(weights), "trains": sorted(made.trains)}
    if len(set(map(str, names.values()))) > 1:
        return ["Its terms have not the same names everywhere: " + ", ".join(f"{k} has {v}" for k, v in names.items())]
    lacking = []
    if not isinstance(made.deployed, nn.Module):
        lacking.append("Its deployed is no network: write @property before it, and give the one that is published.")
    if not isinstance(made.member_networks, tuple) or not made.member_networks:
        lacking.append("Its member_networks is no tuple of networks: write @property before it; one is enough.")
    return lacking


@pytest.fixture(scope="module")
def lacks(trial):
    """Callable (name): what the method of the table lacks; each is looked at once."""
    return cache(lambda name: missing(METHODS[name], trial))


@pytest.mark.parametrize("row", METHODS)
def test_it_is_complete(complete, lacks, row):
    """The parts of the contract in words (see ``missing``)."""
    complete("method", row, lacks(row))


def test_every_method_has_its_line(every_line, trial):
    every_line("methods", "METHODS", "__init__.py", lambda method: missing(method, trial))


@pytest.fixture(params=METHODS)
def name(request, if_complete, lacks):
    """Of a method that has all its parts."""
    return if_complete("method", request.param, lacks(request.param))


@pytest.fixture(params=[name for name, method in METHODS.items() if getattr(method, "takes_cached", False)])
def taught(request, if_complete, lacks):
    """Of one that takes stored guesses, too."""
    return if_complete("method", request.param, lacks(request.param))


@pytest.mark.parametrize("item", [ITEMS[number] for number in ITEMS if number != 11], ids=lambda each: each.__name__)
def test_every_method_keeps_the_contract(trial, name, item):
    if item is ITEMS[5] and not teachers_of(trial.make(METHODS[name])):
        pytest.skip(f"{name} has no teacher")
    item(trial, METHODS[name])


@pytest.mark.parametrize("item", [ITEMS[number] for number in ITEMS if number != 5], ids=lambda each: each.__name__)
def test_every_method_that_takes_stored_guesses_keeps_the_contract_with_them(trial, taught, item):
    item(trial, Cached(METHODS[taught]))


def test_members_are_probabilities_in_evaluation_mode_and_without_gradient(trial, name):
    made = trial.make(METHODS[name])
    before, modes = copied_state(made), [module.training for module in made.modules()]
    members = made.members(trial.batches()[1]["weak"])
    for member in members:
        torch.testing.assert_close(member.sum(1), torch.ones(2, *trial.crop))
        assert not member.requires_grad
    assert all(torch.equal(value, before[key]) for key, value in made.state_dict().items())
    assert [module.training for module in made.modules()] == modes

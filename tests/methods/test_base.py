from __future__ import annotations

import pytest
import torch

from fewlabel.methods.base import Step, is_empty, total


def step(**losses):
    return Step(torch.zeros(1, 2, 2, 2, 2), {name: torch.tensor(value) for name, value in losses.items()})


def test_the_total_is_the_weighted_sum():
    assert total(step(a=2.0, b=3.0), {"a": 1.0, "b": 0.5}) == 3.5


def test_a_weight_of_zero_turns_a_term_off_even_where_it_is_not_finite():
    assert total(step(a=2.0, b=float("nan")), {"a": 1.0, "b": 0.0}) == 2.0


@pytest.mark.parametrize("weights", [{"a": 1.0}, {"a": 1.0, "b": 1.0, "c": 1.0}])
def test_terms_and_weights_of_different_names_are_refused(weights):
    with pytest.raises(ValueError, match="same names"):
        total(step(a=2.0, b=3.0), weights)


def test_no_unlabelled_batch_and_one_without_crops_are_empty():
    assert is_empty(None)
    assert is_empty({"weak": torch.zeros(0, 1, 8, 8, 8), "strong": torch.zeros(0, 1, 8, 8, 8)})
    assert not is_empty({"weak": torch.zeros(1, 1, 8, 8, 8), "strong": torch.zeros(1, 1, 8, 8, 8)})

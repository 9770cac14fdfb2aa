"""What a client may expect to find stored, after what was acknowledged and what was cut off."""

import numpy as np

from experiments.kills.truth import Case, Sent


def sent(*values, names=("organ", "tumour")):
    return Sent(np.array(values, np.uint8), names)


def test_a_map_is_compared_by_name_whatever_its_values():
    label = sent(0, 1, 2, names=("organ", "tumour"))
    assert label.is_stored_as(np.array([0, 2, 1]), {"tumour": 1, "organ": 2})
    assert not label.is_stored_as(np.array([0, 1, 2]), {"tumour": 1, "organ": 2})


def test_one_other_voxel_or_a_name_that_is_not_there_is_another_map():
    label = sent(0, 1, 2)
    values = {"organ": 1, "tumour": 2, "vessel": 3}
    assert label.is_stored_as(np.array([0, 1, 2]), values)
    assert not label.is_stored_as(np.array([3, 1, 2]), values)
    assert not label.is_stored_as(np.array([0, 1, 1]), values)
    assert not label.is_stored_as(np.array([0, 1, 2]), {"organ": 1})
    assert not label.is_stored_as(np.array([0, 1, 2, 0]), values)


def test_a_submission_that_was_cut_off_may_be_stored_or_not_and_what_was_found_stays():
    first, second = sent(0, 1), sent(1, 0)
    case = Case()
    case.submitted(first)
    case.in_flight(second)
    assert case.may_be == [first, second]
    assert not case.can_undo
    case.found(first)
    assert case.may_be == [first]


def test_only_an_acknowledged_submission_can_be_taken_back_and_once():
    first, second = sent(0, 1), sent(1, 0)
    case = Case()
    assert not case.can_undo
    case.submitted(first)
    assert case.can_undo
    case.submitted(second)
    case.undone()
    assert case.may_be == [first]
    assert not case.can_undo

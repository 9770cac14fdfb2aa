"""What each rule of publishing without validation would have done, from what was recorded at the looks."""

import pytest
import torch

from experiments.day.rules import LAST, NEWEST, Record, published, rules_table
from fewlabel.methods.base import Method
from fewlabel.plan import Plan

PLAN = Plan((1.0, 1.0, 1.5), (16, 16, 16), "meanstd", None, "unet_small", 1, ("class 1", "class 2"))


def look(labels, dice, agreement=None, **judged):
    named = {number.removeprefix("label"): value for number, value in judged.items()}
    return {"minute": 1.0, "labels": labels, "dice": dice, "agreement": agreement, "judged": named}


LOOKS = [
    look(1, 0.5, None, label2=0.6),
    look(1, 0.7, 0.85, label2=0.8),
    look(2, 0.6, 0.5, label3=0.9),
    look(2, 0.8, 0.97, label3=0.7),
    look(3, 0.75, 0.91),
]


def test_the_last_rule_publishes_each_candidate():
    assert published(LOOKS)[LAST] == [0, 1, 2, 3, 4]


def test_the_newest_label_lets_the_last_candidate_in_where_that_is_not_worse_on_it():
    """Label 2 finds the second candidate better than the first; label 3 finds none better than what it knows of."""
    assert published(LOOKS)[NEWEST] == [0, 0, 1, 1, 3]
    worse = [look(1, 0.5, None, label2=0.9), look(1, 0.7, 0.85, label2=0.8), look(2, 0.6, 0.5)]
    assert published(worse)[NEWEST] == [0, 0, 0]


@pytest.mark.parametrize(("least", "chosen"), [("0.8", [0, 1, 1, 3, 4]), ("0.95", [0, 0, 0, 3, 3])])
def test_a_candidate_is_published_where_the_one_before_agrees(least, chosen):
    assert published(LOOKS)[f"two in a row agree, Dice {least}"] == chosen


def test_the_table_gives_what_is_published_with_each_number_of_labels():
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in rules_table([(0, LOOKS)]).splitlines()]
    assert lines[0] == ["rule", "1 label", "2 labels", "3 labels", "last look", "largest fall"]
    assert lines[2] == [LAST, "0.600", "0.700", "0.750", "0.750", "0.100"]
    assert lines[3] == [NEWEST, "0.500", "0.700", "0.800", "0.800", "0.000"]


class Threshold(torch.nn.Module):
    """Says class 1 where the normalised image is above a value."""

    def __init__(self, value):
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(float(value)))

    def forward(self, image):
        inside = (image > self.value).float() * 10
        return torch.cat([5 - inside, inside, torch.zeros_like(inside)], 1)


class Fixed(Method):
    def __init__(self, value):
        torch.nn.Module.__init__(self)
        self.network = Threshold(value)

    step = weights = None
    deployed = property(lambda self: self.network)
    member_networks = property(lambda self: (self.network,))


def test_candidates_are_compared_on_the_pool_and_judged_by_labels_that_come(data, tmp_path):
    cases = data.experiment().cases()
    record = Record(
        tmp_path,
        cases,
        "cpu",
        lambda cases, plan, predict: [
            {
                "case": "a",
                "class": "class 1",
                "dice": 0.5,
                "jaccard": 0.5,
                "hausdorff95": 1.0,
                "surface_distance": 1.0,
                "empty": "",
            }
        ],
    )
    pool = list(data.without)
    record.look(Fixed(0.0), PLAN, 6.0, 1, pool)
    record.look(Fixed(0.0), PLAN, 8.0, 1, pool)
    record.look(Fixed(99.0), PLAN, 10.0, 1, pool)
    assert [each["agreement"] for each in record.looks] == [None, 1.0, 0.0]
    record.label(data.development[0], 2, PLAN)
    judged = [each["judged"]["2"] for each in record.looks]
    assert judged[0] == judged[1] > judged[2]
    again = Record(tmp_path, cases, "cpu", None)
    assert again.looks == record.looks

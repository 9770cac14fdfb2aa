"""Rows of the list of cases."""

import pytest

from fewlabel.selection.leases import Leases
from fewlabel.selection.scores import Scores
from fewlabel.service.cases import make_cases


@pytest.mark.parametrize(
    ("info", "by"), [({"client_id": "anna"}, "anna"), ({"user": "otto"}, "otto"), ({"client_id": ""}, None)]
)
def test_a_row_says_who_submitted_the_label(tmp_path, info, by):
    label = {"ext": ".nii.gz", "info": {"ts": 5, **info}}
    objects = {
        "a": {"image": {"ext": ".nii.gz", "info": {}}, "labels": {"final": label}},
        "b": {"image": {"ext": ".nii.gz", "info": {}}, "labels": {"other": label}},
    }
    rows = make_cases(objects, Leases(tmp_path / "served.json"), Scores(), set())
    assert [(row.id, row.by) for row in rows] == [("a", by), ("b", None)]

"""A training reads stored labels by their names, and says which it leaves out and why."""

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.published import load_published
from fewlabel.volumes.reading import read_label, write_volume

NAMES = ("organ", "vessel")


@pytest.fixture
def study(make_study):
    """Three scans, a and b labelled with organ = 1 and vessel = 2."""
    study = make_study(3)
    study.label("ab", NAMES)
    return study


def test_a_label_of_a_class_that_the_study_lacks_is_left_out_with_its_reason(study, caplog):
    write_volume(study.label_file("a"), study.truth("a"), read_label(study.label_file("a")).affine, ["lung"])
    report = study.train()
    assert (report["labelled"], report["unlabelled"]) == (1, 1)
    assert [problem["id"] for problem in report["problems"]] == ["a"]
    assert "it holds lung, and the study's classes are organ, vessel" in report["problems"][0]["reason"]
    assert any(note.startswith("Left out of this training: The label of 'a'") for note in report["notes"])
    assert "not trained on: The label of 'a'" in caplog.text
    assert not set("a") & set(study.run().pools.labelled + study.run().pools.unlabelled)


def test_with_no_label_left_a_training_is_refused_with_the_reasons(study):
    study.workspace.set_classes(["lung"])
    with pytest.raises(Refusal, match=r"None of the labels can be used. .*'a'.*'b'"):
        study.run()


def test_labels_stored_under_another_order_are_trained_on_by_their_names(study):
    study.workspace.set_classes(["vessel", "organ"])
    run = study.run()
    for record in run.records(run.pools, run.left_out)[0]:
        assert np.array_equal(read_label(record["label"]).array, 2 * study.truth(record["id"]))
    assert run()["published"]
    assert load_published(study.workspace.model).plan.classes == ("vessel", "organ")

"""What is measured on validation cases for the card of an export."""

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.export.evidence import measure, score
from fewlabel.export.picture import overlay
from fewlabel.export.source import Case, Source
from fewlabel.volumes.reading import read_volume, write_volume

CLASSES = ("organ", "tumour")
SPACING = (1.0, 2.0, 3.0)


def ball(shape=(16, 16, 16), shift=0):
    array = np.zeros(shape, np.uint8)
    array[4:10, 4 + shift : 10 + shift, 4:10] = 1
    return array


def test_a_map_that_equals_the_label_has_dice_1_and_no_distance():
    found = score("a", ball(), ball(), CLASSES, SPACING)
    assert (found.dice, found.distance, found.extra, found.mean) == ((1.0, None), (0.0, None), (), 1.0)


def test_the_distance_is_in_millimetres_along_each_axis():
    found = score("a", ball(), ball(shift=2), CLASSES, SPACING)
    assert found.distance[0] == pytest.approx(4.0)
    assert found.dice[0] == pytest.approx(2 * 4 / 12)


def test_a_few_voxels_far_away_do_not_make_the_distance():
    seen = ball()
    seen[15, 15, 15] = 1
    assert score("a", ball(), seen, CLASSES, SPACING).distance[0] == 0.0


def test_a_class_that_only_one_of_both_has_gets_no_distance_and_is_reported():
    missed = score("a", 2 * ball(), ball(), CLASSES, SPACING)
    assert (missed.dice, missed.distance, missed.extra) == ((None, 0.0), (None, None), ("organ",))
    assert score("a", 0 * ball(), ball(), CLASSES, SPACING).mean is None


@pytest.fixture
def source(publish, volume, tmp_path):
    """Callable (labels: how each case's label differs from the model's own map, classes of the study, more)."""
    workspace = publish()
    opened = []

    def make(labels, classes=CLASSES, **more):
        workspace.set_classes(list(classes))
        image = volume(tmp_path / "scan.nii.gz")
        with Source(workspace) as plain:
            found = plain.segment(image)
            own, affine = np.array(found.labels), found.affine
        order = np.array([0, *(classes.index(name) + 1 for name in CLASSES)], np.uint8)
        cases = []
        for id, change in labels.items():
            file = tmp_path / f"{len(cases)} label.nii.gz"
            write_volume(file, change(order[own]), affine)
            cases.append(Case(id, image, lambda file=file: file, **{"kind": "drawn", "validates": True, **more}))
        opened.append(Source(workspace, lambda: cases))
        return opened[-1]

    yield make
    for each in opened:
        each.__exit__()


def emptied(array):
    return array * 0


def halved(array):
    changed = array.copy()
    changed[:, :20] = 0
    return changed


def test_each_validation_case_is_measured_and_best_median_and_worst_are_shown(source):
    found = measure(source({"b": halved, "c": emptied, "a": np.array, "d": lambda array: np.flip(array, 1).copy()}))
    assert [each.case for each in found.scored] == ["a", "b", "c", "d"]
    assert found.scored[0].mean == 1.0
    assert 0.3 < found.scored[1].mean < 1.0
    assert found.scored[2].mean is None
    assert [(which, case) for which, case, _, _ in found.pictures] == [("best", "a"), ("median", "b"), ("worst", "d")]
    assert all(png.startswith(b"\x89PNG") for *_, png in found.pictures)


def test_it_is_measured_once_for_all_formats(source):
    made = source({"a": np.array})
    assert measure(made) is measure(made)


def test_the_study_s_order_of_classes_may_have_changed_since_the_training(source):
    assert measure(source({"a": np.array}, classes=("new", "tumour", "organ"))).scored[0].mean == 1.0


@pytest.mark.parametrize("more", [{"kind": "accepted"}, {"validates": False}])
def test_accepted_labels_and_cases_that_train_measure_nothing(source, more):
    assert measure(source({"a": np.array}, **more)).scored == ()


def test_a_case_whose_label_cannot_be_used_is_left_out_with_the_reason(source, publish):
    made = source({"a": np.array, "b": np.array})
    first, second = made.cases

    def refuse():
        raise Refusal("The label of 'b' names a class that is gone.", 409)

    made.__dict__["cases"] = (first, Case("b", second.image, refuse, "drawn", validates=True))
    found = measure(made)
    assert [each.case for each in found.scored] == ["a"]
    assert found.left_out == (("b", "The label of 'b' names a class that is gone."),)


def test_a_label_on_another_grid_measures_nothing(source, tmp_path):
    made = source({"a": np.array})
    write_volume(tmp_path / "0 label.nii.gz", np.ones((3, 4, 5), np.uint8), np.eye(4))
    assert "another grid" in measure(made).left_out[0][1]


def test_a_picture_shows_both_outlines_where_there_is_most_to_see(volume, tmp_path):
    image = read_volume(volume(tmp_path / "scan.nii.gz"))
    label = (image.array > 200).astype(np.uint8)
    shown = overlay(image.array, label, label * 0, image.affine, 1)
    assert shown.startswith(b"\x89PNG")
    assert shown != overlay(image.array, label * 0, label * 0, image.affine, 1)
    assert shown != overlay(image.array, label * 0, label, image.affine, 1)

from pathlib import Path

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.volumes.reading import read_label, read_volume
from fewlabel.workspace import read_json

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])
NAMES = [{"name": "liver", "idx": 1}, {"name": "tumour", "idx": 2}]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_submitted_label_keeps_its_names(store, workspace, sent, label_map):
    info = {"label_info": NAMES, "client_id": "reader 1"}
    assert store.save_label("a", sent, "final", info) == "a"
    assert workspace.classes() == ["liver", "tumour"]
    assert store.get_label_info("a", "final")["label_info"] == NAMES
    assert store.get_label_info("a", "final")["client_id"] == "reader 1"
    sidecar = read_json(workspace.labels / "a.json")
    assert sidecar["classes"] == {"liver": 1, "tumour": 2}
    assert sidecar["client_id"] == "reader 1"
    assert sidecar["time"].endswith("Z")
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array, label_map)


def test_names_in_another_order_are_stored_as_the_same_values(store, workspace, sent, label_map):
    workspace.set_classes(["tumour", "liver"])
    store.save_label("a", sent, "final", {"label_info": NAMES})
    stored = read_label(store.get_label_uri("a", "final")).array
    np.testing.assert_array_equal(stored, np.array([0, 2, 1])[label_map])
    assert store.get_label_info("a", "final")["label_info"] == [
        {"name": "tumour", "idx": 1},
        {"name": "liver", "idx": 2},
    ]


def test_classes_without_names_are_numbered_with_a_note(store, workspace, sent):
    store.save_label("a", sent, "final", {})
    assert workspace.classes() == ["class 1", "class 2"]
    assert "learned" in store.notes("a")[0]


def test_an_empty_label_is_legal_and_teaches_no_class(store, workspace, send, label_map):
    store.save_label("a", send(np.zeros_like(label_map)), "final", {})
    assert store.get_labeled_images() == ["a"]
    assert "empty" in store.notes("a")[0]
    assert workspace.classes() == []


def test_a_label_is_stored_on_its_image_s_grid_whatever_its_format(store, studies, send, label_map):
    store.save_label("b", send(label_map, name="sent.seg.nrrd"), "final", {"label_info": NAMES})
    path = Path(store.get_label_uri("b", "final"))
    assert path == (studies / "labels" / "final" / "b.nii.gz").resolve()
    np.testing.assert_allclose(read_label(path).affine, read_volume(studies / "b.nrrd").affine, atol=1e-6)


def test_a_label_on_another_grid_is_resampled_to_the_same_position_with_a_note(store, send, label_map):
    flipped = AFFINE @ np.array([[-1.0, 0, 0, 7], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    store.save_label("a", send(label_map[::-1].copy(), flipped), "final", {})
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array, label_map)
    assert any("resampled" in note for note in store.notes("a"))


def test_a_label_of_a_part_of_the_image_lands_at_its_position(store, send, label_map):
    part = AFFINE.copy()
    part[:3, 3] = (AFFINE @ (2, 2, 2, 1))[:3]
    store.save_label("a", send(label_map[2:6, 2:6, 2:6].copy(), part), "final", {})
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array, label_map)


def test_a_coarser_label_covers_the_image_to_its_edges(store, send, label_map):
    coarse = np.ones((4, 5, 5), dtype=np.uint8)
    affine = AFFINE @ np.array([[2.0, 0, 0, 0.5], [0, 2, 0, 0.5], [0, 0, 2, 0.5], [0, 0, 0, 1]])
    store.save_label("a", send(coarse, affine), "final", {})
    assert read_label(store.get_label_uri("a", "final")).array.min() == 1


def test_a_finding_too_small_for_the_image_s_grid_is_reported(store, send):
    fine = np.zeros((32, 36, 40), dtype=np.uint8)
    fine[8:16, 8:16, 8:16] = 1
    fine[21, 21, 21] = 2
    affine = AFFINE @ np.diag([0.25, 0.25, 0.25, 1])
    store.save_label("a", send(fine, affine), "final", {})
    assert any("2 of the sent map" in note for note in store.notes("a"))


@pytest.mark.parametrize(("shift", "empty"), [(5, False), (8, True)])
def test_a_label_that_lies_mostly_or_wholly_elsewhere_is_refused(store, send, label_map, shift, empty):
    elsewhere = AFFINE.copy()
    elsewhere[:3, 3] = (AFFINE @ (shift, 0, 0, 1))[:3]
    with pytest.raises(Refusal, match=r"does not lie on it.*Draw the label on this image"):
        store.save_label("a", send(label_map * (not empty), elsewhere), "final", {})


def test_a_label_that_lies_mostly_inside_is_resampled(store, send, label_map):
    near = AFFINE.copy()
    near[:3, 3] = (AFFINE @ (3, 0, 0, 1))[:3]
    store.save_label("a", send(label_map, near), "final", {})
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array[3:], label_map[:5])


@pytest.mark.parametrize(
    ("fault", "info", "words"),
    [
        ("bytes", {}, "Nothing was stored"),
        ("none", {"label_info": [{"name": "spleen", "idx": 1}, {"name": "liver", "idx": 2}]}, "spleen"),
        ("none", {"label_info": NAMES[:1]}, "value"),
        ("values", {}, "value"),
        ("position", {"label_info": NAMES}, "grid"),
        ("none", {"label_info": "liver"}, "list"),
        ("none", {"label_info": [{"name": "liver", "idx": "x"}, NAMES[1]]}, "whole number"),
    ],
    ids=["no image", "unknown name", "unnamed value", "unknown value", "elsewhere", "no list", "no number"],
)
def test_a_bad_label_is_refused_in_words_and_nothing_changes(
    store, workspace, studies, send, sent, label_map, fault, info, words
):
    workspace.set_classes(["liver", "tumour"])
    store.save_label("a", sent, "final", {"label_info": NAMES})
    before = everything(studies)
    elsewhere = AFFINE.copy()
    elsewhere[:3, 3] += 500 * (fault == "position")
    bad = Path(send(label_map * (9 if fault == "values" else 1), elsewhere))
    if fault == "bytes":
        bad.write_bytes(b"abc")
    with pytest.raises(Refusal, match=words) as caught:
        store.save_label("a", str(bad), "final", info)
    assert caught.value.status_code == 422
    assert everything(studies) == before
    store.save_label("b", sent, "final", {"label_info": NAMES})
    assert store.get_labeled_images() == ["a", "b"]


def test_names_that_cannot_be_learned_are_refused_and_stay_unknown(store, workspace, sent):
    with pytest.raises(Refusal, match="liver,left"):
        store.save_label("a", sent, "final", {"label_info": [{"name": "liver,left", "idx": 1}, NAMES[1]]})
    assert workspace.classes() == []


def test_lost_class_names_come_back_from_the_sidecars(store, workspace, sent, open_store):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    workspace.set_classes([])
    open_store()
    assert workspace.classes() == ["liver", "tumour"]


def test_labels_put_into_the_folder_by_hand_are_taken_over(studies, workspace, sent, open_store):
    target = studies / "labels" / "final"
    target.mkdir(parents=True)
    (target / "a.nii.gz").write_bytes(Path(sent).read_bytes())
    (target / "stranger.nii.gz").write_bytes(b"no image of this name")
    store = open_store()
    assert store.get_labeled_images() == ["a"]
    assert workspace.classes() == ["class 1", "class 2"]


def test_values_of_a_resampled_label_are_those_that_were_sent(store, send):
    """Value 2 beside 0: between the two there is no 1."""
    array = np.zeros((16, 18, 20), np.uint8)
    array[4:11, 4:11, 4:11] = 2
    fine = AFFINE.copy()
    fine[:3, :3] /= 2
    fine[:3, 3] += fine[:3, :3] @ [0.4, 0.4, 0.4]  # so that its voxels lie between those of the image
    info = [{"name": "organ", "idx": 1}, {"name": "tumour", "idx": 2}]
    store.save_label("a", send(array, fine), "final", {"label_info": info})
    assert set(np.unique(read_label(store.get_label_uri("a", "final")).array)) == {0, 2}


# --- names in the file itself


def test_a_segmentation_is_read_by_the_names_in_its_header(store, workspace, tmp_path, label_map, write_segmentation):
    workspace.set_classes(["tumour", "liver"])
    path = write_segmentation(tmp_path / "sent.seg.nrrd", label_map, AFFINE, [("liver", 1), ("tumour", 2)])
    store.save_label("a", str(path), "final", {})
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array, np.array([0, 2, 1])[label_map])
    assert store.notes("a") == []


def test_names_that_the_client_sends_go_before_those_of_the_file(store, tmp_path, label_map, write_segmentation):
    path = write_segmentation(tmp_path / "sent.seg.nrrd", label_map, AFFINE, [("tumour", 1), ("liver", 2)])
    store.save_label("a", str(path), "final", {"label_info": NAMES})
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array, label_map)


def test_a_first_segmentation_teaches_the_names_in_its_header(
    store, workspace, tmp_path, label_map, write_segmentation
):
    path = write_segmentation(tmp_path / "sent.seg.nrrd", label_map, AFFINE, [("tumour", 2), ("liver", 1)])
    store.save_label("a", str(path), "final", {})
    assert workspace.classes() == ["liver", "tumour"]


def test_a_segment_that_the_study_does_not_know_is_refused(store, workspace, tmp_path, label_map, write_segmentation):
    workspace.set_classes(["liver", "tumour"])
    path = write_segmentation(tmp_path / "sent.seg.nrrd", label_map, AFFINE, [("liver", 1), ("Segment_2", 2)])
    with pytest.raises(Refusal, match="Segment_2"):
        store.save_label("a", str(path), "final", {})


@pytest.mark.parametrize("info", [{}, {"label_info": NAMES}], ids=["no names sent", "names sent"])
def test_cropped_segments_in_layers_come_to_lie_where_they_were(
    store, workspace, tmp_path, label_map, write_segmentation, info
):
    workspace.set_classes(["liver", "tumour"])
    layers = np.stack([label_map == 2, label_map > 0])[:, 1:7, 2:8, 2:7]
    cropped = AFFINE.copy()
    cropped[:3, 3] = (AFFINE @ (1, 2, 2, 1))[:3]
    path = write_segmentation(tmp_path / "sent.seg.nrrd", layers, cropped, [("tumour", 1, 0), ("liver", 1, 1)])
    store.save_label("a", str(path), "final", info)
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array, label_map)
    assert any("8 voxels were both 'liver' and 'tumour'" in note for note in store.notes("a"))


def test_a_label_without_names_says_what_was_assumed(store, workspace, sent):
    workspace.set_classes(["liver", "tumour"])
    store.save_label("a", sent, "final", {})
    assert "1 = liver, 2 = tumour" in store.notes("a")[0]

"""Every label has a kind, in the list, beside it and in the undo record, also where it was stored before kinds."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fewlabel.datastore.kinds import (
    KINDS,
    accepted_cases,
    check_tag,
    entry_of,
    is_unknown,
    kind_of,
    lower,
    person_labelled,
)
from fewlabel.datastore.proposals import checksum
from fewlabel.datastore.store import StudyDatastore
from fewlabel.errors import Refusal
from fewlabel.workspace import Workspace, read_json, write_json

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "study_v1" / "study.zip"
CLASSES = ["organ", "tumour"]
NAMES = [{"name": name, "idx": value} for value, name in enumerate(CLASSES, 1)]


@pytest.fixture
def open_undo(studies, workspace):
    return lambda: StudyDatastore(str(studies), workspace, auto_reload=False, read_only=False)


@pytest.fixture
def store(open_undo):
    return open_undo()


@pytest.fixture
def submit(store, sent):
    """Callable (image, more params): submits the label map; gives its kind."""

    def submit(image="a", file=None, **params):
        store.save_label(image, file or sent, "final", {"label_info": NAMES, **params})
        return store.get_label_info(image, "final")["kind"]

    return submit


def propose(store, image, array, version=1):
    store.proposals.remember(image, version, checksum(array), CLASSES, "infer")


def beside(workspace, image, tag=""):
    return read_json(workspace.labels / tag / f"{image}.json")


# --- of new labels


def test_a_label_without_a_proposal_is_drawn_and_says_so_on_disk(store, studies, workspace, submit):
    assert submit() == "drawn"
    listed = read_json(studies / "datastore_v2.json")["objects"]["a"]["labels"]["final"]["info"]
    assert listed["kind"] == beside(workspace, "a")["kind"] == beside(workspace, "a")["info"]["kind"] == "drawn"
    assert not is_unknown(listed)


def test_a_label_equal_to_the_proposal_is_accepted_and_one_voxel_makes_it_corrected(store, submit, send, label_map):
    propose(store, "a", label_map)
    assert submit("a") == "accepted"
    other = label_map.copy()
    other[0, 0, 0] = 1
    assert submit("a", send(other)) == "corrected"
    assert submit("b") == "drawn"


@pytest.mark.parametrize(
    ("said", "proposed", "kind"),
    [
        ("accepted", None, "accepted"),
        ("corrected", None, "corrected"),
        ("drawn", None, "drawn"),
        ("drawn", "same", "accepted"),
        ("drawn", "other", "corrected"),
        ("accepted", "other", "accepted"),
        (None, "other", "corrected"),
    ],
)
def test_of_what_the_client_says_and_what_is_found_the_lower_counts(store, submit, label_map, said, proposed, kind):
    if proposed:
        propose(store, "a", label_map if proposed == "same" else np.roll(label_map, 1, 0))
    assert submit("a", kind=said) == kind


@pytest.mark.parametrize("word", ["predicted", "Drawn", "mine", "", 3, ["drawn"], {"kind": "drawn"}])
def test_an_unknown_word_is_refused_and_nothing_changes(store, studies, submit, word):
    submit()
    before = {path: path.read_bytes() for path in studies.rglob("*") if path.is_file()}
    with pytest.raises(Refusal, match="accepted, corrected, drawn") as caught:
        submit(kind=word)
    assert caught.value.status_code == 422
    assert {path: path.read_bytes() for path in studies.rglob("*") if path.is_file()} == before


def test_no_client_can_set_the_marks_of_a_kind(store, submit):
    assert submit(kind_unknown=True, kind_from_history=True) == "drawn"
    store.update_label_info("a", "final", {"kind": "accepted", "kind_unknown": True, "quality": "good"})
    info = store.get_label_info("a", "final")
    assert (info["kind"], info["quality"], is_unknown(info)) == ("drawn", "good", False)


def test_a_label_of_another_tag_is_predicted_whatever_its_client_says(store, workspace, sent):
    store.save_label("a", sent, "original", {"model": "fewlabel", "kind": "drawn"})
    assert store.get_label_info("a", "original")["kind"] == "predicted"
    assert beside(workspace, "a", "original")["info"]["kind"] == "predicted"


def test_a_kind_outlives_the_loss_of_the_list(store, studies, submit, label_map, open_undo):
    propose(store, "a", label_map)
    submit()
    (studies / "datastore_v2.json").unlink()
    assert open_undo().get_label_info("a", "final")["kind"] == "accepted"


def test_undo_brings_the_kind_back(store, workspace, submit, send, label_map):
    propose(store, "a", label_map)
    submit()
    submit("a", send(np.roll(label_map, 1, 0)))
    kept = read_json(workspace.undo / "a.json")
    assert kept["info"]["kind"] == kept["sidecar"]["kind"] == "accepted"
    store.undo_label("a")
    assert store.get_label_info("a", "final")["kind"] == beside(workspace, "a")["kind"] == "accepted"


def test_undo_of_a_record_from_before_kinds_brings_back_a_label_of_unknown_kind(store, workspace, submit):
    submit()
    submit()
    kept = read_json(workspace.undo / "a.json")
    del kept["info"]["kind"]
    write_json(workspace.undo / "a.json", kept)
    store.undo_label("a")
    info = store.get_label_info("a", "final")
    assert info["kind"] == "drawn"
    assert is_unknown(info)


def test_a_label_that_is_laid_into_the_folder_is_drawn_of_unknown_kind(store, studies, sent):
    (studies / "labels" / "final").mkdir(parents=True, exist_ok=True)
    (studies / "labels" / "final" / "b.nii.gz").write_bytes(Path(sent).read_bytes())
    store.refresh()
    info = store.get_label_info("b", "final")
    assert info["kind"] == "drawn"
    assert is_unknown(info)


# --- of a study from before kinds


@pytest.fixture
def former(tmp_path):
    """A study that was written before kinds."""
    folder = tmp_path / "former"
    with zipfile.ZipFile(FIXTURE) as archive:
        archive.extractall(folder)
    return folder


def open_former(folder, read_only=False):
    return StudyDatastore(str(folder), Workspace(folder / ".fewlabel"), auto_reload=False, read_only=read_only)


def kinds(store):
    infos = {case: store.get_label_info(case, "final") for case in sorted(store.get_labeled_images())}
    return {case: (info["kind"], is_unknown(info)) for case, info in infos.items()}


EXPECTED = {f"case_{number}": ("accepted", False) if number == 5 else ("drawn", True) for number in range(8)}


def test_labels_from_before_are_drawn_of_unknown_kind_or_accepted_where_nothing_was_changed(former):
    assert kinds(open_former(former)) == EXPECTED
    assert open_former(former).get_label_info("case_6", "original")["kind"] == "predicted"


def test_kinds_of_labels_from_before_are_written_once_beside_them_and_in_the_list(former):
    open_former(former)
    listed = json.loads((former / "datastore_v2.json").read_text())["objects"]
    assert listed["case_5"]["labels"]["final"]["info"]["kind"] == "accepted"
    assert beside(Workspace(former / ".fewlabel"), "case_5")["info"]["kind"] == "accepted"
    for lost in (former / ".fewlabel" / "history.json", former / "datastore_v2.json"):
        lost.unlink()
    assert kinds(open_former(former)) == EXPECTED


def test_a_background_process_knows_kinds_of_before_and_writes_nothing(former):
    before = {path: path.read_bytes() for path in former.rglob("*.json")}
    assert kinds(open_former(former, read_only=True)) == EXPECTED
    assert {path: path.read_bytes() for path in former.rglob("*.json")} == before


def test_only_what_was_accepted_for_sure_stops_validating(former, tmp_path):
    store = open_former(former)
    assert accepted_cases(store, store.get_labeled_images()) == {"case_5": False}
    case = store.get_label_uri("case_0", "final")
    store.save_label("case_0", case, "final", {"kind": "accepted"})
    assert accepted_cases(store, store.get_labeled_images()) == {"case_0": True, "case_5": False}


def test_a_label_that_nobody_has_looked_at_is_never_trained_on(former):
    store = open_former(former)
    info = store.entries.objects["case_3"].labels["final"].info
    info["kind"] = "predicted"  # as of a list that another program wrote
    assert person_labelled(store) == [case for case in EXPECTED if case != "case_3"]


# --- words


def test_the_lower_of_two_kinds_is_the_one_nearer_to_nobody_looked():
    assert [lower(first, second) for first in KINDS for second in KINDS] == [
        min(first, second, key=["predicted", "accepted", "corrected", "drawn"].index)
        for first in KINDS
        for second in KINDS
    ]
    assert lower("drawn", None) == "drawn"


def test_a_kind_that_is_none_counts_as_that_of_its_tag():
    assert kind_of({"kind": "nonsense"}) == "drawn"
    assert kind_of({"kind": ["drawn"]}) == "drawn"
    assert kind_of({}, "original") == "predicted"


@pytest.mark.parametrize("tag", ["final", "FINAL", "Final ", " final", "final."])
def test_the_tag_of_submitted_labels_is_no_model_s(tag):
    with pytest.raises(Refusal, match="A model never writes a submitted label"):
        check_tag(tag)


@pytest.mark.parametrize("tag", [None, "", "original"])
def test_a_model_s_label_is_original_where_nothing_else_is_asked(tag):
    assert check_tag(tag) == "original"


def test_of_several_entries_the_first_after_storing_is_the_label_s():
    times = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z", "2026-01-01T00:00:05Z", "2026-01-01T00:00:09Z"]
    entries = [{"time": time, "number": number} for number, time in enumerate(times)]
    stored = 1767225600  # the first of these times
    assert entry_of(entries, stored + 3)["number"] == 2
    assert entry_of(entries, stored)["number"] == 0
    assert entry_of(entries, stored + 60) is None
    assert entry_of(entries, None) is None


def test_a_damaged_history_costs_nothing(former):
    (former / ".fewlabel" / "history.json").write_text("[1, 2")
    found = kinds(open_former(former))
    assert len(found) == 8
    assert set(found.values()) == {("drawn", True)}

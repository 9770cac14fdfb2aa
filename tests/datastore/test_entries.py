"""The table of images and labels: written in one piece by one process, read by all, each image changed alone."""

import threading

import pytest
from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastoreModel

from fewlabel.datastore import entries as entries_module
from fewlabel.datastore.entries import Entries
from fewlabel.errors import Refusal


@pytest.fixture
def open_entries(studies, workspace):
    """Callable (read_only): the table as another process has it at its start."""

    def open_it(read_only=False):
        table = LocalDatastoreModel(name="", description="", images_dir=".", base_path=str(studies))
        entries = Entries(table, studies / "datastore_v2.json", workspace, read_only)
        entries.load(first=True)
        return entries

    return open_it


def image(**info):
    return ImageLabelModel(image=DataModel(info=info, ext=".nii.gz"))


def test_what_was_entered_is_there_in_the_next_process(open_entries):
    entries = open_entries()
    entries.put("a", image(note="seen"))
    entries.put_label("a", "final", DataModel(info={"kind": "drawn"}, ext=".nii.gz"))
    entries.put("b", image())
    again = open_entries()
    assert again.objects == entries.objects
    assert (again.labelled(), again.unlabelled()) == (["a"], ["b"])
    entries.drop("a")
    assert list(open_entries().objects) == ["b"]


def test_a_label_is_entered_and_taken_out_beside_the_others(open_entries):
    entries = open_entries()
    entries.put("a", image())
    for tag in ("final", "original"):
        entries.put_label("a", tag, DataModel(info={"tag": tag}, ext=".nii.gz"))
    entries.put_label("a", "final", None)
    assert entries.label("a", "final") is None
    assert entries.label("a", "original").info == {"tag": "original"}
    assert (entries.labelled(), entries.unlabelled()) == ([], ["a"])


def test_who_reads_the_entries_sees_them_as_they_were(open_entries):
    entries = open_entries()
    entries.put("a", image())
    before = entries.objects
    entries.put("b", image())
    entries.drop("a")
    assert list(before) == ["a"]


def test_what_another_program_wrote_is_read_and_what_we_wrote_is_known(open_entries):
    ours, other = open_entries(), open_entries()
    ours.put("a", image())
    assert ours.wrote_last()
    assert not other.wrote_last()
    other.load()
    assert list(other.objects) == ["a"]
    assert other.wrote_last()


@pytest.mark.parametrize("first", [True, False])
def test_a_damaged_file_is_set_aside_at_the_start_and_only_then(open_entries, studies, first):
    entries = open_entries()
    entries.put("a", image())
    entries.file.write_bytes(b"{")
    entries.load(first)
    assert list(entries.objects) == ["a"]
    assert len(list(studies.glob("datastore_v2.json.damaged-*"))) == first


def test_a_child_process_writes_nothing(open_entries, studies):
    child = open_entries(read_only=True)
    child.put("a", image())
    child.put("a", image(strategy={}), soon=True)
    child.drop("a")
    assert not (studies / "datastore_v2.json").exists()
    with pytest.raises(Refusal, match="An image can be changed by the server only"):
        child.only_in_server("An image")


def test_what_a_full_disk_did_not_take_is_written_with_the_next_change(open_entries, full_disk, monkeypatch):
    entries = open_entries()
    full_disk("datastore_v2")
    entries.put("a", image())
    assert entries.unsaved
    monkeypatch.undo()
    entries.save_what_waits()
    assert not entries.unsaved
    assert list(open_entries().objects) == ["a"]


def test_the_labels_of_an_image_are_changed_one_at_a_time_and_those_of_others_meanwhile(open_entries, workspace):
    workspace.set_classes(["liver"])
    entries, order, begun = open_entries(), [], threading.Event()

    def change(case, name):
        begun.set()
        with entries.alone(case):
            order.append(name)

    with entries.alone("a"):
        same = threading.Thread(target=change, args=("a", "same"))
        same.start()
        assert begun.wait(60)
        other = threading.Thread(target=change, args=("b", "other"))
        other.start()
        other.join(60)
        order.append("first")
    same.join(60)
    assert order == ["other", "first", "same"]


def test_while_the_classes_are_unknown_the_first_label_is_stored_alone(open_entries):
    entries, begun, entered = open_entries(), threading.Event(), []

    def change():
        begun.set()
        with entries.guard:
            entered.append("table")

    with entries.alone("a"):
        thread = threading.Thread(target=change)
        thread.start()
        assert begun.wait(60)
        entered.append("label")
    thread.join(60)
    assert entered == ["label", "table"]


def test_to_whom_a_case_was_handed_out_is_written_a_little_later_with_all_that_came_together(store, monkeypatch):
    timers, written = [], []
    monkeypatch.setattr(store.entries, "save", lambda: written.append(store.json()))
    monkeypatch.setattr(entries_module.threading, "Timer", lambda _, save: timers.append(save) or threading.Event())
    monkeypatch.setattr(threading.Event, "start", lambda self: None, raising=False)
    store.update_image_info("a", {"strategy": {"first": {"ts": 1}}})
    store.update_image_info("b", {"strategy": {"first": {"ts": 2}}})
    assert (len(timers), written) == (1, [])
    timers[0]()
    assert [entry["objects"]["b"]["image"]["info"]["strategy"]["first"]["ts"] for entry in written] == [2]

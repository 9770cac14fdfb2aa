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
    entries, order = open_entries(), []

    def change(case):
        with entries.alone(case):
            order.append(case)

    same, other = (threading.Thread(target=change, args=(case,)) for case in "ab")
    with entries.alone("a"):
        same.start()
        same.join(1)  # time for a mistake; it waits much longer
        assert order == []
        other.start()
        other.join(60)
        assert order == ["b"]
    same.join(60)
    assert order == ["b", "a"]


@pytest.mark.parametrize("classes", [[], ["liver"]], ids=["unknown", "known"])
def test_the_table_is_held_while_a_label_is_stored_only_where_the_classes_are_unknown(open_entries, workspace, classes):
    """The first label decides them: no other may come in between."""
    if classes:
        workspace.set_classes(classes)
    entries, free = open_entries(), []

    def try_it():
        free.append(entries.guard.acquire(blocking=False))
        if free[0]:
            entries.guard.release()

    with entries.alone("a"):
        other = threading.Thread(target=try_it)
        other.start()
        other.join(60)
    assert free == [bool(classes)]


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

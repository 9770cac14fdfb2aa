"""A scan that turns out to be damaged is not offered any more, until its file changes."""

import shutil
import time

import pytest

from fewlabel.datastore.damaged import Damaged
from fewlabel.datastore.walk import File
from fewlabel.errors import Refusal
from fewlabel.volumes import reading
from fewlabel.volumes.reading import UnreadableVolume, read_volume


@pytest.fixture
def cut(folder):
    """A folder of three scans, of which the header of b is whole and its data are cut short."""
    folder.put("a.nii.gz", "c.nii.gz")
    path = folder.put("b.nii.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def find(path):
    with pytest.raises(UnreadableVolume):
        read_volume(path)


def test_once_it_was_read_in_vain_it_is_unusable_with_the_sentence_and_is_not_offered(folder, cut):
    store = folder.open()
    assert store.get_unlabeled_images() == ["a", "b", "c"]
    find(store.get_image_uri("b"))
    assert store.get_unlabeled_images() == store.list_images() == ["a", "c"]
    assert store.unusable()["b"][0] == "b.nii.gz"
    assert "b.nii.gz is cut short" in store.unusable()["b"][1]
    assert store.found().usable == 2
    with pytest.raises(Refusal, match="cut short") as refused:
        store.get_image_uri("b")
    assert refused.value.status_code == 422


@pytest.mark.parametrize("ask", ["list_images", "get_unlabeled_images", "found", "unusable", "json"])
def test_each_list_takes_in_what_another_process_has_found(folder, cut, ask):
    store, child = folder.open(), folder.open(read_only=True)
    find(child.get_image_uri("b"))
    del child
    assert "b" in store.entries.objects
    getattr(store, ask)()
    assert "b" not in store.entries.objects


def test_it_is_known_after_a_restart_and_its_mended_file_is_usable_again(folder, cut):
    before = folder.open()
    find(before.get_image_uri("b"))
    store = folder.open()
    assert store.list_images() == ["a", "c"]
    shutil.copy(folder.root / "a.nii.gz", cut)
    store.refresh()
    assert sorted(store.list_images()) == ["a", "b", "c"]
    assert not store.unusable()
    assert not list((folder.root / ".fewlabel" / "damaged").iterdir())


def test_the_server_notices_by_itself_that_the_file_was_mended(folder, cut):
    before = folder.open()
    find(before.get_image_uri("b"))
    store = folder.open(reload=True)
    try:
        assert store.list_images() == ["a", "c"]
        shutil.copy(folder.root / "a.nii.gz", cut)
        deadline = time.monotonic() + 60
        while "b" not in store.list_images():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        store.watch.stop()


def test_a_labelled_case_stays_and_is_said_to_be_unusable(folder):
    path = folder.put("a.nii.gz")
    store = folder.open()
    folder.label(store, "a")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    store.refresh()
    find(store.get_image_uri("a"))
    assert "cut short" in store.unusable()["a"][1]
    assert store.list_images() == ["a"]


@pytest.mark.parametrize("error", [MemoryError(), PermissionError(13, "Permission denied"), OSError(5, "I/O error")])
def test_what_may_pass_is_not_held_against_a_scan(folder, monkeypatch, error):
    folder.put("a.nii.gz")
    store = folder.open()

    def fail(*_):
        raise error

    monkeypatch.setattr(reading, "_decode", fail)
    find(store.get_image_uri("a"))
    assert store.list_images() == ["a"]


def test_damaged_bytes_of_gzip_are_damage(folder):
    path = folder.put("a.nii.gz")
    content = bytearray(path.read_bytes())
    content[-8:-4] = b"\0\1\2\3"  # the checksum
    path.write_bytes(content)
    store = folder.open()
    find(store.get_image_uri("a"))
    assert store.list_images() == []


def test_other_files_are_nobodys_business(folder, cut, tmp_path):
    store = folder.open()
    elsewhere = shutil.copy(cut, tmp_path / "b.nii.gz")
    find(elsewhere)
    assert "b" in store.list_images()


def test_a_damaged_note_is_passed_over(tmp_path):
    (tmp_path / "a.json").write_text('{"file": "a.nii", "stamp"')
    assert Damaged(tmp_path).why("a", File("a.nii", "a", ".nii", (1, 2), (0, 0))) == ""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fewlabel.data import index
from fewlabel.data.catalogue import list_files, reconcile
from fewlabel.data.store import SafeDatastore
from fewlabel.data.volumes import read_label, read_volume, write_volume
from fewlabel.errors import Refusal
from fewlabel.workspace import Workspace, read_json

SHAPE = (8, 9, 10)
AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])
NAMES = [{"name": "liver", "idx": 1}, {"name": "tumour", "idx": 2}]


def scan(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


def label_map() -> np.ndarray:
    array = np.zeros(SHAPE, dtype=np.uint8)
    array[2:6, 2:6, 2:6] = 1
    array[3:5, 3:5, 3:5] = 2
    return array


def label_file(
    folder: Path, array: np.ndarray | None = None, affine: np.ndarray = AFFINE, name="sent.nii.gz"
) -> str:
    folder.mkdir(exist_ok=True)
    write_volume(folder / name, label_map() if array is None else array, affine)
    return str(folder / name)


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    folder = tmp_path / "studies"
    folder.mkdir()
    write_volume(folder / "a.nii.gz", scan(1), AFFINE)
    write_volume(folder / "b.nrrd", scan(2), AFFINE)
    return folder


@pytest.fixture
def workspace(studies: Path) -> Workspace:
    return Workspace(studies / ".fewlabel")


@pytest.fixture
def store(studies: Path, workspace: Workspace) -> SafeDatastore:
    return open_store(studies, workspace)


@pytest.fixture
def sent(tmp_path: Path) -> str:
    return label_file(tmp_path / "sent")


def open_store(
    studies: Path, workspace: Workspace, read_only: bool = False, reload: bool = False
) -> SafeDatastore:
    return SafeDatastore(str(studies), workspace, auto_reload=reload, read_only=read_only)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def full_disk(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Files of these names cannot be put into place any more."""
    from fewlabel import workspace

    replace = workspace.os.replace

    def refuse(source: str, target: str) -> None:
        if any(name in str(target) for name in names):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("fewlabel.workspace.os.replace", refuse)


# --- what a label keeps


def test_a_submitted_label_keeps_its_names(store, workspace, sent):
    info = {"label_info": NAMES, "client_id": "reader 1"}
    assert store.save_label("a", sent, "final", info) == "a"
    assert workspace.classes() == ["liver", "tumour"]
    assert store.get_label_info("a", "final")["label_info"] == NAMES
    assert store.get_label_info("a", "final")["client_id"] == "reader 1"
    sidecar = read_json(workspace.labels / "a.json")
    assert sidecar["classes"] == {"liver": 1, "tumour": 2}
    assert sidecar["client_id"] == "reader 1"
    assert sidecar["time"].endswith("Z")
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array, label_map())


def test_names_in_another_order_are_stored_as_the_same_values(store, workspace, sent):
    workspace.set_classes(["tumour", "liver"])
    store.save_label("a", sent, "final", {"label_info": NAMES})
    stored = read_label(store.get_label_uri("a", "final")).array
    np.testing.assert_array_equal(stored, np.array([0, 2, 1])[label_map()])
    assert store.get_label_info("a", "final")["label_info"] == [
        {"name": "tumour", "idx": 1},
        {"name": "liver", "idx": 2},
    ]


def test_classes_without_names_are_numbered_with_a_note(store, workspace, sent):
    store.save_label("a", sent, "final", {})
    assert workspace.classes() == ["class 1", "class 2"]
    assert "learned" in store.notes("a")[0]


def test_an_empty_label_is_legal_and_teaches_no_class(store, workspace, tmp_path):
    store.save_label("a", label_file(tmp_path / "sent", np.zeros(SHAPE, np.uint8)), "final", {})
    assert store.get_labeled_images() == ["a"]
    assert "empty" in store.notes("a")[0]
    assert workspace.classes() == []


def test_a_label_is_stored_on_its_image_s_grid_whatever_its_format(store, tmp_path, studies):
    store.save_label("b", label_file(tmp_path / "sent", name="sent.seg.nrrd"), "final", {"label_info": NAMES})
    path = Path(store.get_label_uri("b", "final"))
    assert path == (studies / "labels" / "final" / "b.nii.gz").resolve()
    np.testing.assert_allclose(read_label(path).affine, read_volume(studies / "b.nrrd").affine, atol=1e-6)


def test_a_label_on_another_grid_is_resampled_to_the_same_place_with_a_note(store, tmp_path):
    flipped = AFFINE @ np.array([[-1.0, 0, 0, SHAPE[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    store.save_label("a", label_file(tmp_path / "sent", label_map()[::-1].copy(), flipped), "final", {})
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array, label_map())
    assert any("resampled" in note for note in store.notes("a"))


def test_a_label_of_a_part_of_the_image_lands_in_its_place(store, tmp_path):
    part = AFFINE.copy()
    part[:3, 3] = (AFFINE @ (2, 2, 2, 1))[:3]
    store.save_label("a", label_file(tmp_path / "sent", label_map()[2:6, 2:6, 2:6].copy(), part), "final", {})
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array, label_map())


def test_a_second_label_replaces_the_first_one_whatever_its_extension(store, studies, sent, tmp_path):
    write_volume(studies / "labels" / "final" / "a.nrrd", label_map(), AFFINE)
    store.refresh()
    assert store.get_label_uri("a", "final").endswith("a.nrrd")
    store.save_label("a", sent, "final", {})
    assert [path.name for path in (studies / "labels" / "final").iterdir()] == ["a.nii.gz"]


def test_a_pre_label_is_kept_as_it_is_and_is_no_submitted_label(store, tmp_path, studies):
    path = label_file(tmp_path / "sent", name="sent.nrrd")
    store.save_label("a", path, "original", {"model": "fewlabel", "params": {"label_names": {"liver": 1}}})
    assert Path(store.get_label_uri("a", "original")).read_bytes() == Path(path).read_bytes()
    assert store.get_label_info("a", "original")["params"] == {"label_names": {"liver": 1}}
    assert store.get_unlabeled_images() == ["a", "b"]
    assert store.status()["label_tags"] == {"original": 1}


# --- what is refused


def far_away() -> np.ndarray:
    affine = AFFINE.copy()
    affine[:3, 3] += 500
    return affine


@pytest.mark.parametrize(
    ("content", "info", "words"),
    [
        (b"abc", {}, "Nothing was stored"),
        (None, {"label_info": [{"name": "spleen", "idx": 1}, {"name": "liver", "idx": 2}]}, "spleen"),
        (None, {"label_info": NAMES[:1]}, "value"),
        (label_map() * 9, {}, "value"),
        (far_away(), {"label_info": NAMES}, "grid"),
        (None, {"label_info": "liver"}, "list"),
        (None, {"label_info": [{"name": "liver", "idx": "x"}, NAMES[1]]}, "whole number"),
    ],
    ids=["no image", "unknown name", "unnamed value", "unknown value", "elsewhere", "no list", "no number"],
)
def test_a_bad_label_is_refused_in_words_and_nothing_changes(
    store, workspace, studies, tmp_path, sent, content, info, words
):
    workspace.set_classes(["liver", "tumour"])
    store.save_label("a", sent, "final", {"label_info": NAMES})
    before = everything(studies)
    bad = tmp_path / "bad.nii.gz"
    if isinstance(content, bytes):
        bad.write_bytes(content)
    elif content is None:
        write_volume(bad, label_map(), AFFINE)
    elif content.shape == SHAPE:
        write_volume(bad, content, AFFINE)
    else:
        write_volume(bad, label_map(), content)
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


def test_a_pre_label_on_another_grid_is_refused(store, tmp_path):
    with pytest.raises(Refusal, match="grid"):
        store.save_label("a", label_file(tmp_path / "sent", label_map()[1:]), "original", {})


@pytest.mark.parametrize("name", ["../evil", "a/b", "a\\b", "..", ".hidden", "a\nb", "x" * 201, "a..b"])
def test_an_id_or_tag_that_could_leave_the_folder_is_refused(store, studies, sent, name):
    before = everything(studies.parent)
    for request in (
        lambda: store.add_image(name, str(studies / "a.nii.gz"), {}),
        lambda: store.save_label(name, sent, "final", {}),
        lambda: store.save_label("a", sent, name, {}),
    ):
        with pytest.raises(Refusal, match="cannot be") as caught:
            request()
        assert caught.value.status_code == 400
    assert everything(studies.parent) == before


def test_an_unknown_image_or_label_is_answered_in_words(store, sent):
    for request in (
        lambda: store.get_image_uri("none"),
        lambda: store.get_image_info("none"),
        lambda: store.get_image("none"),
        lambda: store.save_label("none", sent, "final", {}),
        lambda: store.update_image_info("none", {}),
        lambda: store.update_label_info("a", "final", {}),
        lambda: store.remove_image("none"),
        lambda: store.remove_label("a", "final"),
        lambda: store.notes("none"),
    ):
        with pytest.raises(Refusal) as caught:
            request()
        assert caught.value.status_code == 404
    assert store.get_label_uri("a", "final") == ""


def test_a_damaged_image_is_not_stored(store, studies, tmp_path):
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes((studies / "a.nii.gz").read_bytes()[:-100])
    before = everything(studies)
    with pytest.raises(Refusal, match="Image 'c'") as caught:
        store.add_image("c", str(cut), {})
    assert caught.value.status_code == 422
    (tmp_path / "picture.jpg").write_bytes(b"abc")
    with pytest.raises(Refusal, match="not supported"):
        store.add_image("c", str(tmp_path / "picture.jpg"), {})
    assert everything(studies) == before


def test_an_added_image_keeps_its_extension_and_is_listed(store, studies, tmp_path):
    write_volume(tmp_path / "new.nrrd", scan(3), AFFINE)
    assert store.add_image("", str(tmp_path / "new.nrrd"), {"client_id": "x"}) == "new"
    assert store.list_images() == ["a", "b", "new"]
    info = store.get_image_info("new")
    assert info["name"] == "new.nrrd"
    assert info["client_id"] == "x"
    assert Path(info["path"]).read_bytes() == (tmp_path / "new.nrrd").read_bytes()


def test_a_labelled_image_is_replaced_by_the_same_bytes_only(store, studies, sent, tmp_path):
    same, other = tmp_path / "same.nii.gz", tmp_path / "other.nrrd"
    same.write_bytes((studies / "a.nii.gz").read_bytes())
    write_volume(other, scan(9), AFFINE)
    store.save_label("a", sent, "original", {})
    store.save_label("a", sent, "final", {})
    assert store.add_image("a", str(same), {}) == "a"
    with pytest.raises(Refusal, match="already labelled") as caught:
        store.add_image("a", str(other), {})
    assert caught.value.status_code == 409
    store.remove_label("a", "final")
    store.add_image("a", str(other), {})
    assert sorted(path.name for path in studies.glob("*.n*")) == ["a.nrrd", "b.nrrd"]
    assert store.get_labels_by_image_id("a") == {}, "a pre-label of the former image is gone"


def test_removing_an_image_removes_its_labels(store, studies, workspace, sent):
    store.save_label("a", sent, "final", {})
    store.remove_image("a")
    assert store.list_images() == ["b"]
    assert not list((studies / "labels").rglob("a*"))
    assert not (workspace.labels / "a.json").exists()


def test_an_archive_of_nothing_is_refused(store, sent):
    with pytest.raises(Refusal, match="No image"):
        store.get_dataset_archive(None)
    store.save_label("a", sent, "final", {})
    Path(store.get_dataset_archive(None)).unlink()


def test_only_finite_json_is_kept(store, studies):
    store.update_image_info(
        "a", {"score": float("nan"), "strategy": {"x": [float("inf"), 1]}, "name": "../x"}
    )
    info = store.get_image_info("a")
    assert info["score"] is None
    assert info["strategy"] == {"x": [None, 1]}
    assert info["name"] == "a.nii.gz"
    json.dumps(read_json(studies / "datastore_v2.json"), allow_nan=False)
    with pytest.raises(Refusal, match="JSON"):
        store.update_image_info("a", ["x"])


# --- a full disk, crashes, restarts


def test_a_full_disk_leaves_the_old_label_and_says_so(store, sent, tmp_path, monkeypatch):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    second = label_file(tmp_path / "second", label_map()[::-1].copy())
    with monkeypatch.context() as patch:
        full_disk(patch, "final")
        with pytest.raises(Refusal, match="No space left") as caught:
            store.save_label("a", second, "final", {"label_info": NAMES})
    assert caught.value.status_code == 507
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array, label_map())
    store.save_label("a", second, "final", {"label_info": NAMES})
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array, label_map()[::-1])


def test_classes_of_a_label_that_could_not_be_stored_are_not_learned(store, workspace, sent, monkeypatch):
    with monkeypatch.context() as patch:
        full_disk(patch, "a.nii.gz")
        with pytest.raises(Refusal, match="No space left"):
            store.save_label("a", sent, "final", {"label_info": NAMES})
    assert workspace.classes() == []


def test_a_stored_label_counts_even_if_the_list_cannot_be_written(
    store, studies, workspace, sent, monkeypatch
):
    with monkeypatch.context() as patch:
        full_disk(patch, "datastore_v2", "a.json")
        store.save_label("a", sent, "final", {"label_info": NAMES})
    assert store.get_labeled_images() == ["a"]
    assert open_store(studies, workspace).get_labeled_images() == ["a"]


@pytest.mark.parametrize("content", [b"", b'{"name": "x", "obj', b"[]"])
def test_a_damaged_list_is_set_aside_and_rebuilt_with_all_that_was_known(
    store, studies, workspace, sent, content
):
    store.save_label("a", sent, "final", {"label_info": NAMES, "client_id": "reader 1"})
    (studies / "datastore_v2.json").write_bytes(content)
    again = open_store(studies, workspace)
    assert again.list_images() == ["a", "b"]
    assert again.get_label_info("a", "final")["label_info"] == NAMES
    assert again.get_label_info("a", "final")["client_id"] == "reader 1"
    assert again.notes("a") == store.notes("a")
    (aside,) = studies.glob("datastore_v2.json.damaged-*")
    assert aside.read_bytes() == content
    assert set(read_json(studies / "datastore_v2.json")["objects"]) == {"a", "b"}


def test_lost_class_names_come_back_from_the_sidecars(store, studies, workspace, sent):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    workspace.set_classes([])
    open_store(studies, workspace)
    assert workspace.classes() == ["liver", "tumour"]


def test_labels_put_into_the_folder_by_hand_are_taken_over(studies, workspace, sent):
    target = studies / "labels" / "final"
    target.mkdir(parents=True)
    (target / "a.nii.gz").write_bytes(Path(sent).read_bytes())
    (target / "stranger.nii.gz").write_bytes(b"no image of this name")
    store = open_store(studies, workspace)
    assert store.get_labeled_images() == ["a"]
    assert workspace.classes() == ["class 1", "class 2"]


def test_a_restart_finds_the_same_study(store, studies, workspace, sent):
    store.save_label("b", sent, "final", {"label_info": NAMES})
    store.update_image_info("a", {"strategy": {"first": {"ts": 1}}})
    assert open_store(studies, workspace).json() == store.json()


def test_leftovers_of_a_killed_process_are_removed_and_never_listed(studies, workspace):
    old, young = studies / ".writing-old.nii.gz", studies / ".writing-young.nii.gz"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    index.os.utime(old, (0, 0))
    assert open_store(studies, workspace).list_images() == ["a", "b"]
    assert not old.exists()
    assert young.exists(), "another process may be writing it"


def test_two_files_of_one_id_are_one_image_and_the_log_says_so(studies, workspace, caplog):
    write_volume(studies / "a.nrrd", scan(5), AFFINE)
    (studies / "folder.nii.gz").mkdir()
    store = open_store(studies, workspace)
    store.refresh()
    assert store.list_images() == ["a", "b"]
    assert store.get_image_uri("a").endswith("a.nii.gz")
    assert sum("a.nrrd" in line for line in caplog.messages) == 1


def test_a_file_that_is_gone_is_not_listed_and_its_label_returns_with_it(store, studies, sent, tmp_path):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    (studies / "a.nii.gz").rename(tmp_path / "a.nii.gz")
    store.refresh()
    assert store.list_images() == ["b"]
    (tmp_path / "a.nii.gz").rename(studies / "a.nii.gz")
    store.refresh()
    assert store.get_label_info("a", "final")["label_info"] == NAMES


# --- several processes and threads


def test_a_read_only_process_knows_all_files_and_leaves_the_list_alone(
    store, studies, workspace, sent, tmp_path
):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    write_volume(studies / "late.nii.gz", scan(4), AFFINE)
    before = everything(studies)
    script = (
        "import sys; from fewlabel.data.store import SafeDatastore; from fewlabel.workspace import Workspace\n"
        "store = SafeDatastore(sys.argv[1], Workspace(sys.argv[2]), auto_reload=False, read_only=True)\n"
        "store.update_image_info('a', {'score': 1})\n"
        "store.save_label('b', sys.argv[3], 'original', {'model': 'fewlabel'})\n"
        "store.refresh()\n"
        "print(store.list_images(), store.get_labeled_images(), store.get_image_info('a')['score'])"
    )
    command = [sys.executable, "-c", script, str(studies), str(workspace.folder), sent]
    environment = {"PYTHONPATH": str(Path(index.__file__).parents[2]), "PATH": "", "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=120)
    assert answer.stdout.strip() == "['a', 'b', 'late'] ['a'] 1"
    after = everything(studies)
    added = {str(Path("labels/original/b.nii.gz")), str(Path(".fewlabel/labels/original/b.json"))}
    assert {name: data for name, data in after.items() if name not in added} == before
    store.refresh()
    assert store.get_label_info("b", "original")["model"] == "fewlabel"
    assert store.get_label_info("a", "final")["label_info"] == NAMES


def test_a_background_process_may_not_change_submitted_labels(store, studies, workspace, sent):
    store.save_label("a", sent, "final", {})
    child = open_store(studies, workspace, read_only=True)
    for request in (
        lambda: child.save_label("a", sent, "final", {}),
        lambda: child.remove_label("a", "final"),
        lambda: child.remove_image("a"),
        lambda: child.add_image("c", str(studies / "a.nii.gz"), {}),
    ):
        with pytest.raises(Refusal, match="server only"):
            request()


def wait_until(true) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_watcher_sees_files_that_arrive_and_not_its_own_writing(studies, workspace, sent, monkeypatch):
    refreshes = []
    refresh = SafeDatastore.refresh
    monkeypatch.setattr(SafeDatastore, "refresh", lambda self: (refreshes.append(1), refresh(self)))
    store = open_store(studies, workspace, reload=True)
    try:
        for number in range(20):
            write_volume(studies / f"late{number:02}.nii.gz", scan(number), AFFINE)
        wait_until(lambda: len(store.list_images()) == 22)
        assert len(refreshes) < 20
        wait_until(lambda: store._pending is None)
        refreshes.clear()
        for number in range(5):
            store.update_image_info("a", {"number": number})
        time.sleep(3 * index._SETTLE)
        assert not refreshes
    finally:
        store._observer.stop()
        store._observer.join()


def test_nothing_is_lost_when_labels_are_saved_while_the_folder_is_read_again(
    store, studies, workspace, sent
):
    import threading

    stop = threading.Event()
    errors = []

    def refresh() -> None:
        while not stop.is_set():
            try:
                store.refresh()
                store.status()
            except Exception as error:
                errors.append(error)

    reader = threading.Thread(target=refresh)
    reader.start()
    try:
        for number in range(10):
            image = "ab"[number % 2]
            store.save_label(image, sent, "final", {"label_info": NAMES, "number": number})
            store.update_image_info(image, {f"key {number}": number})
    finally:
        stop.set()
        reader.join()
    assert not errors
    again = open_store(studies, workspace)
    assert [again.get_label_info(image, "final")["number"] for image in "ab"] == [8, 9]
    assert {key for key in again.get_image_info("a") if key.startswith("key")} == {
        f"key {n}" for n in range(0, 10, 2)
    }


# --- folders that cannot be written, many images


def test_labels_go_to_the_workspace_if_the_images_folder_cannot_be_written(
    studies, tmp_path, sent, monkeypatch
):
    target = studies / "labels" / "final"
    target.mkdir(parents=True)
    (target / "b.nii.gz").write_bytes(Path(sent).read_bytes())
    before = everything(studies)
    workspace = Workspace(tmp_path / "workspace")
    monkeypatch.setattr("fewlabel.data.catalogue._is_writable", lambda folder: False)
    store = open_store(studies, workspace)
    assert store.get_labeled_images() == ["b"]
    store.save_label("a", sent, "final", {})
    assert everything(studies) == before
    assert Path(store.get_label_uri("a", "final")).is_relative_to(workspace.folder)
    monkeypatch.undo()
    again = open_store(studies, workspace)
    assert again.get_labeled_images() == ["a", "b"], (
        "they stay there, so none is lost when the folder opens up"
    )
    assert open_store(studies, workspace, read_only=True).get_labeled_images() == ["a", "b"]


def test_ten_thousand_images_are_listed_by_one_look_and_one_writing(studies, workspace, monkeypatch):
    count = 10_000
    for number in range(count):
        (studies / f"scan{number:05}.nii.gz").touch()
    writings, looks = [], []
    replace, scan_folder = index.replace_file, index.list_files
    monkeypatch.setattr(index, "replace_file", lambda *given: (writings.append(1), replace(*given)))
    monkeypatch.setattr(index, "list_files", lambda folder: (looks.append(folder), scan_folder(folder))[1])
    store = open_store(studies, workspace)
    assert len(store.list_images()) == count + 2
    assert (len(writings), len(looks)) == (1, 3), "images, final and original labels"
    store.update_image_info("a", {"x": 1})
    assert len(writings) == 2
    assert len(looks) == 3
    store.refresh()
    assert len(writings) == 2


def test_reconciling_asks_for_each_name_a_fixed_number_of_times():
    class Counted(dict):
        asked = 0

        def get(self, key, default=None):
            Counted.asked += 1
            return super().get(key, default)

    def asked(count: int) -> int:
        images = Counted({f"{number}": ".nii" for number in range(count)})
        known, _ = reconcile({}, images, {"final": images}, lambda *given: {})
        Counted.asked = 0
        _, changed = reconcile(Counted(known), images, {"final": images}, lambda *given: {})
        assert not changed
        return Counted.asked

    assert asked(400) <= 4.5 * asked(100)


def test_a_missing_folder_is_an_empty_one(tmp_path):
    assert list_files(tmp_path / "none") == ({}, [])

"""While one request is still open, others are answered; what it leaves behind is taken away."""

import gzip
import json
import os
import threading
import uuid
from pathlib import Path

import nibabel
import numpy as np
import psutil
import pytest
import requests

from fewlabel.service.tidy import _LOCK

APP = Path(__file__).resolve().parents[2] / "apps" / "fewlabel"
CLASSES = ("organ", "tumour")


@pytest.fixture(scope="module")
def temporary(tmp_path_factory):
    """Instead of the system's folder of temporary files."""
    return tmp_path_factory.mktemp("system")


@pytest.fixture(scope="module")
def server(serve, tmp_path_factory, volumes, temporary):
    studies = volumes.study(tmp_path_factory.mktemp("held") / "studies", 4)
    (temporary / "fewlabel-killed").mkdir()
    (temporary / "fewlabel-killed" / _LOCK).write_text("")
    (temporary / "fewlabel-killed" / "tmpabcdefgh.nii.gz").write_text("half an upload")
    logs = {"handlers": {"file": {"filename": str(APP / "logs" / "app.log")}}}
    (temporary / "tmpabcdefgh.json").write_text(json.dumps(logs))
    os.utime(temporary / "tmpabcdefgh.json", (0, 0))
    started = serve(studies, {"labels": ",".join(CLASSES)}, {"TMPDIR": str(temporary)})
    started.put_label("scan_0", volumes.truth(studies, 0), CLASSES)
    return started


def assert_answers(server):
    assert server.info()["name"] == "FewLabel"
    assert server.request("POST", "/activelearning/first", json={})["id"]
    assert server.get("/fewlabel/cases")["cases"]


class Slow:
    """A file whose second half is sent only when it is let go: a body that is longer than any buffer."""

    def __init__(self, start, rest):
        self.parts, self.begun, self.go_on = [start, rest], threading.Event(), threading.Event()

    def __iter__(self):
        yield self.parts[0]
        self.begun.set()
        assert self.go_on.wait(120)
        yield self.parts[1]


def form(name, content):
    """The body of an upload, and its headers."""
    edge = uuid.uuid4().hex
    head = f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="sent.nii.gz"\r\n\r\n'
    return head.encode() + content + f"\r\n--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


def background(request):
    """Send a request in a thread; gives the thread and the list that gets its answer."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(request()))
    thread.start()
    return thread, answers


def test_others_are_answered_while_an_upload_is_half_way(server, volumes):
    body, kind = form("label", volumes.truth(server.studies, 1).read_bytes())
    slow = Slow(body[: len(body) // 2], body[len(body) // 2 :])
    ask = {"params": {"image": "scan_1"}, "headers": {"Content-Type": kind}, "timeout": 120}
    thread, answers = background(lambda: requests.put(f"{server.url}/datastore/label", data=iter(slow), **ask))
    assert slow.begun.wait(60)
    assert_answers(server)
    assert thread.is_alive()
    slow.go_on.set()
    thread.join()
    assert answers[0].status_code == 200, answers[0].text


def test_others_are_answered_while_somebody_waits_for_a_training(server):
    long = {"max_minutes": 30, "max_steps": 100_000}

    def train():
        with pytest.raises(requests.RequestException):  # the server is stopped before it answers
            requests.post(f"{server.url}/train/fewlabel?run_sync=true", json=long, timeout=300)

    def progress():
        return server.get("/fewlabel/study")["training"]

    thread = threading.Thread(target=train)
    thread.start()
    server.wait_until(lambda: (progress() or {}).get("step", 0) >= 1)
    assert_answers(server)
    step = progress()["step"]
    server.wait_until(lambda: progress()["step"] > step)
    assert "run_sync" in server.refused("POST", "/train/fewlabel", 429, json={})
    assert "run_sync" in server.refused("DELETE", "/model/fewlabel", 409)
    assert thread.is_alive()
    server.stop()  # such a training cannot be stopped by a request
    thread.join()
    server.start()
    assert_answers(server)


# --- what could not be a label of the image


def header(shape, voxel=2):
    made = nibabel.Nifti1Header()
    made.set_data_dtype({2: np.uint8, 64: np.float64}[voxel])
    made.set_data_shape(shape)
    made["magic"], made["vox_offset"] = b"n+1", 352
    made.set_sform(np.eye(4), 1)
    return made.binaryblock + bytes(4)


def bomb(shape, voxel=2, zeros=2**28):
    """A NIfTI file of zeros of this shape, or of so many bytes: some hundred kilobytes."""
    packed = gzip.compress(bytes(2**22), 9)
    return gzip.compress(header(shape, voxel)) + packed * (zeros // 2**22)


def nrrd_bomb(sizes):
    text = f"NRRD0004\ntype: uchar\ndimension: {len(sizes)}\nsizes: {' '.join(map(str, sizes))}\nencoding: gzip\n"
    text += "space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\n"
    return text.encode() + gzip.compress(bytes(2**22), 9) * 64


def metaimage_bomb(sizes):
    text = f"ObjectType = Image\nNDims = 3\nDimSize = {' '.join(map(str, sizes))}\nElementType = MET_UCHAR\n"
    return text.encode() + b"CompressedData = True\nElementDataFile = LOCAL\n" + gzip.compress(bytes(2**22), 9) * 64


BOMBS = {
    "many voxels": ("sent.nii.gz", bomb((1000, 1000, 300))),
    "one long axis": ("sent.nii.gz", bomb((30000, 10000, 1))),
    "layers": ("sent.nii.gz", bomb((20, 24, 18, 9000))),
    "wide voxels": ("sent.nii.gz", bomb((700, 700, 600), voxel=64)),
    "more than it says": ("sent.nii.gz", bomb((20, 24, 18))),
    "nrrd": ("sent.nrrd", nrrd_bomb((1000, 1000, 300))),
    "segmentation": ("sent.seg.nrrd", nrrd_bomb((1000, 1000, 300))),
    "metaimage": ("sent.mha", metaimage_bomb((1000, 1000, 300))),
}


@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.parametrize("tag", ["final", "original"])
def test_what_unpacks_to_what_the_image_cannot_have_is_refused_and_takes_no_memory(server, kind, tag):
    name, content = BOMBS[kind]
    peak = Peak(server)
    answer = requests.put(
        f"{server.url}/datastore/label",
        params={"image": "scan_1", "tag": tag},
        files={"label": (name, content)},
        timeout=120,
    )
    assert answer.status_code == 422, answer.text
    assert "Nothing was stored" in answer.json()["detail"]
    assert peak() < 200 * 2**20
    assert_answers(server)


class Peak:
    """Bytes by which a server's memory grew at most since this was made (Linux tells the peak itself)."""

    def __init__(self, server):
        self.pid = server.process.pid
        if os.path.exists(f"/proc/{self.pid}/clear_refs"):
            with open(f"/proc/{self.pid}/clear_refs", "w") as reset:
                reset.write("5")
        self.before = psutil.Process(self.pid).memory_info().rss

    def __call__(self):
        with open(f"/proc/{self.pid}/status") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
        return peak - self.before


# --- nothing stays


def left(temporary):
    """Files among the temporary ones, without the lock of the running server and caches of libraries."""
    found = (path for path in temporary.rglob("*") if path.is_file() and "torchinductor" not in str(path))
    logs = set(temporary.glob("tmp*.json"))  # the settings of the logs of the running server
    return [str(path.relative_to(temporary)) for path in found if path.name != _LOCK and path not in logs]


def test_what_a_killed_server_left_is_removed_at_the_next_start(server, temporary):
    server.get("/info/")
    assert not (temporary / "fewlabel-killed").exists()
    assert not (temporary / "tmpabcdefgh.json").exists()


def test_no_refused_or_served_request_leaves_a_file(server, volumes, temporary):
    image, label = server.studies / "scan_0.nii.gz", volumes.truth(server.studies, 0)
    truncated = image.read_bytes()[:500]
    puts = [
        ("/datastore/label", {"image": "scan_1"}, "label", truncated),
        ("/datastore/label", {"image": "none"}, "label", label.read_bytes()),
        ("/datastore/label", {"image": "scan_1", "tag": ".."}, "label", label.read_bytes()),
        ("/datastore/image", {"image": "new"}, "file", truncated),
        ("/datastore/image", {"image": ".."}, "file", image.read_bytes()),
        ("/model/fewlabel", {}, "file", truncated),
        ("/session/", {"expiry": "x"}, "files", truncated),
    ]
    for path, query, name, content in puts:
        files = {name: ("sent.nii.gz", content)}
        assert 400 <= requests.put(server.url + path, params=query, files=files, timeout=120).status_code < 500
    for query in ({"output": "json"}, {"output": "dicom_seg"}, {"image": "scan_1", "output": "image"}):
        files = {"file": ("sent.nii.gz", truncated), "label": ("sent.bin", b"no label")}
        requests.post(f"{server.url}/infer/fewlabel", params=query, files=files, timeout=120)
    assert requests.get(f"{server.url}/datastore/dataset", timeout=120).content
    server.wait_until(lambda: left(temporary) == [])


def test_a_session_that_was_not_finished_does_not_stop_the_next_start(server, temporary):
    sessions = server.home / "sessions"
    (sessions / str(uuid.uuid4())).mkdir(parents=True)
    old = sessions / str(uuid.uuid4())
    old.mkdir()
    (old / "meta.info").write_text('{"image": "ha')
    os.utime(old, (0, 0))
    server.stop()
    (server.studies / ".fewlabel" / "exports").mkdir(exist_ok=True)
    gone = 2**22 + 1  # no process has this number
    folders = [server.studies, server.studies / "labels" / "final", server.studies / ".fewlabel"]
    for folder in [*folders, server.studies / ".fewlabel" / "exports"]:
        (folder / f".writing-{gone}-abc.nii.gz").write_bytes(b"half")
    server.start()
    assert list(server.studies.rglob(".writing-*")) == []
    assert not old.exists()
    assert left(temporary) == []


def test_a_stored_label_is_as_before_and_so_is_what_is_said_of_it(server, volumes):
    answer = server.put_label("scan_2", volumes.truth(server.studies, 2), CLASSES)
    said = {"notes": [], "correction": None, "flags": [], "kind": "drawn"}
    assert answer == {**said, "image": "scan_2", "label": "scan_2"}

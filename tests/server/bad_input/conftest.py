"""A server on three good images, and what every refusal must leave as it was."""

from fnmatch import fnmatch

import numpy as np
import pytest

CLASSES = ["organ", "tumour"]


@pytest.fixture(scope="module")
def server(serve, volumes, tmp_path_factory):
    """A server on three good images; scan_0 is the good request of most tests."""
    studies = volumes.study(tmp_path_factory.mktemp("bad") / "studies", 3)
    server = serve(studies, {"labels": ",".join(CLASSES)})
    server.volumes = volumes
    return server


@pytest.fixture(scope="module")
def good_label(server):
    return server.volumes.truth(server.studies, 0)


@pytest.fixture
def still_works(server, good_label):
    """After the test: a good label is taken, and the server says nothing of an unexpected error."""
    before = server.log.stat().st_size
    yield
    answer = server.put_label("scan_0", good_label, CLASSES)
    assert answer["label"] == "scan_0"
    assert "Traceback" not in server.log.read_bytes()[before:].decode()


@pytest.fixture(scope="session")
def stored():
    """Callable (server): everything below its studies folder, so that a refusal can be seen to change nothing.

    Without what the server writes in the background whatever is asked of it: MONAI Label's list, and the features of
    the scans with the file that becomes them.
    """
    background = ("datastore_v2.json", ".fewlabel/features.json", ".fewlabel/.writing-*.json")

    def read(server):
        files = {str(path.relative_to(server.studies)): path for path in server.studies.rglob("*") if path.is_file()}
        return {
            name: path.read_bytes()
            for name, path in files.items()
            if not any(fnmatch(name, pattern) for pattern in background)
        }

    return read


@pytest.fixture(scope="session")
def assert_sentence():
    """Callable (message, words): they are in it, and it ends as a sentence does."""

    def check(message, *words):
        assert message.endswith("."), message
        assert "\n" not in message
        for word in words:
            assert word in message, message

    return check


@pytest.fixture(scope="session")
def bad_images(volumes):
    """Kind -> (voxels, words of the message) of images that cannot be used."""
    good = volumes.image(7)
    return {
        "frames": (np.stack([good, good + 1], -1), "several frames"),
        "colours": (np.zeros(volumes.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")]), "colours"),
        "constant": (np.full(volumes.shape, 7, np.int16), "constant"),
        "nothing": (np.full(volumes.shape, np.nan, np.float32), "no voxel with a finite value"),
        "flat": (good[..., 0], "dimension"),
    }

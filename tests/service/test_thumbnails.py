"""Pictures of stored proposals: which colours they have, and when there is none."""

import io
import threading

import matplotlib.image
import numpy as np
import pytest

from fewlabel.files import stamp
from fewlabel.service.colours import colour
from fewlabel.service.label_all import label_all_of
from fewlabel.volumes.reading import write_volume


@pytest.fixture
def pool(service):
    """A service with a proposal for every scan, with both classes in the picture of scan "a"."""
    service.publish()
    service.ask("POST", "label_all", 202)
    for thread in threading.enumerate():
        if thread.name == "label all":
            thread.join(600)
    return service


def colours(service, case):
    answer = service.client.get(f"/fewlabel/thumbnail/{case}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    shown = (matplotlib.image.imread(io.BytesIO(answer.content), format="png")[..., :3] * 255).round().astype(int)
    return {tuple(each) for each in shown.reshape(-1, 3).tolist() if len(set(each)) > 1}


def drawn(service, case):
    """Classes in the picture that is stored."""
    _, (_, classes) = label_all_of(service.study).store.picture(case, stamp(service.store.get_image_uri(case)))
    return [int(value) for value in np.unique(classes) if value]


def test_each_class_has_the_colour_that_the_study_gives_it(pool):
    known = {case: drawn(pool, case) for case in "abcde"}
    assert any(known.values())
    for case, values in known.items():
        assert colours(pool, case) == {colour(value - 1) for value in values}
    pool.workspace.set_classes(["vessel", "tumour", "organ"])
    case = next(case for case, values in known.items() if 1 in values)
    assert colour(2) in colours(pool, case)


def test_there_is_no_picture_of_another_scan_or_of_none(pool):
    assert "No image 'zzz'" in pool.refused("GET", "thumbnail/zzz", 404)
    other = np.random.default_rng(9).normal(size=pool.shape).astype(np.float32)
    write_volume(pool.store.get_image_uri("c"), other, pool.affine)
    assert "label all first" in pool.refused("GET", "thumbnail/c", 404)


def test_the_label_map_is_not_read_for_it(pool, monkeypatch):
    asked = []
    original = np.lib.npyio.NpzFile.__getitem__
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", lambda self, key: asked.append(key) or original(self, key))
    colours(pool, "a")
    assert sorted(asked) == ["head", "picture"]

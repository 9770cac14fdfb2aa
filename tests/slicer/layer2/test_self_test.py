"""The self test that is to be run in a real Slicer, on the stand-ins with a real MONAI Label server."""

from types import SimpleNamespace

import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

CLASSES = ("organ", "tumour")


@pytest.fixture(scope="module")
def server(above, serve, tmp_path_factory):
    volumes = above.Volumes()
    return serve(volumes.study(tmp_path_factory.mktemp("self_test") / "studies", 3), {"labels": ",".join(CLASSES)})


@pytest.fixture
def self_test(slicer, module, sit_down, monkeypatch):
    """A FewLabelTest; ``slicer.util`` has what the application would do for it."""
    desk = sit_down()

    def load_label_volume(path):
        return slicer.modules.volumes.logic().AddArchetypeVolume(path, "stored", 1)  # a label map

    monkeypatch.setattr(slicer.util, "selectModule", lambda name: None)
    monkeypatch.setattr(slicer.modules, "FewLabelWidget", desk.widget, raising=False)
    monkeypatch.setattr(slicer.util, "loadLabelVolume", load_label_volume)
    return SimpleNamespace(test=module.FewLabelTest(), desk=desk)


def stored(server):
    return sorted(file.name for file in (server.studies / "labels" / "final").glob("*.nii.gz"))


def test_it_draws_submits_compares_and_takes_back(self_test, server, monkeypatch):
    monkeypatch.setenv("FEWLABEL_SERVER", server.url)
    self_test.test.runTest()
    (said,) = self_test.test.said
    assert said.startswith("Passed: case '")
    assert stored(server) == []


def test_it_fails_where_another_label_is_stored_than_was_drawn(self_test, server, monkeypatch):
    monkeypatch.setenv("FEWLABEL_SERVER", server.url)
    draw = self_test.test.draw

    def drawn_otherwise(session):
        masks = draw(session)
        masks[CLASSES[0]][0, 0, 0] = True
        return masks

    monkeypatch.setattr(self_test.test, "draw", drawn_otherwise)
    with pytest.raises(AssertionError, match="organ was not stored as it was drawn"):
        self_test.test.runTest()


def test_without_a_server_it_says_that_it_was_skipped(self_test, monkeypatch):
    monkeypatch.delenv("FEWLABEL_SERVER", raising=False)
    self_test.test.runTest()
    assert self_test.test.said[0].startswith("Skipped: set FEWLABEL_SERVER")

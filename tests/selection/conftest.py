"""A study without files: a datastore of lists, a clock that a test sets, and any strategy of the table."""

from __future__ import annotations

import pytest

from fewlabel.errors import Refusal
from fewlabel.selection import table
from fewlabel.selection.leases import Leases
from fewlabel.workspace import Workspace, write_json


class Images:
    """A datastore of which the strategies may ask lists only; counts the calls."""

    def __init__(self, images, labelled=()):
        self.images, self.labelled, self.calls = list(images), list(labelled), []

    def list_images(self):
        self.calls.append("list")
        return self.images

    def get_labeled_images(self, label_tag=None, labels=None):
        self.calls.append("labelled")
        return self.labelled

    def get_unlabeled_images(self, label_tag=None, labels=None):
        self.calls.append("unlabelled")
        return [image for image in self.images if image not in self.labelled]

    def get_image_uri(self, image):
        self.calls.append("uri")
        raise Refusal(f"No image '{image}' in this study.", 404)


class Clock:
    def __init__(self):
        self.now = 1e6

    def __call__(self):
        return self.now


@pytest.fixture
def images():
    """Callable (names, labelled): a datastore."""
    return Images


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(workspace, clock, monkeypatch):
    """Callable (name, features, seed): a strategy as the server makes it; scans have these features or none.

    It alone is made: another one's line may be wrong.
    """
    lines = table.STRATEGIES

    def build(name="uncertainty", known=None, seed=0):
        monkeypatch.setattr(table, "STRATEGIES", {name: lines[name]})
        monkeypatch.setattr(table, "Leases", lambda path: Leases(path, clock))
        strategies, features = table.make_strategies(workspace, seed)
        features.known = known or {}
        return strategies[name]

    return build


@pytest.fixture
def write_scores(workspace):
    """Callable (scores by case, version): the score file of a model."""

    def write(scores, version=1, **more):
        cases = {case: {"score": score, **more} for case, score in scores.items()}
        write_json(workspace.scores, {"version": version, "done": len(cases), "of": len(cases), "cases": cases})

    return write

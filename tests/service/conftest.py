"""One study and a client of its routes, in this process."""

import dataclasses
import os
import threading

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fewlabel.export import base
from fewlabel.export.comparing import Comparison
from fewlabel.networks import find
from fewlabel.plan import Plan
from fewlabel.published import save_published
from fewlabel.service import routes
from fewlabel.study import Study
from fewlabel.volumes.reading import write_volume

CLASSES = ("organ", "tumour")
PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 1, CLASSES)
CARD = {
    "version": 3,
    "method": "mean_teacher",
    "network": "unet_small",
    "validation": {"organ": 0.8, "tumour": None},
    "validated": True,
    "labelled": 4,
    "unlabelled": 9,
}
SHAPE = (12, 10, 8)
AFFINE = np.diag([-1.0, 1.5, 2.0, 1.0])


@pytest.fixture(autouse=True)
def surroundings(sessions):
    """Whatever opens a study: nothing in the home folder, nothing watched."""


class Service:
    """One study and a client of its routes; the clock of the leases stands still until it is moved."""

    classes, shape, affine, card = CLASSES, SHAPE, AFFINE, CARD

    def __init__(self, folder, conf=None, names="abcde"):
        for number, name in enumerate(names):
            image = np.random.default_rng(number).normal(size=SHAPE).astype(np.float32)
            write_volume(folder / f"{name}.{'nrrd' if name == 'b' else 'nii.gz'}", image, AFFINE)
        self.sent = folder.parent / "sent.nii.gz"
        self.study = Study(str(folder), conf or {})
        self.study.datastore()
        self.store, self.workspace = self.study.store, self.study.workspace
        self.now = 1e9
        self.study.leases.clock = lambda: self.now
        app = FastAPI()
        app.include_router(routes.make_router(self.study))
        self.client = TestClient(app)

    def submit(self, name, value=1, names=CLASSES, **params):
        array = np.zeros(SHAPE, np.uint8)
        array[2:6, 2:6, 2:6] = value
        write_volume(self.sent, array, AFFINE)
        info = [{"name": each, "idx": index} for index, each in enumerate(names, 1)]
        self.store.save_label(name, str(self.sent), "final", {"label_info": info, **params})

    def label(self, name):
        """File name and bytes of the stored label."""
        path = self.store.get_label_uri(name, "final")
        with open(path, "rb") as file:
            return os.path.basename(path), file.read()

    def publish(self, network="unet_small", **card):
        plan = dataclasses.replace(PLAN, network=network)
        save_published(self.workspace.model, find(network)(3), plan, {**CARD, **card})

    def ask(self, method, path, status=200, **arguments):
        answer = self.client.request(method, f"/fewlabel/{path}", **arguments)
        assert answer.status_code == status, answer.text
        return answer.json()

    def get(self, path):
        return self.ask("GET", path)

    def refused(self, method, path, status, **arguments):
        """The sentence of a refusal."""
        detail = self.ask(method, path, status, **arguments)["detail"]
        assert isinstance(detail, str)
        assert detail.endswith(".")
        return detail

    def cases(self):
        return {case["id"]: case for case in self.get("cases")["cases"]}

    def counts(self):
        return self.get("study")["counts"]

    def export(self, **body):
        """Export and wait for the end."""
        self.ask("POST", "export", 202, json=body)
        for thread in threading.enumerate():
            if thread.name == "export":
                thread.join(600)
        return self.get("export")


@pytest.fixture
def service(open_service):
    return open_service("studies")


@pytest.fixture
def open_service(tmp_path):
    """Callable (name of a folder, --conf settings, names of the images) giving a Service."""
    return lambda folder, conf=None, names="abcde": Service(tmp_path / folder, conf, names)


class HeldCheck:
    """The comparison of an exported model, which waits; then ``differing`` of 960 voxels do so."""

    def __init__(self):
        self.begun, self.go_on, self.differing = threading.Event(), threading.Event(), 0

    def __call__(self, source, folder, run, images, like):
        self.begun.set()
        assert self.go_on.wait(600)
        return [Comparison(case, 960, self.differing, 0.0) for case, _ in images]

    def release(self):
        """Let it end, and the export with it."""
        self.go_on.set()
        next(thread for thread in threading.enumerate() if thread.name == "export").join(600)


@pytest.fixture
def held_check(monkeypatch):
    """Replaces the comparison of an exported model."""
    check = HeldCheck()
    monkeypatch.setattr(base, "compare_runs", check)
    return check

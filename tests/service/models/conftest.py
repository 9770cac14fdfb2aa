"""A study with a published model and validation cases, and models that are sent to it."""

import io

import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fewlabel.networks import NETWORKS
from fewlabel.plan import Plan
from fewlabel.published import load_published, save_published
from fewlabel.service import models
from fewlabel.training.validation import Measured, Validator
from fewlabel.workspace import write_json

CLASSES = ("organ", "tumour")
PLAN = {
    "spacing": (1.0, 1.0, 1.0),
    "patch": (16, 16, 16),
    "normalisation": "meanstd",
    "bounds": None,
    "network": "unet_small",
    "batch": 1,
    "classes": CLASSES,
}


@pytest.fixture(name="sent")
def sent_fixture(tmp_path):
    """Callable giving the bytes of a model with other weights than the published one."""

    def make(seed=5, others=(), card=None, change=None, **plan):
        plan = Plan(**{**PLAN, **plan})
        torch.manual_seed(seed)
        network = NETWORKS["unet_small"](len(plan.classes) + 1)
        if change:
            change(network)
        file = tmp_path / "sent.pt"
        save_published(file, network, plan, {"version": 77, "method": "bcp", **(card or {})}, others)
        return file.read_bytes()

    return make


class Desk:
    """A study of five scans, three labelled, two of them kept for validation."""

    def __init__(self, service, monkeypatch):
        self.service, self.workspace, self.monkeypatch = service, service.workspace, monkeypatch
        for name in "abc":
            service.submit(name)
        write_json(self.workspace.pools, {"validation": ["a", "c"], "trained": ["b"]})
        app = FastAPI()
        app.include_router(models.make_model_router(service.study))
        self.client = TestClient(app)

    def ask(self, method, status=200, content=None, model="fewlabel"):
        files = None if content is None else {"file": ("../../evil/model.pt", io.BytesIO(content))}
        answer = self.client.request(method, f"/model/{model}", files=files)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, method, status, content=None, model="fewlabel"):
        """The sentence; nothing may have changed."""
        before = self.workspace.model.read_bytes() if self.workspace.model.exists() else None
        detail = self.ask(method, status, content, model)["detail"]
        assert before == (self.workspace.model.read_bytes() if self.workspace.model.exists() else None)
        assert detail.endswith(".")
        return detail

    def dice(self, *values):
        """What validations measure from now on, one after the other; the last for ever."""
        left = list(values)

        def measure(validator, network, beat=None):
            value = left.pop(0) if len(left) > 1 else left[0]
            return Measured(dict.fromkeys(CLASSES, value) if validator.records else {})

        self.monkeypatch.setattr(Validator, "__call__", measure)


@pytest.fixture
def desk(service, monkeypatch):
    return Desk(service, monkeypatch)


@pytest.fixture
def same_weights():
    """Callable (published model, content of a file): whether both hold the same weights."""

    def compare(path, content):
        sent = torch.load(io.BytesIO(content), weights_only=True)["model"]
        ours = load_published(path).network.state_dict()
        return all(torch.equal(ours[key], sent[key]) for key in ours)

    return compare

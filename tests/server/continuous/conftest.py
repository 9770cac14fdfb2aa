"""A study on a real server whose training goes on by itself."""

import time
from contextlib import suppress

import psutil
import pytest

from fewlabel.published import read_card
from fewlabel.workspace import Workspace, read_json

PATIENCE = 300.0
"""Seconds to wait for what a training does; generous, since it lets all other work go first."""


class Study:
    """One server that trains by itself, and its files."""

    def __init__(self, server, volumes):
        self.server, self.volumes = server, volumes
        self.workspace = Workspace(server.studies / ".fewlabel")

    def submit(self, number):
        """The label of a scan of ``volumes``."""
        truth = self.volumes.truth(self.server.studies, number)
        return self.server.put_label(f"scan_{number}", truth, self.volumes.classes)

    def line(self):
        """What people are shown."""
        return self.server.info()["train_stats"]["fewlabel"]["line"]

    def progress(self):
        return read_json(self.workspace.progress, {})

    def version(self):
        return read_card(self.workspace.model)["version"] if self.workspace.model.exists() else 0

    def task(self):
        return self.server.get("/train/")

    def wait(self, condition):
        """Wait until it is true; a training that fails is an error at once."""

        def is_true():
            assert self.progress().get("phase") != "failed", self.progress()["error"]
            return condition()

        self.server.wait_until(is_true, PATIENCE)

    def wait_for_version(self, version):
        self.wait(lambda: self.version() >= version)

    def wait_for_labels(self, labels):
        self.wait(lambda: self.progress().get("labelled") == labels and self.progress().get("step", 0) > 0)

    def stays_idle(self):
        """Whether no training begins in a time in which the server looks three times whether one should."""
        before = self.progress()
        time.sleep(7)
        return not self.children() and self.progress() == before

    def went_on(self):
        """Whether the training that runs says that it went on where another ended."""
        return any(note.startswith("Went on at step") for note in self.progress().get("notes", []))

    def children(self):
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.server.process.pid).children(recursive=True)
        return []


@pytest.fixture(scope="session")
def goes_on(volumes):
    """Callable (server): see Study."""
    return lambda server: Study(server, volumes)

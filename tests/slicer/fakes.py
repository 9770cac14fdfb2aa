"""A scene in memory for the session's tests, and a session with all its messages so far."""

import dataclasses
import threading
import time

import numpy as np

from FewLabelLib.errors import Unusable
from FewLabelLib.label.label_file import Geometry
from FewLabelLib.label.labels import Segment, split
from FewLabelLib.session.session import Session
from FewLabelLib.session.worker import Worker


class FakeScene:
    """Keeps segments as arrays; counts what it is asked for, and on which thread.

    Attributes:
        calls: names of the calls.
        blocked: what harden_transforms complains about, "" for nothing.
    """

    shape = (4, 5, 6)

    def __init__(self):
        self.calls, self.blocked, self.number, self.volume = [], "", 0, None
        self.parts, self.classes, self.uncertainty, self.points_shown = [], [], None, []
        self.thread, self.locked = threading.get_ident(), {}

    def _call(self, name):
        assert threading.get_ident() == self.thread, "the scene belongs to the UI's thread"
        self.calls.append(name)

    def load_volume(self, path):
        self._call("load_volume")
        self.volume, self.parts = path, []
        return f"handle of {path.name}"

    def show_segmentation(self, handle, file, classes):
        self._call("show_segmentation")
        array = np.zeros(self.shape, np.uint8) if file is None else np.load(file)
        self.classes = list(classes)
        self.parts = split(array, classes)[0]
        self.number += 1

    def replace_segments(self, handle, segments):
        self._call("replace_segments")
        self.parts = list(segments)
        self.number += 1

    def segments(self, handle):
        self._call("segments")
        return list(self.parts)

    def lock(self, handle, segment, on):
        self.locked[segment] = on

    def put_back(self, handle):
        return []

    def geometry(self, handle):
        return Geometry(self.shape, np.eye(4))

    def revision(self, handle):
        return self.number

    def harden_transforms(self, handle):
        self._call("harden_transforms")
        if self.blocked:
            raise Unusable(self.blocked)

    def show_uncertainty(self, handle, file):
        self._call("show_uncertainty")
        self.uncertainty = file

    def jump_to(self, handle, points):
        self._call("jump_to")
        self.points_shown.append(points)

    def clear(self):
        self._call("clear")
        self.volume, self.parts = None, []

    def paint(self, name, *indices):
        """What a clinician does: voxels of a segment, which is added if there is none of this name."""
        self.number += 1
        names = [part.name for part in self.parts]
        if name not in names:
            self.parts.append(Segment(name, np.zeros(self.shape, bool)))
            names.append(name)
        part = self.parts[names.index(name)]
        mask = part.mask.copy()
        for index in indices:
            mask[index] = True
        self.parts[names.index(name)] = dataclasses.replace(part, array=mask, value=None)


class Panel:
    """A session with a fake scene and fake servers, and its messages so far."""

    patience = 30.0

    def __init__(self, folder, make_server):
        self.make_server = make_server
        self.folder, self.now, self.servers = folder, 1000.0, {}
        self.scene, self.expected = FakeScene(), []
        self.open()

    def open(self):
        """A new session on the same folder, as after Slicer was started again."""
        self.session = Session(self.server, self.scene, Worker(), self.folder / "panel", lambda: self.now)
        self.said, self.states = [], [self.session.state]
        self.session.said.connect(lambda kind, text: self.said.append((kind, text)))
        self.session.state_changed.connect(self.states.append)
        for name in ("cases", "training", "export", "connection"):
            setattr(self, name, getattr(self.session, name))

    def server(self, url):
        if url not in self.servers:
            self.servers[url] = self.make_server(url, self.folder / f"server{len(self.servers)}")
        return self.servers[url]

    def until(self, condition):
        """Deliver until this is so."""
        end = time.monotonic() + self.patience
        while not condition():
            assert time.monotonic() < end, (self.states, self.said)
            time.sleep(0.001)
            self.session.deliver()

    def settle(self):
        """Deliver until nothing is under way."""
        self.until(lambda: not self.session.worker.busy)

    def wait(self, seconds):
        """Let time pass."""
        self.now += seconds
        self.session.deliver()
        self.settle()

    def has_message(self, word):
        return any(word in text for _, text in self.said)

    def connect(self, url="http://one"):
        self.connection.connect(url)
        self.settle()
        return self.servers[url]

    def next(self):
        self.cases.next()
        self.settle()

    def submit(self, mapping=None, empty=True):
        self.cases.submit(mapping, empty=empty)
        self.settle()

    def drafts(self):
        return self.session.drafts.list("http://one", "study")

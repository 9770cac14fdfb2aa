"""One study whose server, trainings and exports are killed at random moments, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import requests

from experiments.harness.errors import ExperimentError
from experiments.kills.check import Check, Fault, expect
from experiments.kills.study import AFFINE, CLASSES, PATIENCE, MortalServer, label_map, make_images
from experiments.kills.truth import Case, Sent
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import Workspace, read_json

DEEDS = ("train", "train and server", "start", "submit", "upload", "undo", "export")


class Life:
    """One study, from its first label on.

    Args:
        home: an empty folder for all of it.
        seed: of the scans, of the labels and of every choice and moment.
        images: number of scans.
        training: ``on_request``: one is begun for each kill that needs one; ``continuous``: it goes on by itself.
    """

    def __init__(self, home: Path, seed: int, images: int = 6, training: str = "on_request") -> None:
        self.random, self.numpy = random.Random(seed), np.random.default_rng(seed)
        self.home = home
        self.cases = {case: Case() for case in make_images(home / "studies", images, seed)}
        self.server, self.goes_on = MortalServer(home, training), training == "continuous"
        self.workspace = Workspace(home / "studies" / ".fewlabel")
        self.check = Check(self.server, self.workspace, self.cases)
        self.longest_export = 3.0

    def begin(self) -> None:
        """Start the server and submit the first labels."""
        self.server.launch()
        self.server.wait_until_ready()
        for case in list(self.cases)[:3]:
            self._submit_in_peace(case)

    def end(self) -> None:
        """Stop the server."""
        self.server.kill()

    def kill_during(self, deed: str) -> None:
        """Begin one of DEEDS, kill in the middle of it, and start the server anew where it was killed."""
        getattr(self, "_" + deed.replace(" ", "_"))()

    # --- deeds

    def _train(self) -> None:
        self._begin_training()
        self.server.kill_children()
        self._wait_until(lambda: not self._is_training())

    def _train_and_server(self) -> None:
        self._begin_training()
        self._kill_server()

    def _start(self) -> None:
        self.server.kill()
        self.server.launch()
        time.sleep(self.random.uniform(0, 5))
        self._kill_server()

    def _submit(self) -> None:
        case, sent = self.random.choice(list(self.cases)), self._make_label()
        if self._killed_while(lambda: self._send(case, sent), 0.4):
            self.cases[case].in_flight(sent)
        else:
            self.cases[case].submitted(sent)

    def _upload(self) -> None:
        """A label of which only the first part arrives: it must never be stored."""
        case, address = self.random.choice(list(self.cases)), urlsplit(self.server.url)
        asked = requests.Request("PUT", f"{self.server.url}/datastore/label", **self._label_request(case))
        whole = asked.prepare()
        assert isinstance(whole.body, bytes)
        part = whole.body[: self.random.randrange(len(whole.body))]
        connection = http.client.HTTPConnection(address.netloc, timeout=PATIENCE)
        connection.putrequest("PUT", whole.path_url)
        for name, value in whole.headers.items():
            connection.putheader(name, value)
        connection.endheaders(part)
        time.sleep(self.random.uniform(0, 0.2))
        self._kill_server()
        connection.close()

    def _undo(self) -> None:
        ready = [case for case, known in self.cases.items() if known.can_undo]
        case = self.random.choice(ready or list(self.cases))
        known = self.cases[case]
        if not known.can_undo:
            self._submit_in_peace(case)
        if self._killed_while(lambda: self.server.request("POST", f"/fewlabel/undo/{case}"), 0.2):
            known.in_flight(known.before)
        else:
            known.undone()

    def _export(self) -> None:
        if not self.workspace.model.exists():
            self._train_to_the_end()
        expect(self.server.request("POST", "/fewlabel/export", json={"check": False}), 202)
        begun, moment = time.monotonic(), self.random.uniform(0, self.longest_export)
        while time.monotonic() < begun + moment and self.server.export_state()["state"] == "running":
            time.sleep(0.02)
        if self.server.export_state()["state"] != "running":
            self.longest_export = 1.2 * (time.monotonic() - begun)
        self._kill_server()

    # --- what they are made of

    def _submit_in_peace(self, case: str) -> None:
        sent = self._make_label()
        expect(self._send(case, sent), 200)
        self.cases[case].submitted(sent)

    def _send(self, case: str, sent: Sent) -> requests.Response:
        return self.server.request("PUT", "/datastore/label", **self._label_request(case, sent))

    def _begin_training(self) -> None:
        """Start a training and wait until some moment of it; most lie in the training itself, not in its start."""
        self._have_a_label()
        before = self._progress()
        expect(self.server.request("POST", "/train/fewlabel", json={}, params={"enqueue": self.goes_on}), 200)
        if self.random.random() < 0.8:
            self._wait_until(lambda: self._progress() != before or not self._is_training())
        time.sleep(self.random.uniform(0, 3))

    def _have_a_label(self) -> None:
        """Where all submissions have been taken back there is nothing to train on."""
        if not any(known.may_be[0] for known in self.cases.values()):
            self._submit_in_peace(self.random.choice(list(self.cases)))

    def _train_to_the_end(self) -> None:
        self._have_a_label()
        if self.goes_on:
            self._wait_until(self.workspace.model.exists)
            return
        expect(self.server.request("POST", "/train/fewlabel", json={"max_steps": 2}), 200)
        self._wait_until(lambda: not self._is_training())
        if not self.workspace.model.exists():
            raise Fault("a training that nobody disturbed published nothing")

    def _is_training(self) -> bool:
        task = self.server.request("GET", "/train/").json()
        return task["status"] in ("SUBMITTED", "RUNNING")

    def _progress(self) -> int:
        return read_json(self.workspace.progress, {}).get("step") or 0

    def _killed_while(self, request: Any, longest: float) -> bool:
        """Send a request and kill the server after at most ``longest`` seconds; whether no answer came."""
        answers = []

        def send() -> None:
            with contextlib.suppress(requests.RequestException):
                answers.append(request())

        sender = threading.Thread(target=send)
        sender.start()
        time.sleep(self.random.uniform(0, longest))
        self._kill_server()
        sender.join(PATIENCE)
        for answer in answers:
            expect(answer, 200)
        return not answers

    def _kill_server(self) -> None:
        outlived = self.server.kill()
        self.server.launch()
        self.server.wait_until_ready()
        if outlived:
            raise Fault("a background process outlived its server by a minute")

    def _make_label(self) -> Sent:
        """A label that nobody sent before, its two values in either order."""
        names = tuple(self.random.sample(CLASSES, 2))
        array = label_map(self.numpy)
        array[tuple(self.numpy.integers(0, size) for size in array.shape)] = 2
        return Sent(array, names)

    def _label_request(self, case: str, sent: Sent | None = None) -> dict[str, Any]:
        sent = sent or self._make_label()
        file = self.home / "sent.nii.gz"
        write_volume(file, sent.array, AFFINE)
        named = [{"name": name, "idx": value} for value, name in enumerate(sent.names, 1)]
        return {
            "params": {"image": case, "tag": "final"},
            "data": {"params": json.dumps({"label_info": named})},
            "files": {"label": (file.name, file.read_bytes())},
        }

    def _wait_until(self, condition: Any) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise ExperimentError(f"Waited in vain; the server's log is {self.home / 'server.log'}.")
            time.sleep(0.1)

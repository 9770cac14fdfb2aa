"""A real MONAI Label server on a free port, and tiny volumes for it: no test double anywhere."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
import psutil
import pytest
import requests

APP = Path(__file__).resolve().parents[2] / "apps" / "fewlabel"
QUICK = {
    "training": "on_request",
    "network": "unet_small",
    "patch": "16,16,16",
    "batch": "1",
    "max_steps": "6",
    "max_minutes": "1",
    "scoring_minutes": "0.1",
}
PATIENCE = 240.0
"""Seconds to wait for a server or a training; generous, because other work may hold the processor."""


def finite_json(text):
    """Parse JSON and refuse NaN and Infinity, as every strict reader does."""

    def refuse(constant):
        raise AssertionError(f"{constant} in JSON: {text[:300]}")

    return json.loads(text, parse_constant=refuse)


class Server:
    """One server process with its studies, its log and a few requests.

    Args:
        studies: folder of the images.
        home: for sessions, temporary files and the log.
        conf: MONAI Label's --conf settings.
        environment: more environment variables.
        python: interpreter of the server's environment.
    """

    def __init__(self, studies, home, conf, environment, python=sys.executable):
        self.studies, self.home, self.python, self.app = studies, home, str(python), APP
        self.log = home / "server.log"
        self.conf = conf
        self.environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "MONAI_LABEL_TRACKING_ENABLED": "false",
            "MONAI_LABEL_SESSION_PATH": str(home / "sessions"),
            **environment,
        }
        self.process = None
        self.url = ""

    def launch(self, port=0):
        """Start the process, at this port or at a free one, and return at once."""
        with socket.socket() as listener:
            if not port:
                listener.bind(("127.0.0.1", 0))
                port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [self.python, "-m", "monailabel.main", "start_server", "--app", str(self.app)]
        command += ["--studies", str(self.studies), "--host", "127.0.0.1", "--port", str(port)]
        for key, value in self.conf.items():
            command += ["--conf", key, value]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.environment, cwd=self.home, start_new_session=True
            )

    def start(self, port=0):
        """Start the process, at this port or at a free one, and wait until it answers."""
        self.launch(port)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            if self.answers():
                return self
            time.sleep(0.2)
        self.stop()
        pytest.fail(f"The server did not start:\n{self.tail()}")

    def answers(self):
        """Whether it answers, be it with a refusal."""
        with suppress(requests.ConnectionError):
            requests.get(f"{self.url}/info/", timeout=PATIENCE)
            return True
        return False

    def stop(self):
        """Kill the server and everything it started."""
        if self.process is None:
            return
        family = []
        with suppress(psutil.NoSuchProcess):
            leader = psutil.Process(self.process.pid)
            family = [*leader.children(recursive=True), leader]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if hasattr(os, "killpg"):  # children of a server that had ended by itself
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, 9)
        self.process.wait()

    def freeze(self):
        """Let it answer nobody any more, as one that is just working; connections are still accepted for it."""
        leader = psutil.Process(self.process.pid)
        for process in (*leader.children(recursive=True), leader):
            process.suspend()

    def tail(self, characters=6000):
        """The end of the log."""
        return self.log.read_text(errors="replace")[-characters:]

    def request(self, method, path, expect=200, **arguments):
        """Send a request, check the status, and return the parsed answer (finite JSON)."""
        response = requests.request(method, self.url + path, timeout=PATIENCE, **arguments)
        assert response.status_code == expect, f"{response.status_code}: {response.text}\n{self.tail()}"
        return finite_json(response.text)

    def get(self, path, **arguments):
        return self.request("GET", path, **arguments)

    def info(self):
        return self.get("/info/")

    def refused(self, method, path, status, **arguments):
        """Send a request that must be refused with ``status``; returns the message."""
        return self.request(method, path, expect=status, **arguments)["detail"]

    def ask(self, method, path, **arguments):
        """Send a request; the status, the sentence, and the whole answer."""
        answer = requests.request(method, self.url + path, timeout=PATIENCE, **arguments)
        try:
            said = answer.json()
        except ValueError:
            said = {}
        return answer.status_code, str(said.get("detail", "")) if isinstance(said, dict) else "", answer

    def must_refuse(self, method, path, status, *words, **arguments):
        """Send a request that must be refused in a sentence with these words; the whole answer."""
        code, sentence, answer = self.ask(method, path, **arguments)
        assert code == status, (method, path, answer.text[:300])
        assert sentence.endswith(".")
        assert [word for word in words if word not in sentence] == [], sentence
        return answer

    def put_label(self, image, file, names=None, expect=200, tag=None, **params):
        """Submit a label file as viewers do."""
        if names is not None:
            params["label_info"] = [{"name": name, "idx": value} for value, name in enumerate(names, 1)]
        query = {"image": image, **({"tag": tag} if tag else {})}
        with open(file, "rb") as content:
            return self.request(
                "PUT",
                "/datastore/label",
                expect=expect,
                params=query,
                data={"params": json.dumps(params)},
                files={"label": (Path(file).name, content)},
            )

    def put_image(self, image, file, expect=200):
        """Upload an image; ``image`` None: named by its file."""
        with open(file, "rb") as content:
            return self.request(
                "PUT",
                "/datastore/image",
                expect=expect,
                params={"image": image} if image else {},
                files={"file": (Path(file).name, content)},
            )

    def infer(self, image, expect=200, model="fewlabel", output="json", **params):
        """Segment an image; returns the JSON answer."""
        return self.request(
            "POST",
            f"/infer/{model}",
            expect=expect,
            params={"image": image, "output": output},
            data={"params": json.dumps(params)},
        )

    def train(self, **params):
        """Start a training."""
        return self.request("POST", "/train/fewlabel", json=params)

    def is_training(self):
        return requests.get(f"{self.url}/train/?check_if_running=true", timeout=PATIENCE).status_code == 200

    def wait_for_training(self):
        """Wait until the last training has ended; returns its task."""
        self.wait_until(lambda: self.get("/train/")["status"] not in ("SUBMITTED", "RUNNING"))
        return self.get("/train/")

    def wait_until(self, condition, patience=PATIENCE):
        """Poll until ``condition()`` is true."""
        end = time.monotonic() + patience
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"Waited in vain for {patience:.0f} s.\n{self.tail()}")
            time.sleep(0.25)


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Callable (studies, conf, environment, ready): start a server (None: not yet); all are killed in the end."""
    servers = []

    def start(studies, conf=None, environment=None, ready=True):
        home = tmp_path_factory.mktemp("home")
        server = Server(studies, home, {**QUICK, **(conf or {})}, environment or {})
        servers.append(server)
        if ready:
            server.start()
        elif ready is not None:
            server.launch()
        return server

    yield start
    for server in servers:
        server.stop()


class Volumes:
    """Tiny scans with two bright boxes, written without any code of the product.

    Anisotropic, rotated about an oblique axis, and stored from left to right: any confusion of axes shows.
    """

    shape = (20, 24, 18)
    classes = ("organ", "tumour")

    def __init__(self):
        angle = np.radians(20)
        turn = np.eye(3)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        self.affine = np.eye(4)
        self.affine[:3, :3] = turn @ np.diag([-1.0, 1.25, 2.0])
        self.affine[:3, 3] = [30, -12, 7.5]

    def label(self, seed=0):
        """Values 0, 1 (a box) and 2 (a smaller box)."""
        corner = np.random.default_rng(seed).integers(2, 5, 3)
        label = np.zeros(self.shape, np.uint8)
        label[corner[0] : corner[0] + 8, corner[1] : corner[1] + 8, corner[2] : corner[2] + 8] = 1
        label[corner[0] + 9 : corner[0] + 13, corner[1] + 9 : corner[1] + 13, 4:12] = 2
        return label

    def image(self, seed=0):
        """Noise, with the boxes at 100 and 200."""
        noise = np.random.default_rng(seed).normal(0, 8, self.shape)
        return (noise + 100.0 * self.label(seed)).astype(np.float32)

    def write(self, path, array, affine=None):
        """Write NIfTI with this affine; returns the path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(array, self.affine if affine is None else affine), path)
        return path

    def study(self, folder, count):
        """Write ``count`` images scan_0, scan_1, ... to ``folder`` and their labels to ``folder``-truth."""
        for number in range(count):
            self.write(folder / f"scan_{number}.nii.gz", self.image(number))
            self.write(self.truth(folder, number), self.label(number))
        return folder

    def truth(self, folder, number):
        """Path of the label of image ``number``."""
        return folder.with_name(f"{folder.name}-truth") / f"scan_{number}.nii.gz"


@pytest.fixture(scope="session")
def volumes():
    """See Volumes."""
    return Volumes()


@pytest.fixture(scope="session")
def truncated():
    """Callable (whole file, path): its first half."""

    def cut(whole, path):
        shutil.copyfile(whole, path)
        os.truncate(path, path.stat().st_size // 2)
        return path

    return cut

"""Whatever is killed, whenever: no submitted label is lost, the model loads, the training goes on."""

import dataclasses
import json
import random
import shutil
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
import psutil
import pytest
import requests
import torch

from fewlabel.published import load_published, read_card
from fewlabel.workspace import Workspace, read_json

KILLS_OF_TRAININGS = 14
KILLS_OF_SERVERS = 7
CONF = {"max_steps": "300", "scoring_minutes": "0.05", "validation_share": "0.2"}


@dataclasses.dataclass
class Sent:
    """What was sent for one image: the map and its names, by value."""

    array: np.ndarray
    names: tuple[str, ...]

    def by_name(self):
        return {name: self.array == value for value, name in enumerate(self.names, 1)}


class Life:
    """One study whose server and trainings are killed again and again."""

    def __init__(self, server, volumes, random_):
        self.server, self.volumes, self.random = server, volumes, random_
        self.workspace = Workspace(server.studies / ".fewlabel")
        self.acknowledged: dict[str, Sent] = {}  # answered, or found stored after a kill
        self.in_flight: dict[str, Sent] = {}  # sent to a server that was killed before it answered
        self.counts = Counter()

    # --- labels

    def make_label(self):
        """A label nobody sent before, its two values in either order."""
        names = self.random.choice([("organ", "tumour"), ("tumour", "organ")])
        seed, shift, axis = (self.random.randrange(limit) for limit in (9, 4, 3))
        array = np.roll(self.volumes.label(seed), shift, axis)
        return Sent(array if names[0] == "organ" else np.choose(array, [0, 2, 1]).astype(np.uint8), names)

    def submit(self, image):
        sent = self.make_label()
        file = self.volumes.write(self.server.home / f"sent-{time.monotonic_ns()}.nii.gz", sent.array)
        self.in_flight[image] = sent
        info = {"label_info": [{"name": name, "idx": value} for value, name in enumerate(sent.names, 1)]}
        with file.open("rb") as content:
            answer = requests.put(
                f"{self.server.url}/datastore/label",
                params={"image": image},
                data={"params": json.dumps(info)},
                files={"label": (file.name, content)},
                timeout=60,
            )
        assert answer.status_code == 200, answer.text
        self.acknowledged[image] = self.in_flight.pop(image)
        self.counts["labels submitted"] += 1

    def submit_quietly(self, image):
        """The same in a thread, where the server may die before it answers."""
        with suppress(requests.RequestException):
            self.submit(image)

    def check_labels(self):
        """Every acknowledged label is there, voxel by voxel and by name; a label in flight is there whole or not."""
        classes = self.workspace.classes()
        listed = self.server.get("/datastore/", params={"output": "all"})["objects"]
        assert all("final" in listed[image]["labels"] for image in self.acknowledged)
        for image in {*self.acknowledged, *self.in_flight}:
            path = self.server.studies / "labels" / "final" / f"{image}.nii.gz"
            candidates = [sent[image] for sent in (self.acknowledged, self.in_flight) if image in sent]
            if not path.exists():
                assert image not in self.acknowledged, f"The label of {image} is lost."
                continue
            stored = np.asarray(nibabel.load(path).dataobj)
            found = {name: stored == value for value, name in enumerate(classes, 1)}
            hits = [sent for sent in candidates if all(np.array_equal(found[n], m) for n, m in sent.by_name().items())]
            assert hits, f"The label of {image} is not what was sent."
            info = self.server.get("/datastore/label/info", params={"label": image, "tag": "final"})
            named = {entry["name"]: entry["idx"] for entry in info["label_info"]}
            assert named == {name: value for value, name in enumerate(classes, 1)}
            self.counts["labels found whole"] += 1
            self.acknowledged[image] = hits[-1]
        self.in_flight.clear()

    def check_model(self):
        """The published model, where there is one, loads strictly and answers."""
        if not self.workspace.model.exists():
            self.counts["checks without a model yet"] += 1
            return
        load_published(self.workspace.model)
        self.server.infer("scan_0")
        self.counts["models loaded"] += 1

    # --- trainings

    def children(self):
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.server.process.pid).children(recursive=True)
        return []

    def expected_note(self, progress):
        """What a training that finds this checkpoint should say, from the files alone."""
        if self.checkpoint is None:
            return "Started from scratch."
        trained = sorted(self.labelled - set(progress["validation_cases"]))
        if self.checkpoint["finished"] or self.checkpoint["identity"]["labelled"] != trained:
            return "Went on from the weights of the last training."
        return f"Went on with the interrupted training at step {self.checkpoint['step']}."

    def train(self):
        """Start a training; remembers what it finds."""
        self.checkpoint = None
        if self.workspace.checkpoint.exists():
            self.checkpoint = torch.load(self.workspace.checkpoint, weights_only=True)
        self.labelled = set(self.acknowledged)
        self.before = self.written()
        self.server.wait_until(lambda: not self.server.is_training())
        self.server.train(max_minutes=1)

    def written(self):
        return self.workspace.progress.stat().st_mtime_ns if self.workspace.progress.exists() else 0

    def check_note(self):
        """If the training came as far as its first step, it went on as it should."""
        progress = read_json(self.workspace.progress, {})
        if self.written() == self.before or progress["phase"] in ("starting", "reading scans"):
            self.counts["killed before the first step"] += 1
            return
        assert self.expected_note(progress) in progress["notes"], (self.expected_note(progress), progress["notes"])
        note = " ".join(self.expected_note(progress).split()[:5])
        self.counts[f"'{note} ...'"] += 1
        self.counts[f"killed while '{progress['phase']}'"] += 1

    def is_at_work(self):
        """Whether the training that was started last has done its first step."""
        progress = read_json(self.workspace.progress, {})
        return (
            self.written() != self.before
            and progress["phase"] not in ("starting", "reading scans")
            and progress["step"] > 0
        )

    def wait_a_moment(self):
        """Some seconds: sometimes the training has not begun by then, sometimes it is over."""
        begun = time.monotonic()
        if self.random.random() < 0.8:  # most moments lie in the training itself, not in the start of the process
            self.server.wait_until(lambda: self.is_at_work() or not self.server.is_training())
        time.sleep(self.random.uniform(0, 5))
        self.counts["seconds between start and kill"] += round(time.monotonic() - begun)

    def kill_training(self):
        children = self.children()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, 30)
        self.counts["trainings killed" if children else "trainings that had ended before the kill"] += 1
        self.server.wait_until(lambda: not self.server.is_training())

    def kill_server(self):
        children = self.children()
        self.server.process.kill()
        self.server.process.wait()
        gone, alive = psutil.wait_procs(children, 60)
        for child in alive:
            child.kill()
        assert not alive, "A training outlived its server."
        self.counts["servers killed"] += 1
        self.counts["trainings killed with their server"] += len(gone) > 0


def case(random_):
    return f"scan_{random_.randrange(8)}"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_nothing_is_lost_whatever_is_killed(serve, volumes, tmp_path, capsys):
    random_ = random.Random(7)
    life = Life(serve(volumes.study(tmp_path / "studies", 9), CONF), volumes, random_)
    for number in range(5):
        life.submit(f"scan_{number}")
    deeds = ["training"] * KILLS_OF_TRAININGS + ["server"] * KILLS_OF_SERVERS
    random_.shuffle(deeds)
    begun, kills = time.monotonic(), 0
    for deed in deeds:
        life.train()
        life.wait_a_moment()
        sender = threading.Thread(target=life.submit_quietly, args=(case(random_),))
        if random_.random() < 0.5:
            sender.start()
            time.sleep(random_.uniform(0, 0.1))
        life.kill_training() if deed == "training" else life.kill_server()
        if sender.ident:
            sender.join(60)
        life.check_note()
        if deed == "server":
            life.server.start()
        life.check_labels()
        life.check_model()
        kills += 1
    life.train()
    life.server.wait_for_training()
    progress = life.server.info()["train_stats"]["fewlabel"]
    assert progress["phase"] == "done"
    assert life.expected_note(progress) in progress["notes"]
    life.check_labels()
    life.check_model()
    leftovers = [path.name for path in Path(life.server.studies).rglob(".writing-*")]
    version = read_card(life.workspace.model)["version"]
    with capsys.disabled():
        print(f"\n{kills} kills in {time.monotonic() - begun:.0f} s, model version {version}:")
        for what, count in sorted(life.counts.items()):
            print(f"  {count:4} {what}")
        print(f"  {len(leftovers):4} temporary files left")
    shutil.rmtree(tmp_path / "studies")

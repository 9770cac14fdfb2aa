"""Many people on one server, and what others wait for while one request is long: every label is counted."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import requests

from experiments.harness.clinician import MODEL, STRATEGY
from experiments.harness.errors import ExperimentError
from experiments.harness.say import say
from experiments.harness.server import running
from experiments.speed.bench import HIPPOCAMPUS, TINY, first_step, seconds_of
from experiments.speed.clients import People, answers_while
from experiments.speed.study import generate, label_some
from experiments.speed.table import Row, machine, table, typical

AIMS = {"submit": 0.3, "next": 0.1, "list": 0.2, "info": 0.1}
"""Seconds at the median, on two cores without a training."""

_LISTED, _HELD = 0.5, 0.1  # seconds: the list of all cases; others while one request is long
_LISTS = 20  # how often it is asked for
_LABELLED = 4  # before a training


@dataclass(frozen=True)
class Sizes:
    """How much is measured; 0 cases in the long list, or no large volume: that part is left out."""

    clients: int
    submissions: int
    cases: int
    think: float
    listed: int
    large: Sequence[int]
    steps: int = 30  # of the training that somebody waits for


def load(sizes: Sizes, training: bool, seed: int) -> str:
    """Measure and tell in Markdown.

    Raises:
        ExperimentError: a label was lost or mixed with another, or a request was refused.
    """
    about = f"{machine()}; seed {seed}"
    with tempfile.TemporaryDirectory(prefix="fewlabel-load-") as folder:
        rows = _people(Path(folder), sizes, training, seed)
        rows += _long_list(Path(folder), sizes, seed) if sizes.listed else []
        rows += _held(Path(folder), sizes, seed) if all(sizes.large) else []
    return f"{about}\n\n{table(rows)}"


def _people(folder: Path, sizes: Sizes, training: bool, seed: int) -> list[Row]:
    """Clients that submit, list and ask for cases at the same time."""
    say(f"{sizes.clients} clients submit {sizes.submissions} labels" + (" while a training runs" if training else ""))
    studies = folder / "people"
    generate(studies, sizes.cases, HIPPOCAMPUS, seed)
    names = [f"case_{number:05d}" for number in range(sizes.cases)]
    label_some(studies, _LABELLED if training else 0)
    with running(studies, labels="bright,brightest", seed=seed, max_minutes=600, max_steps=10**7) as server:
        url = server.client._server_url
        if training:
            first_step(server.client)
        submitted = names[: max(1, sizes.cases * 5 // 6)]  # so that there is always a next case to choose
        people = People(url, submitted, HIPPOCAMPUS, sizes.submissions, sizes.think, seed)
        people.work(sizes.clients)
        compared = people.check()
        if training and server.client.info()["train_stats"][MODEL]["phase"] != "training":
            raise ExperimentError("The training ended before all was submitted.")
    what = f"{sizes.clients} clients" + (", a training runs" if training else "")
    rows = [typical(f"{kind}, {what}", people.seconds[kind], None if training else AIMS[kind]) for kind in AIMS]
    found = f"none of {len(people.sent)} in {compared} cases"
    return [*rows, Row(f"Labels lost or mixed, {what}", found)]


def _long_list(folder: Path, sizes: Sizes, seed: int) -> list[Row]:
    """The list of very many cases."""
    say(f"the list of {sizes.listed} cases")
    studies = folder / "list"
    generate(studies, sizes.listed, TINY, seed)
    with running(studies, labels="bright") as server:
        url = server.client._server_url
        seconds = seconds_of(lambda: _right(requests.get(f"{url}/fewlabel/cases", timeout=600)), _LISTS)
    return [typical(f"list of {sizes.listed:,} cases", seconds, _LISTED)]


def _held(folder: Path, sizes: Sizes, seed: int) -> list[Row]:
    """`/info/` and next case while a training is waited for, a large image is segmented, a large label is stored."""
    studies, rows = folder / "held", []
    generate(studies, 2 * _LABELLED, HIPPOCAMPUS, seed)
    label_some(studies, _LABELLED)
    with _answering(studies, seed) as ask:
        others = {
            "/info/": lambda: ask("GET", "/info/"),
            "next case": lambda: ask("POST", f"/activelearning/{STRATEGY}", json={}),
        }

        def measure(what: str, request: Callable[[], object]) -> None:
            say(f"others while {what}")
            seconds = answers_while(request, others)
            rows.extend(typical(f"{kind} while {what}", each, _HELD) for kind, each in seconds.items())

        waits = {"params": {"run_sync": True}, "json": {"max_steps": sizes.steps}}
        measure("a training is waited for (run_sync)", lambda: ask("POST", f"/train/{MODEL}", **waits))
        side = "×".join(map(str, sizes.large))  # its volume comes now: the training would have learned from it
        _write_large(studies / "large.nii.gz", sizes.large, np.int16)
        _write_large(folder / "large.nii.gz", sizes.large, np.uint8)
        ask("POST", "/reload")
        wanted = {"params": {"image": "large", "output": "image"}, "data": {"params": "{}"}}
        measure(f"an image of {side} voxels is segmented", lambda: ask("POST", f"/infer/{MODEL}", **wanted))
        measure(f"a label of {side} voxels is submitted", lambda: _submit(folder / "large.nii.gz", ask))
    return rows


def _submit(label: Path, ask: Callable[..., object]) -> None:
    names = json.dumps({"label_info": [{"name": "bright", "idx": 1}]})
    with label.open("rb") as content:
        files = {"label": (label.name, content)}
        ask("PUT", "/datastore/label", params={"image": "large"}, data={"params": names}, files=files)


@contextmanager
def _answering(studies: Path, seed: int) -> Iterator[Callable[..., object]]:
    """What asks a server whose trainings are quick, and takes nothing but 200 for an answer."""
    quick = {"network": "unet_small", "patch": "32,32,32", "batch": 1, "scoring_minutes": 0.1}
    with running(studies, labels="bright,brightest", seed=seed, **quick) as server:
        url = server.client._server_url

        def ask(method: str, path: str, **what: object) -> object:
            return _right(requests.request(method, url + path, timeout=3600, **what))

        yield ask


def _right(answer: requests.Response) -> requests.Response:
    if answer.status_code != 200:
        raise ExperimentError(f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:300]}")
    return answer


def _write_large(path: Path, shape: Sequence[int], kind: type) -> None:
    """A volume of noise in its middle, written layer by layer: together they may be larger than the memory."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(kind)
    header.set_data_shape(shape)
    header.set_sform(np.eye(4), 1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    random = np.random.default_rng(0)
    with gzip.open(path, "wb", 1) as file:
        file.write(header.binaryblock + bytes(4))
        for _ in range(shape[2]):
            layer = np.zeros(shape[:2], kind)
            middle = tuple(slice(side // 4, side // 2) for side in layer.shape)
            layer[middle] = 1 if kind is np.uint8 else random.integers(0, 1000, layer[middle].shape)
            file.write(layer.tobytes("F"))

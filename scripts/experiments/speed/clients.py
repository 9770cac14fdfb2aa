"""Several people at once, played: each asks for a case, looks at the list, submits, and thinks between two requests."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import nibabel
import numpy as np
import requests

from experiments.harness.clinician import STRATEGY
from experiments.harness.errors import ExperimentError

_BITS = 24  # of a map that say which submission it is
_PATIENCE = 600.0  # seconds for an answer


@dataclass(frozen=True)
class Sent:
    """One acknowledged submission; seconds of the clock of this process."""

    number: int
    case: str
    began: float
    ended: float


def marked_map(number: int, shape: Sequence[int]) -> bytes:
    """A NIfTI label map with a box in its middle, whose first voxels say which one it is."""
    label = np.zeros(shape, np.uint8)
    label[tuple(slice(side // 4, side // 2) for side in shape)] = 1
    label.reshape(-1)[:_BITS] = [number >> bit & 1 for bit in range(_BITS)]
    return gzip.compress(nibabel.Nifti1Image(label, np.eye(4)).to_bytes(), 1)


def number_of(content: bytes) -> int:
    """Which one a map is."""
    label = np.asarray(nibabel.Nifti1Image.from_bytes(gzip.decompress(content)).dataobj)
    return sum(int(bit) << power for power, bit in enumerate(label.reshape(-1)[:_BITS]))


class People:
    """A number of clients of one server.

    Args:
        url: of the server.
        cases: that are submitted again and again.
        shape: of each of them, voxels.
        submissions: together.
        think: seconds between two requests of one client.
        seed: of the choices.

    Attributes:
        seconds: kind of request -> wall seconds of each.
        sent: every acknowledged submission.
    """

    def __init__(
        self, url: str, cases: Sequence[str], shape: Sequence[int], submissions: int, think: float, seed: int
    ) -> None:
        self.url, self.cases, self.shape, self.think, self.seed = url, list(cases), shape, think, seed
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.sent: list[Sent] = []
        self._numbers, self._submissions = itertools.count(1), submissions
        self._trouble: list[str] = []

    def work(self, clients: int) -> None:
        """Until all is submitted.

        Raises:
            ExperimentError: a request was refused, or not answered.
        """
        threads = [threading.Thread(target=self._one, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._trouble:
            raise ExperimentError(f"{len(self._trouble)} client(s) were refused, the first: {self._trouble[0]}")

    def _one(self, number: int) -> None:
        choice, session = random.Random(f"{self.seed} {number}"), requests.Session()
        try:
            while not self._trouble and (number := next(self._numbers)) <= self._submissions:
                offered = self._ask(session, "next", "POST", f"/activelearning/{STRATEGY}", json={}).json()["id"]
                self._ask(session, "list", "GET", "/fewlabel/cases")
                self._ask(session, "info", "GET", "/info/")
                self._submit(session, number, offered if offered in self.cases else choice.choice(self.cases))
        except (requests.RequestException, ExperimentError, KeyError) as error:
            self._trouble.append(str(error))

    def _submit(self, session: requests.Session, number: int, case: str) -> None:
        params = {"client_id": f"submission {number}", "label_info": [{"name": "bright", "idx": 1}]}
        content = marked_map(number, self.shape)
        files = {"label": ("sent.nii.gz", content)}
        began = time.monotonic()
        form = {"params": json.dumps(params)}
        self._ask(session, "submit", "PUT", "/datastore/label", params={"image": case}, data=form, files=files)
        self.sent.append(Sent(number, case, began, time.monotonic()))

    def _ask(self, session: requests.Session, kind: str, method: str, path: str, **what: object) -> requests.Response:
        time.sleep(self.think)
        started = time.perf_counter()
        answer = session.request(method, self.url + path, timeout=_PATIENCE, **what)
        self.seconds[kind].append(time.perf_counter() - started)
        if answer.status_code != 200:
            raise ExperimentError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer

    def check(self) -> int:
        """Compare what is stored with what was acknowledged; gives how many cases were compared.

        Of two submissions of one case that were open at the same time either may be the last.

        Raises:
            ExperimentError: something is lost or mixed, in words.
        """
        by_case: defaultdict[str, list[Sent]] = defaultdict(list)
        for each in self.sent:
            by_case[each.case].append(each)
        if len(self.sent) != self._submissions:
            raise ExperimentError(f"{len(self.sent)} of {self._submissions} submissions were acknowledged.")
        for case, sent in by_case.items():
            stored = number_of(self._get("/datastore/label", case).content)
            described = self._get("/datastore/label/info", case).json().get("client_id")
            last = {each.number for each in sent if not any(other.began > each.ended for other in sent)}
            if stored not in last:
                raise ExperimentError(f"{case} holds submission {stored}; the last one acknowledged is {sorted(last)}.")
            if described != f"submission {stored}":
                raise ExperimentError(f"{case} holds submission {stored}, but is described as {described}.")
        return len(by_case)

    def _get(self, path: str, case: str) -> requests.Response:
        answer = requests.get(self.url + path, params={"label": case, "tag": "final"}, timeout=_PATIENCE)
        if answer.status_code != 200:
            raise ExperimentError(f"The label of {case} is lost: {answer.text[:300]}")
        return answer


def answers_while(request: Callable[[], object], others: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Seconds of each of the others, asked one after the other as long as the first request is open.

    Raises:
        ExperimentError: the first failed.
    """
    trouble: list[Exception] = []

    def run() -> None:
        try:
            request()
        except Exception as error:  # raised below: nothing else catches errors of a thread
            trouble.append(error)

    seconds: dict[str, list[float]] = {name: [] for name in others}
    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        for name, ask in others.items():
            started = time.perf_counter()
            ask()
            seconds[name].append(time.perf_counter() - started)
        time.sleep(0.05)
    if trouble:
        raise ExperimentError(f"The long request failed: {trouble[0]}") from trouble[0]
    return seconds

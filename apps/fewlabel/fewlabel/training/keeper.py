"""The server's side of continuous training: starts it, lets it rest on request, restarts it when a label comes."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

from monailabel.config import settings as monailabel_settings
from monailabel.interfaces.datastore import Datastore
from monailabel.utils.async_tasks.utils import processes, run_background_task, stop_background_task, tasks

from fewlabel.data.held_back import decide
from fewlabel.data.setting import Visible, sampling_of
from fewlabel.errors import Refusal
from fewlabel.settings import Settings
from fewlabel.training.arrivals import MOST_TIME, Known, in_order, known_labels
from fewlabel.training.learned import Learned
from fewlabel.training.mode import CONTINUOUS, Mode
from fewlabel.training.people import People
from fewlabel.training.standing import Standing
from fewlabel.workspace import Workspace, read_json, write_json

logger = logging.getLogger(__name__)

_LOOK_EVERY = 2.0  # seconds
_WAIT_AFTER_FAILURE, _LONGEST_WAIT = 10.0, 600.0  # seconds; doubled with each failure, until a label comes


class Keeper:
    """Keeps the background task "train" running where ``training`` is continuous.

    The task starts by itself once there is a label, and again after a crash, after a restart of the server, and when a
    label comes while it rests. Once a person stopped it, it rests until somebody presses Train; this is kept on disk.

    Args:
        workspace: of the study.
        settings: of the server.
    """

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self.workspace, self.settings = workspace, settings
        self.people = People(workspace.people)
        self.mode = Mode(workspace, settings)
        self.learned = Learned(workspace.learned)
        self._model = ""
        self._store: Datastore | None = None
        self._guard = threading.RLock()
        self._thread: threading.Thread | None = None
        self._held = 0
        self._failures, self._not_before = 0, 0.0
        self._failed_with: Known = {}
        self._seen_failing = ""

    @property
    def is_on(self) -> bool:
        """Whether the training goes on by itself."""
        return bool(monailabel_settings.MONAI_LABEL_TASKS_TRAIN) and self.mode() == CONTINUOUS

    def keep(self, model: str | None, datastore: Datastore) -> None:
        """Start to look after the training of this model; None: do nothing."""
        if not model or not monailabel_settings.MONAI_LABEL_TASKS_TRAIN:
            return
        with self._guard:
            self._model, self._store = model, datastore
            self.workspace.people.unlink(missing_ok=True)  # left by a server that was killed
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="training keeper", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                self.look()
            except Exception:  # whatever it is, the next look tries again
                logger.exception("the training could not be looked after")
            time.sleep(max(_LOOK_EVERY, (time.monotonic() - began) / MOST_TIME))

    def look(self) -> None:
        """Start the training if it should run and does not; end it if it should rest and does not."""
        with self._guard:
            if not self.is_on or self._held:
                return
            active = self.active()
            if self.mode.rests():
                if active is not None:  # it was still queued when somebody stopped it
                    stop_background_task("train")
            elif active is None and self._is_worth_it():
                self._start(self.mode.options())

    @contextlib.contextmanager
    def held(self, end: bool = False) -> Iterator[bool]:
        """Keep continuous training from starting; gives False where it is running.

        Args:
            end: stop it meanwhile; it goes on afterwards.
        """
        with self._guard:
            self._held += 1
            running = self.is_on and self.active() is not None
            if running and end:
                stop_background_task("train")
        try:
            yield end or not running
        finally:
            self._held -= 1

    def standing(self) -> Standing:
        """What the server knows of the training, beside what its process wrote last."""
        return Standing(
            at_work=bool(processes("train")),
            possible=bool(monailabel_settings.MONAI_LABEL_TASKS_TRAIN),
            by_itself=self.is_on,
            rests=self.mode.rests(),
            labelled=self._store is None or bool(self._seen(self._store).get_labeled_images()),
        )

    def active(self) -> dict[str, Any] | None:
        """The task that is running or queued, None where there is none."""
        return next((task for task in tasks("train") if task["status"] in ("SUBMITTED", "RUNNING")), None)

    def stop(self) -> dict[str, Any] | None:
        """End the training and remember that it should rest until somebody presses Train; gives the task that ran.

        Raises:
            Refusal: (507) that cannot be written; the training goes on.
        """
        with self._guard:
            self.mode.remember(rests=True)
            return stop_background_task("train")

    def submitted(self) -> None:
        """Decide which of the labels just stored are kept for validation, before the training sees them."""
        with self._guard:
            if not self.is_on or self._store is None:
                return
            kept = read_json(self.workspace.pools, {})
            if not isinstance(kept, dict):
                return  # damaged: the training says what to do
            order = in_order(self._seen(self._store))
            decided = decide(order, kept, self.settings.validation_share, self.settings.seed)
            if decided != kept:
                with contextlib.suppress(Refusal):  # a full disk: the training decides the same
                    write_json(self.workspace.pools, decided)

    def go_on(self, request: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """Start the training, or let it go on; gives the task, and whether it was running already.

        The options of the request also hold for the trainings that start by themselves later.

        Raises:
            Refusal: (400) an option that cannot be met; (507) it cannot be written.
        """
        try:
            self.settings.with_request(request)
        except ValueError as error:
            raise Refusal(str(error), 400) from error
        with self._guard:
            running = self.active()
            self.mode.remember(CONTINUOUS, rests=False, options={} if running else request)
            if running is not None:
                return running, True
            self._failures, self._not_before = 0, 0.0
            return self._start({**self.mode.options(), **request}), False

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        logger.info("The training goes on.")
        return run_background_task({**request, "model": self._model, "training": CONTINUOUS}, "train")

    def _is_worth_it(self) -> bool:
        """Whether there are labels that the last training has not learned yet."""
        accepted = self.settings.learn_accepted
        labels = known_labels(self._seen(self._store), accepted) if self._store is not None else {}
        if not labels:
            return False
        self._count_failures(labels)
        if time.monotonic() < self._not_before and labels == self._failed_with:
            return False
        return self.learned.labels() != labels

    def _seen(self, store: Datastore) -> Datastore:
        """The study as trainings see it; whole where the domains do not fit the setting, as the training will say."""
        with contextlib.suppress(Refusal):
            return Visible(store, sampling_of(self.settings, store))
        return store

    def _count_failures(self, labels: Known) -> None:
        last = tasks("train")[-1] if tasks("train") else None
        if last is None or last["id"] == self._seen_failing:
            return
        self._seen_failing = last["id"]
        if last["status"] != "ERROR":
            self._failures = 0
            return
        wait = min(_WAIT_AFTER_FAILURE * 2**self._failures, _LONGEST_WAIT)
        self._failures += 1
        self._not_before, self._failed_with = time.monotonic() + wait, labels
        logger.warning("The training ended with an error; it is tried again in %.0f s, or with the next label.", wait)


def refuse_second() -> Refusal:
    """The response to a second person who starts a training."""
    return Refusal("The training is running already: it takes in new labels by itself.", 429)

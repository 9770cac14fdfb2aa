"""A clinician's session: its state, and its parts.

Nothing here blocks: the worker does network and disk, and its results arrive when a timer of the UI calls ``deliver``.
Results that are no longer needed (another server, another case) are dropped.
"""

from __future__ import annotations

import logging
import time
from enum import Enum
from pathlib import Path
from typing import Any, Callable, List

from ..errors import sentence
from ..label.drafts import Draft
from .casework import CaseWork
from .connection import Connection
from .context import Context, Scene, Signal
from .exporting import Export
from .pool import Pool
from .thumbnails import Thumbnails
from .training import Training
from .worker import Worker

logger = logging.getLogger(__name__)


class State(str, Enum):
    """What the session is doing; of several activities, the one that the person waits for."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    NOT_TRAINED = "not trained yet"
    READY = "ready"
    LOADING = "loading"
    EDITING = "editing"
    SUBMITTING = "submitting"
    TRAINING = "training"
    EXPORTING = "exporting"


class Session:
    """One clinician at one panel.

    Args:
        make_client: from an address to a client (client.Client).
        scene: that shows the images.
        worker: that does everything that takes time.
        folder: for drafts and the addresses used.
        clock: seconds since the epoch.

    Attributes:
        context: shared by its parts.
        connection, cases, training, export, pool, thumbnails: its parts.
        state_changed: State.
        said: kind ("info", "warning" or "error"), sentence.
    """

    def __init__(
        self,
        make_client: Callable[[str], Any],
        scene: Scene,
        worker: Worker,
        folder: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.context = context = Context(scene, worker, folder, clock)
        self.scene, self.worker, self.clock, self.drafts = scene, worker, clock, context.drafts
        self.state_changed, self.said = Signal(), context.said
        self._shown = State.DISCONNECTED
        self.connection = connection = Connection(context, make_client)
        self.cases, self.training = CaseWork(context, connection), Training(context, connection)
        self.export, self.pool = Export(context, connection), Pool(context, connection, self.cases)
        self.thumbnails = Thumbnails(context, connection)
        self._wire()

    def _wire(self) -> None:
        """Connect the signals of the parts; only this function knows all of them."""
        connection, cases, training = self.connection, self.cases, self.training
        self.context.moved.connect(self.settle)
        self.context.not_reachable.connect(cases.keeper.keep)
        connection.leaving.connect(cases.close)
        for part in (cases, training, self.export, self.pool, self.thumbnails):
            connection.forgotten.connect(part.reset)
        connection.changed.connect(lambda _: cases.refresh())
        connection.answered.connect(training.poll)
        connection.answered.connect(self.pool.look)
        connection.drafts_found.connect(self._offer_drafts)

    def _offer_drafts(self, drafts: List[Draft]) -> None:
        case = self.cases.case
        others = [draft for draft in drafts if case is None or draft.case != case.id]
        if others:
            self.connection.drafts_offered.emit(others)

    @property
    def state(self) -> State:
        if self.connection.connecting:
            return State.CONNECTING
        if self.cases.activity:
            return State(self.cases.activity)
        if not self.connection.online:
            return State.DISCONNECTED
        if self.export.running:
            return State.EXPORTING
        if self.training.running:
            return State.TRAINING
        return State.READY if self.connection.known.trained else State.NOT_TRAINED

    def settle(self) -> None:
        """Emit ``state_changed`` if the state has changed."""
        state = self.state
        if state is not self._shown:
            self._shown = state
            self.state_changed.emit(state)

    def deliver(self) -> None:
        """Called by a timer of the UI, a few times a second: delivers results and sends requests that are due. Fast."""
        self.worker.deliver()
        now = self.clock()
        self.cases.locking.tick()
        self.cases.keeper.tick(now)
        self.connection.tick(now)
        if self.connection.online:
            self.training.tick(now)
            self.export.tick(now)
            self.pool.tick(now)
        self.settle()

    def close(self) -> None:
        """Slicer ends or the module is unloaded: unsaved edits are written now, which may block."""
        try:
            self.cases.keeper.write_now()
        except OSError as error:
            logger.error("%s", sentence(error))
        self.worker.close()
        self.context.connection_number += 1

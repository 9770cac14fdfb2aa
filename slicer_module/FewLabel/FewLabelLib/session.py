"""The course of a clinician's session: what state it is in, what may be done, and what came of it.

Nothing here waits: the network and the disk are the worker's, and its answers arrive when a timer of the UI calls
``deliver``. Answers to what nobody waits for any more (another server, another case) are dropped.
"""

from __future__ import annotations

import logging
import time
from enum import Enum
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Protocol, Sequence

from .casework import CaseWork
from .connection import Connection
from .drafts import Drafts
from .errors import LoginNeeded, NotReachable, sentence
from .exporting import Export
from .label_file import Geometry
from .labels import LabelClass, Segment
from .signals import Signal
from .training import Training
from .worker import Worker

logger = logging.getLogger(__name__)


class State(str, Enum):
    """What the session is doing; of several things at a time the one that the person waits for."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    NOT_TRAINED = "not trained yet"
    READY = "ready"
    LOADING = "loading"
    EDITING = "editing"
    SUBMITTING = "submitting"
    TRAINING = "training"
    EXPORTING = "exporting"


class Scene(Protocol):
    """What a session needs of Slicer. Called on the UI's thread only; may raise ``errors.Unusable``."""

    def load_volume(self, path: Path) -> Any:
        """Show an image file in place of the one before; gives a handle for all other calls."""

    def show_segmentation(self, handle: Any, file: Optional[Path], classes: Sequence[LabelClass]) -> None:
        """Show a label map file (None: an empty one) as segments.

        One segment for each class, in this order, of its name and colour, also where the file has no voxel of its
        value; each remembers the class's name as its ``origin``, even when it is renamed.
        """

    def replace_segments(self, handle: Any, segments: Sequence[Segment]) -> None:
        """Show these segments, of a draft, in place of those that are there."""

    def segments(self, handle: Any) -> List[Segment]:
        """All segments, hidden and empty ones too, in the order of the list, on the image's grid; copies."""

    def geometry(self, handle: Any) -> Geometry:
        """The image's grid."""

    def revision(self, handle: Any) -> int:
        """A number that changes whenever a segment does."""

    def harden_transforms(self, handle: Any) -> None:
        """Make a transform of the segmentation part of it.

        Raises:
            Unusable: this cannot be done exactly.
        """

    def show_uncertainty(self, handle: Any, file: Optional[Path]) -> None:
        """Lay a map of 0 (sure) to 1 (a guess) over the image; None takes it away."""

    def jump_to(self, handle: Any, points: Dict[str, List[float]]) -> None:
        """Show these places: for ``sagittal``, ``coronal``, ``axial`` a point in RAS mm."""

    def clear(self) -> None:
        """Take away all that was loaded here."""


class Session:
    """One clinician at one panel.

    Args:
        make_client: from an address to a client (client.Client).
        scene: what the images are shown in.
        worker: where everything that waits is done.
        folder: for drafts and the addresses used.
        clock: seconds since the epoch.

    Attributes:
        connection, cases, training, export: the four things that are done with a server.
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
        self.scene, self.worker, self.clock = scene, worker, clock
        self.folder = Path(folder)
        self.drafts = Drafts(self.folder / "drafts")
        self.state_changed, self.said = Signal(), Signal()
        self._told = State.DISCONNECTED
        self.connection = Connection(self, make_client)
        self.cases, self.training, self.export = CaseWork(self), Training(self), Export(self)

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
        return State.READY if self.connection.capabilities.trained else State.NOT_TRAINED

    def settle(self) -> None:
        """Tell whoever listens if the state is another one by now."""
        state = self.state
        if state is not self._told:
            self._told = state
            self.state_changed.emit(state)

    def say(self, kind: str, text: str) -> None:
        """Tell the person."""
        self.said.emit(kind, text)

    def run(
        self,
        job: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Optional[Callable[[Exception], Optional[bool]]] = None,
        current: Callable[[], bool] = lambda: True,
    ) -> None:
        """Have a job done in the background.

        Args:
            job: may not touch the scene.
            done: gets its result, on the caller's thread.
            failed: gets its exception, before the person is told; True: the person need not be told.
            current: whether the answer is still wanted; if not, it is dropped, and a job not begun is not done.
        """
        connection = self.connection.number

        def wanted() -> bool:
            return connection == self.connection.number and current()

        def finish(result: Any) -> None:
            if wanted():
                try:
                    done(result)
                except Exception as error:  # of the scene, which may fail in any way
                    self._failed(error, failed)
                self.settle()

        def fail(error: Exception) -> None:
            if wanted():
                self._failed(error, failed)
                self.settle()

        self.worker.submit(lambda: job() if wanted() else None, finish, fail)

    def _failed(self, error: Exception, failed: Optional[Callable[[Exception], Optional[bool]]]) -> None:
        known_to_be_lost = self.connection.lost
        if isinstance(error, NotReachable):
            self.connection.lose()
        known = failed is not None and failed(error)
        if isinstance(error, LoginNeeded):
            self.connection.login_needed.emit(str(error))
        elif not known and not (known_to_be_lost and isinstance(error, NotReachable)):
            logger.info("%s", error, exc_info=error)
            self.say("error", sentence(error))

    def deliver(self) -> None:
        """To be called by a timer of the UI, a few times a second: hands over answers, asks what is due. Short."""
        self.worker.deliver()
        now = self.clock()
        self.cases.keeper.tick(now)
        self.connection.tick(now)
        if self.connection.online:
            self.training.tick(now)
            self.export.tick(now)
        self.settle()

    def close(self) -> None:
        """Slicer ends or the module is unloaded. The one place that waits: unsaved edits are written at once."""
        try:
            self.cases.keeper.write_now()
        except OSError as error:
            logger.error("%s", sentence(error))
        self.worker.close()
        self.connection.number += 1

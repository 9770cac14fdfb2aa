"""What the parts of a session share. They know this and not each other; what happens they tell by signals."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Protocol, Sequence

from ..errors import LoginNeeded, NotReachable, sentence
from ..label.drafts import Drafts
from ..label.label_file import Geometry
from ..label.labels import LabelClass, Segment
from .worker import Worker

logger = logging.getLogger(__name__)


class Signal:
    """A signal like Qt's, without Qt: calls what was connected, in order, on the thread that emits."""

    def __init__(self) -> None:
        self._slots: List[Callable[..., Any]] = []

    def connect(self, slot: Callable[..., Any]) -> None:
        self._slots.append(slot)

    def disconnect(self, slot: Callable[..., Any]) -> None:
        self._slots.remove(slot)

    def emit(self, *values: Any) -> None:
        for slot in list(self._slots):  # a slot may disconnect itself
            slot(*values)


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


class Context:
    """What the parts of a session share.

    Args:
        scene: what the images are shown in.
        worker: where everything that waits is done.
        folder: for drafts and the addresses used.
        clock: seconds since the epoch.

    Attributes:
        drafts: on disk.
        connection_number: of the connection; answers to questions of an earlier one are dropped.
        lost: whether the server has answered before, and does not now.
        said: kind ("info", "warning" or "error"), sentence.
        moved: something may have changed the session's state.
        not_reachable: a request found nobody there.
        login_needed: sentence.
    """

    def __init__(self, scene: Scene, worker: Worker, folder: Path, clock: Callable[[], float]) -> None:
        self.scene, self.worker, self.clock = scene, worker, clock
        self.folder = Path(folder)
        self.drafts = Drafts(self.folder / "drafts")
        self.connection_number, self.lost = 0, False
        self.said, self.moved, self.not_reachable, self.login_needed = Signal(), Signal(), Signal(), Signal()

    def settle(self) -> None:
        """Tell whoever listens that the state may be another one by now."""
        self.moved.emit()

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
        connection = self.connection_number

        def wanted() -> bool:
            return connection == self.connection_number and current()

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
        known_to_be_lost = self.lost
        if isinstance(error, NotReachable):
            self.not_reachable.emit()
        known = failed is not None and failed(error)
        if isinstance(error, LoginNeeded):
            self.login_needed.emit(str(error))
        elif not known and not (known_to_be_lost and isinstance(error, NotReachable)):
            logger.info("%s", error, exc_info=error)
            self.say("error", sentence(error))

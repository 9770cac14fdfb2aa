"""What the parts of a session share. They know this but not each other, and communicate by signals."""

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


CONNECTION = "connection"  # what errors of a server that cannot be reached are about


class Signal:
    """A signal like Qt's, without Qt: calls the connected slots, in order, on the emitting thread."""

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
    """What a session needs from Slicer. Called on the UI thread only; may raise ``errors.Unusable``."""

    def load_volume(self, path: Path) -> Any:
        """Show an image file instead of the last one; gives a handle for all other calls."""

    def show_segmentation(self, handle: Any, file: Optional[Path], classes: Sequence[LabelClass]) -> None:
        """Show a label map file (None: an empty one) as segments.

        One segment for each class, in this order, with its name and colour, even if the file has no voxel of its value;
        each keeps the class's name as its ``origin``, even when it is renamed.
        """

    def replace_segments(self, handle: Any, segments: Sequence[Segment]) -> None:
        """Replace all segments by these, of a draft."""

    def segments(self, handle: Any) -> List[Segment]:
        """All segments, also hidden and empty ones, in the order of the list, on the image's grid; copies."""

    def lock(self, handle: Any, segment: str, on: bool) -> None:
        """Lock or unlock a segment, by its id; its voxels cannot be changed while it is locked."""

    def put_back(self, handle: Any) -> List[str]:
        """Undo what was changed in locked segments since the last call; gives their names."""

    def geometry(self, handle: Any) -> Geometry:
        """The image's grid."""

    def revision(self, handle: Any) -> int:
        """A number that changes whenever a segment does."""

    def harden_transforms(self, handle: Any) -> None:
        """Apply a transform of the segmentation to it.

        Raises:
            Unusable: this is not possible exactly.
        """

    def show_uncertainty(self, handle: Any, file: Optional[Path]) -> None:
        """Show a map from 0 (certain) to 1 (uncertain) over the image; None removes it."""

    def jump_to(self, handle: Any, points: Dict[str, List[float]]) -> None:
        """Show these points in the slice views: for ``sagittal``, ``coronal``, ``axial`` in RAS mm."""

    def clear(self) -> None:
        """Remove everything that was loaded here."""


class Context:
    """What the parts of a session share.

    Args:
        scene: that shows the images.
        worker: that does everything that takes time.
        folder: for drafts and the addresses used.
        clock: seconds since the epoch.

    Attributes:
        drafts: on disk.
        connection_number: of the connection; responses to requests of an earlier one are dropped.
        lost: whether the server has responded before, but does not now.
        said: kind ("info", "warning" or "error"), sentence.
        over: sentence, of an error that no longer holds since the same thing has succeeded.
        moved: the session's state may have changed.
        not_reachable: a request did not reach the server.
        login_needed: sentence.
    """

    def __init__(self, scene: Scene, worker: Worker, folder: Path, clock: Callable[[], float]) -> None:
        self.scene, self.worker, self.clock = scene, worker, clock
        self.folder = Path(folder)
        self.drafts = Drafts(self.folder / "drafts")
        self.connection_number, self.lost = 0, False
        self.over = Signal()
        self._standing: Dict[str, List[str]] = {}  # what was said, by what it is about, until that succeeds
        self.said, self.moved, self.not_reachable, self.login_needed = Signal(), Signal(), Signal(), Signal()

    def settle(self) -> None:
        """Emit ``moved``: the state may have changed."""
        self.moved.emit()

    def say(self, kind: str, text: str, about: str = "") -> None:
        """Show a message; one about something is taken back when that has ``succeeded``."""
        if about:
            self._standing.setdefault(about, []).append(text)
        self.said.emit(kind, text)

    def succeeded(self, about: str) -> None:
        """Take back what was said about this."""
        for text in self._standing.pop(about, []):
            self.over.emit(text)

    def run(
        self,
        job: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Optional[Callable[[Exception], Optional[bool]]] = None,
        current: Callable[[], bool] = lambda: True,
    ) -> None:
        """Run a job in the background.

        Args:
            job: must not use the scene.
            done: called with the result, on the caller's thread.
            failed: called with the exception; True: do not show a message.
            current: whether the result is still needed; if not, it is dropped, and a queued job is not run.
        """
        connection, about = self.connection_number, getattr(done, "__qualname__", "")  # the same for the same request

        def wanted() -> bool:
            return connection == self.connection_number and current()

        def finish(result: Any) -> None:
            if wanted():
                try:
                    done(result)
                    self.succeeded(about)
                except Exception as error:  # the scene may raise anything
                    self._failed(error, failed, about)
                self.settle()

        def fail(error: Exception) -> None:
            if wanted():
                self._failed(error, failed, about)
                self.settle()

        self.worker.submit(lambda: job() if wanted() else None, finish, fail)

    def _failed(self, error: Exception, failed: Optional[Callable[[Exception], Optional[bool]]], about: str) -> None:
        known_to_be_lost = self.lost
        if isinstance(error, NotReachable):
            self.not_reachable.emit()
        known = failed is not None and failed(error)
        if isinstance(error, LoginNeeded):
            self.login_needed.emit(str(error))
        elif not known and not (known_to_be_lost and isinstance(error, NotReachable)):
            logger.info("%s", error, exc_info=error)
            self.say("error", sentence(error), CONNECTION if isinstance(error, NotReachable) else about)

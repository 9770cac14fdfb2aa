"""Loads a case: image, then segments, then the uncertainty map, each as soon as it has arrived."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from .. import texts
from ..errors import Unusable, sentence
from ..label.drafts import Draft, age
from ..label.labels import LabelClass, key
from ..net.downloads import unpacked
from .case import Case, Current
from .case_list import CaseList
from .connection import Connection
from .context import Context, Signal
from .keeping import Keeper

TRIES = 3  # times that edits made while another case is loading are saved again before it is shown


class Loading:
    """Loads one case at a time; results for an earlier one are dropped.

    Attributes:
        with_uncertainty: whether the map of uncertainty is also loaded.
        opened: Case, when it can be edited.
        arriving: bytes of the image received, total bytes.
        uncertainty_shown: Path of the map.
    """

    def __init__(
        self, context: Context, connection: Connection, current: Current, listed: CaseList, keeper: Keeper
    ) -> None:
        self._context, self._connection, self._current = context, connection, current
        self._list, self._keeper = listed, keeper
        self.opened, self.arriving, self.uncertainty_shown = Signal(), Signal(), Signal()
        self.with_uncertainty = True
        self._number = 0  # of the case being loaded

    def stop(self) -> None:
        """Cancel loading."""
        self._number += 1

    def next(self, strategy: str, options: Dict[str, Any]) -> None:
        """Request the next case and load it."""
        client = self._begin()
        self._run(lambda: client.next_case(strategy, **options), self._chosen, self._give_up)

    def open(self, case: str, draft: Optional[Draft] = None, fresh: bool = False) -> None:
        """Load this case with the edits of this draft, or of one on disk.

        Args:
            fresh: without edits; those that there are are removed when it is shown.
        """
        self._begin()
        self._load(case, self._list.row(case), draft, fresh)

    def jump(self, number: int = 0) -> None:
        """Show the ``number``-th of the slices worth looking at; after the last, start again with the first."""
        case = self._current.case
        if case is not None and case.handle is not None:
            chosen = {axis: points[number % len(points)] for axis, points in case.points.items() if points}
            if chosen:
                self._context.scene.jump_to(case.handle, chosen)

    def _begin(self) -> Any:
        self._number += 1
        self._current.activity = "loading"
        self._context.settle()
        return self._connection.client

    def _run(
        self,
        job: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Optional[Callable[[Exception], Optional[bool]]] = None,
    ) -> None:
        number = self._number
        self._context.run(job, done, failed, lambda: number == self._number)

    def _give_up(self, _: Exception) -> None:
        """Loading failed: the case that was open before stays and can be edited."""
        self._current.fall_back()

    def _chosen(self, response: Dict[str, Any]) -> None:
        self._load(response["id"], response)

    def _load(self, name: str, response: Dict[str, Any], draft: Optional[Draft] = None, fresh: bool = False) -> None:
        connection, worker, drafts = self._connection, self._context.worker, self._context.drafts
        client = connection.client
        case = Case(name, client.url, connection.known.study, response, draft=draft, discards=fresh)

        def fetch() -> Path:
            return unpacked(client.download_image(name, lambda now, of: worker.post(self.arriving.emit, now, of)))

        def find(file: Path) -> Tuple[Path, Optional[Draft]]:
            return file, draft or (None if fresh else drafts.find(case.server, case.study, name))

        def arrived(file: Path, tries: int = TRIES) -> None:
            self._keeper.keep()  # edits made while this one was loading
            self._run(lambda: find(file), lambda found: place(found, tries - 1), self._give_up)

        def place(found: Tuple[Path, Optional[Draft]], tries: int) -> None:
            if tries and self._keeper.newer:
                arrived(found[0], tries)
            elif fresh or self._keeper.safe(name):
                self._replace(case, *found)
            else:
                self._current.fall_back()

        self._run(fetch, arrived, self._give_up)

    def _replace(self, case: Case, file: Path, draft: Optional[Draft]) -> None:
        """Show this case instead of the current one, whose edits are on disk."""
        before = self._current.case
        self._current.case = None
        case.handle = self._context.scene.load_volume(file)
        if case.discards and before is not None and before.id == case.id:
            draft = before.draft  # it is removed, too
        self._current.case, case.draft = case, draft
        self._segments(case)

    def _segments(self, case: Case) -> None:
        """Load the segments to start from: a draft, the submitted label, or the model's proposal."""
        client, capabilities = self._connection.client, self._connection.known
        drafts, model, draft = self._context.drafts, capabilities.segmentation, case.draft
        case.submitted = self._list.row(case.id).get("state") in ("submitted", "validation")
        if draft is not None and not case.discards:
            self._run(lambda: drafts.read(draft), lambda whole: self._restored(case, whole), self._empty(case))
        elif case.submitted:
            self._run(
                lambda: client.download_label(case.id),
                lambda file: self._show(case, "label", file, capabilities.classes),
                self._empty(case),
            )
        elif model is not None:
            self._run(
                lambda: client.infer(model, case.id, result_dtype="uint8"),
                lambda answer: self._propose(case, *answer),
                self._empty(case),
            )
        else:
            self._show(case, "", None, capabilities.classes)

    def _empty(self, case: Case) -> Callable[[Exception], None]:
        """Start with empty segments."""

        def show(_: Exception) -> None:
            if case.discards:
                case.discards, case.draft = False, None
                self._context.say("warning", texts.not_discarded(case.id))
            if case.draft is not None:
                unused, drafts = case.draft, self._context.drafts
                self._context.run(lambda: drafts.set_aside(unused), lambda _: None)
                case.draft = None
            self._show(case, "", None, self._connection.known.classes)

        return show

    def _restored(self, case: Case, draft: Draft) -> None:
        if tuple(draft.shape) != tuple(self._context.scene.geometry(case.handle).shape):
            raise Unusable(f"The draft of case '{case.id}' is of another image: it was set aside.")
        self._context.say("info", f"Your edits of {age(draft, self._context.clock())} are shown.")
        self._context.scene.replace_segments(case.handle, draft.segments)
        self._ready(case, "draft")
        case.revision -= 1  # the segments are not on the server: save them again when the case is closed

    def _propose(self, case: Case, file: Path, response: Dict[str, Any]) -> None:
        version = response.get("model_version")
        case.version = version if isinstance(version, int) else None
        self._show(case, "model", file, self._classes_of(response))

    def _show(self, case: Case, shown: str, file: Optional[Path], classes: List[LabelClass]) -> None:
        self._context.scene.show_segmentation(case.handle, file, classes)
        self._ready(case, shown)

    def _ready(self, case: Case, shown: str) -> None:
        case.ready, case.shown, case.kept = True, shown, self._context.clock()
        case.revision = case.loaded = self._context.scene.revision(case.handle)
        case.stored = None if shown == "draft" else case.loaded
        self._forget(case)
        self._current.activity = "editing"
        self.opened.emit(case)
        self.jump()
        self._list.refresh()  # the case is "in work" now
        self._uncertainty(case)

    def _forget(self, case: Case) -> None:
        """Remove the edits of a case that was loaded again without them."""
        if not case.discards:
            return
        drafts, also, case.discards, case.draft = self._context.drafts, case.draft, False, None

        def job() -> None:
            drafts.forget(case.server, case.study, case.id)
            if also is not None:
                drafts.remove(also)

        self._context.worker.submit(
            job,
            lambda _: self._context.say("info", texts.discarded(case.id)),
            lambda error: self._context.say("error", sentence(error)),
        )

    def _uncertainty(self, case: Case) -> None:
        """Load the map of uncertainty; the case can be edited meanwhile."""
        connection = self._connection
        task, client = connection.known.uncertainty, connection.client
        self._context.scene.show_uncertainty(case.handle, None)
        if task is None or not self.with_uncertainty or not connection.online:
            return

        def arrived(file: Path) -> None:
            self._context.scene.show_uncertainty(case.handle, file)
            self.uncertainty_shown.emit(file)

        self._run(lambda: unpacked(client.infer(task, case.id, extension=".nii.gz")[0]), arrived)

    def _classes_of(self, response: Dict[str, Any]) -> List[LabelClass]:
        """Classes of a result: its own values, with the study's colours; then classes unknown to the model."""
        known = self._connection.known.classes
        values = response.get("label_names")
        if not isinstance(values, dict) or not all(isinstance(value, int) for value in values.values()):
            return known
        colors = {key(entry.name): entry.color for entry in known}
        shown = [
            LabelClass(name, value, colors.get(key(name), LabelClass.color))
            for name, value in sorted(values.items(), key=lambda item: item[1])
            if value > 0 and key(name) != "background"
        ]
        named = {key(entry.name) for entry in shown}
        free = max([entry.value for entry in shown], default=0) + 1
        for entry in known:
            if key(entry.name) not in named:
                shown.append(LabelClass(entry.name, free, entry.color))
                free += 1
        return shown

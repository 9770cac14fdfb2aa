"""Fills the store of proposals, scan by scan, while nobody waits for the server."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING

from fewlabel.devices import choose_device
from fewlabel.errors import Refusal
from fewlabel.files import Stamp, stamp
from fewlabel.predictions.propose import Proposer
from fewlabel.predictions.store import PredictionStore
from fewlabel.training.people import is_asked
from fewlabel.volumes.reading import UnreadableVolume

if TYPE_CHECKING:
    from fewlabel.study import Study

logger = logging.getLogger(__name__)

_WAIT = 0.05  # seconds between two looks whether somebody still waits for the server
_NEWEST = 0.2  # weight of the last scan in the mean time of a scan


class Ended(Exception):
    """Somebody stopped the work."""


class PoolFiller:
    """Predicts the unlabelled scans of a study with its newest model.

    Args:
        study: open.
        store: of the proposals.
        stop: set to end it, at the next crop.

    Attributes:
        unusable: scans that could not be read, and the stamps of their files.
        pace: seconds that a scan takes; 0 before the first.
    """

    def __init__(self, study: Study, store: PredictionStore, stop: threading.Event) -> None:
        self.study, self.workspace, self.store, self.stop = study, study.workspace, store, stop
        self.unusable: dict[str, Stamp | None] = {}
        self.pace = 0.0

    def fill(self) -> None:
        """Predict until every unlabelled scan has a proposal of the newest model.

        Raises:
            Ended: somebody stopped it.
            Refusal: (409) there is no model any more; (500) it cannot be loaded; (503) memory is short; (507) the disk
                space is used up.
        """
        self.store.clear_leftovers()
        proposer: Proposer | None = None
        while True:
            if proposer is None or stamp(self.workspace.model) != proposer.source:
                proposer = self._load()
            to_do = self._to_do(proposer)
            if not to_do:
                return
            self._predict(to_do, proposer)

    def _load(self) -> Proposer:
        self._give_way()
        if not self.workspace.model.exists():
            raise Refusal("There is no published model any more: train again, then label all.", 409)
        device = choose_device(self.study.settings.device)
        return Proposer(self.workspace.model, device, self._give_way)

    def _to_do(self, proposer: Proposer) -> list[str]:
        """Unlabelled scans without a proposal of this model: those without any first, then the oldest."""
        heads, uri, unusable = self.store.heads, self.study.store.get_image_uri, self.unusable
        found = []
        for case in self.study.store.get_unlabeled_images():
            with contextlib.suppress(OSError, Refusal):  # it was removed meanwhile
                now, head = stamp(uri(case)), heads.get(case)
                made = head is not None and head.source == now and proposer.made(head)
                if not made and (case not in unusable or unusable[case] != now):
                    found.append(case)
        return sorted(found, key=lambda case: (heads[case].version if case in heads else -1, case))

    def _predict(self, cases: list[str], proposer: Proposer) -> None:
        """Predict these scans, but those labelled meanwhile, until a newer model is published."""
        for case in cases:
            began = time.monotonic()
            self._give_way()
            if stamp(self.workspace.model) != proposer.source:
                return
            if self.study.store.has_label(case):
                continue
            image = ""
            try:
                image = self.study.store.get_image_uri(case)
                proposal = proposer(case, image)
            except (UnreadableVolume, OSError, Refusal) as error:
                if isinstance(error, Refusal) and error.status_code == 503:
                    raise
                logger.warning("no proposal for %s: %s", case, error)
                with contextlib.suppress(OSError):
                    self.unusable[case] = stamp(image) if image else None
                continue
            if not self.store.put(proposal):
                raise Refusal(
                    "The disk space for proposals is used up: start the server with a larger --conf predictions_gb, "
                    "then label all again.",
                    507,
                )
            seconds = time.monotonic() - began
            self.pace = (1 - _NEWEST) * self.pace + _NEWEST * seconds if self.pace else seconds

    def _give_way(self) -> None:
        """Wait while somebody waits for the server.

        Raises:
            Ended: somebody stopped the work.
        """
        while not self.stop.is_set() and is_asked(self.workspace.people):
            time.sleep(_WAIT)
        if self.stop.is_set():
            raise Ended

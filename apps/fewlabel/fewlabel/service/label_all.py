"""*Label all*: proposals for every unlabelled scan, made in a thread of the server while nobody waits for it."""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fewlabel.errors import Refusal
from fewlabel.files import ReadAgain, stamp
from fewlabel.inference.recent import Prediction
from fewlabel.predictions.entry import Head
from fewlabel.predictions.store import PredictionStore
from fewlabel.published import read_card
from fewlabel.review.expected import ExpectedDice
from fewlabel.review.history import History
from fewlabel.service.pool_answers import LabelAllAnswer, ProposalAnswer
from fewlabel.service.pool_filling import Ended, PoolFiller
from fewlabel.workspace import read_json, write_json

if TYPE_CHECKING:
    from fewlabel.study import Study

logger = logging.getLogger(__name__)

_NAME = "label all"

_of_workspaces: dict[Path, LabelAll] = {}


def label_all_of(study: Study) -> LabelAll:
    """The work on a study's pool; it stays the same while it runs when the app is loaded again."""
    kept = _of_workspaces.get(study.workspace.folder)
    if kept is None or (kept.study is not study and not kept.is_running):
        kept = _of_workspaces[study.workspace.folder] = LabelAll(study)
    return kept


class LabelAll:
    """Fills a store with the newest model's proposal for each unlabelled scan; thread-safe.

    It goes on after a restart of the server where it was: what is stored is not made again. Whoever asks for an
    inference or the next case comes first: it waits before each crop. A model that is published meanwhile is used from
    the next scan on.

    Args:
        study: open.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.workspace = study, study.workspace
        self._guard = threading.Lock()
        self._store: PredictionStore | None = None
        self._thread: threading.Thread | None = None
        self._stop, self._error = threading.Event(), ""
        self._filler: PoolFiller | None = None
        self._card: ReadAgain[dict[str, Any]] = ReadAgain(read_card, dict)
        study.infer.kept = self.prediction
        self._expected = ReadAgain(_calibrated, lambda: _said(ExpectedDice(())))

    @property
    def is_running(self) -> bool:
        """Whether it works now."""
        return self._thread is not None and self._thread.is_alive() and not self._stop.is_set()

    @property
    def store(self) -> PredictionStore:
        """The proposals, read from disk once."""
        with self._guard:
            if self._store is None:
                self._store = PredictionStore(self.workspace.proposed, None, self.study.settings.predictions_gb)
            return self._store

    def start(self) -> None:
        """Begin, or go on.

        Raises:
            Refusal: (409) there is no model yet; (507) it cannot be remembered over a restart.
        """
        if not self.workspace.model.exists():
            raise Refusal("FewLabel is not trained yet: label a few scans, train, then label all.", 409)
        store = self.store
        with self._guard:
            if self.is_running:
                return
            write_json(self.workspace.label_all, {"on": True})
            former, self._error, self._stop = self._thread, "", threading.Event()
            self._filler = PoolFiller(self.study, store, self._stop)
            arguments = (self._filler, former)
            self._thread = threading.Thread(target=self._run, args=arguments, name=_NAME, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End it, at the next crop; what is stored stays.

        Raises:
            Refusal: (507) that cannot be remembered over a restart; it has ended nevertheless.
        """
        self._stop.set()
        if self.workspace.label_all.exists():
            write_json(self.workspace.label_all, {"on": False})

    def resume(self) -> None:
        """Go on after a restart, if it was running when the server ended."""
        kept = read_json(self.workspace.label_all, {})
        if isinstance(kept, dict) and kept.get("on") is True and self.workspace.model.exists():
            self.start()

    def status(self) -> LabelAllAnswer:
        """How far it is."""
        card = self.card()
        cases = self.study.store.get_unlabeled_images()
        done = sum(self.is_newest(self.store.heads.get(case), card) for case in cases)
        running = self.is_running
        filler = self._filler
        left_out = len(filler.unusable.keys() & set(cases)) if filler else 0
        to_do = len(cases) - done - left_out
        left = filler.pace * to_do if filler and running and filler.pace else None
        complete = to_do <= 0 and (done > 0 or not cases)
        return LabelAllAnswer(
            state="running" if running else "failed" if self._error else "done" if complete else "idle",
            model_version=card.get("version"),
            done=done,
            of=len(cases),
            left_out=left_out,
            seconds_left=None if left is None else max(0.1, round(left, 1)),
            calibration=self._expected(self.workspace.history)[1],
            error=self._error or None,
        )

    def proposals(self) -> dict[str, ProposalAnswer]:
        """What is known of each stored proposal of a scan, by case, those of older models included."""
        card, (expected, _) = self.card(), self._expected(self.workspace.history)
        return {case: _answer(head, self.is_newest(head, card), expected) for case, head in self._heads().items()}

    def prediction(self, image: Path, card: dict[str, Any]) -> Prediction | None:
        """The stored proposal for an image file by the model with this card, which ``/infer`` then need not make."""
        now = stamp(image)
        for case, head in self._heads().items():
            if head.source == now and self.is_newest(head, card) and self._is_file_of(image, case):
                found = self.store.proposal(case, now)
                if found is not None:
                    return Prediction(found.labels, np.array(head.affine), head.probability, head.notes)
        return None

    def _is_file_of(self, image: Path, case: str) -> bool:
        with contextlib.suppress(Refusal):  # the case was removed
            return self.study.store.get_image_uri(case) == str(image)
        return False

    def _heads(self) -> dict[str, Head]:
        heads = self.store.heads
        return {case: heads[case] for case in list(heads) if case in heads}

    def card(self) -> dict[str, Any]:
        """The card of the published model; {} where there is none that can be used."""
        with contextlib.suppress(Refusal):
            return self._card(self.workspace.model)
        return {}

    @staticmethod
    def is_newest(head: Head | None, card: dict[str, Any]) -> bool:
        """Whether a proposal is of the model with this card."""
        return head is not None and (head.version, head.published) == (card.get("version"), card.get("time"))

    # --- the thread

    def _run(self, filler: PoolFiller, former: threading.Thread | None) -> None:
        if former is not None:
            former.join()  # one writer: it ends at its next crop
        fault = ""
        try:
            filler.fill()
        except Ended:
            return
        except Refusal as error:
            fault = str(error)
        except Exception as error:  # nothing else catches errors of a thread
            logger.exception("not all scans could be predicted")
            fault = f"Label all ended with an error ({str(error) or type(error).__name__}): see the server's log."
        if fault and filler is self._filler:
            self._error = fault
        with contextlib.suppress(Refusal):  # a full disk: it is tried again after a restart
            if not filler.stop.is_set():
                write_json(self.workspace.label_all, {"on": False})


def _answer(head: Head, newest: bool, expected: ExpectedDice) -> ProposalAnswer:
    found = expected(head.probability)
    dice, low, high = (found.dice, found.low, found.high) if found else (None, None, None)
    return ProposalAnswer.model_construct(  # without validation: there are as many as cases
        version=int(head.version), newest=newest, score=head.score, dice=dice, low=low, high=high
    )


def _calibrated(path: Path) -> tuple[ExpectedDice, str]:
    return _said(ExpectedDice(History(path).entries()))


def _said(expected: ExpectedDice) -> tuple[ExpectedDice, str]:
    return expected, expected.sentence()

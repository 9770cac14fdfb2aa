"""Scoring on request, which MONAI Label runs in a separate process and can stop."""

from __future__ import annotations

import logging
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod

from fewlabel.devices import pick_device
from fewlabel.errors import Refusal
from fewlabel.memory import is_out_of_memory, too_little
from fewlabel.predictions.store import PredictionStore
from fewlabel.published import load_members
from fewlabel.selection.scoring import score_cases, unlike_for
from fewlabel.settings import Settings
from fewlabel.workspace import Workspace

logger = logging.getLogger(__name__)


class FewLabelScoring(ScoringMethod):
    """Scores the unlabelled cases with the published model's members, as each training does at its end.

    Useful when scans were added since, or when a training had time for a part of the pool only.
    """

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        super().__init__("How unsure the published model is about each unlabelled scan")
        self.workspace, self.settings = workspace, settings

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, int]:
        """Score for at most ``minutes`` (default: from the settings); gives how many cases were scored.

        Raises:
            Refusal: (409) there is no published model yet; (400) ``minutes`` is not a number above 0; (503) memory is
                short.
        """
        if not self.workspace.model.exists():
            raise Refusal("FewLabel is not trained yet: train it, which scores the cases as well.", 409)
        minutes = _minutes(request.get("minutes", self.settings.scoring_minutes))
        device, note = pick_device(request.get("device"), self.settings.device)
        if note:
            logger.warning(note)
        try:
            return self._score(minutes, device, datastore)
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise too_little("Scoring", device) from None
            raise

    def _score(self, minutes: float, device: str, datastore: Datastore) -> dict[str, int]:
        published, members = load_members(self.workspace.model, device)
        cases = datastore.get_unlabeled_images()
        scored = score_cases(
            lambda crops: [member(crops).softmax(1) for member in members],
            published.plan,
            [{"id": case, "image": datastore.get_image_uri(case)} for case in cases],
            self.workspace.scores,
            int(published.card.get("version", 0)),
            minutes,
            device,
            self.settings.seed,
            lambda done, of: logger.debug("scored %d of %d cases", done, of),
            unlike=unlike_for(self.workspace.model, device),
            store=PredictionStore(self.workspace.predictions, published.plan, self.settings.predictions_gb),
        )
        logger.info("scored %d of %d cases", scored, len(cases))
        return {"executed": scored, "of": len(cases)}


def _minutes(value: Any) -> float:
    try:
        minutes = float(value)
    except (TypeError, ValueError):
        minutes = 0.0
    if not 0 < minutes < float("inf"):
        raise Refusal(f"minutes {value!r} is not a time: give a number above 0.")
    return minutes

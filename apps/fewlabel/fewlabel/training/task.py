"""Training as a MONAI Label task: options, progress, and the start of a run."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.train import TrainTask

from fewlabel.background import is_background_process
from fewlabel.devices import device_names, pick_device
from fewlabel.errors import Refusal
from fewlabel.memory import is_out_of_memory, too_little
from fewlabel.methods import METHODS, default_method
from fewlabel.networks import NETWORKS
from fewlabel.review.history import Outlook
from fewlabel.settings import LEFT_OUT, TRAINING, Settings
from fewlabel.training.continuous import ContinuousRun
from fewlabel.training.keeper import Keeper
from fewlabel.training.mode import CONTINUOUS, asked_for
from fewlabel.training.ongoing_progress import ROUND, OngoingProgress
from fewlabel.training.progress import Progress, read_progress
from fewlabel.training.run import Run
from fewlabel.training.standing import FAILED, STOPPED, one_line
from fewlabel.workspace import Workspace


class FewLabelTrain(TrainTask):
    """Learns from the labelled cases and the whole unlabelled pool, publishes, and scores the unlabelled cases.

    Args:
        workspace: of the study.
        settings: of the server; a request may override those in ``settings.REQUEST_KEYS``.
        keeper: of the continuous training of this study; None: one that starts none.
    """

    def __init__(self, workspace: Workspace, settings: Settings, keeper: Keeper | None = None) -> None:
        super().__init__("Learns from the labelled cases and from all scans without a label")
        self.workspace, self.settings = workspace, settings
        self.keeper = keeper or Keeper(workspace, settings)
        self.outlook = Outlook(workspace.history)

    def config(self) -> dict[str, Any]:
        """The options that viewers show; a list is a choice whose first entry is the default."""
        training, chosen = self.keeper.mode(), self.keeper.mode.options()
        settings = self.settings.with_request(chosen)
        devices = device_names(pick_device(chosen.get("device"), self.settings.device)[0])
        method = settings.method or default_method(devices[0])
        networks = ["auto" if settings.network is None else settings.network]
        return {
            "method": [method, *(name for name in METHODS if name != method)],
            "network": [*networks, *(name for name in NETWORKS if name not in networks)],
            "training": [training, *(name for name in TRAINING if name != training)],
            "max_minutes": settings.max_minutes,
            **({"max_steps": settings.max_steps} if settings.max_steps else {}),  # viewers show no empty field
            "device": devices,
        }

    def info(self) -> dict[str, Any]:
        descriptions = {name: method.description for name, method in METHODS.items()}
        return {**super().info(), "methods": descriptions, "labels": self.workspace.classes()}

    def stats(self) -> dict[str, Any]:
        """Progress of the running training, or the end of the last one, and what more labels would bring."""
        values = self._now(read_progress(self.workspace.progress))
        line = one_line(values)
        values = {**values, "line": line} if line else values
        outlook = self.outlook() if values else {}
        return {**values, "five_more_labels": outlook} if outlook else values

    def _now(self, values: dict[str, Any]) -> dict[str, Any]:
        """The progress that was written last, with the present phase."""
        standing = self.keeper.standing()
        if values.get("training") == CONTINUOUS or (not values and self.keeper.is_on):
            values = values or {"training": CONTINUOUS, "epoch": 0, "total_epochs": ROUND, "best_metric": 0.0}
            return {**values, "phase": standing.phase(str(values.get("phase") or ""))}
        if values and values["phase"] not in ("done", FAILED) and not standing.at_work:
            return {**values, "phase": STOPPED}
        return values

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train, publish and score; called in a process of its own.

        Raises:
            Refusal: there is nothing to train on, or the request asks for something impossible.
        """
        if is_background_process():
            with contextlib.suppress(AttributeError, OSError):
                os.nice(5)  # the server stays responsive while training runs
        asked = asked_for(request) or self.settings.training
        goes_on = asked == CONTINUOUS and is_background_process()  # the caller waits for all others
        progress = None
        try:
            device, note = pick_device(request.get("device"), self.settings.device)
            settings = dataclasses.replace(self.settings.with_request(request), device=device)
            run = (ContinuousRun if goes_on else Run)(self.workspace, settings, datastore)
            progress = run.progress
            unknown = request.get(LEFT_OUT) or []
            for said in [
                *filter(None, [note]),
                *(f"The option '{name}' of the request was not used." for name in unknown),
            ]:
                progress.note(said)
            return run()
        except Exception as error:
            if is_out_of_memory(error):
                error = too_little("Training", device)
            progress = progress or self._new_progress(goes_on)
            with contextlib.suppress(Refusal):  # a full disk: the first error is the one to report
                progress.update(phase="failed", error=str(error) or repr(error))
            raise error

    def _new_progress(self, goes_on: bool) -> Progress:
        """Of a training that failed before it had one."""
        path = self.workspace.progress
        return OngoingProgress(path) if goes_on else Progress(path, self.settings.max_minutes * 60)

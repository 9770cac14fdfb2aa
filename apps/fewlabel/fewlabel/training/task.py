"""Training as a MONAI Label task: options, progress, and the start of a run."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.utils.async_tasks.utils import processes

from fewlabel.background import is_background_process
from fewlabel.devices import device_names, pick_device
from fewlabel.errors import Refusal
from fewlabel.memory import is_out_of_memory, too_little
from fewlabel.methods import METHODS, default_method
from fewlabel.networks import NETWORKS
from fewlabel.review.history import Outlook
from fewlabel.settings import TRAINING, Settings
from fewlabel.training.continuous import ContinuousRun
from fewlabel.training.mode import CONTINUOUS, Mode
from fewlabel.training.ongoing_progress import RESTING, one_line
from fewlabel.training.progress import Progress, read_progress
from fewlabel.training.run import Run
from fewlabel.workspace import Workspace


class FewLabelTrain(TrainTask):
    """Learns from the labelled cases and the whole unlabelled pool, publishes, and scores the unlabelled cases.

    Args:
        workspace: of the study.
        settings: of the server; a request may override those in ``settings.REQUEST_KEYS``.
    """

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        super().__init__("Learns from the labelled cases and from all scans without a label")
        self.workspace, self.settings = workspace, settings
        self.mode = Mode(workspace, settings)
        self.outlook = Outlook(workspace.history)

    def config(self) -> dict[str, Any]:
        """The options that viewers show; a list is a choice whose first entry is the default."""
        settings, training = self.settings, self.mode()
        devices = device_names(settings.device)
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
        values = read_progress(self.workspace.progress)
        if values and values["phase"] not in ("done", "failed", RESTING) and not processes("train"):
            values["phase"] = "stopped"
        line = one_line(values)
        values = {**values, "line": line} if line else values
        outlook = self.outlook() if values else {}
        return {**values, "five_more_labels": outlook} if outlook else values

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train, publish and score; called in a process of its own.

        Raises:
            Refusal: there is nothing to train on, or the request asks for something impossible.
        """
        if is_background_process():
            with contextlib.suppress(AttributeError, OSError):
                os.nice(5)  # the server stays responsive while training runs
        progress = None
        try:
            device, note = pick_device(request.get("device"), self.settings.device)
            settings = dataclasses.replace(self.settings.with_request(request), device=device)
            goes_on = settings.training == CONTINUOUS and is_background_process()  # the caller waits for all others
            run = (ContinuousRun if goes_on else Run)(self.workspace, settings, datastore)
            progress = run.progress
            if note:
                progress.note(note)
            return run()
        except Exception as error:
            if is_out_of_memory(error):
                error = too_little("Training", device)
            progress = progress or Progress(self.workspace.progress, self.settings.max_minutes * 60)
            with contextlib.suppress(Refusal):  # a full disk: the first error is the one to report
                progress.update(phase="failed", error=str(error) or repr(error))
            raise error

"""The published model as a MONAI Label inference task."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from fewlabel.data.volumes import EXTENSIONS, UnreadableVolume, write_volume
from fewlabel.devices import choose_device, device_names
from fewlabel.errors import Refusal
from fewlabel.inference.predict import segment
from fewlabel.inference.recent import Prediction, RecentPredictions
from fewlabel.published import Published, load_published
from fewlabel.workspace import Workspace

logger = logging.getLogger(__name__)


class FewLabelInfer(InferTask):
    """Segments one image with the published model; a newly published model is picked up without a restart.

    Args:
        workspace: where the published model lies.
        device: asked for in the settings; None for the first GPU, else the CPU.
    """

    def __init__(self, workspace: Workspace, device: str | None = None) -> None:
        self.workspace = workspace
        self.device = device
        self.recent = RecentPredictions()
        self._loaded: tuple[tuple, Published] | None = None
        config = {"device": device_names(device)}
        super().__init__(InferType.SEGMENTATION, {}, 3, "Segmentation learned from this study", config)

    def info(self) -> dict[str, Any]:
        self.labels = {name: value for value, name in enumerate(self.workspace.classes(), 1)}
        return super().info()

    def is_valid(self) -> bool:
        """Viewers are offered the model only once it is trained."""
        return self.workspace.model.exists()

    def get_path(self, validate: bool = True) -> str | None:
        return str(self.workspace.model) if self.is_valid() or not validate else None

    def published(self, device: str) -> Published:
        """The published model on ``device``, loaded anew only when its file changed.

        Raises:
            Refusal: (409) there is none yet.
        """
        if not self.is_valid():
            raise Refusal(
                "FewLabel is not trained yet: submit a label for at least one case, press Train, and try again.",
                409,
            )
        stamp = self.workspace.model.stat()
        key = (stamp.st_mtime_ns, stamp.st_size, device)
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = (key, load_published(self.workspace.model, device))
        return self._loaded[1]

    def predict(self, model: Published, image: Path, device: str) -> Prediction:
        """Label map of one image file, also kept in ``recent``.

        Raises:
            UnreadableVolume: the image cannot be used.
        """
        try:
            labels, meta = segment(model.network, model.plan, image, device)
        finally:
            if device.startswith("cuda"):
                torch.cuda.empty_cache()  # training may need the memory
        prediction = Prediction(labels.numpy(), meta["affine"], meta["confidence"], tuple(meta["notes"]))
        self.recent.keep(image, model.card, prediction)
        return prediction

    def __call__(self, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Segment ``request["image"]`` (a path) into a temporary file.

        Raises:
            Refusal: (409) not trained yet; (422) the image cannot be used.
        """
        started = time.time()
        device = choose_device(request.get("device") or self.device)
        model = self.published(device)
        image = Path(request["image"])
        try:
            prediction = self.predict(model, image, device)
        except UnreadableVolume as error:
            raise Refusal(str(error), 422) from error
        extension = request.get("result_extension") or _extension(image)
        if extension not in EXTENSIONS:
            raise Refusal(f"Cannot write a label map as '{extension}': ask for one of {', '.join(EXTENSIONS)}.")
        with tempfile.NamedTemporaryFile(suffix=extension, delete=False) as file:
            target = Path(file.name)
        write_volume(target, prediction.labels, prediction.affine)
        names = {name: value for value, name in enumerate(model.plan.classes, 1)}
        seconds = round(time.time() - started, 2)
        logger.info("segmented %s in %.2f s", image.name, seconds)
        return str(target), {
            "label_names": names,
            "model_version": model.card.get("version"),
            "validated": model.card.get("validated"),
            "notes": list(prediction.notes),
            "latencies": {"total": seconds},
        }


def _extension(path: Path) -> str:
    return next((extension for extension in EXTENSIONS if path.name.endswith(extension)), ".nii.gz")

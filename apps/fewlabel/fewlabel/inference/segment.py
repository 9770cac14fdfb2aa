"""The published model as MONAI Label inference tasks: the segmentation, and where it is unsure."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from fewlabel.devices import choose_device, device_names
from fewlabel.errors import Refusal
from fewlabel.inference.predict import map_uncertainty, segment
from fewlabel.inference.recent import Prediction, RecentPredictions
from fewlabel.published import Published, load_members, load_published
from fewlabel.volumes.reading import WRITTEN, UnreadableVolume, write_volume
from fewlabel.workspace import Workspace

logger = logging.getLogger(__name__)


class PublishedTask(InferTask):
    """Applies the published model to one image; a newly published model is picked up without a restart.

    Args:
        workspace: where the published model lies.
        device: asked for in the settings; None for the first GPU, else the CPU.
    """

    kind: ClassVar[InferType]
    about: ClassVar[str]

    def __init__(self, workspace: Workspace, device: str | None = None) -> None:
        self.workspace = workspace
        self.device = device
        self._loaded: tuple[tuple, Any] | None = None
        super().__init__(self.kind, {}, 3, self.about, {"device": device_names(device)})

    def info(self) -> dict[str, Any]:
        self.labels = {name: value for value, name in enumerate(self.workspace.classes(), 1)}
        return super().info()

    def is_valid(self) -> bool:
        """Viewers are offered the model only once it is trained."""
        return self.workspace.model.exists()

    def get_path(self, validate: bool = True) -> str | None:
        return str(self.workspace.model) if self.is_valid() or not validate else None

    def load(self, device: str) -> Any:
        """Read what is needed of the published file."""
        raise NotImplementedError

    def apply(self, loaded: Any, image: Path, device: str) -> tuple[np.ndarray, dict[str, Any], Published]:
        """The result on the image's grid, the reader's meta data, and the model that was used."""
        raise NotImplementedError

    def published(self, device: str) -> Any:
        """What ``load`` gives, loaded anew only when the published file changed.

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
            self._loaded = (key, self.load(device))
        return self._loaded[1]

    def __call__(self, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Apply the model to ``request["image"]`` (a path); the result goes to a temporary file.

        Raises:
            Refusal: (409) not trained yet; (422) the image cannot be used.
        """
        started = time.time()
        device = choose_device(request.get("device") or self.device)
        loaded = self.published(device)
        image = Path(request["image"])
        try:
            result, meta, model = self.apply(loaded, image, device)
        except UnreadableVolume as error:
            raise Refusal(str(error), 422) from error
        finally:
            if device.startswith("cuda"):
                torch.cuda.empty_cache()  # training may need the memory
        extension = request.get("result_extension") or _extension(image)
        if extension not in WRITTEN:
            raise Refusal(f"Cannot write a volume as '{extension}': ask for one of {', '.join(WRITTEN)}.")
        with tempfile.NamedTemporaryFile(suffix=extension, delete=False) as file:
            target = Path(file.name)
        write_volume(target, result, meta["affine"])
        seconds = round(time.time() - started, 2)
        logger.info("%s of %s in %.2f s", self.type.value, image.name, seconds)
        return str(target), {
            "label_names": {name: value for value, name in enumerate(model.plan.classes, 1)},
            "model_version": model.card.get("version"),
            "validated": model.card.get("validated"),
            "notes": list(meta["notes"]),
            "latencies": {"total": seconds},
        }


class FewLabelInfer(PublishedTask):
    """Segments one image.

    Attributes:
        recent: what it said of the last images, to compare a submitted label with.
    """

    kind = InferType.SEGMENTATION
    about = "Segmentation learned from this study"

    def __init__(self, workspace: Workspace, device: str | None = None) -> None:
        super().__init__(workspace, device)
        self.recent = RecentPredictions()

    def load(self, device: str) -> Published:
        return load_published(self.workspace.model, device)

    def predict(self, model: Published, image: Path, device: str) -> Prediction:
        """Label map of one image file, also kept in ``recent``.

        Raises:
            UnreadableVolume: the image cannot be used.
        """
        labels, meta = segment(model.network, model.plan, image, device)
        prediction = Prediction(labels.numpy(), meta["affine"], meta["confidence"], tuple(meta["notes"]))
        self.recent.keep(image, model.card, prediction)
        return prediction

    def apply(self, loaded: Published, image: Path, device: str) -> tuple[np.ndarray, dict[str, Any], Published]:
        prediction = self.predict(loaded, image, device)
        return prediction.labels, {"affine": prediction.affine, "notes": prediction.notes}, loaded


class FewLabelUncertainty(PublishedTask):
    """Maps, voxel by voxel, how uncertain the model is: 0 (sure) to 1 (a guess), float32.

    Its type is ``others``: viewers of MONAI Label offer the types that they can show as a segmentation.
    """

    kind = InferType.OTHERS
    about = "Where the model is unsure: 0 (sure) to 1 (a guess)"

    def load(self, device: str) -> tuple[Published, list[torch.nn.Module]]:
        return load_members(self.workspace.model, device)

    def apply(
        self, loaded: tuple[Published, list[torch.nn.Module]], image: Path, device: str
    ) -> tuple[np.ndarray, dict[str, Any], Published]:
        model, members = loaded
        values, meta = map_uncertainty(members, model.plan, image, device)
        return values.numpy(), meta, model


def _extension(path: Path) -> str:
    return next((extension for extension in WRITTEN if path.name.endswith(extension)), ".nii.gz")

"""The published model as MONAI Label inference tasks: the segmentation, and a map of its uncertainty."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
import torch
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from fewlabel.datastore.proposals import checksum
from fewlabel.devices import device_names, pick_device
from fewlabel.errors import Refusal
from fewlabel.files import ReadAgain
from fewlabel.inference.familiar import notes_on
from fewlabel.inference.predict import map_uncertainty, segment
from fewlabel.inference.recent import Prediction, RecentPredictions
from fewlabel.labels import values_between
from fewlabel.memory import free_memory, is_out_of_memory, memory_of, too_little
from fewlabel.published import Published, load_members, load_published, read_card
from fewlabel.quality import quality
from fewlabel.replaced import how_to_restore
from fewlabel.volumes.reading import WRITTEN, UnreadableVolume, write_volume
from fewlabel.workspace import Workspace

logger = logging.getLogger(__name__)


class PublishedTask(InferTask):
    """Applies the published model to one image; a newly published model is loaded without a restart.

    Args:
        workspace: with the published model.
        device: from the settings; None: the first GPU, else the CPU.
    """

    kind: ClassVar[InferType]
    about: ClassVar[str]

    def __init__(self, workspace: Workspace, device: str | None = None) -> None:
        self.workspace = workspace
        self.device = device
        self._loaded: tuple[str, ReadAgain[Any]] | None = None
        self._quality = ReadAgain(lambda path: quality(read_card(path)).sentence, str)
        super().__init__(self.kind, {}, 3, self.about, {"device": device_names(device)})

    def info(self) -> dict[str, Any]:
        self.labels = {name: value for value, name in enumerate(self.workspace.classes(), 1)}
        info = super().info()
        with contextlib.suppress(Refusal):  # a damaged model is reported when it is used
            known = self._quality(self.workspace.model)
            info["description"] = f"{self.about}. {known}" if known else self.about
        return info

    def is_valid(self) -> bool:
        """Whether there is a trained model; viewers do not offer others."""
        return self.workspace.model.exists()

    def get_path(self, validate: bool = True) -> str | None:
        return str(self.workspace.model) if self.is_valid() or not validate else None

    def load(self, device: str) -> Any:
        """Load what is needed from the published file."""
        raise NotImplementedError

    def apply(self, loaded: Any, image: Path, device: str) -> tuple[np.ndarray, dict[str, Any], Published]:
        """The result on the image's grid, the reader's meta data, and the model that was used."""
        raise NotImplementedError

    def published(self, device: str) -> Any:
        """The result of ``load``, loaded again only if the published file has changed.

        Raises:
            Refusal: (409) there is no model yet.
        """
        loaded = self._loaded
        if loaded is None or loaded[0] != device:
            loaded = self._loaded = device, ReadAgain(lambda path: self.load(device), self._refuse)
        return loaded[1](self.workspace.model)

    def _refuse(self) -> NoReturn:
        raise Refusal(_why_none(self.workspace), 409)

    def __call__(self, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Apply the model to ``request["image"]`` (a path); the result goes to a temporary file.

        Raises:
            Refusal: (409) not trained yet; (422) the image cannot be used; (503) memory is short.
        """
        started = time.time()
        device, note = pick_device(request.get("device"), self.device)
        image = Path(request["image"])
        try:
            (result, meta, model), short = self._apply_somewhere(image, device)
        except UnreadableVolume as error:
            raise Refusal(str(error), 422) from error
        extension = request.get("result_extension") or _extension(image)
        if extension not in WRITTEN:
            raise Refusal(f"Cannot write a volume as '{extension}': ask for one of {', '.join(WRITTEN)}.")
        with tempfile.NamedTemporaryFile(suffix=extension, delete=False) as file:
            target = Path(file.name)
        write_volume(target, result, meta["affine"])
        seconds = round(time.time() - started, 2)
        logger.info("%s of %s in %.2f s", self.type.value, image.name, seconds)
        return str(target), {
            "label_names": dict(zip(model.plan.classes, _values(model, self.workspace)[1:].tolist(), strict=True)),
            "model_version": model.card.get("version"),
            "validated": model.card.get("validated"),
            "quality": quality(model.card).sentence,
            "notes": [*meta["notes"], *filter(None, (note, short)), *_where_from(self.workspace, model.card)],
            "latencies": {"total": seconds},
            **self.extra(result),
        }

    def extra(self, result: np.ndarray) -> dict[str, Any]:
        """Further entries of the response about a result."""
        return {}

    def _apply_somewhere(self, image: Path, device: str) -> tuple[tuple[np.ndarray, dict[str, Any], Published], str]:
        """The result of ``apply``; on the CPU, with a note, where the GPU's memory runs out."""
        try:
            return self._apply_on(image, device), ""
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            logger.warning("%s of %s on %s: memory is short", self.type.value, image.name, device)
        self._loaded = None
        free_memory()  # here: the error, which refers to tensors, is gone
        if not device.startswith("cuda"):
            raise too_little("Applying the model", device)
        try:
            note = f"{memory_of(device).capitalize()} is full: this was computed on the CPU, which is slower."
            return self._apply_on(image, "cpu"), note
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise too_little("Applying the model", "cpu") from None
            raise

    def _apply_on(self, image: Path, device: str) -> tuple[np.ndarray, dict[str, Any], Published]:
        try:
            return self.apply(self.published(device), image, device)
        finally:
            if device.startswith("cuda"):
                torch.cuda.empty_cache()  # training may need the memory


class FewLabelInfer(PublishedTask):
    """Segments one image.

    Attributes:
        recent: its last predictions, to compare submitted labels with.
        kept: gives the stored prediction of an image file by the model with this card; None: there is none.
    """

    kind = InferType.SEGMENTATION
    about = "Segmentation learned from this study"

    def __init__(self, workspace: Workspace, device: str | None = None) -> None:
        super().__init__(workspace, device)
        self.recent = RecentPredictions()
        self.kept: Callable[[Path, dict[str, Any]], Prediction | None] = lambda image, card: None

    def load(self, device: str) -> Published:
        return load_published(self.workspace.model, device)

    def predict(self, model: Published, image: Path, device: str) -> Prediction:
        """Label map of one image file, a stored one where there is one; also put into ``recent``.

        Raises:
            UnreadableVolume: the image cannot be used.
        """
        prediction = self.kept(image, model.card)
        if prediction is None:
            look = partial(notes_on, model.network, model.plan, model.card)
            labels, meta = segment(model.network, model.plan, image, device, look=look)
            notes = *meta["notes"], *meta["seen"]
            prediction = Prediction(labels.numpy(), meta["affine"], meta["confidence"], notes)
        self.recent.keep(image, model.card, prediction)
        return prediction

    def extra(self, result: np.ndarray) -> dict[str, Any]:
        """The checksum, to recognise a label that is submitted later and equals this proposal."""
        return {"checksum": checksum(result)}

    def apply(self, loaded: Published, image: Path, device: str) -> tuple[np.ndarray, dict[str, Any], Published]:
        prediction = self.predict(loaded, image, device)
        return (
            _values(loaded, self.workspace)[prediction.labels],
            {"affine": prediction.affine, "notes": prediction.notes},
            loaded,
        )


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


def _values(model: Published, workspace: Workspace) -> np.ndarray:
    """For each value of the model the study's value, by name: the order may have changed since the training.

    A model with a class that the study does not have keeps its own values.
    """
    values = values_between(model.plan.classes, workspace.classes())
    return values if values[1:].all() else np.arange(len(values), dtype=np.uint8)


def _why_none(workspace: Workspace) -> str:
    """Why there is no published model, and what to do."""
    aside = how_to_restore(workspace)
    if aside:
        return f"There is no published model any more. {aside} Or train again."
    return "FewLabel is not trained yet: submit a label for at least one case, press Train, and try again."


def _where_from(workspace: Workspace, card: dict[str, Any]) -> list[str]:
    """A note as long as a model is published that was not trained here."""
    if not card.get("sent"):
        return []
    aside = how_to_restore(workspace)
    return [f"The model (version {card.get('version')}) was sent to the server by a request. {aside}".strip()]


def _extension(path: Path) -> str:
    return next((extension for extension in WRITTEN if path.name.endswith(extension)), ".nii.gz")

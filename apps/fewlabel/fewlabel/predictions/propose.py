"""Makes the proposals of a whole pool: each with the label map that ``/infer`` gives, and its score."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from fewlabel.data.transforms import Preprocessing
from fewlabel.errors import Refusal
from fewlabel.files import Stamp, stamp
from fewlabel.inference.familiar import notes_on
from fewlabel.inference.predict import confidence_of, label_map, on_the_file_s_grid
from fewlabel.memory import free_memory, is_out_of_memory, too_little
from fewlabel.predictions.entry import Head, Proposal, plan_key
from fewlabel.predictions.picture import middle_slice
from fewlabel.predictions.predict import Eyes, Seen
from fewlabel.published import load_members
from fewlabel.uncertainty import Maps, disagreement, mean_prediction, normalised_entropy, score_of


class Proposer:
    """The published model, and the networks whose disagreement measures its uncertainty; each sees each scan once.

    Args:
        model: file of the published model.
        device: to compute on.
        beat: called before each crop; an error that it raises ends the prediction.

    Attributes:
        version, published: of the model: its number, and when it was published (seconds since the epoch).
        source: stamp of the model's file; where it has changed, there is a newer one.

    Raises:
        Refusal: (500) the model cannot be loaded; (503) memory is short.
    """

    def __init__(self, model: Path, device: str, beat: Callable[[], None] = lambda: None) -> None:
        self.source: Stamp | None = stamp(model)
        try:
            loaded, members = load_members(model, device)
        except (RuntimeError, MemoryError) as error:
            raise _refusal(error, device) from error
        self.plan, self.device, self._loaded = loaded.plan, device, loaded
        self.version, self.published = int(loaded.card.get("version", 0)), loaded.card.get("time")
        self._eyes, self._steps = Eyes(loaded.network, members, loaded.plan, beat=beat), Preprocessing(loaded.plan)

    def made(self, head: Head) -> bool:
        """Whether a proposal is of this model."""
        return (head.version, head.published) == (self.version, self.published)

    def __call__(self, case: str, image: str | Path) -> Proposal:
        """The proposal for one scan.

        Raises:
            UnreadableVolume: the scan cannot be used.
            OSError: it cannot be read.
            Refusal: (503) memory is short.
        """
        source = stamp(image)
        try:
            return self._propose(case, image, source)
        except (RuntimeError, MemoryError) as error:
            raise _refusal(error, self.device) from error
        finally:
            if self.device.startswith("cuda"):
                free_memory()  # training and people may need it

    def _propose(self, case: str, image: str | Path, source: Stamp | None) -> Proposal:
        data = self._steps({"image": str(image)})
        scan, model = data["image"].as_tensor().to(self.device), self._loaded
        seen = self._eyes(scan)
        restored, meta = on_the_file_s_grid(seen.deployed.cpu(), data, self._steps)
        labels = label_map(restored)
        affine = np.asarray(meta["affine"], float)
        millilitres = abs(np.linalg.det(affine[:3, :3])) / 1000
        classes = range(1, len(restored))
        head = Head(
            case=case,
            version=self.version,
            plan=plan_key(self.plan),
            classes=tuple(self.plan.classes),
            shape=tuple(labels.shape),
            affine=tuple(tuple(float(number) for number in row) for row in affine),
            source=source,
            probability=confidence_of(restored, labels),
            volume=tuple(float((labels == value).sum()) * millilitres for value in classes),
            published=self.published,
            notes=(*meta["notes"], *notes_on(model.network, model.plan, model.card, scan)),
            score=round(float(score_of(_maps(seen))["score"]), 4),
        )
        coarse = seen.deployed.argmax(0).to(torch.uint8).cpu().numpy()
        shown = middle_slice(data["image"].as_tensor()[0].cpu().numpy(), coarse, self.plan.spacing)
        return Proposal(head, labels.numpy(), shown)


def _maps(seen: Seen) -> Maps:
    """What scores depend on, with the deployed network's classes as in the stored predictions."""
    entropy = normalised_entropy(mean_prediction(seen.members))
    return Maps(seen.deployed.argmax(0)[None], entropy, disagreement(seen.members))


def _refusal(error: BaseException, device: str) -> BaseException:
    return too_little("Label all", device) if is_out_of_memory(error) and not isinstance(error, Refusal) else error

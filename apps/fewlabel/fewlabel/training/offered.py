"""Models sent to the server: published only where they work here and are not worse than the published one."""

from __future__ import annotations

import contextlib
import logging
import math
from typing import IO, Any

import torch
from monailabel.interfaces.datastore import Datastore

from fewlabel.data.loaders import Record
from fewlabel.datastore.kinds import accepted_cases
from fewlabel.errors import Refusal
from fewlabel.files import stamp
from fewlabel.memory import is_out_of_memory, too_little
from fewlabel.methods import METHODS
from fewlabel.plan import check_plan
from fewlabel.published import Published, load_published, read_whole, save_published
from fewlabel.replaced import copy_aside, how_to_restore, next_version
from fewlabel.training.validation import Measured, Validator, dice_of_published, may_replace, mean_dice
from fewlabel.volumes.reading import UnreadableVolume, read_label, read_volume
from fewlabel.workspace import Workspace, read_json

logger = logging.getLogger(__name__)

_MOST_MEMBERS = 4  # networks in one file
_MOST_PATCH = 256**3  # voxels of a crop
_LOOKED_AT = 3  # scans of the study, besides the validation cases
_MOST_VOLUME = 200_000_000  # voxels of a validation case at the model's spacing


class Offer:
    """A model that was sent, to be checked and published.

    Args:
        file: open, at its beginning; its content is not trusted.
        workspace: of the study.
        datastore: with the labels of the validation cases.
        device: to compute on.

    Raises:
        Refusal: (422) it does not load, or does not fit the study.
    """

    def __init__(self, file: IO[bytes], workspace: Workspace, datastore: Datastore, device: str) -> None:
        self.workspace, self.datastore, self.device = workspace, datastore, device
        try:
            self.model, self.others = read_whole(file)
            check_plan(self.model.plan)
            usable = all(_is_finite(network) for network in [self.model.network, *(each for _, each in self.others)])
        except Exception as error:  # a foreign file can make the unpickler, and all code after it, fail in any way
            reason = (str(error) or type(error).__name__).splitlines()[0][:200]
            raise Refusal(
                f"The file that was sent is not a model of FewLabel ({reason}). The old model stays. Send a file that "
                "was downloaded from GET /model/ of a FewLabel server of this version.",
                422,
            ) from error
        if not usable or len(self.others) >= _MOST_MEMBERS or math.prod(self.model.plan.patch) > _MOST_PATCH:
            raise Refusal("The model that was sent has weights or a plan that cannot be used. The old one stays.", 422)
        self._check_classes()

    def _check_classes(self) -> None:
        classes, offered = self.workspace.classes(), list(self.model.plan.classes)
        if offered != classes:
            raise Refusal(
                f"The model that was sent knows the classes {_listed(offered)}, this study has {_listed(classes)}: "
                "names and order must be the same. The old model stays.",
                422,
            )

    def publish(self) -> dict[str, Any]:
        """Publish it; the model that it replaces is kept aside.

        Returns:
            ``version``, ``validated``, ``validation`` (Dice by class) and ``notes``.

        Raises:
            Refusal: (409) it is worse than the published one on the validation cases, or there are none and one is
                published; (503) memory is short; (507) it cannot be written.
        """
        before = stamp(self.workspace.model)
        dice = self._measure()
        if stamp(self.workspace.model) != before:
            raise Refusal("Another model was published while this one was measured: send it again.", 409)
        validated = math.isfinite(mean_dice(dice))
        version, replaced = next_version(self.workspace), self.workspace.model.exists()
        copy_aside(self.workspace)
        card = self._card(version, dice, validated)
        save_published(self.workspace.model, self.model.network, self.model.plan, card, self.others)
        notes = ["Not validated: there are no validation cases yet."] if not validated else []
        notes += [how_to_restore(self.workspace)] if replaced else []
        logger.info("a model that was sent is published as version %d", version)
        return {"version": version, "validated": validated, "validation": card["validation"], "notes": notes}

    def _measure(self) -> Measured:
        """Dice of the offered model, where it may be published."""
        for case in sorted(self.datastore.list_images())[:_LOOKED_AT]:
            with contextlib.suppress(UnreadableVolume, OSError):
                self._check_spacing(case, self.datastore.get_image_uri(case))
        validator = Validator(self._validation_cases(), self.model.plan, self.device, most=0)
        try:
            dice = validator(self.model.network.to(self.device))
            there = self.workspace.model.exists()
            if there and not math.isfinite(mean_dice(dice)):
                raise Refusal(
                    "There are no validation cases to compare the model that was sent with the published one: the old "
                    "one stays. Submit labels and train until some are kept for validation, or delete the old one "
                    "first (DELETE /model/), then send it again.",
                    409,
                )
            published = self._published() if there else None
            known = dice_of_published(published, validator) if published else None
        except Refusal:
            raise
        except Exception as error:  # its plan is not ours and can make any step fail
            if is_out_of_memory(error):
                raise too_little("Measuring the model that was sent", self.device) from error
            logger.exception("a model that was sent does not run")
            raise Refusal(f"The model that was sent does not run here ({error}). The old one stays.", 422) from error
        if not may_replace(dice, known):
            raise Refusal(
                f"The model that was sent is worse on the validation cases: Dice {mean_dice(dice):.3f}, the published "
                f"one has {mean_dice(known or {}):.3f}. The old one stays.",
                409,
            )
        return dice

    def _published(self) -> Published | None:
        try:
            return load_published(self.workspace.model, self.device)
        except Refusal as error:
            logger.warning("replaced without a comparison: %s", error)
            return None

    def _validation_cases(self) -> list[Record]:
        """Records of the validation cases whose scan and label can be used."""
        kept = read_json(self.workspace.pools, {})
        cases = set(kept.get("validation", ())) if isinstance(kept, dict) else set()
        classes = len(self.model.plan.classes)
        records = []
        cases &= set(self.datastore.get_labeled_images())
        for case in sorted(cases - {case for case, known in accepted_cases(self.datastore, cases).items() if known}):
            image, label = self.datastore.get_image_uri(case), self._usable_label(case)
            if label is None:
                continue
            try:
                usable = int(read_label(label).array.max()) <= classes
                self._check_spacing(case, image)
            except (UnreadableVolume, OSError) as error:
                logger.warning("not used for validation: %s", error)
                continue
            if usable:
                records.append({"id": case, "image": image, "label": label})
        return records

    def _usable_label(self, case: str) -> str | None:
        try:
            return self.datastore.label_for_training(case)
        except Refusal as refusal:
            logger.warning("not used for validation: %s", refusal)
            return None

    def _check_spacing(self, case: str, image: str) -> None:
        """Refuse a plan whose spacing would make a scan larger than any training of ours allows."""
        volume = read_volume(image)
        voxels = volume.array.size * math.prod(volume.spacing) / math.prod(self.model.plan.spacing)
        if voxels > max(_MOST_VOLUME, volume.array.size):
            raise Refusal(
                f"The model that was sent works at a spacing of {_listed(self.model.plan.spacing)} mm, at which "
                f"'{case}' has {voxels:.0f} voxels: too many. The old model stays.",
                422,
            )

    def _card(self, version: int, dice: Measured, validated: bool) -> dict[str, Any]:
        """Its card; from the card in the file only values that we know are taken."""
        said = self.model.card if isinstance(self.model.card, dict) else {}
        numbers = {key: said.get(key) for key in ("labelled", "unlabelled")}
        return {
            "version": version,
            "method": said.get("method") if said.get("method") in list(METHODS) else "unknown",
            "network": self.model.plan.network,
            "validation": dice,
            "validated": validated,
            "validated_on": dice.cases,
            "sent": True,
            **{key: value if isinstance(value, int) and value >= 0 else 0 for key, value in numbers.items()},
        }


def is_published(file: IO[bytes], workspace: Workspace) -> bool:
    """Whether a file is, byte for byte, the published model; leaves it at its beginning."""
    try:
        with workspace.model.open("rb") as published:
            while True:
                ours, theirs = published.read(2**20), file.read(2**20)
                if ours != theirs or not ours:
                    return ours == theirs
    except FileNotFoundError:
        return False
    finally:
        file.seek(0)


def _is_finite(network: torch.nn.Module) -> bool:
    return all(bool(value.isfinite().all()) for value in network.state_dict().values())


def _listed(values: Any) -> str:
    return ", ".join(str(value) for value in values) or "none"

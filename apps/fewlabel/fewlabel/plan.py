"""Derives a Plan from the scans: spacing, crop size, normalisation and network."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import nibabel
import numpy as np

from fewlabel.hounsfield import in_hounsfield_units
from fewlabel.networks import divisor
from fewlabel.settings import Settings
from fewlabel.volumes.reading import Volume
from fewlabel.workspace import read_json, write_json

logger = logging.getLogger(__name__)

# Voxels of a volume and of a crop for steps of about half a second (measured: 2 CPU cores; one GPU).
_MAX_VOLUME = {"cpu": 3_500_000, "cuda": 24_000_000}
_MAX_PATCH = {"cpu": 40 * 48 * 40, "cuda": 112 * 112 * 80}
_DEFAULT_NETWORK = {"cpu": "unet", "cuda": "unet_large"}
_CT_WITHOUT_LABELS = (-175.0, 250.0)  # soft tissue, Hounsfield units

_Number = TypeVar("_Number")


@dataclass(frozen=True)
class ScanFacts:
    """Facts about one scan for the plan; axes in the order right-left, posterior-anterior, inferior-superior."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    hounsfield: bool = False


@dataclass(frozen=True)
class Plan:
    """How the volumes of one study are processed; stored with every model that is trained with it.

    Attributes:
        spacing: voxel size in mm that volumes are resampled to, in RAS order.
        patch: crop size in voxels of that spacing.
        normalisation: ``meanstd`` (zero mean, unit variance of the non-zero voxels) or ``ct`` (Hounsfield bounds
            scaled to -1..1, then a sigmoid): two of MONAI Auto3DSeg's ``normalize_mode``.
        bounds: intensities that ``ct`` scales to -1 and 1.
        network: a name for ``fewlabel.networks.find``; a published plan may name several, joined by ``+``.
        batch: labelled crops per step, and as many unlabelled ones.
        classes: class names; ``classes[i]`` has the value ``i + 1``.
        reasons: sentences for people who read ``plan.json``.
    """

    spacing: tuple[float, float, float]
    patch: tuple[int, int, int]
    normalisation: str
    bounds: tuple[float, float] | None
    network: str
    batch: int
    classes: tuple[str, ...]
    reasons: tuple[str, ...] = field(default=(), compare=False)

    @property
    def window(self) -> tuple[float, float]:
        """The intensities that ``ct`` scales to -1 and 1.

        Raises:
            ValueError: the plan has no bounds.
        """
        if self.bounds is None:
            raise ValueError("The plan has no bounds of intensities, which the normalisation 'ct' needs.")
        return self.bounds

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Plan:
        """The inverse of ``dataclasses.asdict``, also after JSON."""
        read: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**read)


def scan_facts(volume: Volume) -> ScanFacts:
    """Measure one scan (see ScanFacts)."""
    order = nibabel.orientations.io_orientation(volume.affine)[:, 0].astype(int)
    position = np.argsort(order)  # the stored axis along each RAS axis
    return ScanFacts(
        shape=_three(int(volume.array.shape[axis]) for axis in position),
        spacing=_three(float(volume.spacing[axis]) for axis in position),
        hounsfield=in_hounsfield_units(volume.array),
    )


def is_ct(facts: Sequence[ScanFacts]) -> bool:
    """Whether nearly all scans look like Hounsfield units."""
    return sum(fact.hounsfield for fact in facts) >= 0.9 * len(facts)


def make_plan(
    facts: Sequence[ScanFacts],
    classes: Sequence[str],
    settings: Settings,
    device: str,
    foreground: tuple[float, float] | None = None,
) -> Plan:
    """Make a plan from the scans; settings take precedence.

    Args:
        facts: of a sample of the scans, at least one.
        classes: class names in order.
        settings: may override spacing, patch, network and batch.
        device: ``cpu`` or ``cuda...``; determines the size of a step.
        foreground: 0.5th and 99.5th percentile of intensities inside the labels, for the CT window.
    """
    kind = "cuda" if device.startswith("cuda") else "cpu"
    reasons: list[str] = []
    bounds: tuple[float, float] | None = None
    spacing = settings.spacing or _spacing(facts, kind, reasons)
    network = settings.network or _DEFAULT_NETWORK[kind]
    median = np.median([[n * s / t for n, s, t in zip(f.shape, f.spacing, spacing, strict=True)] for f in facts], 0)
    patch = settings.patch or _patch(median, _MAX_PATCH[kind], divisor(network))
    if is_ct(facts):
        normalisation, bounds = "ct", _ct_bounds(foreground)
        reasons.append(f"CT by its Hounsfield range; window {bounds[0]:.0f}..{bounds[1]:.0f}")
    else:
        normalisation = "meanstd"
        reasons.append("not in Hounsfield units: each volume is scaled by its own mean and deviation")
    crop = _crop_size(patch, divisor(network))
    if settings.patch and crop != tuple(settings.patch):
        asked, used = ("x".join(map(str, sides)) for sides in (settings.patch, crop))
        reasons.append(
            f"crops of {used} voxels instead of the {asked} asked for: {network} needs multiples of "
            f"{divisor(network)}, and one side of at least twice that"
        )
    reasons.append(f"median volume {'x'.join(str(round(n)) for n in median)} voxels at the working spacing; {kind}")
    return Plan(
        spacing=_three(float(value) for value in spacing),
        patch=crop,
        normalisation=normalisation,
        bounds=bounds,
        network=network,
        batch=settings.batch or 2,
        classes=tuple(classes),
        reasons=tuple(reasons),
    )


def _three(values: Iterable[_Number]) -> tuple[_Number, _Number, _Number]:
    """The values of the three axes."""
    first, second, third = values
    return first, second, third


def _spacing(facts: Sequence[ScanFacts], kind: str, reasons: list[str]) -> tuple[float, ...]:
    """Median spacing, made coarser (finest axes first) until the median volume is small enough."""
    spacing = np.median([fact.spacing for fact in facts], 0)
    extent = np.median([np.multiply(fact.shape, fact.spacing) for fact in facts], 0)
    if np.prod(extent / spacing) > _MAX_VOLUME[kind]:
        reasons.append(f"coarser than the scans ({', '.join(f'{s:.2f}' for s in spacing)} mm) to be fast enough")
    while np.prod(extent / spacing) > _MAX_VOLUME[kind]:
        finest = spacing <= spacing.min() * 1.05
        spacing = np.where(finest, spacing * 1.05, spacing)
    return tuple(float(f"{value:.5g}") for value in spacing)  # significant digits: spacings of a microscope are tiny


def _patch(median_shape: np.ndarray, limit: int, divisor: int) -> list[int]:
    """The median volume, its longest sides shortened to multiples of ``divisor`` until it has ``limit`` voxels."""
    sides = [max(divisor, math.ceil(side / divisor) * divisor) for side in median_shape]
    while math.prod(sides) > limit and max(sides) > divisor:
        sides[int(np.argmax(sides))] -= divisor
    return sides


def _crop_size(sides: Sequence[float], divisor: int) -> tuple[int, int, int]:
    """Multiples of ``divisor``, at least one of them twice as large: the coarsest level needs more than one voxel."""
    rounded = [max(1, math.ceil(side / divisor)) * divisor for side in sides]
    if max(rounded) == divisor:
        rounded[-1] = 2 * divisor
    return _three(rounded)


def _ct_bounds(foreground: tuple[float, float] | None) -> tuple[float, float]:
    if foreground is None:
        return _CT_WITHOUT_LABELS
    centre, width = (foreground[0] + foreground[1]) / 2, max(foreground[1] - foreground[0], 200.0)
    return round(centre - 0.75 * width, 1), round(centre + 0.75 * width, 1)


def saved_plan(path: Path, classes: Sequence[str], settings: Settings) -> Plan | None:
    """The saved plan, if classes and settings are the same; else None."""
    if not path.exists():
        return None
    try:
        plan = Plan.from_dict(read_json(path))
        check_plan(plan)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # edited by mistake, or of another version
        logger.warning("%s cannot be used (%r); a new plan is made", path, error)
        return None
    if plan.classes != tuple(classes):
        return None
    for name in ("spacing", "patch", "network", "batch"):
        asked = getattr(settings, name)
        if name == "patch" and asked is not None:
            asked = _crop_size(asked, divisor(plan.network))
        if asked is not None and asked != getattr(plan, name):
            return None
    return plan


def smaller(plan: Plan) -> Plan | None:
    """A plan that needs less memory: one crop a step, else crops of half the size; None if it cannot be smaller."""
    if plan.batch > 1:
        return dataclasses.replace(plan, batch=1)
    step = divisor(plan.network)
    patch = _crop_size(_patch(np.array(plan.patch), math.prod(plan.patch) // 2, step), step)
    return None if math.prod(patch) >= math.prod(plan.patch) else dataclasses.replace(plan, patch=patch)


def check_plan(plan: Plan) -> None:
    """Raise ValueError, KeyError or TypeError for an invalid plan: people may have edited it."""
    bounds = plan.bounds if plan.normalisation == "ct" else (0.0, 1.0)
    usable = (
        plan.normalisation in ("meanstd", "ct")
        and len(plan.spacing) == 3
        and all(0 < value < math.inf for value in plan.spacing)
        and len(plan.patch) == 3
        and plan.patch == _crop_size(plan.patch, divisor(plan.network))
        and bounds is not None
        and bounds[0] < bounds[1]
        and plan.batch == max(1, int(plan.batch))
    )
    if not usable:
        raise ValueError("a value is out of its range")


def save_plan(path: Path, plan: Plan) -> None:
    """Write the plan to a file that people can read and edit."""
    write_json(path, dataclasses.asdict(plan))

"""The one preprocessing, and its views: labelled, weak and strong crops for training, whole volumes for the rest.

The preprocessing uses stock MONAI transforms only and can be expressed in MONAI Auto3DSeg's keys (RAS, spacing,
``meanstd`` or ``ct``), so that an exported model gives the same numbers elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import (
    Activationsd,
    ClassesToIndicesd,
    Compose,
    CopyItemsd,
    DeleteItemsd,
    EnsureTyped,
    MapTransform,
    NormalizeIntensityd,
    Orientationd,
    RandAdjustContrastd,
    RandAffined,
    RandCoarseDropoutd,
    RandCropByLabelClassesd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandShiftIntensityd,
    RandSpatialCropd,
    ScaleIntensityRanged,
    SelectItemsd,
    Spacingd,
    SpatialPadd,
    Transform,
)
from monai.utils import ensure_tuple

from fewlabel.data.shift import shift_intensity
from fewlabel.plan import Plan
from fewlabel.settings import SHIFT, STANDARD
from fewlabel.volumes.reading import UnreadableVolume, read_label, read_volume, same_grid


class ReadVolumed(MapTransform):
    """Read files through FewLabel's checking reader into MetaTensors of shape 1HWD; notes go to the meta data.

    Raises:
        UnreadableVolume: (when called) a file cannot be used, or the label lies on another grid than the image.
    """

    def __init__(self, keys: KeysCollection) -> None:
        super().__init__(keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        volumes = {key: (read_label if key == "label" else read_volume)(data[key]) for key in self.key_iterator(data)}
        if {"image", "label"} <= volumes.keys() and not same_grid(volumes["image"], volumes["label"]):
            raise UnreadableVolume(
                f"The label {data['label']} lies on another grid than its image {data['image']}. "
                "Submit it again from the viewer, which resamples it."
            )
        result = dict(data)
        for key, volume in volumes.items():
            tensor = torch.as_tensor(volume.array.astype("float32"))[None]
            meta: dict[str, Any] = {"filename_or_obj": str(data[key]), "notes": list(volume.notes)}
            meta |= {"original_affine": volume.affine, "spatial_shape": volume.array.shape}  # under MONAI's names
            result[key] = MetaTensor(tensor, affine=torch.as_tensor(volume.affine), meta=meta)
        return result


def normalisation(plan: Plan) -> list[Transform]:
    """Intensity normalisation of the key ``image``, as MONAI Auto3DSeg does it for the same mode."""
    if plan.normalisation == "meanstd":
        return [NormalizeIntensityd(keys="image", nonzero=True, channel_wise=True)]
    low, high = plan.window
    scale = ScaleIntensityRanged(keys="image", a_min=low, a_max=high, b_min=-1.0, b_max=1.0, clip=False)
    return [scale, Activationsd(keys="image", sigmoid=True)]


def resampling(plan: Plan, keys: KeysCollection) -> list[Transform]:
    """Resampling to RAS and the plan's spacing; images linearly, labels by nearest neighbour. Invertible."""
    keys = ensure_tuple(keys)
    mode = ["nearest" if key == "label" else "bilinear" for key in keys]
    orientation = Orientationd(keys=keys, axcodes="RAS", labels=(("L", "R"), ("P", "A"), ("I", "S")))
    return [orientation, Spacingd(keys=keys, pixdim=plan.spacing, mode=mode)]


class Preprocessing:
    """Reads file paths under ``keys`` into normalised float32 MetaTensors 1HWD at the plan's spacing.

    Args:
        plan: spacing and normalisation.
        keys: ``image``, and ``label`` where there is one.

    Raises:
        UnreadableVolume: (when called) a file cannot be used; the message says why.
    """

    def __init__(self, plan: Plan, keys: tuple[str, ...] = ("image",)) -> None:
        self.read = ReadVolumed(keys=keys)  # outside of Compose, which would hide the reason of an error
        self.steps = Compose(
            [*resampling(plan, keys), *normalisation(plan), EnsureTyped(keys=keys, dtype=torch.float32)]
        )

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self.steps(self.read(data))


def class_locations(plan: Plan) -> Transform:
    """Indices of each class in a preprocessed label, so that crops need not search: key ``label_cls_indices``."""
    classes = len(plan.classes) + 1
    return ClassesToIndicesd(keys="label", num_classes=classes, max_samples_per_class=20_000)


def _geometry(keys: tuple[str, ...]) -> Transform:
    """Small rotations and scalings; no flips: left and right are different organs."""
    return RandAffined(
        keys=keys,
        prob=0.7,
        rotate_range=(0.25, 0.25, 0.25),
        scale_range=(0.15, 0.15, 0.15),
        mode=["nearest" if key in ("label", "guess") else "bilinear" for key in keys],
        padding_mode="border",
    )


def _weak_intensity(key: str) -> list[Transform]:
    return [
        RandScaleIntensityd(keys=key, factors=0.1, prob=0.5),
        RandShiftIntensityd(keys=key, offsets=0.1, prob=0.5),
        RandGaussianNoised(keys=key, std=0.05, prob=0.2),
    ]


def _strong_intensity(key: str, plan: Plan, augmentation: str) -> list[Transform]:
    brightness = [
        RandScaleIntensityd(keys=key, factors=0.25, prob=0.7),
        RandShiftIntensityd(keys=key, offsets=0.25, prob=0.7),
    ]
    holes = RandCoarseDropoutd(keys=key, holes=2, spatial_size=4, max_spatial_size=12, fill_value=0.0, prob=0.3)
    if augmentation == SHIFT:
        return [*brightness, *shift_intensity(plan, key), holes]
    return [
        RandAdjustContrastd(keys=key, gamma=(0.6, 1.6), prob=0.6),
        *brightness,
        RandGaussianSmoothd(keys=key, sigma_x=(0.4, 1.0), sigma_y=(0.4, 1.0), sigma_z=(0.4, 1.0), prob=0.3),
        RandGaussianNoised(keys=key, std=0.15, prob=0.4),
        holes,
    ]


def _labelled_intensity(key: str, plan: Plan, augmentation: str) -> list[Transform]:
    if augmentation == SHIFT:
        return [*_weak_intensity(key), *shift_intensity(plan, key)]
    return [
        *_weak_intensity(key),
        RandAdjustContrastd(keys=key, gamma=(0.7, 1.5), prob=0.3),
        RandGaussianSmoothd(keys=key, prob=0.1, sigma_x=(0.4, 0.8), sigma_y=(0.4, 0.8), sigma_z=(0.4, 0.8)),
    ]


def labelled_view(plan: Plan, augmentation: str = STANDARD) -> Compose:
    """One augmented crop ``{image, label}`` of a preprocessed labelled volume, biased to the classes.

    The centre is drawn from every class in the volume with equal probability, background included; a volume with an
    empty label ("nothing here") gives background crops.
    """
    keys = ("image", "label")
    return Compose(
        [
            _class_crop(keys, "label", plan),
            _geometry(keys),
            *_labelled_intensity("image", plan, augmentation),
            DeleteItemsd(keys="label_cls_indices"),
        ]
    )


def unlabelled_view(plan: Plan, views: Collection[str] = ("weak", "strong"), augmentation: str = STANDARD) -> Compose:
    """One uniformly drawn crop of a preprocessed unlabelled volume, in these views, which share their geometry."""
    crop = RandSpatialCropd(keys="image", roi_size=plan.patch, random_size=False)
    return Compose([SelectItemsd(keys="image"), crop, _geometry(("image",)), *_views(views, plan, augmentation)])


def guided_view(plan: Plan, views: Collection[str] = ("weak", "strong"), augmentation: str = STANDARD) -> Compose:
    """The same for a volume with a ``guess`` 2HWD (label map and confidence), transformed together with the image.

    The centre is drawn from every class in the label map with equal probability, as in ``labelled_view``; the indices
    of each class are under ``guess_cls_indices``. Gives a list with one crop.
    """
    keys = ("image", "guess")
    return Compose([_class_crop(keys, "guess", plan), _geometry(keys), *_views(views, plan, augmentation)])


def _views(views: Collection[str], plan: Plan, augmentation: str) -> list[Transform]:
    """Make ``weak`` and ``strong`` from ``image``, if they are among the views; a teacher sees ``weak`` as it is."""
    steps: list[Transform] = []
    if "weak" in views:
        steps += [CopyItemsd(keys="image", names=["weak"]), *_weak_intensity("weak")]
    if "strong" in views:
        strong = [*_weak_intensity("strong"), *_strong_intensity("strong", plan, augmentation)]
        steps += [CopyItemsd(keys="image", names=["strong"]), *strong]
    return [*steps, DeleteItemsd(keys="image")]


def _class_crop(keys: tuple[str, ...], label: str, plan: Plan) -> Transform:
    """One crop centred on a voxel of a random class; all classes in ``LABEL_cls_indices`` are equally likely."""
    classes = len(plan.classes) + 1
    return RandCropByLabelClassesd(
        keys=keys,
        label_key=label,
        spatial_size=plan.patch,
        ratios=[1] * classes,
        num_classes=classes,
        num_samples=1,
        indices_key=f"{label}_cls_indices",
        allow_smaller=False,
        warn=False,
    )


def pad_to_patch(plan: Plan, keys: tuple[str, ...]) -> Transform:
    """Pads volumes smaller than a crop with zeros (background), as sliding-window inference does."""
    return SpatialPadd(keys=keys, spatial_size=plan.patch, mode="constant")

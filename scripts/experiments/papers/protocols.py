"""What the field does with each data set: crop, batch, steps, stride, normalisation, numbers of labelled cases.

Sizes are in the order right-left, posterior-anterior, inferior-superior, as the volumes are stored after conversion.
Where a protocol is unfair (test-set selection, crops by the reference label), it is not followed: see ``differs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Sides = tuple[int, int, int]

OWN_SPACING = (0.0, 0.0, 0.0)
"""Spacing of a Plan that leaves every volume on its own grid (MONAI's Spacing keeps a side where it is not above 0)."""

_ALWAYS = (
    "last weights, never a checkpoint chosen on validation or test cases",
    "AdamW, class-balanced crops and this project's augmentation instead of SGD and the papers' own",
    "crops are weighted by a Gaussian in the sliding window, not evenly",
    "no largest component is kept",
)


@dataclass(frozen=True)
class Protocol:
    """One data set as the field uses it.

    Attributes:
        name: of the command line.
        title: for people.
        classes: names of the values 1, 2, ... after conversion.
        normalisation, bounds: see ``fewlabel.plan.Plan``.
        spacing: mm, of all converted volumes; ``OWN_SPACING`` where they differ.
        grid: voxels that every volume is resized to when it is converted; None: it stays as it is.
        patch: crop in voxels.
        batch: crops of labelled, and as many of unlabelled cases.
        steps: of the optimiser.
        stride: of the sliding window, voxels per axis.
        labelled: numbers of labelled cases, by target ("" where there is one only).
        in_voxels: distances are in voxels, because the files have no spacing.
        origin: where the numbers come from.
        differs: what is not as in the field, a phrase each.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    normalisation: str
    bounds: tuple[float, float] | None
    spacing: tuple[float, float, float]
    grid: Sides | None
    patch: Sides
    batch: int
    steps: int
    stride: Sides
    labelled: Mapping[str, tuple[int, ...]]
    in_voxels: bool
    origin: str
    differs: tuple[str, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """Domains that can be the unseen or unlabelled one; empty where there is one domain."""
        return tuple(target for target in self.labelled if target)

    @property
    def overlap(self) -> tuple[float, ...]:
        """Of neighbouring crops: MONAI's way to say the stride, which it gets by rounding down."""
        return tuple(1 - (stride + 0.5) / side for stride, side in zip(self.stride, self.patch, strict=True))


_ORGANS = (
    "spleen",
    "right kidney",
    "left kidney",
    "gallbladder",
    "oesophagus",
    "liver",
    "stomach",
    "aorta",
    "inferior vena cava",
)
_GLANDS = ("right adrenal gland", "left adrenal gland")
_CT_WINDOW = "the window -75..275 is scaled, then a sigmoid, instead of cut off and scaled to 0..1"
_RESIZED = "measured on the resized grid as in the field, but distances are in mm of it, not in its voxels"

_LA = Protocol(
    name="la",
    title="LA (left atrium, 2018 Atrial Segmentation Challenge)",
    classes=("left atrium",),
    normalisation="meanstd",
    bounds=None,
    spacing=(1.0, 1.0, 1.0),
    grid=None,
    patch=(112, 112, 80),
    batch=2,
    steps=15_000,
    stride=(18, 18, 4),
    labelled={"": (4, 8, 16)},
    in_voxels=True,
    origin="MC-Net: crop, stride, batch 2 + 2, 15000 iterations",
    differs=("its makers cut the h5 files around the reference label, test cases too: this cannot be undone", *_ALWAYS),
)
_PANCREAS = Protocol(
    name="pancreas",
    title="NIH Pancreas-CT",
    classes=("pancreas",),
    normalisation="meanstd",
    bounds=None,
    spacing=(1.0, 1.0, 1.0),
    grid=None,
    patch=(96, 96, 96),
    batch=2,
    steps=15_000,
    stride=(16, 16, 16),
    labelled={"": (6, 12)},
    in_voxels=True,
    origin="MC-Net: crop, stride, batch 2 + 2, 15000 iterations",
    differs=("its makers cut the h5 files around the reference label, test cases too: this cannot be undone", *_ALWAYS),
)
_BRATS2019 = Protocol(
    name="brats2019",
    title="BraTS 2019 (FLAIR, whole tumour)",
    classes=("whole tumour",),
    normalisation="meanstd",
    bounds=None,
    spacing=(1.0, 1.0, 1.0),
    grid=None,
    patch=(96, 96, 96),
    batch=2,
    steps=30_000,
    stride=(64, 64, 64),
    labelled={"": (25, 50)},
    in_voxels=False,  # 1 mm: both are the same
    origin="SSL4MIS and TraCoCo: crop, batch 2 + 2; SSL4MIS: stride, 30000 iterations",
    differs=(
        "V-Net unless another is chosen, where SSL4MIS has a 3-D U-Net",
        "the 25 validation cases are not used at all (TraCoCo has them as unlabelled cases)",
        *_ALWAYS,
    ),
)
_SYNAPSE = Protocol(
    name="synapse",
    title="Synapse (BTCV, abdominal CT)",
    classes=(*_ORGANS, "portal and splenic veins", "pancreas", *_GLANDS),
    normalisation="ct",
    bounds=(-75.0, 275.0),
    spacing=OWN_SPACING,
    grid=(160, 160, 80),
    patch=(128, 128, 64),
    batch=2,
    steps=2_400,
    stride=(32, 32, 16),
    labelled={"": (2, 4, 8)},
    in_voxels=False,
    origin="DHC and A&D (GenericSSL): grid, crop, batch 2 + 2, 300 epochs of 8 steps; stride of DHC",
    differs=(_CT_WINDOW, _RESIZED, "the 4 validation cases are not used at all", *_ALWAYS),
)
_AMOS = Protocol(
    name="amos",
    title="AMOS 2022 (abdominal CT and MR)",
    classes=(*_ORGANS, "pancreas", *_GLANDS, "duodenum", "bladder", "prostate or uterus"),
    normalisation="ct",
    bounds=(-75.0, 275.0),
    spacing=OWN_SPACING,
    grid=(160, 160, 80),
    patch=(128, 128, 64),
    batch=2,
    steps=20_600,
    stride=(32, 32, 16),
    labelled={"": (4, 10, 21)},
    in_voxels=False,
    origin="DHC: grid, crop, stride, 200 epochs of 103 steps at 5 %; batch 2 + 2 is inferred",
    differs=(_CT_WINDOW, _RESIZED, "the 24 validation cases are not used at all", *_ALWAYS),
)
_MMWHS = Protocol(
    name="mmwhs",
    title="MM-WHS 2017 (heart, CT and MR; the target's scans are unlabelled)",
    classes=("myocardium", "left atrium", "left ventricle", "ascending aorta"),
    normalisation="meanstd",
    bounds=None,
    spacing=OWN_SPACING,
    grid=(144, 144, 144),
    patch=(128, 128, 128),
    batch=2,
    steps=2_400,
    stride=(16, 16, 4),
    labelled={"ct": (16,), "mr": (16,)},
    in_voxels=False,
    origin="A&D (GenericSSL): grid, crop, stride, batch 2 + 2, 300 epochs of 8 steps",
    differs=(
        "volumes are resized whole; A&D cuts each, test cases too, to the box of its reference label first, which "
        "makes its task much easier: do not set its numbers beside these",
        "intensities are cut off at 0 and at the 98th percentile of the whole volume, not of that box",
        _RESIZED,
        "the 3 labelled validation cases of the target are not used at all",
        *_ALWAYS,
    ),
)
_MNMS = Protocol(
    name="mnms",
    title="M&Ms (heart, cine MR; one vendor's scans are never seen)",
    classes=("left ventricle", "myocardium", "right ventricle"),
    normalisation="meanstd",
    bounds=None,
    spacing=OWN_SPACING,
    grid=(144, 144, 32),
    patch=(128, 128, 32),
    batch=4,
    steps=39_600,
    stride=(16, 16, 4),
    labelled={"A": (10, 26), "B": (8, 22), "C": (12, 30), "D": (12, 30)},
    in_voxels=False,
    origin="A&D (GenericSSL): grid, crop, stride, batch 4 + 4, 300 epochs of 132 steps (targets C and D at 2 %)",
    differs=(
        "all slices are kept; A&D drops those without a reference label, test cases too",
        "the middle two thirds of each slice are taken as in A&D, but images are resized linearly",
        _RESIZED,
        "A&D chooses its checkpoint on the test cases",
        *_ALWAYS,
    ),
)

PROTOCOLS: dict[str, Protocol] = {
    each.name: each for each in (_LA, _PANCREAS, _BRATS2019, _SYNAPSE, _AMOS, _MMWHS, _MNMS)
}

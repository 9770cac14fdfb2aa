"""What a user of MONAI Label has today: its radiology app's ``segmentation`` recipe, restated for a comparison.

Restated from the configuration of MONAI Label 0.8.5 (sample app ``radiology``, ``segmentation``): SegResNet with 32
filters and dropout 0.2, volumes at 1.5 mm cropped to the foreground and padded to a multiple of 96 voxels, crops of
96³, Dice and cross entropy, AdamW with a constant rate of 1e-4, batch 1, no augmentation, no unlabelled scans. Its
pretrained weights (abdominal CT) are left out, as MONAI Label itself does as soon as the class names are one's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from monai.data import CacheDataset, DataLoader, MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.losses import DiceCELoss
from monai.networks.nets import SegResNet
from monai.transforms import (
    Compose,
    CropForegroundd,
    EnsureChannelFirstd,
    GaussianSmoothd,
    Invertd,
    LoadImaged,
    NormalizeIntensityd,
    Orientationd,
    RandSpatialCropd,
    ScaleIntensityd,
    SelectItemsd,
    Spacingd,
)

_CROP, _SPACING = (96, 96, 96), (1.5, 1.5, 1.5)


class Radiology:
    """The recipe's training and its inference.

    Args:
        classes: number of classes, background included.
        device: to compute on.
    """

    def __init__(self, classes: int, device: str) -> None:
        self.network = SegResNet(
            spatial_dims=3,
            in_channels=1,
            out_channels=classes,
            init_filters=32,
            blocks_down=(1, 2, 2, 4),
            blocks_up=(1, 1, 1),
            dropout_prob=0.2,
        ).to(device)
        self.device = device

    def train(
        self, labelled: Sequence[tuple[Path, Path]], steps: int, seconds: float, tell: Callable[[float], None]
    ) -> tuple[int, float]:
        """Train for so many steps or seconds, whichever ends first.

        Args:
            labelled: image and label files.
            steps, seconds: the budget.
            tell: called with the share that is done.

        Returns:
            Steps done and seconds per step.
        """
        data = [{"image": image, "label": label} for image, label in labelled]
        loader = DataLoader(CacheDataset(data, self._steps(training=True), progress=False), 1, shuffle=True)
        loss_of = DiceCELoss(to_onehot_y=True, softmax=True)
        optimiser = torch.optim.AdamW(self.network.parameters(), lr=1e-4, weight_decay=1e-5)
        self.network.train()
        begun, step = time.monotonic(), 0
        while True:
            for batch in loader:
                image, label = batch["image"].to(self.device), batch["label"].to(self.device)
                optimiser.zero_grad()
                loss_of(self.network(image), label).backward()
                optimiser.step()
                step += 1
                spent = time.monotonic() - begun
                tell(min(1.0, max(step / steps, spent / seconds)))
                if step >= steps or spent >= seconds:
                    return step, spent / step

    @torch.no_grad()
    def segment(self, image: Path) -> torch.Tensor:
        """uint8 label map HWD on the file's own grid."""
        steps = self._steps(training=False)
        data = steps({"image": image})
        window = SlidingWindowInferer(_CROP, sw_batch_size=2, overlap=0.4, padding_mode="replicate", mode="gaussian")
        self.network.eval()
        logits = window(data["image"][None].as_tensor().to(self.device), self.network)
        source, likeliest = data["image"], logits[0].argmax(0, keepdim=True).float().cpu()
        data["pred"] = MetaTensor(likeliest, meta=source.meta, applied_operations=source.applied_operations)
        restored = Invertd(keys="pred", transform=steps, orig_keys="image", nearest_interp=True)(data)["pred"]
        return restored[0].round().to(torch.uint8).as_tensor()

    def _steps(self, training: bool) -> Compose:
        keys = ("image", "label") if training else ("image",)
        modes = ("bilinear", "nearest")[: len(keys)]
        steps = [
            LoadImaged(keys=keys),
            EnsureChannelFirstd(keys=keys),
            Orientationd(keys=keys, axcodes="RAS", labels=(("L", "R"), ("P", "A"), ("I", "S"))),
            Spacingd(keys=keys, pixdim=_SPACING, mode=modes),
            NormalizeIntensityd(keys="image", nonzero=True),
        ]
        if training:
            steps.append(CropForegroundd(keys=keys, source_key="image", margin=10, k_divisible=_CROP))
        steps += [GaussianSmoothd(keys="image", sigma=0.4), ScaleIntensityd(keys="image", minv=-1.0, maxv=1.0)]
        if training:
            steps += [RandSpatialCropd(keys=keys, roi_size=_CROP, random_size=False), SelectItemsd(keys=keys)]
        return Compose(steps)

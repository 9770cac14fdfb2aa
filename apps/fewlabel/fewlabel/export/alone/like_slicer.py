"""Segments each image of a folder as 3D Slicer's MONAIAuto3DSeg does with the zip, without Slicer.

``python like_slicer.py ZIP IMAGES LABELS``. Written from what the extension publishes (its inference script of
December 2025, for one input volume). Needs MONAI, torch, pynrrd and SimpleITK.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import SimpleITK
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInfererAdapt
from monai.transforms import (
    Activationsd,
    Compose,
    EnsureTyped,
    Invertd,
    LoadImaged,
    NormalizeIntensityd,
    Orientationd,
    ScaleIntensityRanged,
    Spacingd,
    Transform,
)

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")


def steps_of(config: dict[str, Any]) -> Compose:
    """From an image in memory to the network's input: intensities first, then axes and voxel size."""
    if config["crop_foreground"]:
        raise SystemExit("The model asks for a crop to the foreground, which is not done here.")
    steps: list[Transform] = [EnsureTyped("image", data_type="tensor", dtype=torch.float32)]
    if config["normalize_mode"] == "ct":
        low, high = config["intensity_bounds"]
        steps.append(ScaleIntensityRanged("image", a_min=low, a_max=high, b_min=-1, b_max=1, clip=False))
        steps.append(Activationsd("image", sigmoid=True))
    else:
        steps.append(NormalizeIntensityd("image", nonzero=True, channel_wise=True))
    if config["orientation_ras"]:
        steps.append(Orientationd("image", axcodes="RAS"))
    spacing = config["resample_resolution"]
    least, most = [0.75 * side for side in spacing], [1.25 * side for side in spacing]
    steps.append(Spacingd("image", spacing, mode="bilinear", dtype=np.float32, min_pixdim=least, max_pixdim=most))
    return Compose(steps)


@torch.no_grad()
def segment(network: torch.nn.Module, config: dict[str, Any], file: str) -> np.ndarray:
    """Label map uint8 (i, j, k) of an NRRD file, on its grid: the likeliest class first, then the nearest voxel."""
    steps = steps_of(config)
    data = steps(LoadImaged("image", ensure_channel_first=True, dtype=None, image_only=False)({"image": file}))
    windows = SlidingWindowInfererAdapt(roi_size=config["roi_size"], sw_batch_size=1, overlap=0.625, mode="gaussian")
    image = data["image"].as_tensor()[None].to(memory_format=torch.channels_last_3d)
    labels = torch.as_tensor(windows(image, network)).softmax(1).argmax(1).to(torch.uint8)
    meta, applied = data["image"].meta, data["image"].applied_operations
    data["pred"] = MetaTensor(labels, meta=meta, applied_operations=applied)
    restored = Invertd("pred", transform=steps, orig_keys="image", nearest_interp=True)(data)["pred"]
    return restored[0].numpy().astype(np.uint8)


def main(archive: str, images: Path, output: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        zipfile.ZipFile(archive).extractall(scratch)
        checkpoint = torch.load(next(Path(scratch).rglob("model.pt")), map_location="cpu", weights_only=True)
        config = checkpoint["config"]
        network = ConfigParser(config["network"]).get_parsed_content()
        network.load_state_dict(checkpoint["state_dict"], strict=True)
        network = network.to(memory_format=torch.channels_last_3d).eval()
        for image in sorted(path for path in images.iterdir() if path.name.lower().endswith(ENDINGS)):
            given, result = f"{scratch}/input-volume0.nrrd", f"{scratch}/output-segmentation.nrrd"
            SimpleITK.WriteImage(SimpleITK.ReadImage(str(image)), given)  # as Slicer does with every volume
            nrrd.write(result, segment(network, config, given), nrrd.read_header(given))
            name = image.name.removesuffix(".gz").rpartition(".")[0]
            SimpleITK.WriteImage(SimpleITK.ReadImage(result), str(output / f"{name}_seg.nii.gz"))


if __name__ == "__main__":
    Path(sys.argv[3]).mkdir(parents=True, exist_ok=True)
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))

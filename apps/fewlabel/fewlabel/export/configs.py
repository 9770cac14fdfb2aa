"""A bundle's inference config: the server's steps as configs of stock MONAI."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fewlabel.networks import find
from fewlabel.plan import Plan

NAME = "fewlabel_segmentation"  # from this name MONAI Label concludes that it is a segmentation model


CHECKPOINT = {
    "_target_": "CheckpointLoader",
    "load_path": "$@bundle_root + '/models/model.pt'",
    "load_dict": {"model": "@network"},
    "map_location": "@device",  # a model that was trained on a GPU runs without one
    "strict": True,
}


def as_text(name: str) -> str:
    """A class name that MONAI takes for text: it evaluates what begins with ``$``, and looks up what begins with ``@``
    or ``%`` or has these before ``#`` or ``::``.

    A blank is inserted there: names themselves never begin with one.
    """
    name = re.sub(r"(?<=[@%])(?=#|::)", " ", name)
    return f" {name}" if name.startswith(("$", "@", "%")) else name


def preprocessing(plan: Plan, keys: Sequence[str] = ("image",)) -> list[dict[str, Any]]:
    """``fewlabel.data.transforms.Preprocessing`` as a MONAI config.

    Args:
        plan: spacing and normalisation.
        keys: ``image``, and ``label`` where there is one.
    """
    names = keys[0] if len(keys) == 1 else list(keys)
    axes = [["L", "R"], ["P", "A"], ["I", "S"]]
    modes = ["nearest" if key == "label" else "bilinear" for key in keys]
    spacing = {"pixdim": list(plan.spacing), "mode": modes[0] if len(keys) == 1 else modes}
    steps: list[dict[str, Any]] = [
        # MONAI's default reader, nibabel, prefers the sform; ITK, Slicer and the server may use the qform
        {"_target_": "LoadImaged", "keys": names, "image_only": False, "reader": "ITKReader"},
        {"_target_": "EnsureChannelFirstd", "keys": names},
        {"_target_": "Orientationd", "keys": names, "axcodes": "RAS", "labels": axes},
        {"_target_": "Spacingd", "keys": names, **spacing},
    ]
    if plan.normalisation == "meanstd":
        steps.append({"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True})
    else:
        low, high = plan.window
        bounds = {"a_min": low, "a_max": high, "b_min": -1.0, "b_max": 1.0, "clip": False}
        steps.append({"_target_": "ScaleIntensityRanged", "keys": "image", **bounds})
        steps.append({"_target_": "Activationsd", "keys": "image", "sigmoid": True})
    return [*steps, {"_target_": "EnsureTyped", "keys": names, "dtype": "$torch.float32"}]


def inference(plan: Plan) -> dict[str, Any]:
    """The bundle's ``inference.json``: the same steps as the server's, all of them stock MONAI."""
    files = "[p for p in sorted(pathlib.Path(@dataset_dir).iterdir()) if p.name.endswith(@extensions)]"
    return {
        "imports": ["$import pathlib", "$import numpy", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/images'",
        "output_dir": "$@bundle_root + '/eval'",
        "extensions": "$('.nii.gz', '.nii', '.nrrd')",
        "datalist": f"$[{{'image': str(p)}} for p in {files}]",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": find(plan.network).config(len(plan.classes) + 1),
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": preprocessing(plan)},
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "inferer": sliding_window(plan, 0.5),
        "postprocessing": {"_target_": "Compose", "transforms": _postprocessing()},
        "checkpointloader": dict(CHECKPOINT),
        "handlers": ["@checkpointloader", {"_target_": "StatsHandler", "iteration_log": False}],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
        },
        "initialize": ["$monai.utils.set_determinism(seed=0)"],
        "run": ["$@evaluator.run()"],
    }


def sliding_window(plan: Plan, overlap: float) -> dict[str, Any]:
    """The server's sliding window as a MONAI config."""
    window = {"roi_size": list(plan.patch), "sw_batch_size": 2, "overlap": overlap, "mode": "gaussian"}
    return {"_target_": "SlidingWindowInferer", **window}


def _postprocessing() -> list[dict[str, Any]]:
    """From the network's output to a label map on the scan's own grid, in a file."""
    return [
        {"_target_": "Activationsd", "keys": "pred", "softmax": True},
        {
            "_target_": "Invertd",
            "keys": "pred",
            "transform": "@preprocessing",
            "orig_keys": "image",
            "nearest_interp": False,
            "to_tensor": True,
        },
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
        {
            "_target_": "SaveImaged",
            "keys": "pred",
            "output_dir": "@output_dir",
            "output_postfix": "seg",
            "output_ext": ".nii.gz",
            "output_dtype": "$numpy.uint8",
            "resample": False,
            "separate_folder": False,
        },
    ]

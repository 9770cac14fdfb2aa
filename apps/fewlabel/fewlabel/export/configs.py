"""What a bundle says of itself in JSON: the server's steps in stock MONAI's words."""

from __future__ import annotations

import importlib.metadata
import re
from typing import Any

import monai
import numpy
import torch

from fewlabel import __version__
from fewlabel.networks import find
from fewlabel.plan import Plan
from fewlabel.published import Published

NAME = "fewlabel_segmentation"  # MONAI Label guesses from the name that it is a segmentation


def as_text(name: str) -> str:
    """A class name as a bundle's files hold it: text to MONAI too, which runs what begins with ``$``, looks up what
    begins with ``@`` or ``%``, and counts levels where these stand before ``#`` or ``::``.

    A blank is put in there: names themselves never begin with one.
    """
    name = re.sub(r"(?<=[@%])(?=#|::)", " ", name)
    return f" {name}" if name.startswith(("$", "@", "%")) else name


def preprocessing(plan: Plan) -> list[dict[str, Any]]:
    """``fewlabel.data.transforms.Preprocessing`` in MONAI's own words."""
    labels = [["L", "R"], ["P", "A"], ["I", "S"]]
    steps: list[dict[str, Any]] = [
        # MONAI's own choice, nibabel, takes the sform where ITK, Slicer and the server may take the qform
        {"_target_": "LoadImaged", "keys": "image", "image_only": False, "reader": "ITKReader"},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS", "labels": labels},
        {"_target_": "Spacingd", "keys": "image", "pixdim": list(plan.spacing), "mode": "bilinear"},
    ]
    if plan.normalisation == "meanstd":
        steps.append({"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True})
    else:
        low, high = plan.window
        bounds = {"a_min": low, "a_max": high, "b_min": -1.0, "b_max": 1.0, "clip": False}
        steps.append({"_target_": "ScaleIntensityRanged", "keys": "image", **bounds})
        steps.append({"_target_": "Activationsd", "keys": "image", "sigmoid": True})
    return [*steps, {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.float32"}]


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
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": list(plan.patch),
            "sw_batch_size": 2,
            "overlap": 0.5,
            "mode": "gaussian",
        },
        "postprocessing": {"_target_": "Compose", "transforms": _postprocessing()},
        "checkpointloader": {
            "_target_": "CheckpointLoader",
            "load_path": "$@bundle_root + '/models/model.pt'",
            "load_dict": {"model": "@network"},
            "map_location": "@device",
            "strict": True,
        },
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


def metadata(model: Published) -> dict[str, Any]:
    """The bundle's ``metadata.json``."""
    plan, card = model.plan, model.card
    names = [as_text(name) for name in plan.classes]
    channels = {"0": "background", **{str(value): name for value, name in enumerate(names, 1)}}
    image = {
        "type": "image",
        "format": "hounsfield" if plan.normalisation == "ct" else "magnitude",
        "modality": "CT" if plan.normalisation == "ct" else "MR",
        "num_channels": 1,
        "spatial_shape": list(plan.patch),
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": True,
        "channel_def": {"0": "image"},
    }
    return {
        "version": f"0.{card['version']}.0",
        "changelog": {f"0.{card['version']}.0": f"trained on {card['labelled']} labelled volumes"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.split("+")[0],
        "numpy_version": numpy.__version__,
        "required_packages_version": {
            "itk": importlib.metadata.version("itk-io"),  # of the whole package, the part that reads files is enough
            **{name: importlib.metadata.version(name) for name in ("nibabel", "pytorch-ignite")},
        },
        "name": NAME,
        "task": "Segmentation of " + ", ".join(names),
        "description": f"Exported by FewLabel {__version__}",
        "authors": "the people who labelled the volumes",
        "copyright": "see LICENSE",
        "fewlabel": _card(model),
        "network_data_format": {
            "inputs": {"image": image},
            "outputs": {
                "pred": {
                    **image,
                    "format": "segmentation",
                    "num_channels": len(channels),
                    "value_range": [0, 1],
                    "channel_def": channels,
                }
            },
        },
    }


def _card(model: Published) -> dict[str, Any]:
    """The model's card, with no class name as a key: MONAI takes ``_target_`` for something to build."""
    measured = model.card.get("validation") or {}
    dice = [{"name": as_text(name), "dice": measured.get(name)} for name in model.plan.classes]
    return {**model.card, "validation": dice}

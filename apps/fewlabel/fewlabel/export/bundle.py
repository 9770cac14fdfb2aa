"""The published model as a MONAI bundle: a folder that runs with stock MONAI, without FewLabel and without a server.

Run it with ``python -m monai.bundle run``, or put it into MONAI Label's monaibundle app.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import monai
import numpy
import torch

from fewlabel import __version__, networks
from fewlabel.errors import Refusal
from fewlabel.plan import Plan
from fewlabel.published import Published, load_published
from fewlabel.workspace import Workspace

NAME = "fewlabel_segmentation"  # MONAI Label guesses from the name that it is a segmentation


def export_bundle(workspace: Workspace, target: Path) -> Path:
    """Write the published model of a study as a MONAI bundle.

    Args:
        workspace: of the study.
        target: folder to create; an earlier bundle there is replaced, any other folder is left alone.

    Returns:
        the folder.

    Raises:
        Refusal: (409) nothing is published yet, or ``target`` is something else than a bundle; (507) not writable.
    """
    if not workspace.model.exists():
        raise Refusal("There is no model to export yet: submit labels, train, and export then.", 409)
    target = Path(target).resolve()
    if target.exists() and any(target.iterdir()) and not (target / "configs" / "metadata.json").exists():
        raise Refusal(f"{target} is not empty and not a bundle: choose another folder.", 409)
    model = load_published(workspace.model)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".exporting-") as folder:
            draft = Path(folder) / "bundle"
            _write(draft, model)
            if target.exists():
                shutil.rmtree(target)
            draft.rename(target)
    except OSError as error:
        raise Refusal(f"Could not export to {target}: {error.strerror or error}.", 507) from error
    return target


def _write(folder: Path, model: Published) -> None:
    for name in ("configs", "models", "docs"):
        (folder / name).mkdir(parents=True)
    torch.save({"model": model.network.state_dict()}, folder / "models" / "model.pt")
    copy_sources(folder, model.plan)
    _json(folder / "configs" / "metadata.json", metadata(model))
    _json(folder / "configs" / "inference.json", inference(model.plan))
    (folder / "docs" / "README.md").write_text(_readme(model), encoding="utf-8")
    (folder / "LICENSE").write_text(
        "The weights in this folder were trained on data of those who exported them; they decide on its licence.\n",
        encoding="utf-8",
    )


def copy_sources(folder: Path, plan: Plan) -> None:
    """What stock MONAI lacks of the plan's network goes along: its source files, in the bundle's folder ``scripts``."""
    sources = networks.find(plan.network).sources
    if sources:
        scripts = folder / "scripts"
        scripts.mkdir()
        (scripts / "__init__.py").touch()
        for source in sources:
            shutil.copyfile(Path(networks.__file__).with_name(source), scripts / source)


def _json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")


def preprocessing(plan: Plan) -> list[dict[str, Any]]:
    """``fewlabel.data.transforms.Preprocessing`` in MONAI's own words."""
    labels = [["L", "R"], ["P", "A"], ["I", "S"]]
    steps = [
        {"_target_": "LoadImaged", "keys": "image", "image_only": False},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS", "labels": labels},
        {"_target_": "Spacingd", "keys": "image", "pixdim": list(plan.spacing), "mode": "bilinear"},
    ]
    if plan.normalisation == "meanstd":
        steps.append({"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True})
    else:
        low, high = plan.bounds
        bounds = {"a_min": low, "a_max": high, "b_min": -1.0, "b_max": 1.0, "clip": False}
        steps.append({"_target_": "ScaleIntensityRanged", "keys": "image", **bounds})
        steps.append({"_target_": "Activationsd", "keys": "image", "sigmoid": True})
    return [*steps, {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.float32"}]


def inference(plan: Plan) -> dict[str, Any]:
    """The bundle's ``inference.json``: the same steps as the server's, all of them stock MONAI."""
    files = "[p for p in sorted(pathlib.Path(@dataset_dir).iterdir()) if p.name.endswith(@extensions)]"
    post = [
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
    return {
        "imports": ["$import pathlib", "$import numpy", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/images'",
        "output_dir": "$@bundle_root + '/eval'",
        "extensions": "$('.nii.gz', '.nii', '.nrrd')",
        "datalist": f"$[{{'image': str(p)}} for p in {files}]",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": networks.find(plan.network).config(len(plan.classes) + 1),
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
        "postprocessing": {"_target_": "Compose", "transforms": post},
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


def metadata(model: Published) -> dict[str, Any]:
    """The bundle's ``metadata.json``."""
    plan, card = model.plan, model.card
    channels = {"0": "background", **{str(value): name for value, name in enumerate(plan.classes, 1)}}
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
        "required_packages_version": {"nibabel": "5.4.2", "pytorch-ignite": "0.5.5"},
        "name": NAME,
        "task": "Segmentation of " + ", ".join(plan.classes),
        "description": f"Exported by FewLabel {__version__}",
        "authors": "the people who labelled the volumes",
        "copyright": "see LICENSE",
        "fewlabel": card,
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


def _readme(model: Published) -> str:
    plan, card = model.plan, model.card
    rows = "\n".join(f"- {value}: {name}" for value, name in enumerate(plan.classes, 1))
    measured = {name: dice for name, dice in (card.get("validation") or {}).items() if dice is not None}
    dice = ", ".join(f"{name} {value:.3f}" for name, value in measured.items())
    quality = f"Dice on validation volumes: {dice}." if dice else "Not validated: there were too few labels."
    return f"""# {NAME}, version {card["version"]}

Segments {", ".join(plan.classes)} in 3-D volumes. Trained by FewLabel {__version__} ({card["method"]}) on
{card["labelled"]} labelled and {card["unlabelled"]} unlabelled volumes. {quality} Not a medical device.

Values of the label maps:
{rows}

Label maps of all volumes in a folder, written to another:

```
python -m monai.bundle run --bundle_root . --config_file configs/inference.json \\
    --meta_file configs/metadata.json --dataset_dir IMAGES --output_dir LABELS
```

In a MONAI Label server: put this folder into the monaibundle app's `model` folder and start the app with
`--conf models {NAME} --conf zoo_source local`.
"""

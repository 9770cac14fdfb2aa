"""A bundle's ``metadata.json`` and ``requirements.txt``."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import monai
import numpy
import torch

from fewlabel import __version__
from fewlabel.export.configs import NAME, as_text
from fewlabel.published import Published
from fewlabel.quality import quality

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
"""Schema for ``monai.bundle verify_metadata``; with ``--filepath`` of a copy MONAI downloads nothing."""

_RUNS_WITH = ("itk-io", "nibabel", "pytorch-ignite")


def metadata(model: Published) -> dict[str, Any]:
    """The bundle's ``metadata.json``."""
    plan, card = model.plan, model.card
    names = [as_text(name) for name in plan.classes]
    channels = {"0": "background", **{str(value): name for value, name in enumerate(names, 1)}}
    version = f"0.{card['version']}.0"
    known = quality(card)
    return {
        "schema": SCHEMA,
        "version": version,
        "changelog": {version: f"trained on {card['labelled']} labelled volumes"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.split("+")[0],
        "numpy_version": numpy.__version__,
        # of the whole package itk, the part that reads files is enough
        "required_packages_version": {name.removesuffix("-io"): _version(name) for name in _RUNS_WITH},
        "name": NAME,
        "task": "Segmentation of " + ", ".join(names),
        "description": as_text(f"Exported by FewLabel {__version__}. {known.sentence}"),
        "intended_use": "Research: 3-D scans like those that it was trained on. Not a medical device.",
        "authors": "the people who labelled the volumes",
        "copyright": "see LICENSE",
        "eval_metrics": {} if known.dice is None else {"mean_dice": round(known.dice, 4)},
        "fewlabel": _card(model),
        "network_data_format": _format(model, channels),
    }


def requirements() -> str:
    """A ``requirements.txt`` with the versions that the bundle was made with."""
    pinned = {name: _version(name) for name in ("monai", "torch", "numpy", *_RUNS_WITH, "fire")}
    return "".join(f"{name}=={version.split('+')[0]}\n" for name, version in pinned.items())


def _version(name: str) -> str:
    return importlib.metadata.version(name)


def _format(model: Published, channels: dict[str, str]) -> dict[str, Any]:
    """Of the network's input and output."""
    is_ct = model.plan.normalisation == "ct"
    image = {
        "type": "image",
        "format": "hounsfield" if is_ct else "magnitude",
        "modality": "CT" if is_ct else "MR",
        "num_channels": 1,
        "spatial_shape": list(model.plan.patch),
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": True,
        "channel_def": {"0": "image"},
    }
    output = {"format": "segmentation", "num_channels": len(channels), "value_range": [0, 1], "channel_def": channels}
    return {"inputs": {"image": image}, "outputs": {"pred": {**image, **output}}}


def _card(model: Published) -> dict[str, Any]:
    """The model's card, without names of classes or cases as keys: MONAI would instantiate one named ``_target_``."""
    measured, cases = model.card.get("validation") or {}, model.card.get("validated_on") or {}
    dice = [{"name": as_text(name), "dice": measured.get(name)} for name in model.plan.classes]
    measured_cases = [{"case": as_text(case), "dice": each} for case, each in cases.items()]
    return {
        **model.card,
        "validation": dice,
        "validated_on": measured_cases,
        "quality": as_text(quality(model.card).sentence),
    }

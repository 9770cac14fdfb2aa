"""The part of a model's card that is known when its training begins."""

from __future__ import annotations

import platform
from typing import Any

import monai
import torch

from fewlabel import __version__
from fewlabel.settings import Settings


def training_card(
    method: str, labelled: int, unlabelled: int, settings: Settings, device: str, domains: dict[str, Any]
) -> dict[str, Any]:
    """Method, data, settings and software of a training.

    Args:
        method: name in the table of methods.
        labelled, unlabelled: numbers of volumes that it learns from.
        settings: of the study.
        device: that it runs on.
        domains: numbers of labelled, unlabelled and validation cases by domain; {} where the study has none.
    """
    return {
        "method": method,
        "labelled": labelled,
        "unlabelled": unlabelled,
        "domains": domains,
        "settings": {
            "training": settings.training,
            "setting": settings.setting,
            "target": settings.target,
            "augmentation": settings.augmentation,
            "seed": settings.seed,
            "learning_rate": settings.learning_rate,
            "validation_share": settings.validation_share,
            "device": device,
        },
        "software": {
            "fewlabel": __version__,
            "monai": monai.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }

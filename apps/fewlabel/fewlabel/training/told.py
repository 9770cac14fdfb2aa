"""What a published model says of the training that it comes from."""

from __future__ import annotations

import platform
from typing import Any

import monai
import torch

from fewlabel import __version__
from fewlabel.settings import Settings


def told_of(method: str, labelled: int, unlabelled: int, settings: Settings, device: str) -> dict[str, Any]:
    """What is known when a training begins.

    Args:
        method: its name in the table.
        labelled, unlabelled: numbers of volumes that it learns from.
        settings: of the study.
        device: on which it runs.
    """
    return {
        "method": method,
        "labelled": labelled,
        "unlabelled": unlabelled,
        "settings": {
            "training": settings.training,
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

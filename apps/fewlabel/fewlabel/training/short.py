"""A training for which memory is short: it is tried once more, with less in each step."""

from __future__ import annotations

import dataclasses
import logging

from fewlabel.memory import free_memory, is_out_of_memory, memory_of, too_little
from fewlabel.plan import Plan, smaller
from fewlabel.training.progress import Progress
from fewlabel.training.trainer import Trainer

logger = logging.getLogger(__name__)


def runs_through(trainer: Trainer) -> bool:
    """Train to the end; False where memory was short, with all that the failed step held given back."""
    try:
        trainer.run()
        return True
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        logger.warning("memory is short: %s", error)
    free_memory()  # here, where the error and what it holds are gone
    return False


def with_less(plan: Plan, device: str, progress: Progress) -> Plan:
    """The plan that is tried instead; people are told.

    Raises:
        Refusal: (503) it cannot be less.
    """
    less = smaller(plan)
    if less is None:
        raise too_little("Training", device)
    progress.note(
        f"{memory_of(device).capitalize()} was not enough for {_crops(plan)} a step: it goes on with {_crops(less)}. "
        "--conf batch, patch and spacing choose others."
    )
    progress.update(plan=dataclasses.asdict(less))
    return less


def _crops(plan: Plan) -> str:
    return f"{plan.batch} crop{'s' if plan.batch > 1 else ''} of {'x'.join(str(side) for side in plan.patch)} voxels"

"""A training that runs out of memory is tried once more, with less in each step."""

from __future__ import annotations

import dataclasses
import logging

from fewlabel.data.streams import EmptyPool
from fewlabel.errors import Refusal
from fewlabel.memory import free_memory, is_out_of_memory, memory_of, too_little
from fewlabel.plan import Plan, smaller
from fewlabel.training.progress import Progress
from fewlabel.training.trainer import Trainer
from fewlabel.wording import amount

logger = logging.getLogger(__name__)


def runs_through(trainer: Trainer) -> bool:
    """Train to the end; False where memory ran out, after the memory of the failed step was freed."""
    try:
        trainer.run()
        return True
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        logger.warning("memory is short: %s", error)
    free_memory()  # here: the error, which refers to the tensors of the step, is gone
    return False


def runs_to_its_end(trainer: Trainer) -> bool:
    """As ``runs_through``.

    Raises:
        Refusal: (422) no labelled volume can be read.
    """
    try:
        return runs_through(trainer)
    except EmptyPool as error:
        raise Refusal(f"None of the labelled volumes can be read. {error}", 422) from error


def with_less(plan: Plan, device: str, progress: Progress) -> Plan:
    """The smaller plan that is tried instead; it is reported.

    Raises:
        Refusal: (503) the plan cannot be smaller.
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
    return f"{amount(plan.batch, 'crop')} of {'x'.join(str(side) for side in plan.patch)} voxels"

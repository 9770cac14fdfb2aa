"""The plan of a study's trainings: the saved one, if it fits classes and settings, or a new one from its scans."""

from __future__ import annotations

import contextlib
import logging

import numpy as np

from fewlabel.data.loaders import Record
from fewlabel.errors import Refusal
from fewlabel.plan import Plan, ScanFacts, make_plan, save_plan, saved_plan, scan_facts
from fewlabel.settings import Settings
from fewlabel.volumes.reading import UnreadableVolume, read_label, read_volume
from fewlabel.workspace import Workspace

logger = logging.getLogger(__name__)

_PLAN_FROM = 12  # scans that the plan is made from


def plan_of(
    workspace: Workspace, settings: Settings, device: str, labelled: list[Record], unlabelled: list[Record]
) -> Plan:
    """The saved plan, or a new one, which is then saved.

    Raises:
        Refusal: (422) none of the scans can be read.
    """
    classes = workspace.classes()
    plan = saved_plan(workspace.plan, classes, settings)
    if plan is not None:
        return plan
    facts: list[ScanFacts] = []
    spread = unlabelled[:: max(1, len(unlabelled) // _PLAN_FROM)]
    for record in [*labelled[:_PLAN_FROM], *spread][:_PLAN_FROM]:
        try:
            facts.append(scan_facts(read_volume(record["image"])))
        except (UnreadableVolume, OSError) as error:
            logger.warning("not used for the plan: %s", error)
    if not facts:
        raise Refusal("None of the scans can be read; see the problems listed with the training.", 422)
    plan = make_plan(facts, classes, settings, device, _foreground(labelled))
    save_plan(workspace.plan, plan)
    return plan


def _foreground(labelled: list[Record]) -> tuple[float, float] | None:
    """0.5th and 99.5th percentile of the intensities inside the labels of a few cases."""
    inside = []
    for record in labelled[:_PLAN_FROM]:
        with contextlib.suppress(UnreadableVolume, OSError, IndexError):
            inside.append(read_volume(record["image"]).array[read_label(record["label"]).array > 0][:200_000])
    values = np.concatenate(inside) if inside else np.array([])
    if not values.size:
        return None
    low, high = np.percentile(values, (0.5, 99.5))
    return float(low), float(high)

"""The card of an exported model: what it is for, how good it is and on how many cases, and how it was verified."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fewlabel.export.card_pages import as_html, as_markdown
from fewlabel.export.comparing import Comparison
from fewlabel.export.evidence import Evidence, measure
from fewlabel.export.source import Source
from fewlabel.methods import METHODS
from fewlabel.published import Published
from fewlabel.quality import counted, quality
from fewlabel.wording import amount

MARKDOWN, DATA, PAGE = "MODEL_CARD.md", "model_card.json", "model_card.html"

_ON_SCANS = (
    "Measured at export: the server's own segmentation of each validation case, on the scan's own grid, against the "
    "label that a person submitted. Dice is of the cases whose label holds the class; 95HD is the 95th percentile of "
    "the Hausdorff distance, of those in which both hold it."
)
_AT_TRAINING = "Measured when the model was published, at the spacing that it works at; no distances were measured."
_NOTHING = "Nothing was measured: there was no validation case."


def write_card(source: Source, folder: Path, rows: list[Comparison] | None, export: str) -> None:
    """Write the card into an export, as Markdown, as JSON and as one HTML page with pictures.

    Args:
        source: with the published model and, where they are known, the study's cases.
        folder: of the export.
        rows: of the comparison with the server; None: not compared, and no validation case is measured.
        export: description of the format.

    Raises:
        Refusal: (409), (500) there is no model that can be used; (507) no room for a result.
    """
    evidence = Evidence() if rows is None else measure(source)
    card = contents(source.model, evidence, rows, export)
    (folder / DATA).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / MARKDOWN).write_text(as_markdown(card), encoding="utf-8")
    (folder / PAGE).write_text(as_html(card, evidence.pictures), encoding="utf-8")


def contents(model: Published, evidence: Evidence, rows: Sequence[Comparison] | None, export: str) -> dict[str, Any]:
    """The content of the card, as JSON.

    Args:
        model: published.
        evidence: of its validation cases; without any, the Dice measured when it was published is given.
        rows: of its verification; None: not verified.
        export: description of the format.
    """
    plan, card = model.plan, model.card
    published = card.get("time")
    return {
        "version": card.get("version"),
        "published": None if published is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(published)),
        "export": export,
        "quality": quality(card).sentence,
        "warnings": _warnings(model, evidence, rows),
        "classes": [{"value": value, "name": name} for value, name in enumerate(plan.classes, 1)],
        "input": _input(model),
        "learned_from": {"labelled": card.get("labelled"), "unlabelled": card.get("unlabelled")},
        "domains": _domains(card.get("domains")),
        "validation": _validation(model, evidence),
        "training": _training(model),
        "software": card.get("software") or {},
        "verification": None if rows is None else [_verified(row) for row in rows],
    }


def _domains(told: Any) -> dict[str, Any]:
    """Numbers of cases by domain; the card of a model that was sent to the server may hold anything."""
    domains = told if isinstance(told, dict) else {}
    return {str(name): counts for name, counts in domains.items() if isinstance(counts, dict)}


def _input(model: Published) -> dict[str, Any]:
    plan = model.plan
    ct = plan.normalisation == "ct"
    return {
        "scans": "3-D CT in Hounsfield units" if ct else "3-D scans of one channel, such as MR",
        "spacing_mm": list(plan.spacing),
        "window": list(plan.window) if ct else None,
        "normalisation": "clipped softly to the window" if ct else "each scan by its own mean and deviation",
        "crop_voxels": list(plan.patch),
        "like": "Scans like those that it was trained on: same body part, modality and protocol. Any grid and "
        "orientation; it is resampled to the spacing given here, and the result is resampled to the scan's grid.",
    }


def _training(model: Published) -> dict[str, Any]:
    card, settings = model.card, model.card.get("settings") or {}
    method = str(card.get("method"))
    return {
        "method": method,
        "about": METHODS[method].description if method in METHODS else None,
        "network": model.plan.network,
        "candidate": card.get("candidate"),
        "seconds": card.get("seconds"),
        "steps": card.get("steps"),
        "settings": {**settings, "batch": model.plan.batch},
        "plan": list(model.plan.reasons),
    }


def _validation(model: Published, evidence: Evidence) -> dict[str, Any]:
    classes = model.plan.classes
    if evidence.scored:
        cases = [asdict(each) for each in evidence.scored]
        how = _ON_SCANS
    else:
        known = model.card.get("validated_on") or {}
        cases = [
            {"case": case, "dice": dice, "distance": [None] * len(dice), "extra": []} for case, dice in known.items()
        ]
        cases = [each for each in cases if counted(each["dice"])]
        how = _AT_TRAINING if quality(model.card).cases != 0 else _NOTHING
    of_classes: list[dict[str, Any]] = [
        {
            "name": name,
            "dice": _spread(each["dice"][index] for each in cases),
            "distance_mm": _spread(each["distance"][index] for each in cases),
            "seen_where_the_label_has_none": sum(name in each["extra"] for each in cases),
        }
        for index, name in enumerate(classes)
    ]
    if not cases:  # published before the cases were recorded, or without any
        for each in of_classes:
            mean = (model.card.get("validation") or {}).get(each["name"])
            each["dice"].update(mean=mean, cases=quality(model.card).cases)
    return {
        "how": how,
        "classes": of_classes,
        "cases": cases,
        "left_out": [{"case": case, "reason": reason} for case, reason in evidence.left_out],
        "pictures": [{"case": case, "which": which, "dice": dice} for which, case, dice, _ in evidence.pictures],
    }


def _spread(values: Iterable[float | None]) -> dict[str, Any]:
    """Mean, standard deviation (of the sample), least, most and number of the values that are there."""
    known = [value for value in values if value is not None and np.isfinite(value)]
    if not known:
        return {"cases": 0, "mean": None, "deviation": None, "least": None, "most": None}
    deviation = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return {
        "cases": len(known),
        "mean": float(np.mean(known)),
        "deviation": deviation,
        "least": min(known),
        "most": max(known),
    }


def _verified(row: Comparison) -> dict[str, Any]:
    return {**asdict(row), "dice": [{"name": name, "dice": dice} for name, dice in row.dice.items()]}


def _warnings(model: Published, evidence: Evidence, rows: Sequence[Comparison] | None) -> list[str]:
    known, card = quality(model.card), model.card
    warnings = ["Research software, not a medical device: every result must be checked by a person."]
    if known.doubtful:
        warnings.append(known.sentence)
    if card.get("sent"):
        warnings.append(
            "It was not trained in this study: it was sent to the server, and its origin is as its sender stated."
        )
    if isinstance(card.get("progress"), float) and card["progress"] < 1:
        warnings.append(f"It was published when {card['progress']:.0%} of its training was done.")
    if evidence.left_out:
        warnings.append(f"{amount(len(evidence.left_out), 'validation case')} could not be measured: see below.")
    if rows is None:
        warnings.append("Not verified: this export was not run by itself and compared with the server.")
    return warnings

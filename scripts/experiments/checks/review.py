"""Does the check of submitted labels see planted mistakes, and leave correct labels in peace? With a trained model."""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import nibabel
import numpy as np
from monai.utils import set_determinism

from experiments.comparison.cases import Cases, read_cases
from experiments.comparison.experiment import Experiment, make_experiment_plan
from experiments.comparison.table import row
from experiments.comparison.worker import make_method_of, make_trainer
from experiments.harness.say import say
from experiments.speed.table import machine
from fewlabel.devices import choose_device
from fewlabel.inference.predict import segment
from fewlabel.methods.base import Method
from fewlabel.plan import Plan
from fewlabel.review.check import Opinion, check
from fewlabel.review.correction import overlaps
from fewlabel.settings import Settings
from fewlabel.training.budget import Budget
from fewlabel.training.progress import Progress
from fewlabel.volumes.reading import Volume, read_label
from fewlabel.wording import amount

CORRECT = "correct"
SHIFT = 0.25  # of the label's extent along the axis
_BODY = ("left-right", "front-back", "head-feet")

Found = dict[str, list[tuple[bool, bool]]]
"""By what was planted, for each label: whether it was flagged at all, and with the right kind."""


def planted(label: np.ndarray, affine: np.ndarray, classes: Sequence[str]) -> Iterator[tuple[str, str, np.ndarray]]:
    """What was done to a label, the flag that it should get ("" for none), and the label map afterwards.

    Shifts go towards the middle of the scan, so that nothing of the label is lost.

    Args:
        label: (i, j, k) values 0..number of classes, at least two.
        affine: (4, 4), voxel -> RAS mm.
        classes: names.
    """
    yield CORRECT, "", label
    names = np.arange(len(classes) + 1)
    names[1:3] = 2, 1
    if len(classes) > 1:
        yield "two classes exchanged", "swapped", names[label].astype(np.uint8)
    stored = nibabel.orientations.io_orientation(affine)[:, 0].astype(int)
    for axis, body in enumerate(stored):
        yield f"mirrored {_BODY[body]}", "mirrored", np.flip(label, axis)
    for axis, body in enumerate(stored):
        yield f"moved {_BODY[body]} by {SHIFT:.0%} of its extent", "shifted", moved(label, axis)
    for value, name in enumerate(classes, 1):
        if len(classes) > 1:
            yield f"{name} forgotten", "missing", np.where(label == value, 0, label)


def moved(label: np.ndarray, axis: int, share: float = SHIFT) -> np.ndarray:
    """Moved along an axis by a share of its extent there, towards the middle; what comes in is background."""
    layers = np.nonzero(label)[axis]
    length = math.ceil(share * (np.ptp(layers) + 1))
    towards = 1 if layers.min() + layers.max() < label.shape[axis] - 1 else -1
    rolled = np.moveaxis(np.roll(label, towards * length, axis), axis, 0).copy()
    rolled[slice(None, length) if towards > 0 else slice(-length, None)] = 0
    return np.moveaxis(rolled, 0, axis)


def judge(volume: Volume, opinion: Opinion) -> Found:
    """What is flagged of one label as it is, and after each planted mistake."""
    found: Found = {}
    for what, kind, label in planted(volume.array, volume.affine, opinion.classes):
        counts = overlaps(label, opinion.prediction, len(opinion.classes))
        kinds = [flag["kind"] for flag in check(label, opinion, volume.affine, counts)]
        found[what] = [(bool(kinds), kind in kinds)]
    return found


def review_table(
    data: Path, split: Path | None, labelled: int, steps: int, method: str, seeds: Sequence[int], most: int
) -> str:
    """Train with some labelled development cases, check the labels of the other ones; Markdown. No test case is read.

    Raises:
        UnusableData: the data cannot be used.
    """
    cases = read_cases(data, split)
    plan = make_experiment_plan(cases, Settings(), choose_device(None))
    total: Found = defaultdict(list)
    for seed in seeds:
        chosen, pool = cases.draw(labelled, seed)
        say(f"seed {seed}: training with {amount(labelled, 'label')}")
        trained = train(cases, (chosen, pool), plan, method, steps, seed, (data, split))
        say(f"seed {seed}: checking labels")
        for case in [case for case in cases.development if case not in chosen][:most]:
            predicted, meta = segment(trained.deployed, plan, cases.images[case], choose_device(None))
            opinion = Opinion(predicted.numpy(), plan.classes, meta["confidence"])
            for what, each in judge(read_label(cases.labels[case]), opinion).items():
                total[what] += each
    heading = (
        f"{data.name}: {amount(labelled, 'labelled development case')}, {method}, {amount(steps, 'step')} of "
        f"`{plan.network}`, not validated; labels of the other development cases; seeds {', '.join(map(str, seeds))}"
    )
    return f"{heading}. {machine()}.\n\n" + _table(total)


def _table(found: Found) -> str:
    lines = [row(["label", "flagged", "with the right reason"]), "|---|---|---|"]
    for what, each in found.items():
        flagged, right = (_fraction(sum(column), len(each)) for column in zip(*each, strict=True))
        lines.append(row([what, flagged, "" if what == CORRECT else right]))
    return "\n".join(lines)


def train(
    cases: Cases,
    drawn: tuple[Sequence[str], Sequence[str]],
    plan: Plan,
    method: str,
    steps: int,
    seed: int,
    where: tuple[Path, Path | None],
) -> Method:
    """The product's training on labelled and unlabelled cases (``drawn``), in evaluation mode."""
    set_determinism(seed)
    device, (data, split) = choose_device(None), where
    setting = Experiment(str(data), str(split), False, steps, 60.0, device, 1, Settings().learning_rate, plan)
    with tempfile.TemporaryDirectory(prefix="fewlabel-review-") as folder:
        trainer = make_trainer(
            make_method_of(method, plan, device),
            setting,
            cases,
            drawn,
            seed,
            Budget(steps, math.inf),
            Progress(Path(folder) / "progress.json", 60.0),
            Path(folder) / "checkpoint.pt",
            {},
        )
        trainer.run()
    return trainer.method.eval()


def _fraction(count: int, of: int) -> str:
    return f"{count} of {of} ({count / of:.1%})"

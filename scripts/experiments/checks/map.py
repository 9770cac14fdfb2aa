"""Does the map of uncertainty lie where the model is wrong? Asked of a real server, on cases without a label."""

from __future__ import annotations

import math
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from experiments.comparison.cases import Cases, read_cases
from experiments.comparison.table import row, spread
from experiments.harness.clinician import MODEL, Clinician, plain_words
from experiments.harness.say import say
from experiments.harness.server import Server, running
from experiments.harness.study import Study
from experiments.speed.table import machine
from fewlabel.volumes.reading import read_label, read_volume
from fewlabel.wording import amount

UNCERTAINTY = f"{MODEL}_uncertainty"
TOP = 0.05  # share of the voxels
_CORRELATION = "rank correlation of uncertainty and error, all voxels"


@dataclass(frozen=True)
class Overlap:
    """How well a map points at the errors of one prediction.

    Attributes:
        correlation: Spearman's rank correlation over all voxels; NaN where nothing or everything is wrong.
        best: the same of a map that puts every wrong voxel above every right one and has no ties: sqrt(3 p (1 - p))
            for a share p of wrong voxels, since an error is only there or not.
        top: share of the wrong voxels that are among the 5 % most uncertain ones.
        dice: of the prediction's foreground.
    """

    correlation: float
    best: float
    top: float
    dice: float


def overlap(uncertainty: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> Overlap:
    """Compare a map with the errors of a prediction on the same grid; ties in the map are broken at random."""
    wrong = (predicted != truth).ravel()
    both = (predicted > 0).sum() + (truth > 0).sum()
    dice = 2 * ((predicted > 0) & (truth > 0)).sum() / both if both else math.nan
    if wrong.all() or not wrong.any():
        return Overlap(math.nan, math.nan, math.nan, float(dice))
    values = uncertainty.ravel().astype(np.float64)
    order = np.lexsort((np.random.default_rng(0).random(values.size), values))
    highest = order[-max(1, round(TOP * values.size)) :]
    correlation, best = float(spearmanr(values, wrong).statistic), math.sqrt(3 * wrong.mean() * (1 - wrong.mean()))
    return Overlap(correlation, best, float(wrong[highest].sum() / wrong.sum()), float(dice))


def map_table(data: Path, split: Path | None, labelled: int, most: int, minutes: float, method: str, seed: int) -> str:
    """Label some development cases, train, and compare the maps of some test cases with the errors there; Markdown.

    Raises:
        ExperimentError: the server or the training did not do its work.
        UnusableData: the data cannot be used.
    """
    cases = read_cases(data, split)
    names = list(cases.classes)
    chosen, pool = cases.draw(labelled, seed)
    with tempfile.TemporaryDirectory(prefix="fewlabel-map-") as folder:
        studies = Path(folder) / "studies"
        studies.mkdir()
        for case in (*chosen, *pool):
            shutil.copyfile(cases.images[case], studies / cases.images[case].name)
        conf = {
            "labels": ",".join(names),
            "max_minutes": minutes,
            "method": method,
            "seed": seed,
            "scoring_minutes": 0.1,
        }
        with running(studies, **conf) as server:
            found = _ask(server, cases, chosen, sorted(cases.test)[:most], Path(folder))
    known = [each for each in found if not math.isnan(each.correlation)]
    lines = [
        row(["what", "mean ± sd over cases", "by chance", "at best"]),
        "|---|---|---|---|",
        row(
            [
                _CORRELATION,
                _spread([o.correlation for o in known]),
                "0",
                _spread([o.best for o in known]),
            ]
        ),
        row(
            [
                f"share of wrong voxels in the {TOP:.0%} most uncertain",
                _spread([o.top for o in known]),
                f"{TOP}",
                "1",
            ]
        ),
        row(["foreground Dice", _spread([each.dice for each in found]), "", ""]),
    ]
    heading = (
        f"{data.name}: {amount(labelled, 'labelled case')}, {method}, {amount(minutes, 'minute')}, "
        f"{amount(len(found), 'test case')}, seed {seed}"
    )
    return f"{heading}. {machine()}.\n\n" + "\n".join(lines)


def _ask(server: Server, cases: Cases, chosen: Sequence[str], asked: Sequence[str], folder: Path) -> list[Overlap]:
    classes = {name: value for value, name in enumerate(cases.classes, 1)}
    study = Study(folder / "studies", dict(cases.labels), classes, {})
    clinician = Clinician(server.client, study, folder / "predictions")
    names = [{"name": name, "idx": value} for name, value in classes.items()]
    for case in chosen:
        with plain_words(f"the label of {case}"):
            server.client.save_label(case, str(cases.labels[case]), params={"label_info": names})
    say(f"training with {amount(len(chosen), 'label')}")
    with redirect_stdout(sys.stderr):  # it tells people how far the training is
        clinician.train({})
    found = []
    for case in asked:
        with plain_words(f"about {case}"):
            server.client.upload_image(str(cases.images[case]), case)
            prediction, _ = server.client.infer(MODEL, case, {"result_extension": ".nii.gz"})
            uncertainty, _ = server.client.infer(UNCERTAINTY, case, {"result_extension": ".nii.gz"})
        truth = read_label(cases.labels[case])
        found.append(overlap(read_volume(uncertainty).array, read_label(prediction).array, truth.array))
    return found


def _spread(values: Sequence[float]) -> str:
    return spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else math.nan)

"""Scores how uncertain the published method is about each unlabelled case, into a file for the strategies."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor

from fewlabel.data.transforms import Preprocessing
from fewlabel.files import stamp
from fewlabel.inference.familiar import Familiar, is_unlike
from fewlabel.inference.predict import sliding_window
from fewlabel.plan import Plan
from fewlabel.predictions.entry import Prediction, plan_key
from fewlabel.predictions.pool import Keeper, stored
from fewlabel.predictions.store import PredictionStore
from fewlabel.published import load_published
from fewlabel.selection.levels import standings
from fewlabel.selection.slices import worst_slices
from fewlabel.uncertainty import Maps, maps_of, score_of, uncertain_voxels
from fewlabel.volumes.reading import UnreadableVolume
from fewlabel.workspace import read_json, write_json

_WRITE_EVERY = 5.0  # seconds


@torch.no_grad()
def score_cases(
    members: Callable[[torch.Tensor], list[torch.Tensor]],
    plan: Plan,
    records: Sequence[dict],
    path: Path,
    version: int,
    minutes: float,
    device: str,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
    keeper: Keeper | None = None,
    ends: Callable[[], bool] = lambda: False,
    store: PredictionStore | None = None,
    clock: Callable[[], float] | None = None,
    unlike: Callable[[torch.Tensor], bool] | None = None,
) -> int:
    """Score as many cases as time allows, those first whose stored prediction is the oldest, or that have none.

    Among those the order is random, so that the scored ones are a fair sample.

    Scores of this version of the model are kept and not computed again: a second call goes on where the first one
    stopped. Those of older versions are kept with their ranks until this one has scored the same case.

    Args:
        members: the probabilities BCDHW that each member gives for crops B1DHW (see Method.members).
        plan: its plan.
        records: unlabelled cases, each with ``id`` and ``image``.
        path: ``scores.json``: ``{version, plan, done, of, cases: {id: {score, version, ...}}}``, rewritten atomically
            every few seconds, so that scoring may be interrupted.
        version: of the published model.
        minutes: time budget.
        device: to compute on.
        seed: of the order, together with the version, so that each training scores another sample.
        report: called with (done, of) before each pass of the network and after each case.
        keeper: predicts instead of ``members``, and stores the predictions.
        ends: asked before each case whether to stop here.
        store: only read; a case that it has a prediction of, by this version, is not predicted again. Default: the
            keeper's.
        unlike: says of a preprocessed image 1HWD whether the model learned from none like it (see ``unlike_for``).
        clock: gives the seconds by which ``minutes`` are counted. Default: those of the wall.

    Returns:
        number of cases with a score of this version; unreadable ones are left out.
    """
    file = _ScoreFile(path, version, plan, records)
    order = random.Random(seed + version).sample(list(records), len(records))
    now = clock or time.monotonic
    steps, end = Preprocessing(plan), now() + minutes * 60

    def say() -> None:
        if report is not None:
            report(len(file.cases), len(order))

    anew = keeper or partial(_look, members, sliding_window(plan, overlap=0.25), device, say)
    store = keeper.store if keeper else store
    if store is not None:
        heads = store.heads
        order.sort(key=lambda record: heads[record["id"]].version if record["id"] in heads else -math.inf)

    def look(record: Mapping[str, Any], image: MetaTensor) -> Maps:
        known = stored(store, version, record, image) if store else None
        found = known or anew(record, image)
        return _maps(found) if isinstance(found, Prediction) else maps_of(found)

    def judge(image: MetaTensor) -> dict[str, Any]:
        return {"unlike": True} if unlike is not None and unlike(image.as_tensor().to(device)) else {}

    for record in [record for record in order if record["id"] not in file.cases]:
        if now() > end or ends() or not _score(record, steps, look, judge, plan, file):
            break
        say()
    file.write()
    return len(file.cases)


def unlike_for(model: Path, device: str) -> Callable[[torch.Tensor], bool] | None:
    """What ``score_cases`` needs to flag scans that are unlike those that the published model learned from.

    None where the model's card says nothing about them.
    """
    published = load_published(model, device)
    if Familiar.from_card(published.card) is None:
        return None
    return partial(is_unlike, published.network, published.plan, published.card)


class _ScoreFile:
    """The scores of one version of the model, in memory and in ``path``, beside what is left of older ones.

    Attributes:
        cases: scores of this version.
        older: of the other cases, with ``standing``, their ranks when this version began.
    """

    def __init__(self, path: Path, version: int, plan: Plan, records: Sequence[Mapping[str, Any]]) -> None:
        self.path, self.version, self.plan = path, version, plan_key(plan)
        self.of = len(records)
        kept = _kept(path, version, self.plan, {record["id"]: record["image"] for record in records})
        self.cases = {case: said for case, said in kept.items() if said["version"] == version}
        self.older = _with_standing({case: said for case, said in kept.items() if case not in self.cases})
        self._written = time.monotonic()

    def add(self, case: str, image: str, said: dict[str, Any]) -> None:
        """Add the score of a case by this version."""
        before = self.older.pop(case, {}).get("standing")
        more = {"before": before} if before else {}
        source = stamp(image)
        self.cases[case] = {**said, "version": self.version, "source": source and list(source), **more}

    def write(self) -> bool:
        """Write the scores; False where a newer model was scored meanwhile, whose scores are kept."""
        kept = read_json(self.path, {})
        if isinstance(kept, dict) and kept.get("version", 0) > self.version:
            return False
        counts = {"done": len(self.cases), "of": self.of}
        cases = {**self.older, **self.cases}
        write_json(self.path, {"version": self.version, "plan": self.plan, **counts, "cases": cases})
        self._written = time.monotonic()
        return True

    def write_if_due(self) -> bool:
        """``write`` every few seconds; True where it is not due."""
        return time.monotonic() - self._written <= _WRITE_EVERY or self.write()


def _look(
    members: Callable[[torch.Tensor], list[torch.Tensor]],
    inferer: Callable[..., Any],
    device: str,
    say: Callable[[], None],
    record: Mapping[str, Any],
    image: MetaTensor,
) -> list[torch.Tensor]:
    """The members' probabilities of a whole image."""

    def predict(crops: torch.Tensor) -> dict[int, torch.Tensor]:
        """A dict, since the inferer unpacks a tuple of one element."""
        say()
        return dict(enumerate(members(crops)))

    return list(inferer(image.as_tensor().to(device)[None], predict).values())


def _score(record: dict, steps: Preprocessing, look: Callable, judge: Callable, plan: Plan, file: _ScoreFile) -> bool:
    """Score one case, unless it is unreadable; False where another model is being scored."""
    try:
        image = steps({"image": record["image"]})["image"]
    except (UnreadableVolume, OSError):
        return True
    try:
        predicted, judged = look(record, image), judge(image)
    except (RuntimeError, MemoryError):
        file.write()  # for example out of memory: scores so far are kept
        raise
    file.add(record["id"], record["image"], {**_describe(predicted, image, plan), **judged})
    return file.write_if_due()


def _kept(path: Path, version: int, plan: str, images: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Scores in the file that still hold: of these cases and of this plan, and of the same image files."""
    content = read_json(path, {})
    if not isinstance(content, dict) or not isinstance(content.get("cases"), dict):
        return {}
    last = content.get("version", 0)
    if last != version and (content.get("plan") != plan or last > version):
        return {}  # written by a version of FewLabel that did not name the plan, or by a newer model
    cases = {
        case: {"version": last, **said}
        for case, said in content["cases"].items()
        if case in images and isinstance(said, dict) and "score" in said
    }
    return {case: said for case, said in cases.items() if _is_of(said, images[case])}


def _is_of(said: Mapping[str, Any], image: str) -> bool:
    """Whether the image file is still the one that was scored, as far as is known."""
    try:
        now = stamp(image)
    except OSError:
        return False
    return said.get("source") is None or said["source"] == (now and list(now))


def _with_standing(cases: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The cases, each with its ranks within its version, taken once: those scored again since no longer count."""
    found: dict[str, dict[str, Any]] = {}
    for version in {said["version"] for said in cases.values()}:
        group = {case: said for case, said in cases.items() if said["version"] == version}
        now = standings(group)
        found |= {case: {**said, "standing": said.get("standing", now[case])} for case, said in group.items()}
    return found


def _maps(prediction: Prediction) -> Maps:
    """Of a stored prediction: the deployed network's classes, and entropy and disagreement in steps of 1/255."""
    entropy, apart = (
        torch.from_numpy(each)[None].float() / 255 for each in (prediction.entropy, prediction.disagreement)
    )
    return Maps(torch.from_numpy(prediction.labels)[None], entropy, apart)


def _describe(maps: Maps, image: MetaTensor, plan: Plan) -> dict[str, Any]:
    """The scores of one case, its classes by name, and where to look."""
    score = score_of(maps)
    for kind in ("classes", "parts"):
        score[kind] = {plan.classes[value - 1]: each for value, each in score[kind].items()}
    uncertain = uncertain_voxels(maps)[0].cpu().numpy()
    grid = image.meta["original_affine"], image.meta["spatial_shape"]
    return {**score, **worst_slices(uncertain, image.affine.numpy(), *grid)}

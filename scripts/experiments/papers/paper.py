"""The command ``experiment.py paper``: a data set of the field, converted once, then methods as the papers run them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.comparison.cases import UnusableData
from experiments.comparison.compare import check, run, threads_of
from experiments.comparison.experiment import Experiment
from experiments.comparison.rows import CEILING, RADIOLOGY, Row, comparison
from experiments.papers.convert import convert
from experiments.papers.protocols import OWN_SPACING, PROTOCOLS, Protocol
from experiments.papers.splits import Split
from fewlabel.devices import choose_device
from fewlabel.plan import Plan
from fewlabel.settings import Settings

_WEEK = 7 * 24 * 60.0  # minutes; the steps end a run, not the clock


def paper(options: argparse.Namespace, say: Callable[[str], None]) -> str:
    """Convert what is missing, run what is missing, give the tables.

    Raises:
        UnusableData: the options or the data cannot work; the message says why.
        RuntimeError: a run failed; the others are kept.
    """
    check(options)
    protocol = PROTOCOLS[options.dataset]
    target = _target(protocol, options.target)
    options.output = options.output or Path("results") / "-".join(filter(None, ("paper", protocol.name, target)))
    data = options.output / "data"
    split = convert(protocol, target, options.root, data, say)
    counts = options.labelled or list(protocol.labelled[target])
    if max(counts) > len(split.development):
        raise UnusableData(
            f"--labelled {max(counts)}: {protocol.title} has {len(split.development)} cases for training. Give less."
        )
    notes = remarks(protocol, target, split, counts)
    if options.prepare_only:
        return "\n".join([f"Converted to {data}.", *notes])
    experiment = Experiment(
        data=str(data.resolve()),
        split=str((data / "splits.json").resolve()),
        tuning=False,
        steps=options.steps or protocol.steps,
        minutes=_WEEK,
        device=choose_device(options.device),
        threads=threads_of(options),
        learning_rate=Settings().learning_rate,
        plan=plan_of(protocol, options.network),
        overlap=protocol.overlap,
        remarks=notes,
    )
    rows = comparison(options.methods, counts, options.seeds, references=not options.no_references)
    return run(experiment, _sensible(rows, len(split.development)), options, say)


def plan_of(protocol: Protocol, network: str) -> Plan:
    """The protocol's plan: nothing is measured on the data."""
    return Plan(
        spacing=protocol.spacing,
        patch=protocol.patch,
        normalisation=protocol.normalisation,
        bounds=protocol.bounds,
        network=network,
        batch=protocol.batch,
        classes=protocol.classes,
        reasons=(protocol.origin,),
    )


def remarks(protocol: Protocol, target: str, split: Split, counts: Sequence[int]) -> tuple[str, ...]:
    """What a reader of the tables must know before setting them beside a paper's."""
    unlabelled = len(split.development if split.unlabelled is None else split.unlabelled)
    notes = [
        f"Protocol: {protocol.title}{f', target {target}' if target else ''}; {len(split.development)} cases to label "
        f"from, {unlabelled} in the unlabelled pool (less the labelled ones), {len(split.test)} test cases.",
        f"Lists: {split.source}.",
        f"Numbers: {protocol.origin}.",
        f"Not as in the field: {'; '.join(protocol.differs)}.",
    ]
    if protocol.in_voxels:
        notes.append("The files have no spacing: distances are in voxels, where the tables say mm.")
    if protocol.spacing == OWN_SPACING:
        notes.append("Distances are in mm.")
    drawn = [str(count) for count in counts if count not in split.labelled]
    if drawn:
        notes.append(f"Labelled cases of {', '.join(drawn)}: not the published list, drawn with each run's seed.")
    return tuple(notes)


def _target(protocol: Protocol, asked: str | None) -> str:
    known = protocol.targets
    if known and asked not in known:
        raise UnusableData(f"--target: say which of {', '.join(known)} is the target of {protocol.title}.")
    if asked and not known:
        raise UnusableData(f"--target {asked}: {protocol.title} has one domain; leave --target out.")
    return asked or ""


def _sensible(rows: Sequence[Row], development: int) -> list[Row]:
    """Without MONAI Label's recipe, which needs spacings, and without a ceiling that is the floor once more."""
    whole = any(row.labelled == development for row in rows)
    return [row for row in rows if row.method != RADIOLOGY and not (whole and row.name == CEILING)]

"""Command line of the demo; parsed by any Python from 3.6 on, before the environment is set up."""

import argparse
from pathlib import Path

from environment import ROOT

DEFAULT_LABELS = [2, 2, 2, 2]
DEFAULT_MINUTES = 1.0


def parse(arguments: "list[str]", description: "str" = "") -> "argparse.Namespace":
    """Parse the command line; exits with a message for options that cannot work."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, default=ROOT / "demo", help="folder for all output (default demo)")
    add("--studies", type=Path, help="folder of real images instead of generated ones; needs --truth")
    add("--truth", type=Path, help="folder of their reference labels, under the same file names")
    add("--labels", default="", help="class names for the values 1, 2, ... of --truth, separated by commas")
    add("--limit", type=int, help="use only this many of the images, drawn by the seed")
    add("--scans", type=int, default=24, help="number of generated scans (default 24)")
    add("--rounds", type=int, help="rounds of labelling and training (default 4)")
    add("--labels-per-round", type=int, nargs="+", help="labels added in each round; the last number is repeated")
    add(
        "--minutes",
        type=float,
        default=DEFAULT_MINUTES,
        help="drawing per round, while the server trains (default {:g})".format(DEFAULT_MINUTES),
    )
    add("--method", help="training method; the list: scripts/serve.py --settings")
    add("--evaluate", type=int, default=20, help="cases to measure on, until they are labelled (default 20)")
    add("--seed", type=int, default=0, help="of the scans, the choice of cases and the training (default 0)")
    add(
        "--conf",
        nargs=2,
        action="append",
        default=[],
        metavar=("KEY", "VALUE"),
        help="a setting of the server",
    )
    options = parser.parse_args(arguments)
    problem = problem_with(options)
    if problem:
        parser.error(problem)
    options.plan = labels_per_round(options.rounds, options.labels_per_round)
    return options


def problem_with(options: "argparse.Namespace") -> "str":
    """A sentence about options that cannot work, "" if they can."""
    if bool(options.studies) != bool(options.truth):
        return "--studies and --truth go together: images in one folder, their reference labels in the other."
    for name in ("studies", "truth"):
        folder = getattr(options, name)
        if folder and not folder.is_dir():
            return "--{}: {} is not a folder; give an existing one.".format(name, folder)
    for name in ("scans", "rounds", "evaluate", "limit", "minutes"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            return "--{} {} is too small; give a number above 0.".format(name, value)
    if any(count < 1 for count in options.labels_per_round or []):
        return "--labels-per-round needs numbers from 1 on: each round adds at least one label."
    if any(key == "workspace" for key, _ in options.conf):
        return "--conf workspace is not for the demo: everything stays in --output."
    if options.seed < 0:
        return "--seed {} is below 0; give 0 or a larger whole number.".format(options.seed)
    return ""


def labels_per_round(rounds: "int | None", counts: "list[int] | None") -> "list[int]":
    """How many labels each round adds: `counts`, cut to `rounds` or continued with its last number."""
    counts = list(counts or DEFAULT_LABELS)
    rounds = rounds or len(counts)
    return (counts + [counts[-1]] * rounds)[:rounds]

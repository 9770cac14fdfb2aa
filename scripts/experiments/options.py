"""Options of the commands of experiment.py, and their checks. Parsed by any Python from 3.6 on."""

import argparse
import os
from pathlib import Path

MEASUREMENTS = ("training", "store", "scoring", "ranking", "memory", "label_all")
ONGOING = ("yielding", "memory")
DATASETS = ("la", "pancreas", "brats2019", "synapse", "amos", "mmwhs", "mnms")
PUBLISHED = ("branch", "mean")
METHOD = "bcp"  # the default of the product on a CPU


def bench(command: "argparse.ArgumentParser") -> "None":
    """Options of `bench`."""
    add = command.add_argument
    add("--quick", action="store_true", help="small sizes: only shows that it runs")
    add("--images", type=Path, help="train on the volumes of this folder instead of generated ones")
    add("--only", nargs="+", choices=MEASUREMENTS, default=MEASUREMENTS, help="some of the measurements")
    add("--seed", type=int, default=0, help="of the generated volumes and of the training (default 0)")


def ongoing(command: "argparse.ArgumentParser") -> "None":
    """Options of `ongoing`."""
    add = command.add_argument
    add("--only", nargs="+", choices=ONGOING, default=ONGOING, help="some of the measurements")
    add("--pairs", type=int, default=30, help="requests of each kind, with and without a training (default 30)")
    add("--minutes", type=float, default=15, help="in which memory is looked at (default 15)")
    add("--images", type=Path, help="train on the volumes of this folder instead of generated ones")
    add("--seed", type=int, default=0, help="of the generated volumes and of the training (default 0)")


def steps(command: "argparse.ArgumentParser") -> "None":
    """Options of `steps`."""
    add = command.add_argument
    add("--network", default="unet", help="default unet, the CPU preset; vnet is the papers'")
    add("--patch", type=_sides, default=(40, 48, 40), help="crop size (default 40,48,40)")
    add("--batch", type=int, default=2, help="crops of each kind (default 2)")
    add("--device", default="cpu")
    add("--threads", type=int, default=os.cpu_count() or 1, help="on a CPU; default: all cores")
    add("--methods", nargs="+", help="default: all")
    add("--quick", action="store_true", help="few repetitions")


def load(command: "argparse.ArgumentParser") -> "None":
    """Options of `load`."""
    add = command.add_argument
    add("--clients", type=int, default=16, help="people at the same time (default 16)")
    add("--submissions", type=int, default=1000, help="of all people together (default 1000)")
    add("--cases", type=int, default=96, help="of the study (default 96)")
    add("--think", type=float, default=1.0, help="seconds between two requests of a person (default 1)")
    add("--training", action="store_true", help="while a training runs")
    add("--listed", type=int, default=10_000, help="cases of the long list; 0 leaves it out (default 10000)")
    add("--large", type=_sides, default=(512, 512, 600), help="voxels of the large volume; 0,0,0 leaves it out")
    add("--seed", type=int, default=0)


def panel(command: "argparse.ArgumentParser") -> "None":
    """Options of `panel`."""
    command.add_argument("--rounds", type=int, default=5, help="to be played (default 5)")


def child(command: "argparse.ArgumentParser") -> "None":
    """Options of what the commands call themselves."""
    command.add_argument("folder", type=Path)
    command.add_argument("key")


def compare(command: "argparse.ArgumentParser") -> "None":
    """Options of `compare`."""
    add = command.add_argument
    add("--output", type=Path, default=Path("comparison"), help="folder of results; finished runs are not repeated")
    add("--ablations", nargs="*", default=[], help="methods whose parts are switched off one at a time")
    trial = {"nargs": "+", "action": "append", "default": [], "metavar": "WORD"}
    add("--try", dest="attempt", help="a further row: NAME METHOD key=value ...", **trial)
    add("--labelled", type=int, nargs="+", default=[4, 8], help="numbers of labelled cases (default 4 8)")
    add("--steps", type=int, default=600, help="of each run (default 600)")
    add("--minutes", type=float, help="of each run, instead of steps")
    add(
        "--core-minutes",
        type=float,
        help="the same in minutes of a core at work: a busy computer takes none away",
    )
    add(
        "--anytime",
        type=float,
        nargs="+",
        default=[],
        metavar="MINUTES",
        help="runs that go on, as on the server, measured after so many core-minutes with what is published then",
    )
    add("--publishes", nargs="+", choices=PUBLISHED, default=["branch"], help="what that is (default branch)")
    add("--fresh", action="store_true", help="make a candidate for each of these moments, beside those of the schedule")
    pretrain = "each row again, whose network learns from scans alone for so many core-minutes before"
    add("--pretrain", type=float, default=0.0, metavar="MINUTES", help=pretrain)
    add("--no-references", action="store_true", help="without floor, ceiling and MONAI Label's radiology recipe")
    add("--no-radiology", action="store_true", help="without that recipe alone")
    _data_options(command)
    _run_options(command)


def rounds(command: "argparse.ArgumentParser") -> "None":
    """Options of `rounds`."""
    add = command.add_argument
    add("--output", type=Path, default=Path("rounds"), help="folder of results; finished runs are not repeated")
    add("--strategies", nargs="+", default=["random", "foreground_random", "uncertainty+diversity"])
    add("--sizes", type=int, nargs="+", default=[2, 4, 8, 16], help="labels after each round (default 2 4 8 16)")
    add("--steps", type=int, default=300, help="of each round (default 300)")
    goes_on = "core-seconds of each round of one training that goes on, as on the server, instead of --steps"
    add("--seconds", type=float, help=goes_on)
    add("--measured", type=int, nargs="+", help="with --seconds: some of --sizes (default: all)")
    add("--teacher", choices=("live", "cached"), default="live", help="with --seconds: of the methods (default live)")
    _data_options(command)
    _run_options(command)
    command.set_defaults(minutes=None, core_minutes=None)


def pool(command: "argparse.ArgumentParser") -> "None":
    """Options of `pool`."""
    add = command.add_argument
    add("--output", type=Path, required=True, help="a new folder")
    add("--scans", type=int, default=200, help="of the pool, a tenth of them rare (default 200)")
    add("--test", type=int, default=60, help="test cases, a third of them rare (default 60)")
    add("--seed", type=int, default=0, help="of all scans (default 0)")


def stopping(command: "argparse.ArgumentParser") -> "None":
    """Options of `stopping`."""
    command.add_argument("folders", type=Path, nargs="+", help="outputs of rounds --seconds")


def day(command: "argparse.ArgumentParser") -> "None":
    """Options of `day`."""
    add = command.add_argument
    add("--output", type=Path, default=Path("day"), help="folder of results; finished days are not repeated")
    add("--labels", type=int, default=8, help="of the day (default 8)")
    add("--draw", type=float, default=5.0, help="minutes to draw each of them (default 5)")
    add("--train", type=float, default=5.0, help="core-minutes of a training that is waited for (default 5)")
    add("--until", type=float, default=80.0, help="minute at which the day ends (default 80)")
    add("--every", type=float, default=5.0, help="minutes between two measurements, the second is first (default 5)")
    both = "of training while they draw, and of trainings that are waited for (default %(default)s)"
    add("--methods", nargs=2, default=(METHOD, METHOD), help=both)
    add("--teachers", nargs=2, choices=("live", "cached"), default=("cached", "live"), help="the same")
    add("--ways", nargs="+", choices=("while", "after"), default=("while", "after"), help="some of both")
    add("--rules", action="store_true", help="record what rules of publishing without validation would publish")
    _data_options(command)
    _run_options(command, methods=False)
    command.set_defaults(steps=None, minutes=None, core_minutes=None)


def map(command: "argparse.ArgumentParser") -> "None":
    """Options of `map`."""
    add = command.add_argument
    _data_folder(command)
    add("--labelled", type=int, default=8, help="cases that are labelled (default 8)")
    add("--cases", type=int, default=20, help="test cases (default 20)")
    add("--minutes", type=float, default=1.5, help="of training (default 1.5)")
    add("--method", default=METHOD, help="of the table in docs/methods.md (default %(default)s)")
    add("--seed", type=int, default=0)


def review(command: "argparse.ArgumentParser") -> "None":
    """Options of `review`."""
    add = command.add_argument
    _data_folder(command)
    add("--labelled", type=int, default=8, help="cases that are labelled (default 8)")
    add("--cases", type=int, default=1000, help="limit of labels to check for each seed (default: all)")
    add("--steps", type=int, default=400, help="of training (default 400)")
    add("--method", default=METHOD, help="of the table in docs/methods.md (default %(default)s)")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])


def features(command: "argparse.ArgumentParser") -> "None":
    """Options of `features`."""
    add = command.add_argument
    _data_folder(command)
    add("--cases", type=int, default=120, help="limit of cases (default 120)")


def paper(command: "argparse.ArgumentParser") -> "None":
    """Options of `paper`."""
    add = command.add_argument
    add("--dataset", required=True, choices=DATASETS)
    add("--root", type=Path, required=True, help="folder of the downloaded data; nothing is written there")
    add("--target", help="unlabelled or unseen domain: ct or mr of mmwhs; A, B, C or D of mnms")
    add("--prepare-only", action="store_true", help="convert the data and stop")
    add(
        "--output",
        type=Path,
        help="folder of data and results, which are not made again (default results/paper-DATASET)",
    )
    add("--labelled", type=int, nargs="+", help="numbers of labelled cases; default: those of the papers")
    add("--network", default="vnet", help="default vnet, as in the papers")
    add("--steps", type=int, help="of each run; default: as in the papers, which needs a GPU")
    add("--no-references", action="store_true", help="without floor and ceiling")
    _run_options(command)
    command.set_defaults(ablations=[], attempt=[])


def kills(command: "argparse.ArgumentParser") -> "None":
    """Options of `kills`."""
    add = command.add_argument
    add("--count", type=int, default=200, help="of kills (default 200)")
    add("--seed", type=int, default=0, help="of every choice and moment (default 0)")
    add("--output", type=Path, default=Path("kills"), help="results; lives that are there are not lived again")
    add("--training", choices=("on_request", "continuous"), default="on_request", help="of the server (on_request)")


def mutants(command: "argparse.ArgumentParser") -> "None":
    """Options of `mutants`."""
    add = command.add_argument
    add("--only", nargs="+", default=[], metavar="TEXT", help="faults with one of these texts in their name")
    add("--list", action="store_true", help="list the faults and the test that must catch each, and stop")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="tests at a time (default: all cores)")


def _data_folder(command: "argparse.ArgumentParser") -> "None":
    """The data, and their split into development and test cases."""
    add = command.add_argument
    add("--data", type=Path, required=True, help="folder with images/ labels/ (unlabelled/), or imagesTr/ labelsTr/")
    add("--split", type=Path, help='JSON {"test": [ids], "development": [ids]}; default splits.json in the data folder')


def _data_options(command: "argparse.ArgumentParser") -> "None":
    """Data and plan."""
    _data_folder(command)
    add = command.add_argument
    add("--draw-split", action="store_true", help="write that file, a quarter as test cases, if it does not exist")
    add("--tuning", action="store_true", help="measure on a third of the development cases and never open a test case")
    add("--network", help="default: as the product plans it for the device")
    add("--patch", type=_sides, help="crop size such as 40,48,40; default: planned")
    add("--batch", type=int, help="crops of each kind in a step (default 2)")


def _run_options(command: "argparse.ArgumentParser", methods: "bool" = True) -> "None":
    """Options of every comparison."""
    add = command.add_argument
    if methods:
        add("--methods", nargs="*", default=[METHOD], help="of the table in docs/methods.md (default %(default)s)")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--device", help="default: the first GPU, else the CPU")
    add("--jobs", type=int, default=1, help="runs at a time")
    add("--threads", type=int, help="of each run on a CPU; default: cores / jobs")
    add("--report-only", action="store_true", help="only make tables and figures from existing results")


def _sides(text: "str") -> "tuple":
    return tuple(int(side) for side in text.split(","))

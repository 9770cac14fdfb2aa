"""Options of the command `domains`, and their checks. Parsed by any Python from 3.6 on."""

import argparse
import os
from pathlib import Path

GENERATED = ("vendor-adaptation", "vendor-generalisation")
REAL = ("msd-oasis", "oasis-msd", "groups-oasis")
METHODS = ("bcp", "dual_network", "mean_teacher", "dtlp")


def domains(command: "argparse.ArgumentParser") -> "None":
    """Options of `domains`."""
    add = command.add_argument
    add("--output", type=Path, default=Path("domains"), help="folder of results; finished runs are not repeated")
    add("--data", type=Path, help="folder with hippocampus/ and oasis_hippocampus/; default: what FEWLABEL_DATA names")
    add("--tasks", nargs="+", choices=GENERATED + REAL, default=GENERATED + REAL, help="default: all")
    add("--methods", nargs="*", default=list(METHODS), help="beside the two references (default: %(default)s)")
    trial = {"nargs": "+", "action": "append", "default": [], "metavar": "WORD"}
    add("--try", dest="attempt", help="a further row: NAME METHOD key=value ...", **trial)
    add("--seeds", type=int, nargs="+", default=[0])
    add("--minutes", type=float, default=10.0, help="of a core at work, of each run (default 10)")
    add("--steps", type=int, help="of each run, instead of minutes")
    add("--network", default="unet", help="default %(default)s, the CPU preset")
    add("--device", help="default: the first GPU, else the CPU")
    add("--jobs", type=int, default=1, help="runs at a time")
    add("--threads", type=int, default=1, help="of each run on a CPU (default 1)")
    add("--report-only", action="store_true", help="only make the tables")
    command.set_defaults(ablations=[])


def problem_with(options: "argparse.Namespace") -> "str":
    """One sentence about options that cannot work, "" if they can."""
    if options.data is None and os.environ.get("FEWLABEL_DATA"):
        options.data = Path(os.environ["FEWLABEL_DATA"])
    if options.data is not None and not options.data.is_dir():
        return f"--data: {options.data} is not a folder; give the folder with hippocampus/ and oasis_hippocampus/."
    numbers = [options.minutes, options.jobs, options.threads] + [options.steps] * (options.steps is not None)
    if min(numbers) <= 0 or min(options.seeds) < 0:
        return "--minutes, --steps, --jobs and --threads must be above 0 and --seeds not below it."
    return ""

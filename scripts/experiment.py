"""Measure FewLabel on this computer.

    python3 scripts/experiment.py bench > bench.md          speed and memory, about 5 minutes
    python3 scripts/experiment.py bench --quick             the same on small numbers, to see that it runs

The table goes to the standard output, progress to the standard error. Only a temporary folder is written to.
"""

import argparse
import signal
import sys
from pathlib import Path

import serve
from environment import ensure_environment

MEASUREMENTS = ("training", "store", "memory")


def parse(arguments: "list[str]") -> "argparse.Namespace":
    """Arguments of the command line; refuses in words what cannot work."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    bench = commands.add_parser("bench", help="speed and memory, beside their targets")
    bench.add_argument("--quick", action="store_true", help="small numbers: shows that it runs, measures little")
    bench.add_argument("--images", type=Path, help="train on the volumes of this folder instead of generated ones")
    bench.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=MEASUREMENTS, help="some of the measurements")
    bench.add_argument("--seed", type=int, default=0, help="of the generated volumes and of the training (default 0)")
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.error("say what to do: bench")
    problem = problem_with(options)
    if problem:
        bench.error(problem)
    return options


def problem_with(options: "argparse.Namespace") -> "str":
    """One sentence about options that cannot work, "" if they can."""
    if options.images is not None and not options.images.is_dir():
        return f"--images: {options.images} is not a folder; give the folder that holds the volumes."
    if options.seed < 0:
        return f"--seed {options.seed} is below 0; give 0 or a larger whole number."
    return ""


def main(options: "argparse.Namespace") -> "int":
    """Run the command; exit code 0 whatever the numbers are, 1 if they could not be had."""
    from bench import bench
    from demo_result import DemoTrouble

    try:
        print(bench(options.only, options.quick, options.images, options.seed), flush=True)
    except DemoTrouble as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    chosen = parse(sys.argv[1:])
    ensure_environment()
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), serve.interrupt)
    sys.exit(main(chosen))

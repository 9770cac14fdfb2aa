"""Measure FewLabel on this computer: the entry of every measurement (--help names them)."""

import argparse
import signal
import sys

from environment import ensure_environment
from experiments.commands import parse
from serving.process import interrupt


def main(options: "argparse.Namespace") -> "int":
    """Run the command; exit code 0 whatever the numbers are, 1 if it failed or a planted fault was not noticed."""
    if options.command == "mutants":  # it imports the package with faults: it must not be imported before
        try:
            return options.run(options)
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            return 130
    from experiments.harness.errors import ExperimentError
    from fewlabel.errors import Refusal

    try:
        print(options.run(options), flush=True)
    except (ExperimentError, Refusal, RuntimeError, ValueError) as trouble:
        if options.child:
            raise
        print(f"\n{trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    chosen = parse(sys.argv[1:])
    ensure_environment(development=chosen.command == "mutants")
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), interrupt)
    sys.exit(main(chosen))

"""Measure FewLabel on this computer.

    python3 scripts/experiment.py bench > bench.md          speed and memory, about 5 minutes
    python3 scripts/experiment.py steps                     time and memory of one step of each method, 2 minutes
    python3 scripts/experiment.py compare --data FOLDER     methods against each other, on data with reference labels
    python3 scripts/experiment.py rounds --data FOLDER      strategies against each other, in simulated annotation
    python3 scripts/experiment.py map --data FOLDER         does the map of uncertainty lie where the model is wrong?
    python3 scripts/experiment.py review --data FOLDER      are mistakes in labels seen, and only these?
    python3 scripts/experiment.py features --data FOLDER    which cheap features choose the first cases best?
    python3 scripts/experiment.py paper --dataset la --root FOLDER     the same on a benchmark, by the papers' rules
    python3 scripts/experiment.py mutants                   does a test notice each planted fault? 15 minutes at most

COMMAND --help tells the options. Tables go to the standard output, progress to the standard error.
"""

import argparse
import signal
import sys

import serve
from environment import ensure_environment
from experiment_options import CHILDREN, parse


def main(options: "argparse.Namespace") -> "int":
    """Run the command; exit code 0 whatever the numbers are, 1 if they could not be had or a fault was not noticed."""
    if options.command == "mutants":  # first of all: it imports the package itself, with faults
        from experiments.mutants.command import mutants

        return mutants(options.only, options.list, options.jobs)
    from demo_result import DemoTrouble
    from fewlabel.errors import Refusal

    try:
        print(_result(options), flush=True)
    except (DemoTrouble, Refusal, RuntimeError, ValueError) as trouble:
        if options.command in CHILDREN:
            raise
        print(f"\n{trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    return 0


def _result(options: "argparse.Namespace") -> "str":
    if options.command == "bench":
        from bench import bench

        return bench(options.only, options.quick, options.images, options.seed)
    if options.command == "steps":
        from bench_steps import steps_table
        from fewlabel.methods import METHODS

        size = options.network, options.patch, options.batch, options.device, options.threads
        return steps_table(options.methods or list(METHODS), *size, options.quick)
    if options.command == "compare":
        from bench import say
        from comparison.compare import compare

        return compare(options, say)
    if options.command == "rounds":
        from bench import say
        from rounds.rounds import rounds

        return rounds(options, say)
    if options.command == "map":
        from bench_map import map_table

        which = options.data, options.split, options.labelled, options.cases
        return map_table(*which, options.minutes, options.method, options.seed)
    if options.command == "review":
        from bench_review import review_table

        which = options.data, options.split, options.labelled, options.steps
        return review_table(*which, options.method, options.seeds, options.cases)
    if options.command == "features":
        from bench_features import features_table

        return features_table(options.data, options.split, options.cases)
    if options.command == "paper":
        from bench import say
        from papers.paper import paper

        return paper(options, say)
    if options.command == "annotation":
        from rounds.rounds import play

        play(options.folder, options.key)
    else:
        from comparison.worker import work

        work(options.folder, options.key)
    return "done"


if __name__ == "__main__":
    chosen = parse(sys.argv[1:], __doc__)
    ensure_environment(development=chosen.command == "mutants")
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), serve.interrupt)
    sys.exit(main(chosen))

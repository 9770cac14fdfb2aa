"""The commands of experiment.py, each named once: help, options, checks and dispatch come from one table.

Parsed by any Python from 3.6 on; what a command needs is imported when it runs.
"""

import argparse
import difflib
from collections import namedtuple

from experiments import options as options_of
from experiments.domains.options import domains as transfers_options
from experiments.refusals import problem_with

Command = namedtuple("Command", "name example what options run")
"""One command: its name, what is typed after it, what it is for, what adds its options, what runs it.

``run`` takes the options and gives the text that is printed, or an exit code where it prints by itself.
"""


def _bench(options):
    from experiments.speed.bench import bench

    return bench(options.only, options.quick, options.images, options.seed)


def _ongoing(options):
    from experiments.speed.lasting import ongoing

    return ongoing(options.only, options.pairs, options.minutes, options.images, options.seed)


def _steps(options):
    from experiments.speed.steps import steps_table
    from fewlabel.methods import METHODS

    size = options.network, options.patch, options.batch, options.device, options.threads
    return steps_table(options.methods or list(METHODS), *size, options.quick)


def _load(options):
    from experiments.speed.load import Sizes, load

    many = options.clients, options.submissions, options.cases, options.think
    return load(Sizes(*many, options.listed, options.large), options.training, options.seed)


def _panel(options):
    from experiments.speed.panel import panel_table

    return panel_table(options.rounds)


def _compare(options):
    from experiments.comparison.compare import compare
    from experiments.harness.say import say

    return compare(options, say)


def _rounds(options):
    from experiments.harness.say import say
    from experiments.rounds.rounds import rounds

    return rounds(options, say)


def _pool(options):
    from experiments.rounds.pool import write_pool

    return write_pool(options.output, options.scans, options.test, options.seed)


def _stopping(options):
    from experiments.rounds.stopping import stopping_table

    return stopping_table(options.folders)


def _day(options):
    from experiments.day.day import day
    from experiments.harness.say import say

    return day(options, say)


def _map(options):
    from experiments.checks.map import map_table

    which = options.data, options.split, options.labelled, options.cases
    return map_table(*which, options.minutes, options.method, options.seed)


def _review(options):
    from experiments.checks.review import review_table

    which = options.data, options.split, options.labelled, options.steps
    return review_table(*which, options.method, options.seeds, options.cases)


def _features(options):
    from experiments.checks.features import features_table

    return features_table(options.data, options.split, options.cases)


def _paper(options):
    from experiments.harness.say import say
    from experiments.papers.paper import paper

    return paper(options, say)


def _domains(options):
    from experiments.domains.command import domains
    from experiments.harness.say import say

    return domains(options, say)


def _mutants(options):
    from experiments.mutants.command import mutants

    return mutants(options.only, options.list, options.jobs)


def _kills(options):
    from experiments.harness.say import say
    from experiments.kills.command import kills

    return kills(options.count, options.seed, options.output, say, training=options.training)


def _row(options):
    from experiments.comparison.going_on import work

    work(options.folder, options.key)
    return "done"


def _annotation(options):
    from experiments.rounds.rounds import play

    play(options.folder, options.key)
    return "done"


def _transfer(options):
    from experiments.domains.worker import work

    work(options.folder, options.key)
    return "done"


def _played(options):
    from experiments.day.play import play

    play(options.folder, options.key)
    return "done"


COMMANDS = (
    Command("bench", "> bench.md", "speed and memory, about 5 minutes", options_of.bench, _bench),
    Command("ongoing", "", "requests and memory while it trains by itself, 25 minutes", options_of.ongoing, _ongoing),
    Command("steps", "", "time and memory of one step of each method, 2 minutes", options_of.steps, _steps),
    Command("load", "", "many people on one server; while one request is long; 15 minutes", options_of.load, _load),
    Command("panel", "", "how long the panel's code holds Slicer's interface", options_of.panel, _panel),
    Command("compare", "--data FOLDER", "methods against each other, on labelled data", options_of.compare, _compare),
    Command("rounds", "--data FOLDER", "strategies, in simulated annotation", options_of.rounds, _rounds),
    Command("pool", "--output FOLDER", "generated scans for rounds, some of them rare", options_of.pool, _pool),
    Command("stopping", "FOLDER", "is the advice to stop labelling right, in rounds?", options_of.stopping, _stopping),
    Command("day", "--data FOLDER", "train while people draw, or after each label?", options_of.day, _day),
    Command("map", "--data FOLDER", "does the map of uncertainty lie where the model is wrong?", options_of.map, _map),
    Command("review", "--data FOLDER", "are mistakes in labels seen, and only these?", options_of.review, _review),
    Command("features", "--data FOLDER", "which features choose the first cases best?", options_of.features, _features),
    Command("paper", "--dataset la --root FOLDER", "the same by the papers' rules", options_of.paper, _paper),
    Command("domains", "", "labels of some scanners, a model for others: Dice there", transfers_options, _domains),
    Command("kills", "", "is anything lost when a server is killed? 13 s a kill", options_of.kills, _kills),
    Command("mutants", "", "does a test notice each planted fault? 15 minutes", options_of.mutants, _mutants),
)
CHILDREN = (
    Command("row", "FOLDER KEY", "one run of a comparison", options_of.child, _row),
    Command("annotation", "FOLDER KEY", "one simulated annotation", options_of.child, _annotation),
    Command("played", "FOLDER KEY", "one played day", options_of.child, _played),
    Command("transfer", "FOLDER KEY", "one run of a task of domains", options_of.child, _transfer),
)
"""Called by the commands themselves, each in a process of its own."""


def description() -> "str":
    """The list of commands for --help."""
    typed = [("python3 scripts/experiment.py {} {}".format(each.name, each.example), each.what) for each in COMMANDS]
    width = max(len(line) for line, _ in typed) + 2
    lines = ["    {}{}".format(line.ljust(width), what) for line, what in typed]
    end = "COMMAND --help lists the options. Tables go to the standard output, progress to the standard error."
    return "\n".join(["Measure FewLabel on this computer.", "", *lines, "", end])


def unknown(typed: "str") -> "str":
    """A sentence about a command that does not exist, with the one that was meant."""
    names = [command.name for command in COMMANDS]
    close = difflib.get_close_matches(typed, names, 1)
    hint = " Did you mean '{}'?".format(close[0]) if close else ""
    return "there is no command '{}'.{} There are: {}.".format(typed, hint, ", ".join(names))


def parse(arguments: "list[str]") -> "argparse.Namespace":
    """Parse the command line, with ``run`` of the command; exits with a message for options that cannot work."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description(), formatter_class=layout)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    by_name = {}
    for command in COMMANDS + CHILDREN:
        shown = {"help": command.what} if command in COMMANDS else {}
        by_name[command.name] = commands.add_parser(command.name, **shown)
        command.options(by_name[command.name])
        by_name[command.name].set_defaults(run=command.run, child=command in CHILDREN)
    typed = arguments[0] if arguments else "-"
    if not typed.startswith("-") and typed not in by_name:
        parser.error(unknown(typed))
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.error("give a command: " + " or ".join(command.name for command in COMMANDS))
    problem = problem_with(options)
    if problem:
        by_name[options.command].error(problem)
    return options

"""The demo from its first scan to its report: rounds of labelling and training, then an export that is compared."""

import argparse
import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path

from serving import process as serving
from environment import ROOT
from experiments.demo import bundle as exported
from experiments.demo.report import write_report
from experiments.demo.study import clear_output, generated_study, given_study
from experiments.harness.clinician import Clinician, candidates, connect
from experiments.harness.errors import ExperimentError
from experiments.harness.result import Result, Round, class_means, number, print_table, round_mean, table
from experiments.harness.server import free_port, launch, show_log
from experiments.harness.study import Study
from fewlabel.wording import amount

STARTED = time.monotonic()


def say(text: str) -> None:
    """Print progress, with the time since the start."""
    print("[{:3.0f} s] {}".format(time.monotonic() - STARTED, text), flush=True)


def server_conf(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Settings of the server, as pairs for ``--conf``."""
    minutes = str(options.minutes)
    conf = {"training": "continuous", "publish_minutes": str(options.minutes / 2), "max_minutes": minutes}
    conf.update(scoring_minutes=minutes, seed=str(options.seed), **({"method": options.method} if options.method else {}))
    return list({**conf, **dict(options.conf)}.items())


def goes_on(options: argparse.Namespace) -> bool:
    """Whether the server trains by itself while the clinician draws; otherwise each round waits for a training."""
    return dict(server_conf(options))["training"] == "continuous"


def make_study(options: argparse.Namespace) -> Study:
    """The study: generated, or copied from the given folder."""
    clear_output(options.output)
    if options.studies is None:
        say("Generating {} in {} ...".format(amount(options.scans, "scan"), options.output))
        return generated_study(options.output, options.scans, options.seed)
    say("Reading and copying the images of {} ...".format(options.studies))
    names = [name.strip() for name in options.labels.split(",") if name.strip()]
    return given_study(options.output, options.studies, options.truth, names, options.limit, options.seed)


def play(options: argparse.Namespace, study: Study, address: str) -> Result:
    """All rounds of labelling, drawing while the server trains, and measuring, against the running server."""
    if sum(options.plan) >= len(study.truth):
        raise ExperimentError(
            "{} planned, and {} there: some must stay without a label.".format(
                amount(sum(options.plan), "label"), amount(len(study.truth), "scan")
            )
        )
    clinician = Clinician(connect(address, options.output / "downloads"), study, options.output / "predictions")
    result = Result(list(study.classes), len(study.truth), folders={"predictions": str(clinician.folder)})
    measured = candidates(list(study.truth), options.evaluate, options.seed)
    labelled, minutes = [], amount(options.minutes, "minute")
    for turn, count in enumerate(options.plan, start=1):
        say("Round {} of {}: labelling {}".format(turn, len(options.plan), amount(count, "case")))
        choices = []
        for _ in range(count):
            choices.append(clinician.label_next())
            print("  {}: {}".format(choices[-1].id, choices[-1].reason), flush=True)
        labelled += [choice.id for choice in choices]
        done = Round(len(labelled), choices)
        start = time.monotonic()
        if goes_on(options):
            say("Round {}: drawing for {} while the server trains by itself".format(turn, minutes))
            done.training = clinician.draw(60 * options.minutes)
            print("  {}".format(done.training.get("line", "")), flush=True)
        else:
            say("Round {}: training with {} for {}".format(turn, amount(len(labelled), "label"), minutes))
            done.training = clinician.train({})
        done.seconds = time.monotonic() - start
        if turn == len(options.plan):
            clinician.rest()  # what is measured now is what is exported
        left = [case for case in measured if case not in labelled]
        if not left:
            raise ExperimentError("Each case to measure on has a label by now; measure on more of them with --evaluate.")
        clinician.evaluate(done, left)
        result.rounds.append(done)
        result.save(options.output / "demo.json")
        means = class_means(done, left, result.classes)
        words = ", ".join(name + " " + number(value) for name, value in means.items())
        have, lack = amount(len(labelled), "label"), amount(len(left), "case")
        say("Dice with {}, on {} without: {}".format(have, lack, words))
    return result


def compare_with_bundle(options: argparse.Namespace, study: Study, result: Result) -> None:
    """Export the model, run the export on a few cases, and compare with the server's last predictions."""
    say("Exporting the model as a MONAI bundle and running the bundle ...")
    bundle = options.output / "bundle"
    exported.export(study.images, bundle)
    cases = result.evaluated()[:4]
    outputs = exported.run_bundle(bundle, [study.image(case) for case in cases], options.output)
    last = Path(result.folders["predictions"]) / "labels_{:03d}".format(result.rounds[-1].labels)
    for case in cases:
        result.comparisons.append(exported.compare(case, last / (case + ".nii.gz"), outputs))
    equal = sum(each.equal for each in result.comparisons)
    say("Bundle and server give the same label map, voxel for voxel, in {} of {} cases.".format(equal, len(cases)))


def finish(options: argparse.Namespace, study: Study, result: Result) -> int:
    """Write the report and print a summary; exit code 1 if the bundle differs from the server."""
    slicer = [sys.executable, str(ROOT / "scripts" / "serve.py"), "--studies", str(study.images)]
    result.facts = facts(options, slicer)
    result.save(options.output / "demo.json")
    report = write_report(result, study, options.output / "report.html")
    cases = result.evaluated()
    before, after = (round_mean(done, cases, result.classes) for done in (result.rounds[0], result.rounds[-1]))
    print("\nDice on {} never labelled:".format(amount(len(cases), "case")))
    print(print_table(table(result)))
    print("\nMean Dice before (first round) {:.3f}, after (last round) {:.3f}".format(before, after))
    print("Report: {}".format(report))
    print("The same study in 3D Slicer (module FewLabel or MONAI Label): start")
    print("  {}".format(command_line(slicer)), flush=True)
    return 0 if all(each.equal for each in result.comparisons) else 1


def command_line(parts: list[str]) -> str:
    """A command in the syntax of this system's shell."""
    return subprocess.list2cmdline(parts) if os.name == "nt" else " ".join(map(shlex.quote, parts))


def facts(options: argparse.Namespace, slicer: list[str]) -> dict[str, str]:
    """Facts for judging and repeating the run."""
    import monai
    import monailabel
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "command": command_line(["python3", *sys.argv]),
        "seed": str(options.seed),
        "labels added per round": ", ".join(map(str, options.plan)),
        "training per round": "{}{}".format(
            amount(options.minutes, "minute"), ", while the next labels are drawn" if goes_on(options) else " at most"
        ),
        "settings": " ".join("{}={}".format(key, value) for key, value in options.conf) or "defaults",
        "machine": "{}, {} CPU cores, GPU: {}".format(platform.platform(), os.cpu_count(), gpu),
        "versions": "Python {}, torch {}, MONAI {}, MONAI Label {}".format(
            platform.python_version(), torch.__version__, monai.__version__, monailabel.__version__
        ),
        "whole run": "{:.0f} s".format(time.monotonic() - STARTED),
        "open in 3D Slicer": command_line(slicer),
    }


def main(options: argparse.Namespace) -> int:
    """Play the whole demo; the server is stopped however it ends."""
    options.output = options.output.resolve()
    log = options.output / "server.log"
    server = None
    try:
        study = make_study(options)
        port = free_port()
        say("Starting the server (its log: {}) ...".format(log))
        server = launch(study.images, port, server_conf(options), log)
        if not serving.wait_until_ready(server, "127.0.0.1", port):
            raise ExperimentError("The server stopped while starting.")
        say("The server is ready on port {}.".format(port))
        result = play(options, study, "http://127.0.0.1:{}".format(port))
        compare_with_bundle(options, study, result)
        return finish(options, study, result)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    except ExperimentError as trouble:
        print("\n{}".format(trouble), file=sys.stderr)
        if server is not None:
            show_log(log)
        return 1
    finally:
        if server is not None:
            serving.stop(server)

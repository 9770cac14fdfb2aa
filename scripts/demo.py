"""Watch FewLabel work: label a few cases, train with the pool, get the next ones, export, compare.

    python3 scripts/demo.py                                          on generated scans, about 8 minutes
    python3 scripts/demo.py --studies FOLDER --truth FOLDER --labels anterior,posterior

Plays a clinician through a real server and MONAI Label's own client. The given folders are only read; all
that is written goes to --output, report.html at last. Ctrl-C stops the server and everything else.
"""

import argparse
import os
import platform
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import serve
from demo_options import parse
from environment import ROOT, ensure_environment

STARTED = time.monotonic()


def free_port() -> "int":
    """A port of this computer on which nothing listens now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def say(text: "str") -> "None":
    """Tell what goes on, with the time since the start."""
    print("[{:3.0f} s] {}".format(time.monotonic() - STARTED, text), flush=True)


def start_server(options: "argparse.Namespace", images: "Path", port: "int", log: "Path") -> "subprocess.Popen":
    """Start the real server on `images`; its output goes to `log`."""
    conf = [
        ("max_minutes", str(options.minutes)),
        ("scoring_minutes", str(options.minutes)),
        ("seed", str(options.seed)),
    ]
    conf += [("method", options.method)] if options.method else []
    command = serve.server_command(images, port, conf=conf + [tuple(pair) for pair in options.conf])
    group = {} if os.name == "nt" else {"start_new_session": True}
    with log.open("w", encoding="utf-8") as file:
        return subprocess.Popen(command, env=serve.server_environment(), stdout=file, stderr=subprocess.STDOUT, **group)


def show_log(log: "Path", lines: "int" = 15) -> "None":
    """Print the end of the server's log and where the whole of it is."""
    if log.exists():
        print("\nLast lines of the server's log:", file=sys.stderr)
        print(
            "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]),
            file=sys.stderr,
        )
        print("The whole log: {}".format(log), file=sys.stderr, flush=True)


def make_study(options: "argparse.Namespace") -> "object":
    """The study to play on: generated, or copied from the given folder."""
    from demo_study import clear_output, generated_study, given_study

    clear_output(options.output)
    if options.studies is None:
        say("Generating {} scans in {} ...".format(options.scans, options.output))
        return generated_study(options.output, options.scans, options.seed)
    say("Reading and copying the images of {} ...".format(options.studies))
    names = [name.strip() for name in options.labels.split(",") if name.strip()]
    return given_study(options.output, options.studies, options.truth, names, options.limit, options.seed)


def play(options: "argparse.Namespace", study: "object", address: "str") -> "object":
    """All rounds of labelling, training and measuring against the running server; then export and compare."""
    from demo_clinician import Clinician, candidates, connect
    from demo_result import DemoTrouble, Result, Round, class_means, number

    if sum(options.plan) >= len(study.truth):
        raise DemoTrouble(
            "{} labels are planned but there are only {} scans; some must stay without a label.".format(
                sum(options.plan), len(study.truth)
            )
        )
    clinician = Clinician(connect(address, options.output / "downloads"), study, options.output / "predictions")
    result = Result(list(study.classes), len(study.truth), folders={"predictions": str(clinician.folder)})
    measured = candidates(list(study.truth), options.evaluate, options.seed)
    labelled = []
    for place, count in enumerate(options.plan, start=1):
        say("Round {} of {}: labelling {} cases".format(place, len(options.plan), count))
        choices = []
        for _ in range(count):
            choices.append(clinician.label_next())
            print("  {}: {}".format(choices[-1].id, choices[-1].reason), flush=True)
        labelled += [choice.id for choice in choices]
        done = Round(len(labelled), choices)
        say("Round {}: training with {} labels for {:g} minutes".format(place, len(labelled), options.minutes))
        start = time.monotonic()
        done.training = clinician.train({})
        done.seconds = time.monotonic() - start
        left = [case for case in measured if case not in labelled]
        if not left:
            raise DemoTrouble("Each case to measure on has a label by now; measure on more of them with --evaluate.")
        clinician.evaluate(done, left)
        result.rounds.append(done)
        result.save(options.output / "demo.json")
        means = class_means(done, left, result.classes)
        words = ", ".join(name + " " + number(value) for name, value in means.items())
        say("Dice with {} labels, on {} cases without: {}".format(len(labelled), len(left), words))
    return result


def compare_with_bundle(options: "argparse.Namespace", study: "object", result: "object") -> "None":
    """Export the model, run the export by itself on a few cases, compare with the server's last answers."""
    import demo_bundle

    say("Exporting the model as a MONAI bundle and running it by itself ...")
    bundle = options.output / "bundle"
    demo_bundle.export(study.images, bundle)
    cases = result.evaluated()[:4]
    outputs = demo_bundle.run_bundle(bundle, [study.image(case) for case in cases], options.output)
    last = Path(result.folders["predictions"]) / "labels_{:03d}".format(result.rounds[-1].labels)
    for case in cases:
        result.comparisons.append(demo_bundle.compare(case, last / (case + ".nii.gz"), outputs))
    equal = sum(each.equal for each in result.comparisons)
    say("Bundle and server give the same label map, voxel for voxel, in {} of {} cases.".format(equal, len(cases)))


def finish(options: "argparse.Namespace", study: "object", result: "object") -> "int":
    """Write the report and say what came out; exit code 1 if the bundle differs from the server."""
    from demo_report import write_report
    from demo_result import print_table, round_mean, table

    slicer = [sys.executable, str(ROOT / "scripts" / "serve.py"), "--studies", str(study.images)]
    result.facts = facts(options, slicer)
    result.save(options.output / "demo.json")
    report = write_report(result, study, options.output / "report.html")
    cases = result.evaluated()
    before, after = (round_mean(done, cases, result.classes) for done in (result.rounds[0], result.rounds[-1]))
    print("\nDice on {} cases that were never labelled:".format(len(cases)))
    print(print_table(table(result)))
    print("\nMean Dice before (first round) {:.3f}, after (last round) {:.3f}".format(before, after))
    print("Report: {}".format(report))
    print("The same study in 3D Slicer (module FewLabel or MONAI Label): start")
    print("  {}".format(command_line(slicer)), flush=True)
    return 0 if all(each.equal for each in result.comparisons) else 1


def command_line(parts: "list[str]") -> "str":
    """A command as it is typed in this system's shell."""
    return subprocess.list2cmdline(parts) if os.name == "nt" else " ".join(map(shlex.quote, parts))


def facts(options: "argparse.Namespace", slicer: "list[str]") -> "dict[str, str]":
    """What is needed to judge and to repeat the run."""
    import monai
    import monailabel
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "command": command_line(["python3", *sys.argv]),
        "seed": str(options.seed),
        "labels added per round": ", ".join(map(str, options.plan)),
        "training per round": "{:g} minutes at most".format(options.minutes),
        "settings": " ".join("{}={}".format(key, value) for key, value in options.conf) or "defaults",
        "machine": "{}, {} CPU cores, GPU: {}".format(platform.platform(), os.cpu_count(), gpu),
        "versions": "Python {}, torch {}, MONAI {}, MONAI Label {}".format(
            platform.python_version(), torch.__version__, monai.__version__, monailabel.__version__
        ),
        "whole run": "{:.0f} s".format(time.monotonic() - STARTED),
        "open in 3D Slicer": command_line(slicer),
    }


def main(options: "argparse.Namespace") -> "int":
    """Play the whole demo; the server is stopped however it ends."""
    sys.path.insert(0, str(serve.APP))
    from demo_result import DemoTrouble

    options.output = options.output.resolve()
    log = options.output / "server.log"
    server = None
    try:
        study = make_study(options)
        port = free_port()
        say("Starting the server (its log: {}) ...".format(log))
        server = start_server(options, study.images, port, log)
        if not serve.wait_until_ready(server, "127.0.0.1", port):
            raise DemoTrouble("The server stopped while starting.")
        say("The server is ready on port {}.".format(port))
        result = play(options, study, "http://127.0.0.1:{}".format(port))
        compare_with_bundle(options, study, result)
        return finish(options, study, result)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    except DemoTrouble as trouble:
        print("\n{}".format(trouble), file=sys.stderr)
        if server is not None:
            show_log(log)
        return 1
    finally:
        if server is not None:
            serve.stop(server)


if __name__ == "__main__":
    chosen = parse(sys.argv[1:], __doc__)
    ensure_environment()
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), serve.interrupt)
    sys.exit(main(chosen))

"""What options of the commands of experiment.py cannot work. Read by any Python from 3.6 on."""

import argparse

from experiments.domains import options as transfers


def problem_with(options: "argparse.Namespace") -> "str":
    """One sentence about options that cannot work, "" if they can."""
    if options.command == "domains":
        return transfers.problem_with(options)
    if getattr(options, "data", None) is not None and not options.data.is_dir():
        return f"--data: {options.data} is not a folder; give the folder that holds images/ and labels/."
    if options.command == "ongoing" and _too_small([options.pairs, options.minutes], [options.seed]):
        return "--pairs and --minutes must be above 0 and --seed not below it."
    if options.command in ("bench", "ongoing"):
        if options.images is not None and not options.images.is_dir():
            return f"--images: {options.images} is not a folder; give the folder that holds the volumes."
        if options.seed < 0:
            return f"--seed {options.seed} is below 0; give 0 or a larger whole number."
    if options.command == "load" and _too_small([options.clients, options.submissions, options.cases], [options.seed]):
        return "--clients, --submissions and --cases must be above 0 and --seed not below it."
    if options.command == "load" and len(options.large) != 3:
        return "--large: give three numbers, such as 512,512,600."
    if options.command == "map" and _too_small([options.labelled, options.cases, options.minutes], [options.seed]):
        return "Numbers must be above 0; --seed may be 0 too."
    if options.command == "review" and _too_small([options.labelled, options.cases, options.steps], options.seeds):
        return "Numbers must be above 0; --seeds may be 0 too."
    if options.command == "panel" and _too_small([options.rounds], [0]):
        return "--rounds must be above 0."
    if options.command == "day" and _too_small([options.labels, options.draw, options.train, options.every], [0]):
        return "--labels, --draw, --train and --every must be above 0."
    if options.command in ("compare", "rounds", "day"):
        return _problem_with_trainings(options)
    if options.command == "pool" and (options.scans < 30 or options.test < 9 or options.seed < 0):
        return "--scans must be 30 or more, --test 9 or more: there are three rare kinds; --seed must not be below 0."
    if options.command == "stopping":
        missing = [str(folder) for folder in options.folders if not (folder / "outcomes").is_dir()]
        if missing:
            return f"{missing[0]} holds no outcomes; give the folder that was the --output of rounds --seconds."
    if options.command == "kills" and _too_small([options.count], [options.seed]):
        return "--count must be above 0 and --seed not below it."
    if options.command == "mutants" and _too_small([options.jobs], [0]):
        return "--jobs must be above 0."
    if options.command == "paper":
        if not options.root.is_dir():
            return f"--root: {options.root} is not a folder; give the folder that holds the downloaded data."
        numbers = [*(options.labelled or []), options.jobs, options.steps, options.threads]
        if _too_small(numbers, options.seeds):
            return "--labelled, --steps, --threads and --jobs must be above 0 and --seeds not below it."
    return ""


def _problem_with_trainings(options: "argparse.Namespace") -> "str":
    """The same of the commands that train rows of methods."""
    sizes = {"compare": "labelled", "rounds": "sizes"}.get(options.command)
    numbers = [
        *(getattr(options, sizes) if sizes else []),
        options.steps,
        getattr(options, "pretrain", 0) or None,
        options.jobs,
        options.minutes,
        options.core_minutes,
    ]
    numbers += [options.batch, options.threads, *getattr(options, "anytime", []), getattr(options, "seconds", None)]
    if _too_small(numbers, options.seeds):
        return "Numbers must be above 0; --seeds may be 0 too."
    if options.patch and (len(options.patch) != 3 or min(options.patch) <= 0):
        return "--patch: give three numbers above 0, such as 40,48,40."
    return ""


def _too_small(numbers: "list", seeds: "list") -> "bool":
    """Whether a number that was given is not above 0, or a seed below it."""
    return any(each is not None and each <= 0 for each in numbers) or min(seeds) < 0

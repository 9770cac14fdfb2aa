"""Command line of the export; parsed by any Python from 3.6 on, before the environment is set up."""

import argparse
from pathlib import Path


def parse(arguments: "list[str]", description: "str") -> "argparse.Namespace":
    """Parse the command line; exits with a message for options that do not go together."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=layout)
    add = parser.add_argument
    add("--studies", type=Path, help="folder of the images")
    add("--workspace", type=Path, help="the study's state; default STUDIES/.fewlabel")
    add("--output", type=Path, help="folder to create: the export itself, with --formats one folder for each format")
    add(
        "--format",
        help="one format, written into OUTPUT itself, where it replaces an earlier export; default: a MONAI bundle",
    )
    add(
        "--formats",
        nargs="*",
        metavar="FORMAT",
        help="formats, each into OUTPUT/FORMAT; without a name: list all formats",
    )
    add("--overwrite", action="store_true", help="replace earlier exports in OUTPUT/FORMAT")
    check = parser.add_mutually_exclusive_group()
    check.add_argument(
        "--check",
        nargs="+",
        metavar="IMAGE",
        help="files or ids of the scans on which exported models are run and compared; default: the three smallest",
    )
    check.add_argument(
        "--no-check", action="store_true", help="compare nothing; the export says that it was not verified"
    )
    add("--single", action="store_true", help="if the mean of two networks is published: only the better one")
    data = parser.add_argument_group("of the scans and labels")
    data.add_argument("--accepted", action="store_true", help="also labels that were left as proposed")
    data.add_argument("--link", action="store_true", help="hard links to the scans instead of copies, where possible")
    data.add_argument(
        "--cases", nargs="+", default=[], metavar="ID", help="DICOM SEG, predictions: of these scans only"
    )
    data.add_argument("--predictions", action="store_true", help="DICOM SEG: the model's label maps, not the submitted")
    data.add_argument("--series", type=Path, metavar="DIR", help="DICOM SEG: folder of the DICOM series of the scans")
    options = parser.parse_args(arguments)
    if options.format and options.formats:
        parser.error("give --format or --formats, not both")
    if options.formats != [] and not (options.studies and options.output):
        parser.error("--studies and --output are needed")
    return options

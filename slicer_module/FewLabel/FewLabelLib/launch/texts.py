"""Sentences about starting the server."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

LOOKING = "Looking for Python and FewLabel ..."
PREPARING = "Setting up FewLabel. The first time this takes minutes and about 2 GB of disk."
STARTING = "The server is starting ..."
STOPPING = "Stopping ..."
STOPPED = "The server was stopped. Your labels are in the folder of the scans."
CANCELLED = "Cancelled. Press Start to go on from there."
NO_STUDIES = "Choose the folder that holds your scans."
ASK_FOLDER = "Where is FewLabel? Choose its folder: the one that holds README.md, scripts and slicer_module."
ENDED = "The server has ended by itself. Open the log to see why, or press Start."


def not_fewlabel(folder: Path) -> str:
    """Said of a folder that was chosen as FewLabel's."""
    return (
        f"'{folder}' is not FewLabel's folder: it has no scripts/environment.py and scripts/serve.py. Choose another."
    )


def no_such_studies(folder: Path) -> str:
    """Said where the folder of the scans does not exist."""
    return f"'{folder}' is not a folder. {NO_STUDIES}"


def no_python(seen: Sequence[str], without_venv: str) -> str:
    """Said where no suitable Python was found.

    Args:
        seen: versions that were found and cannot be used.
        without_venv: version of a suitable Python that cannot make environments, "" for none.
    """
    if without_venv:
        return (
            f"Python {without_venv} is here but cannot make environments. "
            f"Install the package python{without_venv}-venv, then press Start."
        )
    others = f" Only {', '.join(seen)} found." if seen else ""
    return (
        f"No Python 3.10, 3.11 or 3.12 was found on this computer.{others} "
        "FewLabel does not fetch one itself. "
        "Install Python 3.12 from https://www.python.org/downloads/, then press Start."
    )


def downloads(count: int, megabytes: float, last: str) -> str:
    """What was downloaded so far.

    Args:
        count: of large packages.
        megabytes: of all these.
        last: what the set-up said last.
    """
    if not count:
        return last
    return f"{last}\n{count} large package{'' if count == 1 else 's'} so far, {megabytes:.0f} MB in all."


def network_away(seconds: float) -> str:
    """Said while it waits for the network."""
    return f"The network is away. What has arrived is kept; trying again in {seconds:.0f} s."


def running(url: str, kept: bool) -> str:
    """Said of a running server."""
    end = "It goes on when Slicer ends." if kept else "It ends with Slicer."
    return f"Running at {url}. {end}"


def failed(what: str, code: int) -> str:
    """Said where a process ended without a word."""
    return f"{what} ended with code {code} and said nothing. Open the log."

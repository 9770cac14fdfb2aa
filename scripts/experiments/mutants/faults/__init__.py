"""The planted faults: every tuple of faults in a file of this folder; a new file needs no other line."""

from __future__ import annotations

import importlib
import pkgutil

from experiments.mutants.fault import Fault


def _of(module: str) -> list[Fault]:
    """The faults that a file lists, in its order."""
    listed = vars(importlib.import_module(f"{__name__}.{module}")).values()
    return [each for value in listed if isinstance(value, tuple) for each in value if isinstance(each, Fault)]


FAULTS: tuple[Fault, ...] = tuple(fault for module in pkgutil.iter_modules(__path__) for fault in _of(module.name))

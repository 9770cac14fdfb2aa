"""The methods that can be chosen by name. To add one: one file here, one line below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from fewlabel.methods.base import Method
from fewlabel.methods.bcp import BidirectionalCopyPaste
from fewlabel.methods.cps import CrossPseudoSupervision
from fewlabel.methods.dtlp import DTLP
from fewlabel.methods.dual_network import DualNetwork
from fewlabel.methods.mean_teacher import MeanTeacher
from fewlabel.methods.supervised import Supervised
from fewlabel.methods.uamt import UncertaintyAwareMeanTeacher

METHODS: dict[str, type[Method]] = {
    "supervised": Supervised,
    "mean_teacher": MeanTeacher,
    "uamt": UncertaintyAwareMeanTeacher,
    "cps": CrossPseudoSupervision,
    "bcp": BidirectionalCopyPaste,
    "dual_network": DualNetwork,
    "dtlp": DTLP,
}

# What the comparison in docs/results.md picks, on development cases.
_DEFAULT = {"cpu": "bcp", "cuda": "dual_network"}


def default_method(device: str) -> str:
    """The default method for a device (``cpu``, ``cuda``, ``cuda:1``, ...).

    A training on a CPU is limited by its time: the best method for its cost. On a GPU it is limited by its steps: the
    best method for a number of steps.
    """
    return _DEFAULT["cuda" if device.startswith("cuda") else "cpu"]


def make_method(
    name: str, build: Callable[[], nn.Module], build_second: Callable[[], nn.Module], classes: int, **settings: Any
) -> Method:
    """Make a method of the table, with one builder of networks or two (see Method).

    Args:
        name: of the table.
        build, build_second: make the first and the second network; methods with one network ignore the latter.
        classes: number of classes, background included.
        settings: keyword arguments of the method.
    """
    method = METHODS[name]
    if method.needs_second:
        settings["build_second"] = build_second
    return method(build, classes, **settings)

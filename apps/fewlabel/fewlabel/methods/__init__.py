"""The methods that can be chosen by name. To add one: one file here, one line below."""

from fewlabel.methods.base import Method
from fewlabel.methods.bcp import BidirectionalCopyPaste
from fewlabel.methods.dtlp import DTLP
from fewlabel.methods.mean_teacher import MeanTeacher
from fewlabel.methods.supervised import Supervised

METHODS: dict[str, type[Method]] = {
    "supervised": Supervised,
    "mean_teacher": MeanTeacher,
    "bcp": BidirectionalCopyPaste,
    "dtlp": DTLP,
}

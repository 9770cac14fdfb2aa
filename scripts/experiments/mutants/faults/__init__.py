"""The planted faults, by room. To add one: a line in the room's file, with the test that must notice it."""

from experiments.mutants.fault import Fault
from experiments.mutants.faults.data import DATA
from experiments.mutants.faults.losses import LOSSES
from experiments.mutants.faults.methods import METHODS
from experiments.mutants.faults.published import PUBLISHED
from experiments.mutants.faults.selection import SELECTION
from experiments.mutants.faults.storing import STORING
from experiments.mutants.faults.training import TRAINING

FAULTS: tuple[Fault, ...] = (*PUBLISHED, *METHODS, *LOSSES, *DATA, *TRAINING, *SELECTION, *STORING)

"""The planted faults, one file for each package. To add one: a ``Fault`` there, with the test that must notice it."""

from experiments.mutants.fault import Fault
from experiments.mutants.faults.alone import ALONE
from experiments.mutants.faults.arrivals import ARRIVALS
from experiments.mutants.faults.bundles import BUNDLES
from experiments.mutants.faults.cards import CARDS
from experiments.mutants.faults.choosing import CHOOSING
from experiments.mutants.faults.continuous import CONTINUOUS
from experiments.mutants.faults.data import DATA
from experiments.mutants.faults.datasets import DATASETS
from experiments.mutants.faults.dicom import DICOM
from experiments.mutants.faults.domains import DOMAINS
from experiments.mutants.faults.dtlp import DTLP
from experiments.mutants.faults.export import EXPORT
from experiments.mutants.faults.exporting import EXPORTING
from experiments.mutants.faults.folder import FOLDER
from experiments.mutants.faults.formats import FORMATS
from experiments.mutants.faults.keeping import KEEPING
from experiments.mutants.faults.losses import LOSSES
from experiments.mutants.faults.measures import MEASURES
from experiments.mutants.faults.methods import METHODS
from experiments.mutants.faults.pool import POOL
from experiments.mutants.faults.published import PUBLISHED
from experiments.mutants.faults.selection import SELECTION
from experiments.mutants.faults.storing import STORING
from experiments.mutants.faults.teacher import TEACHER
from experiments.mutants.faults.training import TRAINING

FAULTS: tuple[Fault, ...] = (
    *(*PUBLISHED, *METHODS, *TEACHER, *POOL, *DTLP, *LOSSES, *MEASURES),
    *(*DATA, *TRAINING, *CONTINUOUS, *ARRIVALS, *KEEPING, *SELECTION, *CHOOSING, *STORING, *FOLDER),
    *(*EXPORT, *EXPORTING, *DATASETS, *BUNDLES, *CARDS, *DICOM, *ALONE, *FORMATS),
    *DOMAINS,
)

"""Which voxels of an export count as differing from what the server says."""

import numpy as np
import pytest
import torch

from fewlabel.export.comparing import TIE, compare_runs
from fewlabel.export.source import Segmented
from fewlabel.plan import Plan
from fewlabel.published import Published
from fewlabel.volumes.reading import write_volume

SHAPE = (3, 4, 5)
WHERE = (1, 2, 3)


class Study:
    """Stands in for the source of an export: one scan, whose probabilities are known; class 1 is a little likelier."""

    model = Published(torch.nn.Identity(), Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "", 1, ("organ",)), {})

    def __init__(self, margin, kept=True):
        likely = np.full(SHAPE, 0.5 + margin / 2, np.float32)
        self.segmented = Segmented(
            np.ones(SHAPE, np.uint8), np.eye(4), np.stack([1 - likely, likely]) if kept else None, 0.1
        )

    def tell(self, done, what):
        pass

    def segment(self, image):
        return self.segmented


@pytest.fixture
def differing(tmp_path):
    """Callable (source): voxels that count, where an export says background in one voxel and class 1 in all others."""
    image = tmp_path / "scan.nii.gz"
    write_volume(image, np.zeros(SHAPE, np.float32), np.eye(4))

    def run(folder, inputs, outputs):
        labels = np.ones(SHAPE, np.uint8)
        labels[WHERE] = 0
        outputs.mkdir(exist_ok=True)
        write_volume(outputs / "0_scan_seg.nii.gz", labels, np.eye(4))

    return lambda source: compare_runs(source, tmp_path, run, [("scan", image)])[0].differing


def test_a_voxel_where_both_classes_are_as_likely_does_not_count(differing):
    assert differing(Study(0.0)) == 0
    assert differing(Study(TIE / 10)) == 0


def test_a_voxel_where_the_network_prefers_one_class_counts(differing):
    assert differing(Study(0.001)) == 1


def test_without_probabilities_every_voxel_counts(differing):
    assert differing(Study(0.0, kept=False)) == 1

"""Faults of published code that lie outside of the methods themselves; those inside are in ``tests/methods``.

``ad``: the list of A&D's defects (GenericSSL) in the order in which they are known; ``dual``: the list of the dual
network's published code. Numbers that are missing here are in tests/methods/test_dtlp.py, test_teacher.py and
test_dual_faults.py.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from experiments.comparison.cases import read_cases
from experiments.comparison.measures import measure
from fewlabel.data.loaders import volume_loader
from fewlabel.data.transforms import Preprocessing
from fewlabel.plan import Plan
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import write_json

PLAN = Plan(
    spacing=(1.0, 1.0, 1.0),
    patch=(16, 16, 16),
    normalisation="meanstd",
    bounds=None,
    network="unet_small",
    batch=1,
    classes=("organ",),
)


def write_case(folder, name, seed=0):
    random = np.random.default_rng(seed)
    label = np.zeros((20, 22, 18), np.uint8)
    label[8:12, 8:12, 8:12] = 1
    image = random.normal(100, 10, label.shape).astype(np.float32) + 50 * label
    write_volume(folder / "images" / f"{name}.nii.gz", image, np.eye(4))
    write_volume(folder / "labels" / f"{name}.nii.gz", label, np.eye(4))
    return str(folder / "images" / f"{name}.nii.gz"), str(folder / "labels" / f"{name}.nii.gz")


def make_folder(tmp_path, names):
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
    return [write_case(tmp_path, name, seed) for seed, name in enumerate(names)]


def test_fault_ad_3_and_dual_18_no_choice_can_see_a_test_case(tmp_path):
    names = [f"case{number}" for number in range(12)]
    make_folder(tmp_path, names)
    write_json(tmp_path / "splits.json", {"test": names[:4], "development": names[4:]})
    cases = read_cases(tmp_path)
    for seed in range(5):
        for count in (2, 4, None):
            labelled, unlabelled = cases.draw(count, seed)
            assert not {*labelled, *unlabelled} & set(cases.test)
    tuning = cases.without_test()
    assert not {*tuning.images, *tuning.test, *tuning.development} & set(cases.test)


def test_fault_ad_4_and_dual_17_a_class_that_is_nowhere_is_not_perfect_and_a_missed_one_has_no_distance():
    nothing, something = torch.zeros(2, 8, 8, 8, dtype=torch.long).unbind()
    something[2:5, 2:5, 2:5] = 1
    (absent,) = measure(nothing, nothing, (1.0, 1.0, 1.0), ("organ",))
    assert math.isnan(absent["dice"])
    (missed,) = measure(nothing, something, (1.0, 1.0, 1.0), ("organ",))
    assert missed["dice"] == 0
    assert math.isnan(missed["hausdorff95"])
    assert math.isnan(missed["surface_distance"])
    assert missed["empty"] == "prediction"


def test_fault_ad_4_the_hausdorff_distance_is_not_the_average_one():
    truth, predicted = torch.zeros(2, 20, 12, 12, dtype=torch.long).unbind()
    truth[2:6, 2:10, 2:10] = 1
    predicted[2:6, 2:10, 2:10] = 1
    predicted[16, 2:6, 2:6] = 1
    (row,) = measure(predicted, truth, (1.0, 1.0, 1.0), ("organ",))
    assert row["hausdorff95"] > 2 * row["surface_distance"] > 0


def test_fault_ad_5_nothing_is_cropped_by_its_label(tmp_path):
    ((image, label),) = make_folder(tmp_path, ["a"])
    with_label = Preprocessing(PLAN, ("image", "label"))({"image": image, "label": label})["image"]
    alone = Preprocessing(PLAN)({"image": image})["image"]
    assert alone.shape == (1, 20, 22, 18)
    assert torch.equal(alone.as_tensor(), with_label.as_tensor())


def test_fault_dual_16_training_and_use_normalise_alike(tmp_path):
    ((image, label),) = make_folder(tmp_path, ["a"])
    used = Preprocessing(PLAN)({"image": image})["image"].as_tensor()
    labelled = volume_loader(PLAN, True)({"image": image, "label": label})["image"]
    unlabelled = volume_loader(PLAN, False)({"image": image})["image"]
    assert torch.equal(used, labelled)
    assert torch.equal(used, unlabelled)

"""In adaptation as in the benchmarks, the target's labels are never read."""

import numpy as np
import pytest

from fewlabel.data.loaders import PairedLoader
from fewlabel.data.setting import Sampling
from fewlabel.plan import Plan
from fewlabel.settings import ADAPTATION, GENERALISATION, SEMI_SUPERVISED
from fewlabel.volumes.reading import write_volume

PLAN = Plan((1.0, 1.0, 1.0), (8, 8, 8), "meanstd", None, "unet_small", 2, ("organ",))
SHAPE = (12, 10, 9)


@pytest.fixture
def records(tmp_path):
    """Two labelled records of the source; three of the target, whose labels are not numbers."""
    made = []
    for number in range(5):
        image, label = tmp_path / f"{number}.nii", tmp_path / f"label_{number}.nii"
        write_volume(image, np.random.default_rng(number).normal(size=SHAPE).astype(np.float32), np.eye(4))
        values = np.zeros(SHAPE, np.uint8) if number < 2 else np.full(SHAPE, np.nan, np.float32)
        values[4:8, 4:8, 4:8] = 1 if number < 2 else np.nan
        write_volume(label, values, np.eye(4))
        made.append({"id": str(number), "image": str(image), "label": str(label)})
    return made[:2], made[2:]


@pytest.mark.parametrize("setting", [SEMI_SUPERVISED, ADAPTATION, GENERALISATION])
def test_labels_of_the_target_that_are_not_numbers_are_never_read(records, setting, take):
    source, target = records
    domains = {**{each["id"]: "source" for each in source}, **{each["id"]: "target" for each in target}}
    reported = []
    loader = PairedLoader(
        *records, PLAN, report=lambda *said: reported.append(said), sampling=Sampling(setting, domains)
    )
    for batch in take(loader, 12):
        assert set(batch["unlabelled"]) == {"weak", "strong"}
        assert set(batch["labelled"]["label"].unique().tolist()) <= {0, 1}
        for crops in (*batch["labelled"].values(), *batch["unlabelled"].values()):
            assert crops.isfinite().all()
    assert not reported
    assert loader.unlabelled.read == {each["id"] for each in target}

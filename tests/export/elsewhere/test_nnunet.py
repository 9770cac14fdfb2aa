"""nnU-Net's own check of a data set and its planning, on what we export for it."""

from __future__ import annotations

import os
import subprocess

import pytest

from fewlabel.export.nnunet import DATASET
from fewlabel.export.table import find_export

pytestmark = pytest.mark.slow

# The other packages that its planning imports. Asked for by itself it would bring another torch, with CUDA: timm, which
# its transformers want and no planning imports, wants the newest torchvision.
OWN = ("nnunetv2==2.8.1", "acvl-utils<0.3", "dynamic-network-architectures<0.5", "batchgenerators", "batchgeneratorsv2")
THEIRS = ("blosc2", "ndindex", "msgpack", "numexpr", "connected-components-3d")
TABLES = ("pandas<3", "pytz", "tzdata", "scikit-learn<1.8", "joblib", "threadpoolctl")
ENTRY = """
from nnunetv2.experiment_planning.plan_and_preprocess_entrypoints import plan_and_preprocess_entry
plan_and_preprocess_entry()
"""


@pytest.fixture(scope="module")
def nnunet(environment):
    """Callable (folder of data sets, folder for what it makes): nnUNetv2_plan_and_preprocess, with its check."""
    environment.install(*OWN, *THEIRS, *TABLES)

    def plan(raw, made):
        folders = {"nnUNet_raw": raw, "nnUNet_preprocessed": made, "nnUNet_results": made}
        alone = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        options = ["-d", "1", "--verify_dataset_integrity", "-c", "3d_fullres", "-np", "1", "-npfp", "1"]
        return subprocess.run(
            [str(environment.python), "-c", ENTRY, *options],
            env=alone | {key: str(folder) for key, folder in folders.items()},
            capture_output=True,
            text=True,
            timeout=900,
        )

    return plan


@pytest.fixture
def exported(labelled_study, tmp_path):
    """Folder of an export for nnU-Net, with accepted labels too."""
    with labelled_study().source(accepted=True) as source:
        find_export("nnunet").export(source, tmp_path / "export")
    return tmp_path / "export"


@pytest.mark.timeout(3000)
def test_nnunet_s_own_check_accepts_the_data_set_and_plans_for_it(exported, nnunet, tmp_path):
    done = nnunet(exported, tmp_path / "made")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verify_dataset_integrity Done" in done.stdout
    assert "Warning" not in done.stdout
    assert "Error" not in done.stdout
    assert (tmp_path / "made" / DATASET / "nnUNetPlans.json").is_file()


@pytest.mark.timeout(3000)
def test_a_data_set_without_one_of_its_labels_is_not_accepted(exported, nnunet, tmp_path):
    """The check is one: what it lets pass above is not anything."""
    next((exported / DATASET / "labelsTr").iterdir()).unlink()
    done = nnunet(exported, tmp_path / "made")
    assert done.returncode != 0
    assert not (tmp_path / "made" / DATASET / "nnUNetPlans.json").exists()

"""What tests of several rooms share."""

import sys

import pytest


@pytest.fixture
def inference_workflow(monkeypatch, tmp_path):
    """Callable (folder of an exported bundle) -> MONAI's inference workflow of it, initialised on an empty folder."""
    from monai.bundle import ConfigWorkflow

    def make(bundle):
        (tmp_path / "images").mkdir()
        monkeypatch.setattr(sys, "path", list(sys.path))
        workflow = ConfigWorkflow(
            config_file=str(bundle / "configs" / "inference.json"),
            meta_file=str(bundle / "configs" / "metadata.json"),
            logging_file=False,
            workflow_type="infer",
            bundle_root=str(bundle),
            dataset_dir=str(tmp_path / "images"),
        )
        workflow.initialize()
        return workflow

    return make

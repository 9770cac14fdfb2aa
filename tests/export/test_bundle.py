import importlib.metadata
import json
import os

import pytest
import torch
from monai.bundle import ConfigParser, verify_net_in_out

from fewlabel.errors import Refusal
from fewlabel.export import bundle as module
from fewlabel.export.table import export_model, find_export
from fewlabel.networks import NETWORKS
from fewlabel.published import load_published
from fewlabel.workspace import Workspace

LAYOUT = {
    "LICENSE",
    "configs/metadata.json",
    "configs/inference.json",
    "configs/train.json",
    "configs/logging.conf",
    "models/model.pt",
    "docs/README.md",
    "requirements.txt",
    "MODEL_CARD.md",
    "model_card.json",
    "model_card.html",
    "verification.json",
}
METADATA = {
    "schema",
    "version",
    "changelog",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "required_packages_version",
    "task",
    "description",
    "authors",
    "copyright",
    "network_data_format",
}
CHANNELS = {
    "type",
    "format",
    "modality",
    "num_channels",
    "spatial_shape",
    "dtype",
    "value_range",
    "is_patch_data",
    "channel_def",
}


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_layout_is_complete_and_nothing_else_is_left(publish, tmp_path):
    bundle = export_model("bundle", publish(), tmp_path / "out" / "a bundle")
    assert files(bundle) == LAYOUT
    assert os.listdir(tmp_path / "out") == ["a bundle"]


def test_the_metadata_is_what_monai_asks_for(publish, tmp_path):
    metadata = read(export_model("bundle", publish(), tmp_path / "bundle") / "configs" / "metadata.json")
    assert metadata.keys() >= METADATA
    assert metadata["version"] in metadata["changelog"]
    formats = metadata["network_data_format"]
    assert formats["inputs"]["image"].keys() >= CHANNELS
    assert formats["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "organ", "2": "tumour"}
    assert formats["outputs"]["pred"]["num_channels"] == 3


def test_the_weights_are_the_published_ones_and_load_without_code(publish, tmp_path):
    workspace = publish()
    saved = torch.load(
        export_model("bundle", workspace, tmp_path / "bundle") / "models" / "model.pt", weights_only=True
    )
    published = load_published(workspace.model).network.state_dict()
    assert saved["model"].keys() == published.keys()
    assert all(torch.equal(saved["model"][key], published[key]) for key in published)


@pytest.mark.parametrize("name", sorted(name for name in NETWORKS if not NETWORKS[name].sources))
def test_every_network_of_monai_can_be_said_in_monais_words(name):
    torch.manual_seed(0)
    ours = NETWORKS[name](3)
    parser = ConfigParser({"network": json.loads(json.dumps(NETWORKS[name].config(3)))})
    theirs = parser.get_parsed_content("network")
    theirs.load_state_dict(ours.state_dict(), strict=True)
    assert type(theirs) is type(ours)


def test_monai_finds_all_properties_of_an_inference_workflow(publish, tmp_path, inference_workflow):
    workflow = inference_workflow(export_model("bundle", publish(), tmp_path / "bundle"))
    assert not workflow.check_properties()
    assert workflow.network_def is not None
    assert workflow.inferer.roi_size == [16, 24, 16]


def test_monais_own_check_of_input_and_output_passes(publish, tmp_path):
    configs = export_model("bundle", publish(), tmp_path / "bundle") / "configs"
    verify_net_in_out(
        net_id="network_def",
        config_file=str(configs / "inference.json"),
        meta_file=str(configs / "metadata.json"),
        device="cpu",
    )


def test_the_readme_says_values_and_quality(publish, tmp_path):
    text = (export_model("bundle", publish(), tmp_path / "bundle") / "docs" / "README.md").read_text(encoding="utf-8")
    assert "- 1: organ\n- 2: tumour" in text
    assert "Dice 0.80 on validation cases" in text
    assert "organ 0.800" in text
    assert "configs/train.json" in text
    assert "python -m monai.bundle run" in text


def test_the_packages_are_pinned_to_the_versions_that_are_here(publish, tmp_path):
    """Without a local part as in 2.13.0+cpu, which no index has."""
    bundle = export_model("bundle", publish(), tmp_path / "bundle")
    pinned = dict(line.split("==") for line in (bundle / "requirements.txt").read_text().splitlines())
    assert pinned.keys() == {"monai", "torch", "numpy", "itk-io", "nibabel", "pytorch-ignite", "fire"}
    assert all(importlib.metadata.version(name).split("+")[0] == version for name, version in pinned.items())


def test_without_a_published_model_it_says_so(tmp_path):
    with pytest.raises(Refusal, match="no model to export yet"):
        export_model("bundle", Workspace(tmp_path / "study"), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("what", ["a file", "notes.txt", "configs/metadata.json"])
def test_what_is_not_ours_is_left_alone(publish, tmp_path, what):
    target = tmp_path / "bundle"
    path = target if what == "a file" else target / what
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"name": "someone else\'s bundle"}')
    with pytest.raises(Refusal, match="not an earlier export"):
        export_model("bundle", publish(), target)
    assert path.read_text() == '{"name": "someone else\'s bundle"}'


def test_exporting_again_replaces_the_export_and_keeps_what_people_put_there(publish, tmp_path):
    workspace = publish()
    bundle = export_model("bundle", workspace, tmp_path / "bundle")
    (bundle / "models" / "old.ts").write_text("old")
    (bundle / "eval").mkdir()
    (bundle / "eval" / "result.nii.gz").write_text("a result")
    assert export_model("bundle", workspace, bundle) == bundle
    assert files(bundle) == {*LAYOUT, "eval/result.nii.gz"}


@pytest.mark.parametrize("word", ["deepedit", "deepgrow", "detection", "classification"])
def test_a_name_by_which_monai_label_would_take_it_for_another_kind_is_refused(publish, tmp_path, word):
    target = tmp_path / f"My_{word.capitalize()}"
    with pytest.raises(Refusal, match=f"'{target.name}' contains {word}") as refusal:
        export_model("bundle", publish(), target)
    assert refusal.value.status_code == 422
    assert not target.exists()
    assert "segmentation" in find_export("bundle").folder


def test_an_empty_folder_may_be_filled(publish, tmp_path):
    (tmp_path / "bundle").mkdir()
    assert files(export_model("bundle", publish(), tmp_path / "bundle")) == LAYOUT


def test_a_full_disk_is_reported_and_the_earlier_export_stays(publish, tmp_path, monkeypatch):
    workspace = publish()
    bundle = export_model("bundle", workspace, tmp_path / "bundle")
    before = {name: (bundle / name).read_bytes() for name in files(bundle)}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_json", full)
    with pytest.raises(Refusal, match="No space left"):
        export_model("bundle", workspace, bundle)
    assert {name: (bundle / name).read_bytes() for name in files(bundle)} == before
    assert sorted(os.listdir(tmp_path)) == ["bundle", "study"]

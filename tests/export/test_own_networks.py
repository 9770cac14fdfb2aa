from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from fewlabel.export.bundle import copy_sources
from fewlabel.export.configs import inference
from fewlabel.networks import find
from fewlabel.plan import Plan

WITHOUT_FEWLABEL = """
import json, sys, torch
sys.path.insert(0, sys.argv[1])
from monai.bundle import ConfigParser
network = ConfigParser(json.load(open(sys.argv[1] + "/network.json"))).get_parsed_content("network_def").eval()
network.load_state_dict(torch.load(sys.argv[1] + "/model.pt", weights_only=True), strict=True)
image = torch.arange(16.0 * 16 * 32).reshape(1, 1, 32, 16, 16).sin()
with torch.no_grad():
    torch.save(network(image), sys.argv[1] + "/logits.pt")
assert not any(name.partition(".")[0] == "fewlabel" for name in sys.modules)
"""


def plan(network):
    return Plan((1.0, 1.0, 1.0), (32, 16, 16), "meanstd", None, network, 2, ("a", "b"))


@pytest.mark.parametrize("name", ["vnet+resnet_vnet"])
def test_own_networks_are_built_from_the_copied_files_without_fewlabel(name, tmp_path):
    torch.manual_seed(0)
    network = find(name)(3).eval()
    torch.save(network.state_dict(), tmp_path / "model.pt")
    copy_sources(tmp_path, plan(name))
    (tmp_path / "network.json").write_text(
        json.dumps({"network_def": inference(plan(name))["network_def"]}), encoding="utf-8"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", WITHOUT_FEWLABEL, tmp_path], cwd=tmp_path, env=environment, check=True)
    image = torch.arange(16.0 * 16 * 32).reshape(1, 1, 32, 16, 16).sin()
    with torch.no_grad():
        torch.testing.assert_close(torch.load(tmp_path / "logits.pt", weights_only=True), network(image))


@pytest.mark.parametrize("name", ["vnet", "resnet_vnet", "unet+unet", "vnet+unet"])
def test_every_class_that_stock_monai_lacks_is_among_the_copied_files(name, tmp_path):
    copy_sources(tmp_path, plan(name))
    config = inference(plan(name))["network_def"]
    for part in [config, *config.get("networks", [])]:
        folder, *module = part["_target_"].split(".")[:-1] or [None]
        if folder == "scripts":
            source = (tmp_path / "scripts" / f"{module[0]}.py").read_text(encoding="utf-8")
            assert f"class {part['_target_'].split('.')[-1]}(" in source


def test_a_bundle_of_a_monai_network_holds_no_scripts(tmp_path):
    copy_sources(tmp_path, plan("unet"))
    assert not list(tmp_path.iterdir())

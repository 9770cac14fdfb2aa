"""docs/export.md: its commands print what it says that they print, and its lines load what they wrote.

``python3 scripts/test.py --slow tests/export/test_document.py -s`` prints all that is printed.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.transforms import Compose

import export
from experiments.demo.phantom import write_study
from fewlabel.data.transforms import ReadVolumed, normalisation, resampling
from fewlabel.datastore.store import StudyDatastore
from fewlabel.export.table import EXPORTS
from fewlabel.networks import find
from fewlabel.plan import Plan
from fewlabel.published import save_published
from fewlabel.volumes.reading import read_volume
from fewlabel.workspace import Workspace

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(console|python|sh)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
CLASSES = ("liver", "kidney")
PATCH = (32, 32, 24)
STEPS = 150
WITHOUT_EXAMPLE = {"predictions": "the study of the document has no stored proposals"}


def test_every_format_has_a_section_with_its_command_and_the_lines_that_load_it():
    for name, form in EXPORTS.items():
        section = re.search(rf"^## `{name}`.*?(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
        assert section, f"docs/export.md has no section of {name}"
        assert form.description in TEXT, name
        if name in WITHOUT_EXAMPLE:
            continue
        assert re.search(rf"^\$ python3 scripts/export.py .*--formats .*{name}", section[0], re.MULTILINE), name
        assert "```python\n" in section[0], f"{name}: no lines that load it"
        assert re.search(r"\d [MG]B", section[0]), f"{name}: how large is what it needs"


@pytest.fixture(scope="module")
def here(tmp_path_factory, dicom_writer):
    """A folder with a study, FOLDER, of four generated scans, three of them with a label, and DICOM, their series."""
    here = tmp_path_factory.mktemp("document")
    cases = write_study(here / "FOLDER", here / "truth", 4, seed=0, modality="ct", classes=CLASSES)
    workspace = Workspace(here / "FOLDER" / ".fewlabel")
    workspace.set_classes(list(CLASSES))
    store = StudyDatastore(str(here / "FOLDER"), workspace, auto_reload=False, read_only=False)
    named = {"label_info": [{"name": name, "idx": value} for value, name in enumerate(CLASSES, 1)], "kind": "drawn"}
    for case in cases[:3]:
        store.save_label(case.id, str(case.label), "final", dict(named))
        scan = read_volume(case.image)
        dicom_writer(here / "DICOM" / case.id, scan.array.astype(np.int16), scan.affine)
    publish(workspace, cases[:3])
    return here


def publish(workspace, cases):
    """A model that learnt the labels for a few steps."""
    plan = Plan((4.7, 4.7, 6.0), PATCH, "ct", (-160.0, 240.0), "unet_small", 1, CLASSES)
    keys, chance = ("image", "label"), np.random.default_rng(0)
    steps = Compose([ReadVolumed("image"), ReadVolumed("label"), *resampling(plan, keys), *normalisation(plan)])
    pairs = [steps({"image": str(case.image), "label": str(case.label)}) for case in cases]
    torch.manual_seed(0)
    network = find(plan.network)(len(CLASSES) + 1)
    optimiser = torch.optim.Adam(network.parameters(), 0.005)
    for step in range(STEPS):
        optimiser.param_groups[0]["lr"] = 0.005 * (1 - step / STEPS)
        pair = pairs[step % len(pairs)]
        starts = [chance.integers(side - size + 1) for side, size in zip(pair["image"].shape[1:], PATCH, strict=True)]
        crop = (..., *(slice(first, first + size) for first, size in zip(starts, PATCH, strict=True)))
        image, label = (pair[key].as_tensor()[crop][None] for key in keys)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(image), label.round().long()[:, 0]).backward()
        optimiser.step()
    card = {"version": 1, "method": "supervised", "labelled": 3, "unlabelled": 1, "validated": False, "validation": {}}
    save_published(workspace.model, network.eval(), plan, card)


@pytest.fixture(scope="module")
def printed(here):
    """Every command of the page with what it says that is printed, and what is; all blocks are run in their order."""
    folder, answers, loaded = here, [], []
    alone = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    alone["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{alone['PATH']}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "ensure_environment", lambda: None)
        patch.chdir(folder)
        for kind, block in BLOCKS:
            if kind == "console":
                answers += [(command, said, run(command, folder)) for command, said in commands(block)]
                continue
            command = [sys.executable, "-c", block] if kind == "python" else ["bash", "-e", "-c", block]
            done = subprocess.run(command, cwd=folder, env=alone, capture_output=True, text=True)
            loaded.append((block, done.returncode, done.stderr[-3000:]))
    return answers, loaded


def commands(block):
    """(command, what is printed) of a block; a command may go on in further lines that end with a backslash."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, said = re.match(r"((?:[^\n]*\\\n)*[^\n]*)\n(.*)", part, re.DOTALL).groups()
        yield command.replace("\\\n", " "), said


def run(command, folder):
    """What a command prints, but for its progress, with paths below the folder."""
    words, out = shlex.split(command), io.StringIO()
    assert words[:2] == ["python3", "scripts/export.py"]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        export.main(words[2:])
    text = out.getvalue().replace(f"{folder.resolve()}{os.sep}", "")
    print(f"$ {command}\n{text}")
    return re.sub(r"^\[ *\d+ %\].*\n", "", text, flags=re.MULTILINE)


def masked(text):
    """Without numbers, which another processor rounds otherwise, and the Dice that is said where voxels differ."""
    return re.sub(r"\d[\d.]*(e-?\d+)?", "N", re.sub(r", Dice .*(?=, [\d.]+ s$)", "", text, flags=re.MULTILINE))


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_each_command_prints_what_the_page_says(here, printed):
    assert len(printed[0]) > len(EXPORTS)
    for command, said, found in printed[0]:
        assert masked(found) == masked(said), f"{command}\n{found}"


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_lines_that_load_an_export_run_without_fewlabel(printed):
    assert len(printed[1]) >= len(EXPORTS)
    for block, code, stderr in printed[1]:
        assert code == 0, f"{block}\n{stderr}"

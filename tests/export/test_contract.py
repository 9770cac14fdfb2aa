"""What every export must do, whatever its form: over every name of the table.

``scripts/experiment.py mutants`` plants the faults that it must catch.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import resource
import shutil

import nibabel
import numpy as np
import pytest
import torch

from fewlabel.errors import Refusal
from fewlabel.export.base import Export
from fewlabel.export.comparing import compare_runs, identical
from fewlabel.export.source import Source
from fewlabel.export.table import DEFAULT_EXPORT, EXPORTS, differing_voxels, export_model, find_export
from fewlabel.volumes.reading import read_label, read_volume, same_grid

NAMES_AS_DATA = ("$__import__('os').mkdir('hit')", "@network", "%nothing.json", "<b>{0}</b>", 'it\'s "quoted" %s')
TRAP = "import os\nos.write(2, b'It is given PYTHONPATH, where FewLabel is: others have not.')\nos._exit(1)\n"


def missing(export: object) -> list[str]:
    """What a row of the table lacks, a sentence each."""
    if not isinstance(export, Export):
        return ["Make it an Export (fewlabel.export.base)."]
    lacking, plain = [], Export()
    if not 5 < len(export.description) < 120 or "\n" in export.description:
        lacking.append("It has no description: one line, which viewers show.")
    for part, takes in (("write", "model, folder"), ("run", "folder, images, output")):
        function = getattr(export, part)
        if function is getattr(plain, part) or not callable(function):
            lacking.append(f"It has no {part}({takes}).")
        elif not takes_arguments(function, len(takes.split(","))):
            lacking.append(f"Its {part} must take ({takes}).")
    if not re.fullmatch(r"\w+", export.folder):
        lacking.append("It has no folder: the name that it has in the zip, of letters, digits and _.")
    if not export.card.endswith(".json"):
        lacking.append("Its card is no JSON file: name one, relative to the folder.")
    if not export.readme:
        lacking.append("It has no readme: name the file that says how to run it.")
    return lacking


def takes_arguments(function, number):
    try:
        inspect.signature(function).bind(*range(number))
    except TypeError:
        return False
    return True


@pytest.fixture(params=list(EXPORTS))
def name(request):
    """Of an export that has all its parts; of another the test fails and says what it lacks."""
    lacking = missing(EXPORTS[request.param])
    if lacking:
        pytest.fail(f"The export '{request.param}' is not complete. {' '.join(lacking)}", pytrace=False)
    for needed in EXPORTS[request.param].needs:
        pytest.importorskip(needed)
    return request.param


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def texts(value):
    """All texts within a JSON value, keys left out."""
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inside for text in texts(each)]


def test_it_is_complete(name):
    """The parts of the contract in words (see ``missing``)."""
    assert len({each.folder for each in EXPORTS.values()}) == len(EXPORTS), "two exports have the same folder"


def test_the_default_is_in_the_table_and_shown_first():
    assert next(iter(EXPORTS)) == DEFAULT_EXPORT


def test_a_form_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(Refusal, match="no export format 'stl'") as refusal:
        find_export("stl")
    assert refusal.value.status_code == 422
    assert all(name in str(refusal.value) for name in EXPORTS)


def test_it_is_written_whole_and_leaves_nothing_else(name, publish, tmp_path):
    workspace = publish()
    before = contents(workspace.folder)
    target = tmp_path / "out" / "an export"
    assert export_model(name, workspace, target) == target
    assert os.listdir(tmp_path / "out") == ["an export"]
    assert contents(workspace.folder) == before, f"{name}: write changes the study"
    written = contents(target)
    for part in (EXPORTS[name].card, EXPORTS[name].readme):
        assert written.get(part), f"{name}: write puts no {part} into the folder, which is its card or readme"
    card = json.loads(written[EXPORTS[name].card])
    assert isinstance(card.get("fewlabel"), dict), f"{name}: its card has no 'fewlabel' with the model's card"
    assert card["fewlabel"].get("version") == 3, f"{name}: its card does not say the model's version"


def test_class_names_are_data_and_in_its_card(name, publish, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = export_model(name, publish(classes=NAMES_AS_DATA), tmp_path / "export")
    card = json.loads((folder / EXPORTS[name].card).read_text(encoding="utf-8"))
    said = [text.strip() for text in texts(card["fewlabel"])]
    assert [text for text in said if text in NAMES_AS_DATA] == list(NAMES_AS_DATA), f"{name}: classes, in their order"
    assert not any("hit" in folders for _, folders, _ in os.walk(tmp_path)), f"{name}: a class name was run"


def test_run_by_itself_it_gives_the_server_s_label_map_of_the_newest_model(
    name, publish, volume, tmp_path, monkeypatch
):
    """Voxel for voxel; an older model's export is told apart, and class names are not run with it."""
    image = volume(tmp_path / "scan.nii.gz")
    folder = export_model(name, publish(classes=NAMES_AS_DATA), tmp_path / "export")
    newer = publish(classes=NAMES_AS_DATA, seed=1, version=4)
    different = differing_voxels(name, newer, folder, image)[0]
    assert different > 0, f"{name}: check does not see that a newer model differs"
    assert export_model(name, newer, folder) == folder
    with Source(newer) as source:
        row = compare_runs(source, folder, EXPORTS[name].run, [("scan", image)])[0]
    assert EXPORTS[name].agrees(row) == "", f"{name}: it differs from the server"
    assert row.voxels == 14 * 40 * 33
    assert not any("hit" in folders for _, folders, _ in os.walk(tmp_path)), f"{name}: a class name was run"


def test_it_runs_elsewhere_without_study_and_fewlabel_on_all_images_of_a_folder(
    name, publish, volume, tmp_path, monkeypatch
):
    """With CT bounds, and with a network that stock MONAI lacks, where the form can hold one."""
    workspace = publish("unet_small+unet_small", "ct", (-175.0, 250.0))
    with Source(workspace) as source:
        if EXPORTS[name].refuses(source):
            workspace = publish("unet_small", "ct", (-175.0, 250.0))
    export_model(name, workspace, tmp_path / "export")
    images = tmp_path / "some images"
    images.mkdir()
    for case in "ab":
        volume(images / f"{case}.nii.gz", -1000.0, 900.0)
    expected = segmented(workspace, images / "a.nii.gz")
    folder = (tmp_path / "export").rename(tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "study")
    (tmp_path / "trap").mkdir()
    (tmp_path / "trap" / "sitecustomize.py").write_text(TRAP, encoding="utf-8")  # which Python imports at its start
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "trap"))
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.Module, "__call__", alone)
        EXPORTS[name].run(folder, images, tmp_path / "labels")
    for case in "ab":
        written = sorted((tmp_path / "labels").rglob(f"{case}[._]*nii.gz"))
        assert len(written) == 1, f"{name}: one label map for each image, with its name"
        label = read_label(written[0])
        assert same_grid(label, read_volume(images / f"{case}.nii.gz")), f"{name}: on the image's own grid"
        if EXPORTS[name].agrees is identical:
            np.testing.assert_array_equal(label.array, expected, err_msg=f"{name}: it differs from the server")
        assert len(np.unique(nibabel.load(written[0]).dataobj)) > 1


def alone(*_, **__):
    raise AssertionError("run uses a network of this process: start one that knows nothing of FewLabel")


def segmented(workspace, image):
    from fewlabel.inference.predict import segment
    from fewlabel.published import load_published

    published = load_published(workspace.model)
    return segment(published.network, published.plan, image)[0].numpy()


def test_an_export_that_lost_its_weights_says_that_it_does_not_run(name, publish, volume, tmp_path):
    folder = export_model(name, publish(), tmp_path / "export")
    max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size).unlink()
    with pytest.raises(Refusal, match="not run") as refusal:
        differing_voxels(name, publish(), folder, volume(tmp_path / "scan.nii.gz"))
    assert refusal.value.status_code == 500


def test_without_a_model_it_says_what_is_missing_and_writes_nothing(name, publish, tmp_path):
    workspace = publish()
    workspace.model.unlink()
    with pytest.raises(Refusal, match="no model to export yet") as refusal:
        export_model(name, workspace, tmp_path / "export")
    assert refusal.value.status_code == 409
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize("what", ["a file", "another file in it", "another card", "a card that is a list"])
def test_what_is_not_ours_is_left_alone(name, publish, tmp_path, what):
    target = tmp_path / "export"
    file = {"a file": target, "another file in it": target / "notes.txt"}.get(what, target / EXPORTS[name].card)
    file.parent.mkdir(parents=True, exist_ok=True)
    text = '["fewlabel"]' if "list" in what else '{"name": "of somebody else"}'
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Refusal, match="not an earlier export") as refusal:
        export_model(name, publish(), target)
    assert refusal.value.status_code == 409
    assert file.read_text(encoding="utf-8") == text


def test_an_earlier_export_is_replaced_what_people_put_there_and_an_empty_folder_stay(name, publish, tmp_path):
    (tmp_path / "export").mkdir()
    folder = export_model(name, publish(), tmp_path / "export")
    (folder / "results").mkdir()
    (folder / "results" / "a.txt").write_text("a result", encoding="utf-8")
    export_model(name, publish(seed=1, version=4), folder)
    assert (folder / "results" / "a.txt").read_text(encoding="utf-8") == "a result"
    assert json.loads((folder / EXPORTS[name].card).read_text(encoding="utf-8"))["fewlabel"]["version"] == 4
    assert sorted(os.listdir(tmp_path)) == ["export", "study"]


@pytest.mark.parametrize("room", [0, 20_000])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_full_disk_is_told_and_all_stays_as_it_was(name, publish, tmp_path, earlier, room):
    """No file can grow beyond ``room`` bytes: a disk that is full at once, or once the small files are written."""
    workspace, target = publish(), tmp_path / "export"
    if earlier:
        export_model(name, workspace, target)
    before = contents(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        with pytest.raises(Exception) as refusal:  # noqa: PT011 - which one is said below
            export_model(name, workspace, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    words = f"{name}: on a full disk it fails with {refusal.type.__name__}: write with functions that raise an OSError"
    assert getattr(refusal.value, "status_code", None) == 507, words
    assert str(refusal.value).endswith(".")
    assert contents(tmp_path) == before
    assert target.exists() == earlier

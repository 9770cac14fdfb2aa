"""What every export must do, whatever its form: over every name of the table.

``scripts/experiment.py mutants`` plants the faults that it must catch.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import re
import resource
import shutil
from typing import get_args

import nibabel
import numpy as np
import pytest
import torch

from fewlabel.errors import Refusal
from fewlabel.export.base import Export, Kind
from fewlabel.export.source import Source
from fewlabel.export.table import DEFAULT_EXPORT, EXPORTS, find_export
from fewlabel.volumes.reading import read_label, read_volume, same_grid

NAMES_AS_DATA = ("$__import__('os').mkdir('hit')", "@network", "%nothing.json", "<b>{0}</b>", 'it\'s "quoted" %s')
TRAP = "import os\nos.write(2, b'It is given PYTHONPATH, where FewLabel is: others have not.')\nos._exit(1)\n"
MODELS = [name for name, each in EXPORTS.items() if getattr(each, "kind", "model") == "model"]
OTHERS = [name for name in EXPORTS if name not in MODELS]


def missing(export: object) -> list[str]:
    """What a row of the table lacks, a sentence each."""
    if not isinstance(export, Export):
        return ["Make it an Export (fewlabel.export.base)."]
    lacking, plain, said = [], Export(), export.description
    if not isinstance(said, str) or not 5 < len(said) < 120 or "\n" in said:
        lacking.append("It has no description: one line, which viewers show.")
    if export.kind not in get_args(Kind):
        return [*lacking, f"Its kind is none of {', '.join(get_args(Kind))}."]
    parts = {"write": "model, folder", "run": "folder, images, output"}
    if export.kind != "model":
        parts = {"write": "source, folder", "read": "source, folder"}
    for part, takes in parts.items():
        function = getattr(export, part)
        if function is getattr(plain, part) or not callable(function):
            lacking.append(f"It has no {part}({takes}).")
        elif not takes_arguments(function, len(takes.split(","))):
            lacking.append(f"Its {part} must take ({takes}).")
    if not re.fullmatch(r"\w+", str(export.folder or "")):
        lacking.append("It has no folder: the name that it has in the zip, of letters, digits and _.")
    if not str(export.card).endswith(".json"):
        lacking.append("Its card is no JSON file: name one, relative to the folder.")
    return lacking if export.readme else [*lacking, "It has no readme: name the file that says how to use it."]


def takes_arguments(function, number):
    try:
        inspect.signature(function).bind(*range(number))
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("row", EXPORTS)
def test_it_is_complete(complete, row):
    """The parts of the contract in words (see ``missing``)."""
    complete("export", row, missing(EXPORTS[row]))


def test_every_export_has_its_line(every_line):
    every_line("export", "EXPORTS", "table.py", missing)


@pytest.fixture
def whole(if_complete):
    """Callable (name): the same name, if that export has all its parts and the packages that it needs."""

    def check(name):
        if_complete("export", name, missing(EXPORTS[name]))
        for absent in (each for each in EXPORTS[name].needs if importlib.util.find_spec(each) is None):
            pytest.skip(f"the package {absent} is not installed")
        return name

    return check


@pytest.fixture(params=EXPORTS)
def name(request, whole):
    return whole(request.param)


@pytest.fixture(params=MODELS)
def model_name(request, whole):
    return whole(request.param)


@pytest.fixture(params=OTHERS)
def data_name(request, whole):
    return whole(request.param)


def contents(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def texts(value):
    """All texts within a JSON value, keys left out."""
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inside for text in texts(each)]


def card_of(name, folder):
    return json.loads((folder / EXPORTS[name].card).read_text(encoding="utf-8"))


def test_each_has_a_folder_of_its_own(name):
    folders = [getattr(each, "folder", None) for each in EXPORTS.values()]
    assert folders.count(EXPORTS[name].folder) == 1, f"{name}: two exports have the same folder"


def test_the_default_is_in_the_table_and_shown_first():
    assert next(iter(EXPORTS)) == DEFAULT_EXPORT
    assert EXPORTS[DEFAULT_EXPORT].kind == "model"


def test_a_form_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(Refusal, match="no export format 'nothing'") as refusal:
        find_export("nothing")
    assert refusal.value.status_code == 422
    assert all(name in str(refusal.value) for name in EXPORTS)


def test_it_is_written_whole_and_leaves_nothing_else(name, export, tmp_path):
    before = contents(export.study.folder)
    target = tmp_path / "out" / "an export"
    assert export(name, target) is None
    assert os.listdir(tmp_path / "out") == ["an export"]
    assert contents(export.study.folder) == before, f"{name}: write changes the study"
    written = contents(target)
    for part in (EXPORTS[name].card, EXPORTS[name].readme):
        assert written.get(part), f"{name}: write puts no {part} into the folder, which is its card or readme"
    card = json.loads(written[EXPORTS[name].card])
    assert isinstance(card.get("fewlabel"), dict), f"{name}: its card has no 'fewlabel' with what it was made of"
    if EXPORTS[name].kind == "model":
        assert card["fewlabel"].get("version") == 3, f"{name}: its card does not say the model's version"


def test_class_names_are_data_and_in_its_card(name, labelled_study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with labelled_study(classes=NAMES_AS_DATA).source_for(name) as source:
        EXPORTS[name].export(source, tmp_path / "export", None)
    said = [text.strip() for text in texts(card_of(name, tmp_path / "export")["fewlabel"])]
    assert [text for text in said if text in NAMES_AS_DATA] == list(NAMES_AS_DATA), f"{name}: classes, in their order"
    assert not any("hit" in folders for _, folders, _ in os.walk(tmp_path)), f"{name}: a class name was run"


def test_run_by_itself_it_gives_the_server_s_label_map_of_the_newest_model(model_name, publish, volume, tmp_path):
    """An older model's export is distinguished, and class names are not run with it."""
    images, form = [("scan", volume(tmp_path / "scan.nii.gz"))], EXPORTS[model_name]
    folder = tmp_path / "export"
    with Source(publish(classes=NAMES_AS_DATA)) as source:
        form.export(source, folder, None)
    with Source(publish(classes=NAMES_AS_DATA, seed=1, version=4)) as newer:
        with pytest.raises(Refusal, match="does not agree with the study"):
            form.compare(newer, folder, images)
        (row,) = form.export(newer, folder, images, overwrite=True)
    assert (row.case, row.voxels, form.agrees(row)) == ("scan", 14 * 40 * 33, "")
    assert row.unlike == 0 if form.like else row.share < 0.05
    assert card_of(model_name, folder)["fewlabel"]["version"] == 4
    assert not any("hit" in folders for _, folders, _ in os.walk(tmp_path)), f"{model_name}: a class name was run"


def test_it_runs_elsewhere_without_study_and_fewlabel_on_all_images_of_a_folder(
    model_name, publish, volume, tmp_path, monkeypatch
):
    """With CT bounds, and with a network that stock MONAI lacks."""
    images, form = tmp_path / "some images", EXPORTS[model_name]
    images.mkdir()
    for case in "ab":
        volume(images / f"{case}.nii.gz", -1000.0, 900.0)
    with Source(publish("unet_small+unet_small", "ct", (-175.0, 250.0))) as source:
        problem = form.problem(source, tmp_path)
        if problem:
            assert problem.endswith("."), f"{model_name}: it refuses a network, but not in a sentence"
            pytest.skip(problem)
        form.export(source, tmp_path / "export", None)
        expected = np.array(source.segment(images / "a.nii.gz").labels)
    folder = (tmp_path / "export").rename(tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "study")
    (tmp_path / "trap").mkdir()
    (tmp_path / "trap" / "sitecustomize.py").write_text(TRAP, encoding="utf-8")  # which Python imports at its start
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "trap"))
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.Module, "__call__", alone)
        form.run(folder, images, tmp_path / "labels")
    for case in "ab":
        written = sorted((tmp_path / "labels").rglob(f"{case}[._]*nii.gz"))
        assert len(written) == 1, f"{model_name}: one label map for each image, with its name"
        label = read_label(written[0])
        assert same_grid(label, read_volume(images / f"{case}.nii.gz")), f"{model_name}: on the image's own grid"
        assert np.mean(label.array != expected) < 0.05, f"{model_name}: it differs from the server"
        assert len(np.unique(nibabel.load(written[0]).dataobj)) > 1


def alone(*_, **__):
    raise AssertionError("run uses a network of this process: start one that knows nothing of FewLabel")


def test_an_export_that_lost_its_weights_says_that_it_does_not_run(model_name, publish, volume, tmp_path):
    folder = tmp_path / "export"
    with Source(publish()) as source:
        EXPORTS[model_name].export(source, folder, None)
        max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size).unlink()
        with pytest.raises(Refusal, match="not run") as refusal:
            EXPORTS[model_name].compare(source, folder, [("scan", volume(tmp_path / "scan.nii.gz"))])
    assert refusal.value.status_code == 500


def test_without_a_model_it_says_what_is_missing_and_writes_nothing(model_name, publish, tmp_path):
    workspace = publish()
    workspace.model.unlink()
    with Source(workspace) as source, pytest.raises(Refusal, match="no model to export yet") as refusal:
        EXPORTS[model_name].export(source, tmp_path / "export")
    assert refusal.value.status_code == 409
    assert not (tmp_path / "export").exists()


def test_it_is_read_back_as_the_study_has_it_and_a_change_is_noticed(data_name, export, tmp_path):
    """Every file that holds voxels is compared: one that is another case's, or turned, is found."""
    rows = export(data_name, tmp_path / "export", ())
    assert rows
    assert all(row.differing == 0 for row in rows)
    for file in sorted((tmp_path / "export").rglob("*.nii.gz")):
        kept = file.read_bytes()
        image = nibabel.load(file)
        nibabel.save(image.__class__(np.asarray(image.dataobj)[:, ::-1], image.affine, image.header), file)
        refused = pytest.raises(Refusal, match="does not agree with the study")
        with export.study.source_for(data_name) as source, refused:
            EXPORTS[data_name].compare(source, tmp_path / "export", ())
        file.write_bytes(kept)


@pytest.mark.parametrize("what", ["a file", "another file in it", "another card", "a card that is a list"])
def test_what_is_not_ours_is_left_alone(name, export, tmp_path, what):
    target = tmp_path / "export"
    file = {"a file": target, "another file in it": target / "notes.txt"}.get(what, target / EXPORTS[name].card)
    file.parent.mkdir(parents=True, exist_ok=True)
    text = '["fewlabel"]' if "list" in what else '{"name": "of somebody else"}'
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Refusal, match="not an earlier export") as refusal:
        export(name, target)
    assert refusal.value.status_code == 409
    assert file.read_text(encoding="utf-8") == text


def test_an_earlier_export_is_replaced_what_people_put_there_and_an_empty_folder_stay(name, export, tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    export(name, folder)
    before = contents(folder)
    (folder / "results").mkdir()
    (folder / "results" / "a.txt").write_text("a result", encoding="utf-8")
    biggest = max(before, key=lambda path: len(before[path]))
    (folder / biggest).write_bytes(b"")
    with pytest.raises(Refusal, match="holds an earlier export"):
        export(name, folder, overwrite=False)
    export(name, folder)
    assert (folder / "results" / "a.txt").read_text(encoding="utf-8") == "a result"
    assert len((folder / biggest).read_bytes()) > 0
    assert before.keys() | {"results/a.txt"} == contents(folder).keys()
    assert not [path for path in os.listdir(tmp_path) if path.startswith(".")]


@pytest.mark.parametrize("room", [0, 4_000])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_full_disk_is_reported_and_all_stays_as_it_was(name, export, tmp_path, earlier, room):
    """No file can grow beyond ``room`` bytes: a disk that is full at once, or once the small files are written."""
    target = tmp_path / "export"
    if earlier:
        export(name, target)
    before = contents(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        with pytest.raises(Exception) as refusal:  # noqa: PT011 - which one is said below
            export(name, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    words = f"{name}: on a full disk it fails with {refusal.type.__name__}: write with functions that raise an OSError"
    assert getattr(refusal.value, "status_code", None) == 507, words
    assert str(refusal.value).endswith(".")
    assert contents(tmp_path) == before
    assert target.exists() == earlier

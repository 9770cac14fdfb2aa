"""A real server on a folder as people have them: what it says before it is ready, offers, and hands out."""

import json
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests
import SimpleITK

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "study_v1" / "study.zip"
CLASSES = ["organ", "tumour"]
SECRET = b"patient of another study"


@pytest.fixture(scope="module")
def studies(volumes, tmp_path_factory):
    """Scans in subfolders and of every format, with masks, DICOM, unusable scans, and headers that reach outside."""
    folder = tmp_path_factory.mktemp("people") / "studies"
    volumes.write(folder / "a.nii.gz", volumes.image(0))
    volumes.write(folder / "a_mask.nii.gz", volumes.label(0))
    volumes.write(folder / "site 1/p1/t1.nii.gz", volumes.image(1))
    volumes.write(folder / "site 1/p2/t1.nii.gz", volumes.image(2))
    volumes.write(folder / "four.nii.gz", np.stack([volumes.image(3)] * 2, axis=3))
    (folder / "broken.nrrd").write_bytes(b"NRRD0004\n")
    (folder / "series").mkdir()
    (folder / "series" / "1.dcm").write_bytes(bytes(128) + b"DICM")
    for name in ("m.mha", "two.mhd", "evil.mhd", "dots.mhd", "link.mhd", "list.mhd"):
        image = SimpleITK.GetImageFromArray(volumes.image(4).transpose())
        SimpleITK.WriteImage(image, str(folder / name))
    (folder.parent / "secret.raw").write_bytes(SECRET * 2000)
    for name, reaches in (("evil", str(folder.parent / "secret.raw")), ("dots", "../secret.raw"), ("list", "LIST")):
        header = folder / f"{name}.mhd"
        header.write_text(header.read_text().replace(f"{name}.raw", reaches))
    (folder / "link.raw").unlink()
    (folder / "link.raw").symlink_to(folder.parent / "secret.raw")
    (folder / "loop.nii.gz").symlink_to("loop.nii.gz")
    return folder


@pytest.fixture(scope="module")
def server(serve, studies):
    return serve(studies, {"labels": ",".join(CLASSES)})


CASES = {"a", "m", "two", "site 1--p1--t1", "site 1--p2--t1"}
UNUSABLE = {"four", "broken", "evil", "dots", "link", "list"}


def image(server, case):
    return requests.get(f"{server.url}/datastore/image", params={"image": case}, timeout=120)


def test_before_it_is_ready_it_says_what_it_found(server):
    log = server.log.read_text(errors="replace")
    before = log[: log.index("Application startup complete")]
    for words in ("Found 5 usable scans", "a_mask.nii.gz", "1 file of DICOM", "four dimensions", "loop.nii.gz"):
        assert words in before
    assert "Traceback" not in log


def test_the_list_of_cases_and_the_study_say_it_too(server):
    rows = {row["id"]: row for row in server.get("/fewlabel/cases")["cases"]}
    assert {case for case, row in rows.items() if row["state"] == "unusable"} == UNUSABLE
    assert rows.keys() == CASES | UNUSABLE
    assert "4 dimensions" in rows["four"]["flags"][0]
    assert rows["four"]["file"] == "four.nii.gz"
    study = server.get("/fewlabel/study")
    assert study["counts"]["cases"] == study["scans"]["usable"] == 5
    assert study["scans"]["problem"] == ""
    assert server.info()["scans"] == study["scans"]


def test_every_case_is_offered_once_and_no_unusable_one(server):
    offered = [server.request("POST", "/activelearning/first", json={})["id"] for _ in range(len(CASES))]
    assert set(offered) == CASES


def test_nested_scans_are_handed_out_and_labelled_by_their_ids(server, studies, volumes, tmp_path):
    for case, path in (("site 1--p1--t1", "site 1/p1/t1.nii.gz"), ("m", "m.mha"), ("a", "a.nii.gz")):
        assert image(server, case).content == (studies / path).read_bytes()
    info = server.get("/datastore/image/info", params={"image": "site 1--p2--t1"})
    assert (info["name"], info["path"]) == ("site 1--p2--t1.nii.gz", str(studies / "site 1/p2/t1.nii.gz"))
    label = volumes.write(tmp_path / "label.nii.gz", volumes.label(2))
    server.put_label("site 1--p2--t1", label, CLASSES)
    assert (studies / "labels/final/site 1--p2--t1.nii.gz").is_file()


def test_a_scan_in_two_files_is_handed_out_as_one_nrrd(server, volumes, tmp_path):
    answer = image(server, "two")
    assert 'filename="two.nrrd"' in answer.headers["content-disposition"]
    (tmp_path / "two.nrrd").write_bytes(answer.content)
    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "two.nrrd"))).transpose()
    np.testing.assert_array_equal(array, volumes.image(4))


@pytest.mark.parametrize("case", ["evil", "dots", "link", "list"])
def test_no_header_reaches_a_file_elsewhere(server, studies, case):
    answer = image(server, case)
    assert answer.status_code == 422
    assert SECRET not in answer.content
    assert answer.json()["detail"].startswith(f"{case}.mhd ")
    assert not list((studies / ".fewlabel" / "converted").glob(f"*{case}*"))


def test_an_unusable_scan_is_refused_with_its_reason(server):
    for method, route in (("GET", "/datastore/image/info?image=four"), ("POST", "/fewlabel/skip/four")):
        assert "4 dimensions" in server.refused(method, route, 422)


def test_headers_are_not_taken_from_an_upload(server, studies, tmp_path):
    for name in ("two.mhd", "two.nhdr"):
        (tmp_path / name).write_bytes((studies / "two.mhd").read_bytes())
        assert "not supported" in server.put_image("new", tmp_path / name, expect=400)["detail"]
        assert "not supported" in server.put_label("a", tmp_path / name, CLASSES, expect=422)["detail"]


def test_a_folder_that_did_not_exist_is_called_so_and_takes_uploads(serve, volumes, tmp_path):
    server = serve(tmp_path / "mistyped")
    sentence = "This folder did not exist and was created: is the path right?"
    assert sentence in server.log.read_text(errors="replace")
    info = server.info()
    assert sentence in info["scans"]["problem"]
    assert sentence in info["description"], "stock viewers show it"
    assert sentence in server.get("/fewlabel/study")["scans"]["problem"]
    server.put_image("new", volumes.write(tmp_path / "new.nii.gz", volumes.image(1)))
    server.wait_until(lambda: server.info()["scans"]["usable"] == 1)
    assert "did not exist" not in server.info()["description"]
    server.stop()


def test_a_study_of_an_earlier_version_keeps_all_its_cases_and_labels(serve, tmp_path):
    with zipfile.ZipFile(FIXTURE) as archive:
        archive.extractall(tmp_path / "studies")
    before = json.loads((tmp_path / "studies" / "datastore_v2.json").read_text())["objects"]
    scan = nibabel.load(tmp_path / "studies" / "case_0.nii.gz")
    (tmp_path / "studies" / "sub").mkdir()
    nibabel.save(scan, tmp_path / "studies" / "sub" / "new.nii.gz")
    server = serve(tmp_path / "studies")
    after = server.get("/datastore/", params={"output": "all"})["objects"]
    assert {case: set(entry["labels"]) for case, entry in after.items()} == {
        case: set(entry["labels"]) for case, entry in before.items()
    }
    assert {row["id"] for row in server.get("/fewlabel/cases")["cases"]} == set(before)
    assert "1 file in subfolders" in server.log.read_text(errors="replace")
    server.stop()

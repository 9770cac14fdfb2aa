"""The panel's client: against a real MONAI Label server, and against one that breaks in every way."""

import gzip
import json
import socket
import struct
import zipfile

import nibabel
import nrrd
import numpy as np
import pytest

from FewLabelLib.client import Client, Damaged, LoginNeeded, NotReachable, Refused, Timeouts, WrongServer
from FewLabelLib.errors import Unusable, sentence
from FewLabelLib.integrity import check_file
from FewLabelLib.label_file import Geometry, write_label
from FewLabelLib.labels import LabelClass

INFO = {
    "name": "Somebody's app",
    "models": {
        "deep": {"type": "deepgrow", "labels": []},
        "organs": {"type": "segmentation", "labels": {"background": 0, "tumour": 5, "liver": 2}},
    },
    "trainers": {"organs": {"config": {"method": ["a", "b"], "device": ["cpu"]}}},
    "strategies": {"random": {"description": "At random"}},
    "datastore": {"total": 3, "completed": 1},
    "train_stats": {"organs": {"epoch": 2, "total_epochs": 4, "best_metric": 0.5}},
}
STUDY = {
    "name": "liver study",
    "classes": [{"name": "liver", "value": 1, "color": [1, 2, 3]}],
    "methods": [{"name": "supervised", "description": "Labels only"}],
    "exports": [{"name": "bundle", "description": "MONAI bundle"}],
    "devices": ["cpu"],
    "counts": {"cases": 3, "submitted": 1, "validation": 0, "in_work": 0, "unlabelled": 2},
    "model": {"version": 4},
}


@pytest.fixture
def client(scripted, tmp_path):
    return Client(scripted.url, tmp_path, "test", Timeouts(0.5, 0.3, 0.5))


def nifti(shape=(5, 6, 7)):
    return gzip.compress(nibabel.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)).to_bytes())


# --- a real server; these tests are the steps of one session


@pytest.fixture(scope="module")
def real(serve, tmp_path_factory, volumes):
    return serve(volumes.study(tmp_path_factory.mktemp("panel") / "studies", 4))


@pytest.fixture(scope="module")
def client_of_real(real, tmp_path_factory):
    return Client(real.url, tmp_path_factory.mktemp("downloads"), "test")


def test_an_untrained_server_offers_training_and_strategies_but_no_segmentation(client_of_real):
    offers = client_of_real.capabilities()
    assert offers.name == "FewLabel"
    assert (offers.trainer, offers.segmentation, offers.trained) == ("fewlabel", None, False)
    assert next(iter(offers.strategies)) == "uncertainty+diversity"
    assert "supervised" in offers.methods
    assert offers.counts["cases"] == 4
    assert offers.classes == []


def test_the_next_case_comes_with_a_reason_and_its_image_arrives_whole(client_of_real, real):
    told = client_of_real.next_case("first")
    assert told["id"] == "scan_0"
    assert told["reason"].endswith(".")
    steps = []
    file = client_of_real.download_image("scan_0", lambda now, of: steps.append((now, of)))
    assert file.read_bytes() == (real.studies / "scan_0.nii.gz").read_bytes()
    assert steps[-1] == (file.stat().st_size, file.stat().st_size)


def test_an_image_is_fetched_again_only_when_the_server_has_another_one(client_of_real, real, volumes):
    steps = []
    client_of_real.download_image("scan_0", lambda *now: steps.append(now))
    assert not steps
    volumes.write(real.studies / "scan_3.nii.gz", volumes.image(3))
    before = client_of_real.download_image("scan_3").read_bytes()
    volumes.write(real.studies / "scan_3.nii.gz", volumes.image(33))
    assert client_of_real.download_image("scan_3").read_bytes() != before


def test_a_submitted_file_is_stored_voxel_by_voxel_on_the_oblique_grid_of_its_image(
    client_of_real, real, volumes, tmp_path
):
    for number in (0, 1):
        geometry = Geometry(volumes.shape[::-1], volumes.affine)
        file = write_label(tmp_path / "label.nrrd", np.ascontiguousarray(volumes.label(number).T), geometry)
        info = [{"name": "organ", "idx": 1}, {"name": "tumour", "idx": 2}]
        answer = client_of_real.submit_label(f"scan_{number}", file, info)
        assert not [note for note in answer["notes"] if "resampled" in note]
        stored = nibabel.load(real.studies / "labels" / "final" / f"scan_{number}.nii.gz")
        np.testing.assert_array_equal(np.asarray(stored.dataobj), volumes.label(number))
        np.testing.assert_allclose(stored.affine, volumes.affine, atol=1e-5)
    assert client_of_real.capabilities().classes[1].name == "tumour"
    rows = {row["id"]: row["state"] for row in client_of_real.cases()}
    assert rows["scan_0"] in ("submitted", "validation")
    assert rows["scan_2"] not in ("submitted", "validation")


def test_an_unreadable_label_is_refused_in_the_words_of_the_server(client_of_real, tmp_path):
    (tmp_path / "label.nii.gz").write_bytes(b"abc")
    with pytest.raises(Refused, match="Nothing was stored") as caught:
        client_of_real.submit_label("scan_2", tmp_path / "label.nii.gz", [])
    assert caught.value.status == 422


def test_inference_before_training_is_refused_in_the_words_of_the_server(client_of_real):
    with pytest.raises(Refused, match="not trained yet") as caught:
        client_of_real.infer("fewlabel", "scan_2")
    assert caught.value.status == 409


def test_a_training_is_followed_to_its_end(client_of_real, real):
    assert client_of_real.training("fewlabel")["status"] == ""
    client_of_real.train("fewlabel", method="supervised", max_steps=6)
    assert client_of_real.training("fewlabel")["status"] in ("SUBMITTED", "RUNNING", "DONE")
    real.wait_for_training()
    seen = client_of_real.training("fewlabel")
    assert seen["status"] == "DONE"
    assert seen["progress"]["published"] is True
    assert client_of_real.capabilities().segmentation == "fewlabel"
    assert client_of_real.capabilities().uncertainty == "fewlabel_uncertainty"


def test_a_proposal_and_its_uncertainty_lie_on_the_image_and_name_their_values(client_of_real, volumes):
    file, told = client_of_real.infer("fewlabel", "scan_2", result_dtype="uint8")
    assert told["label_names"] == {"organ": 1, "tumour": 2}
    assert nrrd.read(str(file))[0].shape == volumes.shape
    file, _ = client_of_real.infer("fewlabel_uncertainty", "scan_2", extension=".nii.gz")
    assert nibabel.load(file).shape == volumes.shape


def test_a_submitted_label_is_downloaded_again(client_of_real, volumes):
    stored = nibabel.load(client_of_real.download_label("scan_1"))
    np.testing.assert_array_equal(np.asarray(stored.dataobj), volumes.label(1))


def test_an_image_can_be_added(client_of_real, volumes, tmp_path):
    file = volumes.write(tmp_path / "own.nii.gz", volumes.image(9))
    assert client_of_real.upload_image(file, "own.scan 1")["image"] == "own.scan 1"
    assert client_of_real.download_image("own.scan 1").read_bytes() == file.read_bytes()


def test_a_server_that_is_gone_is_said_to_be_unreachable(client_of_real, real):
    real.stop()
    with pytest.raises(NotReachable, match="cannot be reached"):
        client_of_real.cases()


# --- what is there


def test_any_monai_label_app_shows_what_it_offers(scripted, client):
    scripted.answers["GET", "/info/"] = 200, INFO
    scripted.answers["GET", "/openapi.json"] = 200, {"paths": {"/info/": {}}}
    offers = client.capabilities()
    assert offers.routes == frozenset()
    assert (offers.segmentation, offers.trainer, offers.uncertainty) == ("organs", "organs", None)
    assert [(entry.name, entry.value) for entry in offers.classes] == [("liver", 2), ("tumour", 5)]
    assert offers.methods == {"a": "", "b": ""}
    assert ("GET", "/fewlabel/study") not in [asked[:2] for asked in scripted.asked]


def test_fewlabels_routes_are_found_and_the_study_tells_colours(scripted, client):
    scripted.answers["GET", "/info/"] = 200, INFO
    paths = ["/fewlabel/study", "/fewlabel/cases", "/fewlabel/skip/{case}", "/fewlabel/export"]
    scripted.answers["GET", "/openapi.json"] = 200, {"paths": {path: {} for path in paths}}
    scripted.answers["GET", "/fewlabel/study"] = 200, STUDY
    offers = client.capabilities()
    assert [route for route in ("study", "cases", "skip", "undo", "export") if offers.has(route)] == [
        *("study", "cases", "skip", "export"),
    ]
    assert offers.classes == [LabelClass("liver", 1, (1, 2, 3))]
    assert offers.exports == {"bundle": "MONAI bundle"}
    assert offers.counts["unlabelled"] == 2
    assert offers.model == {"version": 4}


def test_cases_are_listed_without_fewlabels_route(scripted, client):
    scripted.answers["GET", "/datastore/"] = (
        200,
        {"objects": {"b": {"image": {"info": {"name": "b.nii"}}, "labels": {"final": {}}}, "a": {}}},
    )
    rows = client.cases()
    assert [(row["id"], row["state"], row["file"]) for row in rows] == [
        ("a", "unlabelled", ""),
        ("b", "submitted", "b.nii"),
    ]


def test_the_routes_of_the_contract_are_asked_as_written(scripted, client, tmp_path):
    body = gzip.compress(b"")
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        archive.writestr("a", "b")
    body = (tmp_path / "made.zip").read_bytes()
    scripted.answers |= {
        ("GET", "/fewlabel/cases"): (200, {"model_version": 1, "cases": [{"id": "a b", "state": "in_work"}]}),
        ("POST", "/fewlabel/skip/a%20b"): (200, {"id": "a b", "skipped_until": 1}),
        ("DELETE", "/fewlabel/skip/a%20b"): (200, {"id": "a b"}),
        ("POST", "/fewlabel/undo/a%20b"): (200, {"id": "a b", "state": "unlabelled"}),
        ("GET", "/fewlabel/history"): (200, {"entries": [], "stopping": None}),
        ("POST", "/fewlabel/export"): (202, {"state": "running"}),
        ("GET", "/fewlabel/export"): (200, {"state": "done"}),
        ("GET", "/fewlabel/export/file"): (200, body, "application/zip"),
    }
    assert client.cases()[0]["state"] == "in_work"
    assert client.skip("a b", "blurred")["id"] == "a b"
    assert json.loads(scripted.asked[-1][3]) == {"reason": "blurred"}
    assert client.unskip("a b") == {"id": "a b"}
    assert client.undo("a b")["state"] == "unlabelled"
    assert client.history()["entries"] == []
    assert client.start_export("bundle")["state"] == "running"
    assert json.loads(scripted.asked[-1][3]) == {"format": "bundle", "check": True}
    assert client.export_state()["state"] == "done"
    assert client.download_export(tmp_path / "out.zip").read_bytes() == body


def test_nothing_left_is_a_refusal_also_where_the_app_answers_with_nothing(scripted, client):
    scripted.answers["POST", "/activelearning/random"] = 200, {}
    with pytest.raises(Refused, match="no unlabelled case left"):
        client.next_case("random")


# --- who is there


@pytest.mark.parametrize("address", ["", "http://", "ftp://host", "two words"])
def test_what_cannot_be_an_address_is_said(address, tmp_path):
    with pytest.raises(WrongServer, match="not an address"):
        Client(address, tmp_path)


def test_an_address_may_be_short(tmp_path):
    assert Client(" localhost:8000/ ", tmp_path).url == "http://localhost:8000"


@pytest.mark.parametrize("answer", [(404, {}), (200, b"<html>"), (200, {"hello": 1}), (200, [])])
def test_another_server_is_noticed(scripted, client, answer):
    scripted.answers["GET", "/info/"] = answer
    with pytest.raises(WrongServer, match="MONAI Label server"):
        client.capabilities()


def test_a_port_on_which_nobody_listens_is_said(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NotReachable, match=address):
        Client(address, tmp_path).capabilities()


def test_login_gets_a_token_that_signs_every_further_request(scripted, client):
    def guarded(handler):
        allowed = handler.headers.get("Authorization") == "Bearer secret"
        scripted.send(handler, *((200, INFO) if allowed else (401, {"detail": "Not authenticated"})))

    scripted.answers["GET", "/info/"] = guarded
    with pytest.raises(LoginNeeded, match="log in"):
        client.capabilities()
    scripted.answers["POST", "/auth/token"] = 500, b"Internal Server Error"
    with pytest.raises(LoginNeeded, match="did not accept"):
        client.login("anna", "wrong")
    scripted.answers["POST", "/auth/token"] = 200, {"access_token": "secret", "token_type": "bearer"}
    client.login("anna", "right")
    assert b"username=anna" in scripted.asked[-1][3]
    assert client.info()["name"] == "Somebody's app"


def test_a_missing_role_is_told_in_the_words_of_the_server(scripted, client):
    scripted.answers["DELETE", "/train/"] = 403, {"detail": 'Role "admin" is required to perform this action'}
    with pytest.raises(Refused, match="Role"):
        client.stop_training()


# --- failures


def test_a_server_that_takes_too_long_is_given_up(scripted, client):
    scripted.answers["GET", "/fewlabel/cases"] = lambda handler: scripted.over.wait(5.0)  # a delay of 5 seconds
    with pytest.raises(NotReachable, match="did not answer in time"):
        client.cases()


def test_a_delay_within_patience_is_none(scripted, tmp_path):
    def late(handler):
        scripted.over.wait(0.4)
        scripted.send(handler, 200, {"cases": []})

    scripted.answers["GET", "/fewlabel/cases"] = late
    assert Client(scripted.url, tmp_path, timeouts=Timeouts(answer=5.0)).cases() == []


@pytest.mark.parametrize("body", [b"Internal Server Error", b'{"detail": null}', b"[]"])
def test_an_error_without_a_reason_is_still_a_sentence(scripted, client, body):
    scripted.answers["POST", "/train/organs"] = 500, body
    with pytest.raises(Refused, match=r"The server failed \(500 .*Its log says why"):
        client.train("organs")


def test_a_request_that_does_not_fit_is_told_in_words(scripted, client):
    detail = [{"loc": ["body", "reason"], "msg": "Field required", "type": "missing"}]
    scripted.answers["POST", "/fewlabel/skip/a"] = 422, {"detail": detail}
    with pytest.raises(Refused, match=r"body\.reason: Field required"):
        client.skip("a", "")


def cut_connection(handler):
    """A reset, as when the process is killed."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def test_a_connection_killed_in_mid_request_is_said(scripted, client, tmp_path):
    (tmp_path / "label.nrrd").write_bytes(b"x" * 100_000)
    scripted.answers["PUT", "/datastore/label"] = cut_connection
    with pytest.raises(NotReachable, match="cannot be reached"):
        client.submit_label("a", tmp_path / "label.nrrd", [])


def arriving(client):
    return [path for path in client.folder.rglob("*")] if client.folder.exists() else []


def test_a_download_that_breaks_off_leaves_nothing_behind(scripted, client):
    whole = nifti((40, 40, 40))

    def broken(handler):
        scripted.send(handler, 200, whole[: len(whole) // 2], "application/gzip", len(whole), "a.nii.gz")

    scripted.answers["GET", "/datastore/image"] = broken
    with pytest.raises(Damaged, match=r"the image of case 'a'.*try again"):
        client.download_image("a")
    assert arriving(client) == []


def test_a_file_that_is_damaged_on_the_server_is_noticed_and_the_older_download_stays(scripted, client):
    scripted.answers["GET", "/datastore/image"] = 200, nifti(), "application/gzip", None, "a.nii.gz"
    file = client.download_image("a")
    scripted.answers["GET", "/datastore/image"] = 200, nifti()[:-9], "application/gzip", None, "a.nii.gz"
    with pytest.raises(Damaged, match="damaged or in part"):
        client.download_image("a")
    assert file.read_bytes() == nifti()
    assert arriving(client) == [file]


def test_an_image_of_another_kind_is_said(scripted, client):
    scripted.answers["GET", "/datastore/image"] = 200, b"jpeg", "image/jpeg", None, "a.jpg"
    with pytest.raises(Unusable, match=r"a\.jpg"):
        client.download_image("a")


def test_a_name_given_by_the_server_never_leads_out_of_the_folder(scripted, client):
    scripted.answers["GET", "/datastore/image"] = 200, nifti(), "x/y", None, "../../evil.nii.gz"
    assert client.download_image("../../../evil").parent == client.folder


def test_cases_that_differ_in_a_sign_only_do_not_share_a_file(scripted, client):
    scripted.answers["GET", "/datastore/image"] = 200, nifti(), "x/y", None, "a.nii.gz"
    assert client.download_image("a b") != client.download_image("a_b")


def test_a_result_without_a_file_is_said(scripted, client):
    scripted.answers["POST", "/infer/organs"] = 200, {"label_names": {}}
    with pytest.raises(Refused, match="sent no file"):
        client.infer("organs", "a")


def test_a_submission_that_is_not_confirmed_is_none(scripted, client, tmp_path):
    (tmp_path / "label.nrrd").write_bytes(b"x")
    scripted.answers["PUT", "/datastore/label"] = 200, {"image": "another"}
    with pytest.raises(WrongServer, match="did not confirm"):
        client.submit_label("a", tmp_path / "label.nrrd", [])


# --- files


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "b.nrrd", "a.zip"])
def test_a_whole_file_passes_and_any_part_of_it_does_not(name, tmp_path):
    path, array = tmp_path / name, np.random.default_rng(0).integers(0, 9, (8, 9, 10)).astype(np.int16)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("weights", array.tobytes())
    elif name.endswith(".nrrd"):
        nrrd.write(str(path), array, {"encoding": "raw" if name == "a.nrrd" else "gzip"})
    else:
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)
    check_file(path, "it")
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(Damaged, match="it arrived"):
            check_file(path, "it")


def test_a_written_label_is_read_by_others_with_all_digits(tmp_path, volumes):
    array = np.ascontiguousarray(volumes.label(3).T)
    path = write_label(tmp_path / "a.nrrd", array, Geometry(array.shape, volumes.affine))
    check_file(path, "it")
    data, header = nrrd.read(str(path))
    np.testing.assert_array_equal(data, volumes.label(3))
    lps = np.diag([-1, -1, 1]) @ volumes.affine[:3]
    np.testing.assert_array_equal(header["space directions"].T, lps[:, :3])
    np.testing.assert_array_equal(header["space origin"], lps[:, 3])
    with pytest.raises(ValueError, match="int64"):
        write_label(path, array.astype(np.int64), Geometry(array.shape, volumes.affine))


def test_every_exception_becomes_a_sentence():
    assert sentence(Refused("No.", 400)) == "No."
    assert "disk full" in sentence(OSError(28, "disk full", "/a"))
    assert "ZeroDivisionError" in sentence(ZeroDivisionError("x"))

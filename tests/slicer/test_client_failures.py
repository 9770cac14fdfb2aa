"""The panel's client against addresses, servers and connections that are wrong or break."""

import gzip
import socket
import struct

import nibabel
import numpy as np
import pytest
import requests

from FewLabelLib.errors import Unusable
from FewLabelLib.net.client import Client, Damaged, LoginNeeded, NotReachable, Refused, Timeouts, WrongServer

INFO = {"name": "Somebody's app", "models": {}, "trainers": {}, "datastore": {"total": 3, "completed": 1}}


@pytest.fixture
def client(scripted, tmp_path):
    return Client(scripted.url, tmp_path, "test", Timeouts(0.5, 0.3, 0.5))


def nifti(shape=(5, 6, 7)):
    return gzip.compress(nibabel.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)).to_bytes(), mtime=0)


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
    with pytest.raises(LoginNeeded, match="requires a login"):
        client.capabilities()
    scripted.answers["POST", "/auth/token"] = 500, b"Internal Server Error"
    with pytest.raises(LoginNeeded, match="did not accept"):
        client.login("anna", "wrong")
    scripted.answers["POST", "/auth/token"] = 200, {"access_token": "secret", "token_type": "bearer"}
    client.login("anna", "right")
    assert b"username=anna" in scripted.asked[-1][3]
    assert client.info()["name"] == "Somebody's app"
    assert client.token == "secret"
    assert Client(scripted.url, client.folder, token=client.token).info()["name"] == "Somebody's app"


def test_a_missing_role_is_reported_in_the_words_of_the_server(scripted, client):
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
    with pytest.raises(Refused, match=r"The server failed \(500 .*See its log"):
        client.train("organs")


def test_a_request_that_does_not_fit_is_reported_in_words(scripted, client):
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


def test_less_than_announced_is_noticed_also_where_the_http_library_does_not(scripted, client, monkeypatch):
    """As with the older one that Slicer 5.8 brings."""
    scripted.answers["GET", "/fewlabel/export/file"] = 200, b"whole", "application/octet-stream"
    monkeypatch.setattr(requests.Response, "iter_content", lambda self, size: iter([b"who"]))
    with pytest.raises(Damaged, match="The connection broke"):
        client.download_export(client.folder / "model.bin")


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

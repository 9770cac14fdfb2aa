"""A web page, another computer and a stranger, each before a real server: nobody gets in, nothing is left behind."""

import io
import json
import tarfile
import tempfile
from pathlib import Path

import psutil
import pytest
import requests

from fewlabel.service.rules import RULES

CLASSES = ("organ", "tumour")
FOREIGN = ("https://evil.example", "null", "http://localhost:1", "http://127.0.0.1")
WRITING = [
    ("POST", "/train/fewlabel"),
    ("DELETE", "/train/"),
    ("POST", "/batch/infer/fewlabel"),
    ("POST", "/activelearning/random"),
    ("POST", "/reload"),
    ("DELETE", "/datastore/image?id=scan_1"),
    ("DELETE", "/model/fewlabel"),
    ("POST", "/fewlabel/skip/scan_1"),
    ("POST", "/fewlabel/undo/scan_0"),
    ("POST", "/fewlabel/export"),
]
READING = [("GET", "/info/"), ("GET", "/datastore/dataset"), ("GET", "/datastore/image?image=scan_0")]


@pytest.fixture(scope="module")
def studies(tmp_path_factory, volumes):
    return volumes.study(tmp_path_factory.mktemp("attacks") / "studies", 3)


@pytest.fixture(scope="module")
def server(serve, studies, volumes):
    started = serve(studies, {"origins": "https://viewer.example"})
    started.put_label("scan_0", volumes.truth(studies, 0), CLASSES)
    return started


@pytest.fixture(autouse=True)
def nothing_changed(request):
    """After each test the study holds the same files with the same bytes, and the server has no more processes."""
    if "server" not in request.fixturenames:
        yield
        return
    server = request.getfixturevalue("server")
    server.get("/info/")
    before = contents(server.studies), children(server)
    yield
    assert (contents(server.studies), children(server)) == before


def contents(folder):
    """Every file with its bytes; the file that MONAI Label writes as it reads, without its times, and caches."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in ("history.png",))
    return {str(path): path.read_bytes() for path in files if "features" not in path.name}


def children(server):
    return len(psutil.Process(server.process.pid).children(recursive=True))


def make_session(server, *files, **query):
    """The answer to an upload of (name, bytes)."""
    parts = [("files", file) for file in files]
    return requests.put(f"{server.url}/session/", files=parts, params=query, timeout=120)


# --- 1. code, paths and archives


@pytest.mark.parametrize(
    "key", ["bundle_path", "conf", "env", "app_dir", "script", "model_path", "_target_", "PYTHONPATH"]
)
@pytest.mark.parametrize("route", ["/train/fewlabel", "/train/", "/scoring/fewlabel", "/batch/infer/fewlabel"])
def test_no_request_chooses_code_or_a_path_of_the_server(server, tmp_path, route, key):
    (tmp_path / "sitecustomize.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    for body in ({key: str(tmp_path)}, {"fewlabel": {key: str(tmp_path)}}):
        server.must_refuse("POST", route, 422, key, "--conf", json=body)
    assert not (tmp_path / "ran").exists()


def test_code_in_a_session_is_not_run_by_a_training(server, tmp_path):
    code = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
    made = make_session(server, ("sitecustomize.py", code), ("a.nii.gz", b"x")).json()
    folder = made["session_info"]["image"]
    server.must_refuse("POST", "/train/fewlabel", 422, "bundle_path", json={"bundle_path": folder})
    assert not (tmp_path / "ran").exists()
    requests.delete(f"{server.url}/session/{made['session_id']}", timeout=60)


def test_an_archive_is_not_unpacked(server, tmp_path):
    written = tmp_path / "outside.txt"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("../" * 12 + str(written).lstrip("/"))
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
    answer = make_session(server, ("a.tar", packed.getvalue()), uncompress="true")
    assert answer.status_code == 422
    assert "unpacks no archives" in answer.json()["detail"]
    assert not written.exists()


@pytest.mark.parametrize("tag", ["../../evil", "/tmp/evil", "..", "a/b"])
def test_a_tag_is_no_path(server, studies, volumes, tag):
    answer = server.put_label("scan_1", volumes.truth(studies, 1), CLASSES, expect=400, tag=tag)
    assert tag in answer["detail"]


# --- 2. web pages


@pytest.mark.parametrize(("method", "path"), WRITING + READING)
@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_of_another_origin_gets_nothing_and_changes_nothing(server, method, path, origin):
    answer = server.must_refuse(method, path, 403, "--conf origins", headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(("method", "path"), WRITING + READING)
@pytest.mark.parametrize("site", ["cross-site", "same-site", "something new"])
def test_what_another_page_embeds_or_sends_is_refused(server, method, path, site):
    server.must_refuse(method, path, 403, "--conf origins", headers={"Sec-Fetch-Site": site})


@pytest.mark.parametrize(
    "name", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", "", "a b", "0.0.0.0"]
)
def test_a_name_that_points_here_is_not_this_server(server, name):
    for method, path in (("GET", "/info/"), ("POST", "/reload"), ("GET", "/")):
        code, sentence, _ = server.ask(method, path, headers={"Host": name})
        assert code in (400, 403)  # the HTTP parser knows some of them for none
        assert code == 400 or "--conf hosts" in sentence or "Host header" in sentence


def test_the_servers_own_page_a_typed_address_and_a_viewer_are_served(server):
    for headers in ({}, {"Origin": server.url}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}):
        assert server.ask("GET", "/info/", headers=headers)[0] == 200
    assert server.ask("GET", "/info/", headers={"Host": "localhost:8000"})[0] == 200


def test_a_page_that_was_named_may_read_by_the_headers(server):
    page = {"Origin": "https://viewer.example", "Sec-Fetch-Site": "cross-site"}
    code, _, answer = server.ask("GET", "/info/", headers=page)
    assert (code, answer.headers["access-control-allow-origin"]) == (200, "https://viewer.example")
    asked = {**page, "Access-Control-Request-Method": "PUT"}
    assert server.ask("OPTIONS", "/datastore/label", headers=asked)[0] == 200


def test_the_old_forms_of_an_html_page_start_nothing(server):
    for path in ("/train/fewlabel", "/batch/infer/fewlabel", "/scoring/fewlabel", "/activelearning/random"):
        server.must_refuse("POST", path, 422, "not JSON", data={"max_minutes": "1"})


def test_no_get_changes_or_starts_anything(server):
    for rule in RULES:
        if rule.method == "GET" and "session" not in rule.path:
            names = {"{model}": "fewlabel", "{path:path}": "x"}
            path = rule.path
            for name, value in names.items():
                path = path.replace(name, value)
            query = {"image": "scan_0", "label": "scan_0", "tag": "final"}
            assert server.ask("GET", path, params=query)[0] in (200, 404, 409)


def test_what_fewlabel_does_not_need_is_switched_off_in_a_sentence(server):
    off = [rule for rule in RULES if rule.off]
    assert len(off) > 10
    for rule in off:
        path = rule.path.replace("{path:path}", "x").replace("{model}", "fewlabel")
        server.must_refuse(rule.method, path, 404, "switched off")


@pytest.mark.parametrize("path", ["/nothing", "/datastore/label/other", "//info/"])
def test_an_address_that_is_in_no_table_is_not_served(server, path):
    server.must_refuse("POST", path, 404, "no address")


# --- 3. sessions and paths in /infer


@pytest.mark.parametrize("form", ["{}", "{}/", "../{name}", "x", "..", "%00"])
def test_a_session_is_no_path(server, form):
    victim = server.home / "victim"
    victim.mkdir(exist_ok=True)
    (victim / "meta.info").write_text(json.dumps({"image": "/no/such/file"}))
    given = form.format(victim, name="../victim")
    for query in ({"session_id": given}, {"session_id": given, "image": "scan_0"}):
        server.must_refuse("POST", "/infer/fewlabel", 404, "no session", params=query)
    assert (victim / "meta.info").exists()
    for method in ("GET", "DELETE"):
        if given != "..":  # which the sender takes for the folder above
            assert server.ask(method, f"/session/{requests.utils.quote(given, safe='')}")[0] == 404
    assert (victim / "meta.info").exists()


def test_one_session_does_not_reach_into_another_and_a_request_into_no_upload(server, studies):
    image = (studies / "scan_0.nii.gz").read_bytes()
    one, other = (make_session(server, ("a.nii.gz", image)).json() for _ in range(2))
    with tempfile.NamedTemporaryFile(suffix=".nii.gz", prefix="tmp") as upload:
        server.get("/info/")
        targets = [other["session_info"]["image"], str(studies / "scan_1.nii.gz")]
        answers = [
            server.ask(
                "POST",
                "/infer/fewlabel",
                params={"image": "scan_0"},
                data={"params": json.dumps({"image": target, "session": one["session_info"]})},
            )[0]
            for target in targets
        ]
        assert Path(upload.name).exists()
    assert set(answers) <= {403, 409}
    for made in (one, other):
        requests.delete(f"{server.url}/session/{made['session_id']}", timeout=60)

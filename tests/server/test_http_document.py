"""The curl lines of docs/http.md, one after the other, as printed, on a real server with the demo's scans."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from experiments.demo.study import generated_study

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
LINES = re.findall(r"^curl .*$", TEXT, re.MULTILINE)
ADDRESS = "http://127.0.0.1:8000"

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder as the document has it: demo/images, demo/truth and study."""
    folder = tmp_path_factory.mktemp("http")
    generated_study(folder / "demo", 8, 0)
    shutil.copytree(folder / "demo" / "images", folder / "study")
    return folder


def test_the_requests_that_people_need_are_printed():
    assert len(LINES) >= 15
    for address in ("/info/", "/activelearning/", "/infer/", "/datastore/label", "/train/", "/fewlabel/export"):
        assert any(address in line for line in LINES), address


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_line_works_as_printed(serve, here):
    server = serve(here / "study", {"labels": "liver,kidney"})
    for line in LINES:
        if "/fewlabel/thumbnail/" in line:  # the lines before started it and stopped it, to show how
            server.request("POST", "/fewlabel/label_all", expect=202)
            server.wait_until(lambda: server.get("/fewlabel/label_all")["state"] == "done")
        if "-X DELETE" in line:
            server.wait_for_training()  # the document stops a training only to show how
        command = line.replace(ADDRESS, server.url)
        done = subprocess.run(command, shell=True, cwd=here, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, line
        assert '{"detail":' not in done.stdout, f"{line}\n{done.stdout}"
        if line.endswith("/fewlabel/export"):
            server.wait_until(lambda: server.get("/fewlabel/export")["state"] != "running")
    assert server.get("/fewlabel/export")["state"] == "done"
    for name in ("case_008.nii.gz", "proposal.nii.gz", "uncertainty.nii.gz", "fewlabel_segmentation-v1.zip"):
        content = (here / name).read_bytes()
        assert content[:2] in (b"\x1f\x8b", b"PK"), f"{name}: {content[:200]}"

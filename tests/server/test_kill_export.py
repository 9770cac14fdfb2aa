"""A server that is killed at any moment of an export: what it offers afterwards is whole, and nothing is left."""

import hashlib
import io
import os
import random
import time
import zipfile

import pytest
import requests

KILLS = 12


@pytest.mark.slow
def test_after_a_kill_in_mid_export_the_address_gives_a_whole_zip_or_a_sentence(serve, volumes, tmp_path):
    studies = volumes.study(tmp_path / "studies", 2)
    server = serve(studies, {"labels": "organ,tumour"})
    server.put_label("scan_0", volumes.truth(studies, 0), volumes.classes)
    server.train(max_steps=1)
    assert server.wait_for_training()["status"] == "DONE"
    exports, chance = studies / ".fewlabel" / "exports", random.Random(14)
    longest, seen = 2.0, {"whole": 0, "none": 0, "while it ran": 0}
    for _ in range(KILLS):
        begun = time.monotonic()
        server.request("POST", "/fewlabel/export", expect=202, json={"check": False})
        end = begun + chance.uniform(0, longest)
        while time.monotonic() < end and server.get("/fewlabel/export")["state"] == "running":
            time.sleep(0.01)
        if server.get("/fewlabel/export")["state"] == "running":
            seen["while it ran"] += 1
        else:
            longest = 1.2 * (time.monotonic() - begun)
        server.stop()
        server.start()
        answer = requests.get(f"{server.url}/fewlabel/export/file", timeout=60)
        export = server.get("/fewlabel/export")
        if answer.status_code == 200:
            seen["whole"] += 1
            with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
                assert archive.testzip() is None
            assert hashlib.sha256(answer.content).hexdigest() == export["sha256"]
            assert sorted(os.listdir(exports)) == sorted(["export.json", export["file"]])
        else:
            seen["none"] += 1
            assert (answer.status_code, export["state"]) == (404, "none")
            assert answer.json()["detail"].endswith(".")
            assert not exports.exists() or os.listdir(exports) == []
    assert seen["while it ran"] > KILLS / 4, seen
    print(seen)

"""What is offered of an export is whole, whatever a kill has left on the disk; real kills are the slow tests' part."""

import json
import os
import zipfile

import pytest

from fewlabel.errors import Refusal
from fewlabel.export import placing
from fewlabel.export.configs import NAME as BUNDLE
from fewlabel.export.source import Options
from fewlabel.service import exporting
from fewlabel.service.exporting import Exporter
from fewlabel.service.routes import make_router
from fewlabel.workspace import read_json, write_json


@pytest.fixture
def exported(service):
    """A study with a finished export; ``zip`` and ``record`` are its files."""
    service.publish()
    answer = service.export(check=False)
    service.zip, service.record = service.workspace.exports / answer["file"], service.workspace.exports / "export.json"
    return service


def restarted(service):
    return Exporter(service.workspace, list)


def refused(exporter):
    with pytest.raises(Refusal) as caught:
        exporter.file()
    assert caught.value.status_code == 404
    assert str(caught.value).endswith(".")
    return str(caught.value)


def halved(path):
    os.truncate(path, path.stat().st_size // 2)


def one_byte_else(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def one_byte_more(path):
    path.write_bytes(path.read_bytes() + b"\0")


def emptied(path):
    path.write_bytes(b"")


def another_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")


DAMAGES = [halved, one_byte_else, one_byte_more, emptied, another_zip]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_zip_that_is_not_what_was_written_is_not_offered_after_a_restart(exported, damage):
    damage(exported.zip)
    again = restarted(exported)
    assert again.status().state == "failed"
    assert "Export again" in refused(again)
    assert "Export again" in again.status().error


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_zip_that_is_damaged_while_the_server_runs_is_not_offered(exported, damage):
    assert exported.client.get("/fewlabel/export/file").status_code == 200
    damage(exported.zip)
    assert "Export again" in exported.refused("GET", "export/file", 404)
    exported.zip.unlink()
    assert "start one first" in exported.refused("GET", "export/file", 404)


@pytest.mark.parametrize("damage", [halved, one_byte_else, emptied])
def test_a_record_of_an_earlier_version_without_a_checksum_serves_a_whole_zip_only(exported, damage):
    record = read_json(exported.record)
    assert record.pop("sha256")
    write_json(exported.record, record)
    assert restarted(exported).file() == exported.zip
    damage(exported.zip)
    assert "is damaged" in refused(restarted(exported))


class Killed(BaseException):
    """Stands for a process that ends at this point: nothing after it is done."""


def test_a_kill_at_any_step_of_an_export_leaves_the_last_one_or_the_new_one_whole(exported, monkeypatch):
    """After every call that writes, replaces or removes something, in turn."""
    first = exported.zip.read_bytes()
    ended = False
    for step in range(1, 100):
        left = [step]

        def or_die(function, left=left):
            def call(*arguments, **more):
                result = function(*arguments, **more)
                left[0] -= 1
                if left[0] == 0:
                    raise Killed
                return result

            return call

        exporter = restarted(exported)
        with monkeypatch.context() as patch:
            patch.setattr(exporting, "replace_file", or_die(exporting.replace_file))
            patch.setattr(exporting, "write_json", or_die(exporting.write_json))
            patch.setattr(exporting, "_pack", or_die(exporting._pack))
            patch.setattr(exporting, "check_inputs", or_die(exporting.check_inputs))
            patch.setattr(placing.Path, "replace", or_die(placing.Path.replace))
            patch.setattr(exporting, "_sha256", or_die(exporting._sha256))
            patch.setattr(exporting.Path, "unlink", or_die(exporting.Path.unlink))
            patch.setattr(exporting.tempfile.TemporaryDirectory, "cleanup", lambda folder: None)
            patch.setattr(exporting.shutil, "rmtree", lambda *arguments, **more: None)
            try:
                exporter._export(["bundle"], False, Options())
                ended = True
            except Killed:
                pass
        again = restarted(exported)
        content = again.file().read_bytes()
        with zipfile.ZipFile(again.file()) as archive:
            assert archive.testzip() is None
        assert content == first or json.loads(exported.record.read_text())["file"] == again.file().name
        assert sorted(os.listdir(exported.workspace.exports)) == sorted(["export.json", again.file().name])
        if ended:
            break
    assert ended
    assert step > 5


def test_nothing_of_a_killed_export_stays_after_the_next_start(exported):
    exports = exported.workspace.exports
    (exports / ".exporting-killed" / "bundle").mkdir(parents=True)
    (exports / ".writing-killed.zip").write_bytes(b"half")
    (exports / f"{BUNDLE}-v9.zip").write_bytes(b"never named by a record")
    restarted(exported)
    assert sorted(os.listdir(exports)) == sorted(["export.json", exported.zip.name])


@pytest.mark.parametrize("record", ["", "{", "[]", '{"state": "done", "file": "export.json"}', '{"state": 5}'])
def test_a_damaged_record_offers_nothing(exported, record):
    exported.record.write_text(record)
    refused(restarted(exported))


def test_an_export_goes_on_and_is_known_where_the_app_is_loaded_again(exported, held_check):
    exported.ask("POST", "export", 202)
    assert held_check.begun.wait(60)
    make_router(exported.study)
    assert exporting.exporter_of(exported.workspace, list).status().state == "running"
    held_check.release()
    assert exported.get("export")["state"] == "done"
    assert exporting.exporter_of(exported.workspace, list).file().is_file()

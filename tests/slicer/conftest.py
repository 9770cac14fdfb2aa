"""The real server of tests/server, and a scripted one for what a real one does only when it breaks."""

import importlib.util
import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

TESTS = Path(__file__).resolve().parents[1]


def _load(name, path):
    """A file of the tests as a module; the tests are no package."""
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


_server = _load("server_fixtures", TESTS / "server" / "conftest.py")
serve, volumes = _server.serve, _server.volumes
Server, QUICK, Volumes = _server.Server, _server.QUICK, _server.Volumes
Panel = _load("panel_fakes", TESTS / "slicer" / "fakes.py").Panel
_copy = _load("panel_copy", TESTS / "slicer" / "fewlabel_copy.py")
FakeClient = _load("panel_fake_server", TESTS / "slicer" / "fake_server.py").FakeClient


class Scripted:
    """An HTTP server whose answers are given by (method, path): JSON, or a function of the handler.

    Attributes:
        answers: to be filled by the test.
        asked: (method, path, headers, body) of every request so far.
    """

    def __init__(self):
        self.answers, self.asked = {}, []
        script = self
        self.over = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                path = urlsplit(self.path).path
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                script.asked.append((self.command, self.path, dict(self.headers), body))
                found = script.answers.get((self.command, path), (404, {"detail": "Not Found"}))
                if callable(found):
                    found(self)
                else:
                    script.send(self, *found)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @staticmethod
    def send(handler, status, value, kind="application/json", length=None, name=None):
        """One whole answer; ``length``: announce another one than there is."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        if name:
            handler.send_header("Content-Disposition", f'attachment; filename="{name}"')
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def scripted():
    """See Scripted."""
    server = Scripted()
    yield server
    server.close()


@pytest.fixture
def panel(tmp_path):
    """See Panel; gates are opened at the end, so that no thread is left waiting."""
    panel = Panel(tmp_path, FakeClient)
    yield panel
    for server in panel.servers.values():
        for gate in server.gates.values():
            gate.set()
    with suppress(OSError):
        panel.session.close()
    unexpected = [text for _, text in panel.said if "Something unexpected" in text]
    assert unexpected == panel.expected


@pytest.fixture
def panel_copy():
    """The class Copy of fewlabel_copy.py."""
    return _copy.Copy


@pytest.fixture
def panel_copy_tools():
    """The module fewlabel_copy.py, for its functions."""
    return _copy

"""The panel's own widgets on Slicer's real scene, in Qt without a screen. Skipped where these are missing.

PythonQt, CTK's widgets and Slicer's own are replaced by the stand-ins of the folder beside this: what they do in a real
Slicer is not tested here.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import environment

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

HERE = Path(__file__).resolve().parent


def _load(name, path):
    """A file of the tests as a module; the tests are no package."""
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


_layer1 = _load("layer1_fixtures", HERE.parent / "layer1" / "conftest.py")
MISSING, booted, write, affines, load_helper = (
    getattr(_layer1, name) for name in ("MISSING", "booted", "write", "affines", "load_helper")
)


def qt_trouble():
    """Why Qt cannot be used here, "" if it can. Another process is asked: Qt ends one in which it finds no screen."""
    code = "from PySide6 import QtUiTools, QtWidgets; QtWidgets.QApplication([])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return said[-1] if done.returncode else ""


@pytest.fixture(scope="session")
def qt(booted):
    """The stand-in of PythonQt's module ``qt``, with an application without a screen."""
    pytest.importorskip("PySide6", reason=MISSING)
    trouble = qt_trouble()
    if trouble:
        pytest.skip(
            f"Qt cannot be used here ({trouble}). On Debian and Ubuntu: "
            "apt-get install libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1"
        )
    sys.path.insert(0, str(HERE / "standins"))
    import desk

    return desk.open_qt()


@pytest.fixture
def slicer(booted, qt, tmp_path):
    """The module ``slicer``, see desk.room."""
    import desk

    with desk.room(booted, tmp_path) as slicer:
        yield slicer


@pytest.fixture
def module(slicer):
    """FewLabel.py, as Slicer would load it."""
    import desk

    with desk.loaded() as module:
        yield module


@pytest.fixture
def sit_down(slicer, module):
    """Callable (make_client): a Desk, see desk.seats."""
    import desk

    with desk.seats(slicer, module) as sit_down:
        yield sit_down


@pytest.fixture(scope="module")
def lasting_seats(booted, qt, tmp_path_factory):
    """Callable: a Desk with the real client for all tests of a module, in the same folder as those before."""
    import desk

    folder = tmp_path_factory.mktemp("desk")
    with desk.room(booted, folder) as slicer, desk.loaded() as module, desk.seats(slicer, module) as sit_down:
        yield sit_down


@pytest.fixture(scope="module")
def lasting_desk(lasting_seats):
    """A Desk with the real client for all tests of a module."""
    return lasting_seats()


@pytest.fixture
def server(load_helper, write, tmp_path):
    """The server in memory of fake_server.py, with files that Slicer can read, each at the image's position."""

    class Server(load_helper("fake_server").FakeClient):
        def _file(self, name, array):
            return write(f"{name}.nii.gz", array)

    server = Server("http://one", tmp_path / "server")
    yield server
    for gate in server.gates.values():
        gate.set()


@pytest.fixture
def desk(sit_down, server):
    """A person at a panel that is connected to the server in memory."""
    desk = sit_down(lambda address: server)
    desk.connect(server.url)
    return desk


@pytest.fixture(scope="session")
def above():
    """The fixtures of tests/slicer, and through them those of tests/server: real servers and servers that break."""
    pytest.importorskip("psutil", reason=MISSING)
    return _load("slicer_fixtures", HERE.parent / "conftest.py")


@pytest.fixture(scope="session")
def server_python():
    """The interpreter of the server's environment, which is another one than that of these tests."""
    folder = environment.environment_folder()
    if not list(folder.glob("**/site-packages/monailabel")):
        pytest.skip(f"needs the server's environment at {folder}: python3 scripts/test.py makes it")
    return environment.environment_python(folder)


@pytest.fixture(scope="module")
def serve(above, server_python, tmp_path_factory):
    """Callable (studies, conf): a real MONAI Label server, see tests/server/conftest.py; ended after the tests."""
    servers = []

    def serve(studies, conf):
        server = above.Server(studies, tmp_path_factory.mktemp("home"), {**above.QUICK, **conf}, {}, server_python)
        servers.append(server)
        return server.start()

    yield serve
    for server in servers:
        server.stop()


@pytest.fixture
def plain_app(above, write):
    """A PlainApp, see standins/plain_app.py."""
    from plain_app import SHAPE, PlainApp

    server = above.Scripted()
    image = write("image.nii.gz", np.random.default_rng(0).normal(100, 20, SHAPE).astype(np.int16))
    yield PlainApp(server, image.read_bytes())
    server.close()

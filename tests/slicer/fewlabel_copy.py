"""A copy of FewLabel whose scripts print what the real ones print, and do nothing but that."""

import json
import os
import sys
import time
from pathlib import Path

from FewLabelLib.launch.launcher import Launcher
from FewLabelLib.launch.status import Stage, Wish

PATIENCE = 60.0  # seconds; generous, because other work may hold the processor
ENVIRONMENT = """
import json, os, subprocess, sys, time
from pathlib import Path

here = Path(__file__).resolve().parent
plan = json.loads((here / "plan.json").read_text(encoding="utf-8"))
attempts = here / "attempts.txt"
count = len(attempts.read_text()) if attempts.exists() else 0
attempts.write_text("x" * (count + 1))
print(f"Setting up FewLabel in {here.parent / '.venv'} (once; a few minutes, about 2 GB).", flush=True)
print("Installing requirements.txt ...", flush=True)
print("  torch (180.5 MB)", flush=True)
print("  scipy (40.0 MB)", flush=True)
if count < plan.get("offline", 0):
    print("Set-up stopped: the package index cannot be reached; check the network.", file=sys.stderr, flush=True)
    sys.exit(2)
if plan.get("full"):
    print("Set-up stopped: the disk is full; free about 3 GB and run this again.", file=sys.stderr, flush=True)
    sys.exit(2)
if plan.get("slow"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    (here / "child.txt").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(120)
print("  unpacking", flush=True)
print("Set-up took 1 s.", flush=True)
"""
SERVE = """
import argparse, json, os, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

here = Path(__file__).resolve().parent
plan = json.loads((here / "plan.json").read_text(encoding="utf-8"))
parser = argparse.ArgumentParser()
parser.add_argument("--studies", type=Path)
parser.add_argument("--port", type=int)
parser.add_argument("--conf", nargs=2, action="append", default=[])
parser.add_argument("--attached", action="store_true")
options = parser.parse_args()
about = {"variables": dict(os.environ), "studies": str(options.studies), "conf": options.conf, "pid": os.getpid()}
busy = here / "busy.txt"
if plan.get("busy") and not busy.exists():
    busy.write_text("once")
    parser.error(f"port {options.port} is busy: another program listens there; stop it or choose another with --port.")
print(f"FewLabel is starting for {options.studies} ...", flush=True)
if plan.get("refuses"):
    print("FewLabel cannot start. " + plan["refuses"], file=sys.stderr, flush=True)
    sys.exit(1)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"name": options.studies.name}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def watch():
    if os.read(0, 16).strip() != b"keep":
        os._exit(0)


server = HTTPServer(("127.0.0.1", options.port), Handler)
(here / "about.json").write_text(json.dumps(about), encoding="utf-8")
threading.Thread(target=watch, daemon=True).start()
print(f"\\nFewLabel is ready at http://127.0.0.1:{options.port}", flush=True)
server.serve_forever()
"""


class Copy:
    """A folder that looks like FewLabel's, a folder of scans, and launchers for them.

    Attributes:
        root, studies: the folders, with spaces and other letters in their names.
        variables: the environment variables of the process that starts.
    """

    def __init__(self, folder):
        self.folder = folder
        self.root, self.studies = folder / "Few Läbel 標", folder / "Bilder für 肝 (1)"
        (self.root / "scripts").mkdir(parents=True)
        self.studies.mkdir()
        for name, source in (("environment.py", ENVIRONMENT), ("serve.py", SERVE)):
            (self.root / "scripts" / name).write_text(source, encoding="utf-8")
        self.plan()
        python = self.root / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        self.variables = {key: value for key, value in os.environ.items() if key != "FEWLABEL_VENV"}
        self.launchers = []

    def plan(self, **plan):
        """What the scripts do, other than succeed."""
        (self.root / "scripts" / "plan.json").write_text(json.dumps(plan), encoding="utf-8")

    def launcher(self, variables=None):
        """What a panel has that was just opened."""
        self.launchers.append(
            Launcher(self.folder / "Einstellungen ä", variables or self.variables, self.folder / "panel.py")
        )
        return self.launchers[-1]

    def wish(self, **changed):
        return Wish(**{"studies": self.studies, "root": self.root, **changed})

    def run(self, launcher, **changed):
        """Start, and wait until it runs or has failed."""
        launcher.start(self.wish(**changed))
        return until(launcher, Stage.RUNNING, Stage.FAILED, Stage.IDLE)

    def said(self, name):
        """A file that a script has written."""
        return (self.root / "scripts" / name).read_text(encoding="utf-8")

    @property
    def about(self):
        """What the server was given."""
        return json.loads(self.said("about.json"))

    def close(self):
        for launcher in self.launchers:
            launcher.keeps = False
            launcher.close()


def until(launcher, *stages, patience=PATIENCE):
    """Wait until a launcher is at one of these stages; its status then."""
    wait(lambda: launcher.status.stage in stages, launcher, patience)
    return launcher.status


def wait(condition, launcher=None, patience=PATIENCE):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, launcher and launcher.status
        time.sleep(0.02)


def is_alive(pid):
    """Whether a process runs; one that has ended and was not asked for counts as ended."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False

"""Finds what is needed, makes the environment, starts the server and follows it: on a thread, in processes."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import List, Mapping, Optional, Union

from ..errors import NotStarted, sentence
from . import child as processes
from . import probe, pythons, texts
from .child import Child
from .folder import ENVIRONMENT, SERVE, around, is_fewlabel
from .record import Record, Served
from .serving import PATIENCE, start_server
from .setting_up import set_up
from .status import NoFolder, Over, Stage, Status, Wish
from .variables import clean

logger = logging.getLogger(__name__)
EVERY = 0.2  # seconds between two looks at a process
ASKS = 10  # times that a server which an earlier Slicer has kept is asked whether it is there: it may be busy


class Launcher:
    """Starts one server at a time. Nothing here blocks its caller; ``status`` may be read at any time.

    Args:
        folder: for its logs and what it remembers.
        environ: the variables of this process.
        here: a file of the panel, which may lie in a copy of FewLabel.

    Attributes:
        status: see Status; replaced as a whole.
        keeps: the server goes on when Slicer ends; may be changed at any time.
        log: of the last start; None before the first.
        record: what is remembered.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str] = os.environ, here: Path = Path(__file__)) -> None:
        self.status, self.keeps = Status(), False
        self.record = Record(folder / "servers.json")
        self.log: Optional[Path] = None
        self._folder, self._here = folder, here
        self._slicer, self._variables = environ, clean(environ)
        self._over = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._closing = False

    def start(self, wish: Wish) -> None:
        """Begin; ``status`` tells what comes of it. Nothing happens while a server is started or runs."""
        if self.status.busy or self._closing:
            return
        self._over.clear()
        name = sha256(str(wish.studies).encode("utf-8", "surrogatepass")).hexdigest()[:8]
        self.log = self._folder / "logs" / f"server-{name}.log"
        self.status = Status(Stage.WORKING, texts.LOOKING)
        self._thread = threading.Thread(target=self._run, args=(wish,), name="FewLabel server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cancel the set-up, or end the server."""
        if self.status.busy:
            self._over.set()
            self.status = Status(Stage.WORKING, texts.STOPPING)

    def close(self) -> None:
        """Slicer ends: end what was started, or let the server go on if it is kept. Takes a moment."""
        self._closing = True
        self._over.set()
        if self._thread is not None:
            self._thread.join(5.0)

    # --- on the thread

    def _run(self, wish: Wish) -> None:
        try:
            self._serve(wish)
        except Over:
            self.status = Status(text=texts.CANCELLED)
        except Exception as error:  # whatever it is, the panel must not wait for ever
            logger.info("%s", error, exc_info=error)
            self.status = Status(Stage.FAILED, sentence(error), asks_folder=isinstance(error, NoFolder))

    def _serve(self, wish: Wish) -> None:
        if not wish.studies.is_absolute():
            raise NotStarted(texts.NO_STUDIES)
        if not wish.studies.is_dir():
            raise NotStarted(texts.no_such_studies(wish.studies))
        known = self.record.served(wish.studies)
        if self._is_kept(known, wish.studies):
            return self._follow(wish, known, known.pid)
        root = self._root(wish)
        python = pythons.find(root, self._variables, self._slicer, self._ask)
        set_up(lambda: self._child([*python, str(root / ENVIRONMENT)], root), self._show, self._look, self._sleep)
        command = [*python, str(root / SERVE), "--studies", str(wish.studies), "--attached"]
        command += ["--conf", "labels", wish.classes] if wish.classes else []
        port, child = start_server(
            lambda port: self._child([*command, "--port", str(port)], root, follows=True),
            known.port,
            self._show,
            self._look,
        )
        served = Served(port, child.pid, wish.classes)
        self.record.put_served(wish.studies, served)
        self._follow(wish, served, child)

    def _is_kept(self, known: Served, studies: Path) -> bool:
        """Whether the server that an earlier Slicer has started still runs."""
        for _ in range(ASKS):
            if not known.pid or not processes.is_running(known.pid):
                return False
            if probe.serves(known.url, studies):
                return True
            self._look()
        return False

    def _root(self, wish: Wish) -> Path:
        """FewLabel's folder, which is remembered."""
        if wish.root is not None and not is_fewlabel(wish.root):
            raise NoFolder(texts.not_fewlabel(wish.root))
        remembered = [Path(self.record.root)] if self.record.root else []
        likely = [*([wish.root] if wish.root else []), *remembered, around(self._here)]
        root = next((each for each in likely if is_fewlabel(each)), None)
        if root is None:
            raise NoFolder(texts.ASK_FOLDER)
        self.record.put_root(root)
        return root

    def _ask(self, command: List[str], variables: Mapping[str, str]) -> str:
        self._sleep(0.0)
        return pythons.ask(command, variables)

    def _follow(self, wish: Wish, served: Served, server: Union[Child, int]) -> None:
        """Wait until the server ends, or is to be ended.

        Args:
            server: its process, or the number of one that an earlier Slicer has kept.
        """
        try:
            while server.code is None if isinstance(server, Child) else processes.is_running(server):
                if self.keeps and isinstance(server, Child):
                    server.release()
                if not self._over.is_set():
                    self.status = Status(Stage.RUNNING, texts.running(served.url, self.keeps), url=served.url)
                self._look()
            self.status = Status(Stage.FAILED, texts.ENDED)
        except Over:
            if self._closing and self.keeps:
                return
            self._end(server)
            self.status = Status(text=texts.STOPPED)
        self.record.put_served(wish.studies, replace(served, pid=0))

    def _end(self, server: Union[Child, int]) -> None:
        """End a server; if Slicer ends, it is asked to and not waited for."""
        if isinstance(server, Child):
            server.ask_to_end() if self._closing else server.end(PATIENCE)
            return
        processes.request_end(server)
        for _ in range(0 if self._closing else int(PATIENCE / EVERY)):
            if not processes.is_running(server):
                return
            threading.Event().wait(EVERY)
        if not self._closing:
            processes.kill(server)

    def _child(self, command: List[str], folder: Path, follows: bool = False) -> Child:
        assert self.log is not None
        return Child(command, self._variables, self.log, folder, follows)

    def _show(self, text: str, detail: str = "") -> None:
        if not self._over.is_set():  # else it says that it is being stopped
            self.status = Status(Stage.WORKING, text, detail)

    def _look(self) -> None:
        self._sleep(EVERY)

    def _sleep(self, seconds: float) -> None:
        if self._over.wait(seconds):
            raise Over

"""One background thread for everything that waits: the network and the disk."""

from __future__ import annotations

import queue
import threading
from typing import Any, Callable, Optional


class Worker:
    """Does jobs one after the other on its thread; what came of them is handed over by ``deliver``.

    A job may touch no scene and no widget. Its callbacks may: they run on the thread that calls ``deliver``.
    """

    def __init__(self) -> None:
        self._jobs: queue.Queue = queue.Queue()
        self._results: queue.Queue = queue.Queue()
        self._thread: Optional[threading.Thread] = None
        self._open = 0  # jobs whose callback has not run; counted on the caller's thread only

    @property
    def busy(self) -> bool:
        """Whether a job has been given of which nothing was delivered yet."""
        return self._open > 0

    def submit(
        self,
        job: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Queue a job; later either ``done`` gets its result or ``failed`` its exception."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="FewLabel", daemon=True)
            self._thread.start()
        self._open += 1
        self._jobs.put((job, done, failed))

    def post(self, callback: Callable[..., None], *values: Any) -> None:
        """From within a job: have ``callback`` called by the next ``deliver``, e.g. to show how far it is."""
        self._results.put((False, lambda: callback(*values)))

    def deliver(self) -> None:
        """Call back for all that is finished; to be called by a timer of the UI. Returns at once."""
        for _ in range(self._results.qsize()):
            try:
                closes, callback = self._results.get_nowait()
            except queue.Empty:  # a callback that let Slicer go on led back to here
                return
            if closes:
                self._open -= 1
            callback()

    def close(self) -> None:
        """Forget what is waiting, and end after the job at hand."""
        while not self._jobs.empty():
            try:
                self._jobs.get_nowait()
                self._open -= 1
            except queue.Empty:
                break
        self._jobs.put(None)
        self._thread = None

    def _work(self) -> None:
        while True:
            entry = self._jobs.get()
            if entry is None:
                return
            self._results.put((True, _outcome(*entry)))


def _outcome(job: Callable, done: Callable, failed: Callable) -> Callable[[], None]:
    """Do the job; gives the callback that tells how it went."""
    try:
        result = job()
    except Exception as error:
        problem = error  # "error" is unbound at the end of this block
        return lambda: failed(problem)
    return lambda: done(result)

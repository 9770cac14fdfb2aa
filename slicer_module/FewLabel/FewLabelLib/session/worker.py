"""A background thread for everything that takes time: network and disk."""

from __future__ import annotations

import queue
import threading
from typing import Any, Callable, Optional


class Worker:
    """Runs jobs one after the other on its thread; ``deliver`` passes their results on.

    A job must not use the scene or widgets. Its callbacks may: they run on the thread that calls ``deliver``.
    """

    def __init__(self) -> None:
        self._jobs: queue.Queue = queue.Queue()
        self._results: queue.Queue = queue.Queue()
        self._thread: Optional[threading.Thread] = None
        self._open = 0  # jobs whose callback has not run; changed on the caller's thread only

    @property
    def busy(self) -> bool:
        """Whether there is a job whose result was not delivered yet."""
        return self._open > 0

    def submit(
        self,
        job: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Queue a job; later either ``done`` is called with its result or ``failed`` with its exception."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="FewLabel", daemon=True)
            self._thread.start()
        self._open += 1
        self._jobs.put((job, done, failed))

    def post(self, callback: Callable[..., None], *values: Any) -> None:
        """Called by a job: let the next ``deliver`` call ``callback``, e.g. to show progress."""
        self._results.put((False, lambda: callback(*values)))

    def deliver(self) -> None:
        """Run the callbacks of finished jobs; called by a timer of the UI. Returns at once."""
        for _ in range(self._results.qsize()):
            try:
                closes, callback = self._results.get_nowait()
            except queue.Empty:  # a callback that ran Slicer's event loop called this again
                return
            if closes:
                self._open -= 1
            callback()

    def close(self) -> None:
        """Drop queued jobs, and end after the current one."""
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
    """Run the job; gives the callback with its result or exception."""
    try:
        result = job()
    except Exception as error:
        problem = error  # "error" is unbound at the end of this block
        return lambda: failed(problem)
    return lambda: done(result)

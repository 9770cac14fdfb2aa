"""Exports the published model, or the study, to a file on the person's computer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional, Sequence

from .connection import Connection
from .context import Context, Signal

POLL = 1.0  # seconds between two requests


class Export:
    """One export at a time.

    Attributes:
        running: whether the server is exporting for us, or the file is being downloaded.
        state: last state from the server: state, progress, step, verified, ...
        changed: state.
        loaded: bytes received, total bytes.
        saved: Path of the file, state.
    """

    def __init__(self, context: Context, connection: Connection) -> None:
        self._context, self._connection = context, connection
        self.changed, self.loaded, self.saved = Signal(), Signal(), Signal()
        self.reset()

    def reset(self) -> None:
        """Forget the state: another server."""
        self.running = self._polling = self._fetching = False
        self.state: Dict[str, Any] = {}
        self._target: Optional[Path] = None
        self._next_look = 0.0
        self._complaint = ""

    def start(self, formats: Sequence[str], target: Path, check: bool = True) -> None:
        """Export.

        Args:
            formats: names of ``capabilities.exports``; all go into one file.
            target: path for the zip on this computer.
            check: let the server compare the exported files with the study.
        """
        connection = self._connection
        if not connection.online or not connection.known.has("export"):
            self._context.say("warning", "This server does not export.")
            return
        if self.running:
            self._context.say("info", "An export is running already: wait until it has finished.")
            return
        if not formats:
            self._context.say("warning", "Choose at least one format to export.")
            return
        if not Path(target).parent.is_dir():
            self._context.say("error", f"There is no folder {Path(target).parent}: choose another one.")
            return
        client, self.running, self._target = connection.client, True, Path(target)
        self._context.run(lambda: client.start_export(list(formats), check), self._started, self._over)
        self._context.settle()

    def tick(self, now: float) -> None:
        """Request the state if it is time."""
        if self.running and self.state and not self._polling and not self._fetching and now >= self._next_look:
            client, self._polling = self._connection.client, True
            self._context.run(lambda: client.export_state(), self._seen, self._not_seen)

    def _started(self, state: Dict[str, Any]) -> None:
        self.state = dict(state)
        self.changed.emit(self.state)

    def _not_seen(self, error: Optional[Exception] = None) -> bool:
        """Show the same error once, not every second."""
        known = error is not None and str(error) == self._complaint
        self._complaint = str(error or "")
        self._polling = False
        self._next_look = self._context.clock() + POLL
        return known

    def _seen(self, state: Dict[str, Any]) -> None:
        self._not_seen()
        self.state = state
        self.changed.emit(state)
        if state["state"] == "done":
            self._fetch()
        elif state["state"] == "failed":
            self._over()
            self._context.say("error", f"The export failed. {state.get('error') or 'See the server log.'}", "export")
        elif state["state"] == "none":
            self._over()
            self._context.say("warning", "The export was interrupted, the server has been restarted. Start it again.")

    def _fetch(self) -> None:
        client, target, worker = self._connection.client, self._target, self._context.worker
        self._fetching = True

        def job() -> Path:
            return client.download_export(target, lambda now, of: worker.post(self.loaded.emit, now, of))

        self._context.run(job, self._fetched, self._over)

    def _fetched(self, file: Path) -> None:
        self._over()
        self._context.succeeded("export")
        self.saved.emit(file, self.state)
        verified = self.state.get("verified") or {}
        checked, kind = "", "info"
        if verified:
            differing, of = verified.get("voxels_differing"), verified.get("of")
            kind = "warning" if differing else "info"
            checked = f" On case '{verified.get('case')}' {differing} of {of} voxels differ from the study."
        self._context.say(kind, f"The export was saved as {file}.{checked}")

    def _over(self, _: Optional[Exception] = None) -> None:
        self.running = self._polling = self._fetching = False

"""Training, as seen by the panel: start, stop and progress."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from .connection import Connection
from .context import Context, Signal

POLL, POLL_IDLE = (
    2.0,
    15.0,
)  # seconds between two requests while a training runs, and otherwise, since others may start one

Curve = List[Tuple[float, float]]


@dataclass(frozen=True)
class Progress:
    """Progress of a training.

    Attributes:
        running: whether it runs.
        phase: from the server.
        share: of it that is done, 0 to 1.
        seconds_left: None if unknown.
        dice: on validation cases or, without any, on the labels being learnt; None: unknown.
        losses: curve of (step, value) by name.
        validation: curve of (step, Dice) by class.
        state: everything that the server sent, e.g. method, device, memory, notes, problems.
        error: the server's message; "": none.
    """

    running: bool = False
    phase: str = ""
    share: float = 0.0
    seconds_left: Optional[float] = None
    dice: Optional[float] = None
    losses: Dict[str, Curve] = field(default_factory=dict)
    validation: Dict[str, Curve] = field(default_factory=dict)
    state: Dict[str, Any] = field(default_factory=dict)
    error: str = ""


class Training:
    """The server's training.

    Attributes:
        running: whether a training runs, started by anybody.
        starting: whether a request to start one has no response yet.
        progress: the latest from the server.
        options: of the next training: method, max_minutes, device, training, ...
        changed: Progress, at each response.
        ended: Progress.
    """

    def __init__(self, context: Context, connection: Connection) -> None:
        self._context, self._connection = context, connection
        self.changed, self.ended = Signal(), Signal()
        self.options: Dict[str, Any] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the state: another server."""
        self.running = self.starting = self._polling = self._stopped = False
        self.progress = Progress()
        self._next_look = self._seen_since = 0.0
        self._said: Tuple[Any, float] = (None, 0.0)  # what the server said is left, and since when it says so
        self._measuring: Optional[Tuple[float, float]] = None  # since when, and from which number of cases on
        self._started: Any = None  # identifies the training of the curves
        self._before: Any = None  # identifies the last training when ours was started
        self._complaint = ""

    def start(self) -> None:
        """Start a training with ``options``."""
        connection = self._connection
        if not connection.online or connection.known.trainer is None:
            self._context.say("warning", "There is no server that trains: connect to one first.")
            return
        if self.running or self.starting:
            self._context.say("info", "A training is running already: wait for its end, or stop it.")
            return
        client, trainer = connection.client, connection.known.trainer
        options = {name: value for name, value in self.options.items() if value is not None}
        self.starting, self._stopped, self._before = True, False, self.progress.state.get("start_ts")
        self._trained_with = connection.known.counts.get("completed", 0)
        self._context.run(lambda: client.train(trainer, **options), self._has_started, self._not_started)

    def stop(self) -> None:
        """Stop the running training."""
        client = self._connection.client
        if self._connection.online:
            self._stopped = True
            self._context.run(lambda: client.stop_training(), lambda _: self.poll())

    def tick(self, now: float) -> None:
        """Request the progress if it is time."""
        if now >= self._next_look:
            self.poll()

    def poll(self) -> None:
        """Request the progress now."""
        connection = self._connection
        if self._polling or connection.capabilities is None or connection.capabilities.trainer is None:
            return
        client, trainer = connection.client, connection.capabilities.trainer
        self._polling = True
        self._context.run(lambda: client.training(trainer), self._seen, self._not_seen)

    def _has_started(self, _: Any) -> None:
        self.starting, self.running = False, True
        self._seen_since = self._context.clock()
        self.poll()

    def _not_started(self, _: Exception) -> None:
        self.starting = False
        self._next_look = 0.0  # somebody else's may be running

    def _not_seen(self, error: Exception) -> bool:
        """Show the same error once, not every two seconds."""
        known, self._complaint = str(error) == self._complaint, str(error)
        self._polling = False
        self._next_look = self._context.clock() + POLL
        return known

    def _seen(self, answer: Dict[str, Any]) -> None:
        was = self.running
        self._polling, self.running = False, answer["status"] in ("SUBMITTED", "RUNNING")
        now = self._context.clock()
        self._next_look = now + (POLL if self.running else POLL_IDLE)
        if self.running and not was:
            self._seen_since = now
        self._complaint = ""
        state = answer["progress"] or {}
        if self.running and self._before is not None and state.get("start_ts") == self._before:
            state = {}  # it has reported nothing yet
        if state.get("start_ts") != self._started:  # another training: new curves
            self._started, self.progress = state.get("start_ts"), Progress()
        self.progress = self._read(answer, state, now)
        self.changed.emit(self.progress)
        if was and not self.running:
            self._has_ended(answer["status"])

    def _has_ended(self, status: str) -> None:
        progress = self.progress
        by_itself = progress.state.get("training") == "continuous"
        self.ended.emit(progress)
        if self._stopped:
            rests = " It rests until somebody presses Train." if by_itself else ""
            self._context.say(
                "info", f"The training was stopped. Its weights are kept: the next one goes on from them.{rests}"
            )
        elif progress.error:
            self._context.say("error", f"The training failed. {progress.error}", "training")
        elif progress.phase == "resting":
            self._context.say("info", "The training rests: nothing improves any more. It goes on with the next label.")
        elif by_itself:  # it begins again for other classes, or was killed, or no label is left: the line says what now
            self._context.say("info", "The training ended. It goes on by itself where there is something to learn.")
        elif status == "DONE":
            self._context.succeeded("training")
            version = progress.state.get("version")
            model = f"Model version {version} is in use." if version and progress.state.get("published") else ""
            self._context.say("info", f"The training is done. {model}".strip())
        else:
            self._context.say("warning", "The training was interrupted. Press Train: it goes on where it stopped.")
        self._stopped = False
        self._connection.refresh()  # there is a new model, and perhaps new labels

    def _read(self, answer: Dict[str, Any], state: Dict[str, Any], now: float) -> Progress:
        total = float(state.get("total_epochs") or 0)
        share = float(state.get("progress", (state.get("epoch") or 0) / total if total else 0.0))
        left = self._left(state, share, now)
        step = float(state.get("step", state.get("epoch") or 0))
        error = str(state.get("error") or "") if state.get("phase") == "failed" else ""
        if not error and answer["status"] == "ERROR":
            error = str((answer["details"] or ["See the server's log."])[-1])
        return Progress(
            running=self.running,
            phase=str(state.get("phase") or answer["status"].lower()),
            share=min(1.0, max(0.0, share)),
            seconds_left=left if self.running else None,
            dice=state.get("best_metric"),
            losses=_extended(self.progress.losses, step, state.get("losses")),
            validation=_extended(self.progress.validation, step, state.get("validation")),
            state=state,
            error=error,
        )

    def _left(self, state: Dict[str, Any], share: float, now: float) -> Optional[float]:
        """Seconds left: of the cases being scored, as the server says, else from the share that is done.

        While the server measures cases, it repeats what it said last: that is counted down.
        """
        scored, of = state.get("scored"), state.get("to_score")
        if state.get("phase") == "scoring cases" and scored is not None and of:
            since, first = self._measuring = self._measuring or (now, scored)
            return (now - since) / (scored - first) * (of - scored) if scored > first else None
        self._measuring = None
        said = state.get("seconds_left")
        if said is None:
            return (now - self._seen_since) / share * (1 - share) if self.running and share > 0 else None
        if self._said[0] != (state.get("start_ts"), said):
            self._said = (state.get("start_ts"), said), now
        return max(0.0, said - (now - self._said[1])) or None


def _extended(curves: Dict[str, Curve], step: float, values: Any) -> Dict[str, Curve]:
    """Curves with one more point each, if the step is new."""
    result = {name: list(curve) for name, curve in curves.items()}
    for name, value in (values or {}).items():
        if not isinstance(value, (int, float)):
            continue
        curve = result.setdefault(name, [])
        if not curve or curve[-1][0] < step:
            curve.append((step, float(value)))
    return result

"""What of the panel is shown and can be pressed, at one moment, from the session. No widgets here.

Two equal glances need no repainting, so that the panel may look several times a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, FrozenSet, Tuple

from . import words

if TYPE_CHECKING:
    from ..net.capabilities import ExportFormat
    from ..session.session import Session

ACTIVITIES = {
    "connecting": "Connecting ...",
    "loading": "Loading ...",
    "submitting": "Submitting ...",
    "exporting": "Exporting ...",
}


@dataclass(frozen=True)
class Glance:
    """One moment of a session.

    Attributes:
        server: how it stands with the server, in words.
        good: whether that is as it should be.
        may: names of what can be done now: connect, disconnect, open, next, edit, skip, submit, undo, train, stop,
            export.
        offered: what this server has at all: ``capabilities.ROUTES`` and strategies, uncertainty, trainer, exports,
            methods, minutes, device.
        activity: what is waited for, "" for nothing.
        case, reason, places: of the case on the screen.
        classes: names, in the server's order.
        strategies, methods: (name, what the server says about it), the default first.
        exports: (name, what the server says about it, why it cannot be exported now or ""), the default first.
        devices: names.
        training: how far the training is.
        outlook: what more labels would bring.
        export: how far the export is.
        last_submitted: the case whose submission can be taken back.
    """

    server: str
    good: bool
    may: FrozenSet[str]
    offered: FrozenSet[str]
    activity: str
    case: str
    reason: str
    places: str
    classes: Tuple[str, ...] = ()
    strategies: Tuple[Tuple[str, str], ...] = ()
    methods: Tuple[Tuple[str, str], ...] = ()
    exports: Tuple[Tuple[str, str, str], ...] = ()
    devices: Tuple[str, ...] = ()
    training: str = ""
    outlook: str = ""
    export: str = ""
    last_submitted: str = ""


def look(session: Session) -> Glance:
    """The session at this moment."""
    connection, cases, training = session.connection, session.cases, session.training
    capabilities = connection.capabilities
    return Glance(
        server=words.connection(connection, training.running),
        good=connection.connecting or connection.online or (connection.trouble is None and not connection.lost),
        may=_may(session),
        offered=offered(session),
        activity=ACTIVITIES.get(session.state.value, ""),
        case=words.case(cases.case),
        reason=words.reason(cases.case),
        places=words.places(cases.case),
        classes=tuple(entry.name for entry in capabilities.classes) if capabilities else (),
        strategies=tuple(capabilities.strategies.items()) if capabilities else (),
        methods=tuple(capabilities.methods.items()) if capabilities else (),
        exports=_exports(session),
        devices=tuple(capabilities.devices) if capabilities else (),
        training=words.training(training.progress, training.starting),
        outlook=words.outlook(cases.history),
        export=words.export(session.export.state, session.export.running),
        last_submitted=cases.last_submitted,
    )


def offered(session: Session) -> FrozenSet[str]:
    """What this server has at all."""
    capabilities = session.connection.capabilities
    if capabilities is None:
        return frozenset()
    parts = {
        "strategies": capabilities.strategies,
        "uncertainty": capabilities.uncertainty,
        "trainer": capabilities.trainer,
        "methods": len(capabilities.methods) > 1,
        "minutes": "max_minutes" in capabilities.options,
        "continuous": "training" in capabilities.options,
        "device": len(capabilities.devices) > 1,
        "exports": capabilities.exports and capabilities.has("export"),
    }
    return frozenset([*capabilities.routes, *(name for name, there in parts.items() if there)])


def _can_export(session: Session) -> bool:
    return any(not problem for _, _, problem in _exports(session))


def _exports(session: Session) -> Tuple[Tuple[str, str, str], ...]:
    capabilities = session.connection.capabilities
    if capabilities is None:
        return ()

    def problem(each: ExportFormat) -> str:
        needs_model = each.kind == "model" and not capabilities.trained
        return each.problem or ("There is no trained model yet." if needs_model else "")

    return tuple((each.name, each.about, problem(each)) for each in capabilities.exports)


def _may(session: Session) -> FrozenSet[str]:
    connection, cases, there = session.connection, session.cases, offered(session)
    online, busy = connection.online, cases.activity in ("loading", "submitting")
    ready = cases.case is not None and cases.case.ready and not busy
    parts = {
        "edit": cases.case is not None and cases.case.ready,  # while the next case is on its way too
        "connect": not connection.connecting,
        "disconnect": connection.client is not None,
        "open": online and cases.activity != "submitting",
        "next": online and "strategies" in there and not busy,
        "skip": online and "strategies" in there and ready,
        "submit": ready,  # without a server too: it says so, and keeps the edits
        "undo": online and "undo" in there and bool(cases.last_submitted) and not busy,
        "train": online and "trainer" in there and not (session.training.running or session.training.starting),
        "stop": online and session.training.running,
        "export": online and "exports" in there and not session.export.running and _can_export(session),
    }
    return frozenset(name for name, possible in parts.items() if possible)

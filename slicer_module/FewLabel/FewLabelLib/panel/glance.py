"""A snapshot of what the panel shows and which buttons are enabled, from the session. No widgets.

Equal snapshots need no repainting, so that the panel can be updated several times a second.
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
    """A snapshot of a session.

    Attributes:
        server: state of the connection, in words.
        good: whether this state is good.
        may: actions that are possible now: connect, disconnect, open, next, edit, skip, discard, submit, undo, train,
            stop, export, label_all, stop_all, review, accept, reject.
        offered: what this server offers: ``capabilities.ROUTES`` and strategies, uncertainty, trainer, exports,
            methods, minutes, device.
        activity: what the person is waiting for, "" for nothing.
        case, reason, slices: of the current case.
        classes: names, in the server's order.
        strategies, methods: (name, description), the default first.
        exports: (name, description, why it cannot be exported now or ""), the default first.
        devices: names.
        training: progress of the training.
        outlook: estimated gain from more labels.
        export: progress of the export.
        pool: progress of *Label all*, and where the expected Dice comes from.
        last_submitted: the case whose submission can be taken back.
    """

    server: str
    good: bool
    may: FrozenSet[str]
    offered: FrozenSet[str]
    activity: str
    case: str
    reason: str
    slices: str
    classes: Tuple[str, ...] = ()
    strategies: Tuple[Tuple[str, str], ...] = ()
    methods: Tuple[Tuple[str, str], ...] = ()
    exports: Tuple[Tuple[str, str, str], ...] = ()
    devices: Tuple[str, ...] = ()
    training: str = ""
    outlook: str = ""
    export: str = ""
    pool: str = ""
    last_submitted: str = ""


def look(session: Session) -> Glance:
    """The snapshot of the session now."""
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
        slices=words.slices(cases.case),
        classes=tuple(entry.name for entry in capabilities.classes) if capabilities else (),
        strategies=tuple(capabilities.strategies.items()) if capabilities else (),
        methods=tuple(capabilities.methods.items()) if capabilities else (),
        exports=_exports(session),
        devices=tuple(capabilities.devices) if capabilities else (),
        training=words.training(training.progress, training.starting),
        outlook=words.outlook(cases.history),
        export=words.export(session.export.state, session.export.running),
        pool=words.pool(session.pool.state),
        last_submitted=cases.last_submitted,
    )


def offered(session: Session) -> FrozenSet[str]:
    """What this server offers."""
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
        "edit": cases.case is not None and cases.case.ready,  # also while the next case is loading
        "connect": not connection.connecting,
        "disconnect": connection.client is not None,
        "open": online and cases.activity != "submitting",
        "next": online and "strategies" in there and not busy,
        "skip": online and "strategies" in there and ready,
        "submit": ready,  # also without a server: then it shows a message and saves a draft
        "discard": online and ready and cases.keeper.edited,
        "label_all": online and "label_all" in there and connection.known.trained and not session.pool.running,
        "stop_all": online and session.pool.running,
        "review": online and not busy and bool(session.pool.doubtful()),
        "accept": online and "accept" in there and session.pool.acceptable,
        "reject": online and "skip" in there and session.pool.rejectable,
        "undo": online and "undo" in there and bool(cases.last_submitted) and not busy,
        "train": online and "trainer" in there and not (session.training.running or session.training.starting),
        "stop": online and session.training.running,
        "export": online and "exports" in there and not session.export.running and _can_export(session),
    }
    return frozenset(name for name, possible in parts.items() if possible)

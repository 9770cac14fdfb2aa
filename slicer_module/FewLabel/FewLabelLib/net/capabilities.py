"""What a MONAI Label server offers: FewLabel's routes and tasks, and the tasks of any other app."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, Iterable, List, Optional

from ..label.labels import LabelClass

ROUTES = ("study", "cases", "skip", "undo", "history", "export", "label_all", "accept", "thumbnail")


@dataclass(frozen=True)
class ExportFormat:
    """An export format of a server.

    Attributes:
        name: of the format.
        about: what the server says about it.
        kind: "model", or what else is exported and needs no model.
        problem: why it cannot be exported now, in the server's words; "" if it can.
    """

    name: str
    about: str = ""
    kind: str = "model"
    problem: str = ""


@dataclass(frozen=True)
class Capabilities:
    """What one server offers; the panel shows nothing else.

    Attributes:
        name: of the app.
        study: name of the study; that of the app where there is no such route.
        routes: those of ``ROUTES`` that exist.
        classes: in the server's order; [] while unknown.
        segmentation: name of the model for pre-segmentation; None: none, or not trained yet.
        uncertainty: name of the task for maps of uncertainty, None if there is none.
        trainer: name of the trainer, None if there is none.
        strategies: names, the default first, with the server's descriptions.
        methods: training methods, the default first, with the server's descriptions.
        options: the trainer's configuration from /info; a list is a choice.
        exports: formats, the default first.
        model: the published model's card, None where there is none or the server does not send it.
        problem: the server's message why the published model cannot be used.
        no_scans: the server's message why there is nothing to label; "" otherwise.
        proposal: a setting that fits the scans better than the one chosen, with its reason, in the server's words; ""
            where there is none.
        counts: numbers of ``cases``, of those ``completed`` (with a label), and others that the server sends.
    """

    name: str = ""
    study: str = ""
    version: str = ""
    routes: FrozenSet[str] = frozenset()
    classes: List[LabelClass] = field(default_factory=list)
    segmentation: Optional[str] = None
    uncertainty: Optional[str] = None
    trainer: Optional[str] = None
    strategies: Dict[str, str] = field(default_factory=dict)
    methods: Dict[str, str] = field(default_factory=dict)
    options: Dict[str, Any] = field(default_factory=dict)
    exports: List[ExportFormat] = field(default_factory=list)
    devices: List[str] = field(default_factory=list)
    model: Optional[Dict[str, Any]] = None
    problem: str = ""
    no_scans: str = ""
    proposal: str = ""
    counts: Dict[str, int] = field(default_factory=dict)

    @property
    def trained(self) -> bool:
        """Whether cases can be pre-segmented."""
        return self.segmentation is not None

    def has(self, route: str) -> bool:
        """Whether the server has this route of ``ROUTES``."""
        return route in self.routes


def read_capabilities(info: Dict[str, Any], paths: Iterable[str], study: Optional[Dict[str, Any]]) -> Capabilities:
    """Combine the responses of a server.

    Args:
        info: response of ``/info/``.
        paths: of its OpenAPI page.
        study: response of ``/fewlabel/study``; None: no such route.
    """
    study = study or {}
    listed = list(paths)
    models, trainers = info.get("models") or {}, info.get("trainers") or {}
    segmentation = next((name for name, model in models.items() if model.get("type") == "segmentation"), None)
    trainer = segmentation if segmentation in trainers else next(iter(trainers), None)
    options = (trainers.get(trainer) or {}).get("config") or {}
    store = info.get("datastore") or {}
    counts = {"cases": int(store.get("total") or 0), "submitted": int(store.get("completed") or 0)}
    return Capabilities(
        name=str(info.get("name", "")),
        study=str(study.get("name") or info.get("name", "")),
        version=str(info.get("version", "")),
        routes=frozenset(name for name in ROUTES if any(path.startswith(f"/fewlabel/{name}") for path in listed)),
        classes=_classes(info, study, models.get(segmentation) or {}),
        segmentation=segmentation,
        uncertainty=next((name for name in models if name.endswith("_uncertainty")), None),
        trainer=trainer,
        strategies={name: about.get("description", "") for name, about in (info.get("strategies") or {}).items()},
        methods=_first(_described(study.get("methods")), study.get("default_method"))
        or _choices(options, trainers.get(trainer) or {}),
        options=options,
        exports=[_format(entry) for entry in study.get("exports") or []],
        devices=list(study.get("devices") or (options["device"] if isinstance(options.get("device"), list) else [])),
        model=study.get("model"),
        problem=str(study.get("problem") or ""),
        no_scans=str((study.get("scans") or info.get("scans") or {}).get("problem") or ""),
        proposal=str((study.get("domains") or {}).get("proposal") or ""),
        counts={**counts, "completed": counts["submitted"], **(study.get("counts") or {})},
    )


def _classes(info: Dict[str, Any], study: Dict[str, Any], model: Dict[str, Any]) -> List[LabelClass]:
    """From the best source: the study (with colours), else the model (with values), else the app (in order)."""
    if study.get("classes"):
        return [LabelClass(entry["name"], int(entry["value"]), tuple(entry["color"])) for entry in study["classes"]]
    labels = model.get("labels") or info.get("labels") or {}
    values = labels if isinstance(labels, dict) else {}
    if not isinstance(labels, dict):
        names = [name for name in labels if str(name).strip().casefold() != "background"]
        values = {name: value for value, name in enumerate(names, start=1)}
    classes = [LabelClass(str(name), int(value)) for name, value in values.items() if isinstance(value, int)]
    return sorted(
        (entry for entry in classes if entry.value > 0 and entry.name.strip().casefold() != "background"),
        key=lambda entry: entry.value,
    )


def _format(entry: Dict[str, Any]) -> ExportFormat:
    about, kind, problem = (str(entry.get(key) or "") for key in ("description", "kind", "problem"))
    return ExportFormat(str(entry["name"]), about, kind or "model", problem)


def _described(entries: Optional[List[Dict[str, Any]]]) -> Dict[str, str]:
    return {entry["name"]: entry.get("description", "") for entry in entries or []}


def _first(choices: Dict[str, str], default: Optional[str]) -> Dict[str, str]:
    """The choices with the default first."""
    return {name: choices[name] for name in sorted(choices, key=lambda name: name != default)}


def _choices(options: Dict[str, Any], trainer: Dict[str, Any]) -> Dict[str, str]:
    names = options.get("method")
    about = trainer.get("methods") or {}
    return {name: about.get(name, "") for name in names} if isinstance(names, list) else {}

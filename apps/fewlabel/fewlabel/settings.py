"""The ``--conf KEY VALUE`` settings of the app: each with a type, a default, a help text and a check."""

from __future__ import annotations

import dataclasses
import difflib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fewlabel import parsing
from fewlabel.methods import METHODS, default_method
from fewlabel.methods.guesses import TEACHERS
from fewlabel.networks import NETWORKS

# Keys that MONAI Label itself, or its test suite, puts into --conf; they are ignored.
_FOREIGN = {"server_mode", "auto_update_scoring", "heuristic_planner", "models", "debug", "tracking"}
_FOREIGN |= {"epistemic_enabled", "epistemic_samples", "skip_strategies", "skip_scoring"}
SEMI_SUPERVISED, ADAPTATION, GENERALISATION = "semi_supervised", "adaptation", "generalisation"
TRAINING = ("continuous", "on_request")
STANDARD, SHIFT = "standard", "shift"  # kinds of augmentation
_BY_ITSELF = {"server_mode", "auto_update_scoring"}


def _setting(default: Any, parse: Callable[[str], Any], help: str) -> Any:
    return dataclasses.field(default=default, metadata={"parse": parse, "help": help})


@dataclass(frozen=True)
class Settings:
    """Everything that can be chosen when the server is started. ``None``: decided from the data."""

    labels: tuple[str, ...] | None = _setting(
        None, parsing.names, "class names in order, separated by commas; learned from the first label if not given"
    )
    method: str | None = _setting(
        None,
        parsing.one_of(METHODS),
        f"how to learn: {', '.join(METHODS)}; "
        f"default: {default_method('cpu')} on a CPU, {default_method('cuda')} on a GPU",
    )
    network: str | None = _setting(None, parsing.one_of(NETWORKS), "network: " + ", ".join(NETWORKS))
    workspace: str | None = _setting(None, parsing.filled, "folder of the study's state; default STUDIES/.fewlabel")
    device: str | None = _setting(None, parsing.filled, "cpu, cuda, cuda:1, ...; default: the first GPU, else the CPU")
    dicom: str | None = _setting(
        None, parsing.filled, "folder of the DICOM series that the scans came from, for exports as DICOM SEG"
    )
    training: str = _setting(
        "on_request",
        parsing.one_of(dict.fromkeys(TRAINING)),
        "continuous: train by itself once there is a label, and rest when nothing improves; on_request: when asked",
    )
    max_minutes: float = _setting(10.0, parsing.positive(float), "longest time of one training on request, in minutes")
    max_steps: int | None = _setting(
        None,
        parsing.positive(int),
        "most steps of one training, for tests; default: only the time is limited",
    )
    publish_minutes: float = _setting(
        2.0, parsing.positive(float), "shortest time between two published models of a continuous training, in minutes"
    )
    teacher: str = _setting(
        "live",
        parsing.one_of(dict.fromkeys(TEACHERS)),
        "live: learn from unlabelled scans by a pass of the teacher in each step; "
        "cached: by predictions of whole scans, made a few times in a training",
    )
    predictions_gb: float = _setting(5.0, parsing.positive(float), "disk space for stored predictions of scans, in GB")
    learning_rate: float = _setting(2e-3, parsing.positive(float), "highest learning rate")
    augmentation: str = _setting(
        STANDARD,
        parsing.one_of(dict.fromkeys((STANDARD, SHIFT))),
        "how crops are varied; shift: like scans of other scanners, too (gamma, histogram, style, inverted contrast, "
        "bias field, blur, resolution, noise)",
    )
    spacing: tuple[float, ...] | None = _setting(None, parsing.three(float), "working voxel size in mm, e.g. 1,1,1.5")
    patch: tuple[int, ...] | None = _setting(None, parsing.three(int), "crop size in voxels, e.g. 96,96,64")
    batch: int | None = _setting(None, parsing.positive(int), "labelled crops per step, and as many unlabelled ones")
    validation_share: float = _setting(
        0.2, parsing.share, "share of labelled cases kept for validation (from 5 labels)"
    )
    learn_accepted: bool = _setting(
        False,
        parsing.yes,
        "yes: train on proposals that were accepted as they were; default: no, their scans stay unlabelled",
    )
    scoring_minutes: float = _setting(5.0, parsing.positive(float), "longest time of scoring cases after a training")
    seed: int = _setting(0, parsing.seed, "seed of every random choice")
    subfolders: bool | None = _setting(
        None,
        parsing.yes,
        "yes: serve scans in subfolders too; default: yes in a new study, no in one opened before",
    )
    companions: bool = _setting(
        False, parsing.yes, "yes: serve files named as masks (a.seg.nrrd, a_mask.nii.gz) as cases; default: no"
    )
    domain_pattern: str | None = _setting(
        None, parsing.pattern, "regular expression whose first group is the domain (scanner, site) in a scan's id"
    )
    setting: str = _setting(
        SEMI_SUPERVISED,
        parsing.one_of(dict.fromkeys((SEMI_SUPERVISED, ADAPTATION, GENERALISATION))),
        "semi_supervised: for scans like the labelled ones; adaptation: for the domain named by target, whose scans "
        "have no labels; generalisation: for domains that are never seen",
    )
    target: str | None = _setting(
        None,
        parsing.filled,
        "domain that the model is adapted to, or, in generalisation, that no training opens; several with commas",
    )
    hosts: tuple[str, ...] | None = _setting(
        None, parsing.hosts, "names of the server, e.g. labels.clinic.local; default: loopback only"
    )
    origins: tuple[str, ...] | None = _setting(
        None, parsing.origins, "other web pages that may use the server, e.g. https://viewer.local; default: none"
    )
    remote: bool = _setting(False, parsing.yes, "yes: answer other computers without a login; default: no")
    token: str | None = _setting(
        None, parsing.filled, "file with a token that everybody must log in with; default: no login, this computer only"
    )

    @classmethod
    def from_conf(cls, conf: Mapping[str, Any]) -> Settings:
        """Read MONAI Label's ``conf`` dictionary, whose values are strings.

        Raises:
            ValueError: an unknown key or an unusable value; the message names it, says what is allowed.
        """
        return cls._read(conf, "--conf")

    @classmethod
    def _read(cls, conf: Mapping[str, Any], what: str) -> Settings:
        """As ``from_conf``; ``what`` is how a message calls a setting."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        for key, text in (conf or {}).items():
            if key in _FOREIGN:
                continue
            if key not in fields:
                close = difflib.get_close_matches(key, fields, 1)
                hint = f" Did you mean '{close[0]}'?" if close else ""
                name = shlex.quote(key)
                raise ValueError(f"{what} {name}: there is no such setting.{hint} There are: {', '.join(fields)}.")
            try:
                values[key] = fields[key].metadata["parse"](str(text).strip())
            except ValueError as error:
                said = f"{what} {key} {shlex.quote(str(text))}: {str(error).rstrip('.')}"
                raise ValueError(f"{said}. It is: {fields[key].metadata['help']}.") from error
        return cls(**values)

    def with_request(self, request: Mapping[str, Any]) -> Settings:
        """These settings with those of a train request (``method``, ``max_minutes``, ...).

        A viewer sends its whole table of options back: of a list of choices, the first is used; empty values, "auto"
        and unknown keys are ignored.

        Raises:
            ValueError: an unusable value; the message names it, says what is allowed.
        """
        asked = {key: request[key] for key in REQUEST_KEYS if key in request}
        asked = {key: next(iter(value), None) if isinstance(value, list) else value for key, value in asked.items()}
        chosen = {key: value for key, value in asked.items() if value not in (None, "", "auto")}
        parsed = Settings._read(chosen, "The training option")
        return dataclasses.replace(self, **{key: getattr(parsed, key) for key in chosen})


LEFT_OUT = "left_out"
"""Key of a train request with the names of options that mean nothing here; the server sets it."""

REQUEST_KEYS = ("method", "network", "device", "training", "max_minutes", "max_steps", "learning_rate", "seed")


def ignored(conf: Mapping[str, Any]) -> list[str]:
    """A sentence for each key of MONAI Label's own apps, which are ignored here; none for keys that it sets itself."""
    foreign = sorted(_FOREIGN & set(conf or {}) - _BY_ITSELF)
    return [f"--conf {key} is a setting of MONAI Label's own apps; FewLabel has none of this name." for key in foreign]


def table() -> str:
    """Every setting with its default and help, one a line."""
    rows = []
    for field in dataclasses.fields(Settings):
        default = "from the data" if field.default is None else field.default
        default_note = "" if "default" in field.metadata["help"] else f" [{default}]"
        rows.append(f"  {field.name:<17}{field.metadata['help']}{default_note}")
    return "\n".join(rows)

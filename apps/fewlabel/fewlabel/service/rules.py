"""Every route of the running application: who may call it, and which keys its JSON body may have.

``docs/security.md`` has the same table; a test compares both with the application. A route that is not here is not
served.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.routing import compile_path

from fewlabel.settings import REQUEST_KEYS

EVERYBODY, USER, ANNOTATOR, ADMIN = "everybody", "user", "annotator", "admin"

TRAIN_KEYS = frozenset({*REQUEST_KEYS, "model", "client_id"})
BATCH_KEYS = frozenset(
    {"model", "device", "multi_gpu", "save_label", "label_tag", "max_workers", "max_batch_size", "client_id"}
)
SCORING_KEYS = frozenset({"method", "minutes", "device", "client_id"})
NEXT_KEYS = frozenset({"strategy", "count", "skip", "client_id"})

_SLIDES = "FewLabel works on volumes, not on whole slide images: this address is switched off."
_OHIF = "FewLabel serves volumes to 3D Slicer, not to the OHIF viewer: this address is switched off."
_DICOM = "FewLabel works on a folder of volumes, not on a DICOM server: this address is switched off."
_GPU = "The server starts no program for a request: run nvidia-smi on its computer. This address is switched off."


@dataclass(frozen=True)
class Rule:
    """The rule of one route.

    Attributes:
        path: template as in the application, without ``MONAI_LABEL_API_STR``.
        who: the role that is required where there is a login; EVERYBODY: none.
        off: the message with which it is refused; "" where it is served.
        keys: of its JSON body that are passed on; None: it takes no JSON, or FewLabel's own model validates it.
    """

    method: str
    path: str
    who: str
    off: str = ""
    keys: frozenset[str] | None = None


RULES = (
    Rule("GET", "/", EVERYBODY),
    Rule("GET", "/docs", EVERYBODY),
    Rule("GET", "/openapi.json", EVERYBODY),
    Rule("GET", "/favicon.ico", EVERYBODY),
    Rule("GET", "/static/{path:path}", EVERYBODY, _OHIF),
    Rule("POST", "/reload", ADMIN),
    Rule("GET", "/auth/", EVERYBODY),
    Rule("POST", "/auth/token", EVERYBODY),
    Rule("GET", "/auth/token/valid", USER),
    Rule("GET", "/info/", USER),
    Rule("GET", "/model/{model}", ADMIN),
    Rule("GET", "/model/info/{model}", ADMIN),
    Rule("PUT", "/model/{model}", ADMIN),
    Rule("DELETE", "/model/{model}", ADMIN),
    Rule("POST", "/infer/{model}", USER),
    Rule("POST", "/infer/wsi/{model}", USER, _SLIDES),
    Rule("POST", "/infer/wsi_v2/{model}", USER, _SLIDES),
    Rule("GET", "/batch/infer", USER),
    Rule("POST", "/batch/infer/{model}", ADMIN, keys=BATCH_KEYS),
    Rule("DELETE", "/batch/infer", ADMIN),
    Rule("GET", "/train/", USER),
    Rule("POST", "/train/", ADMIN, keys=TRAIN_KEYS),
    Rule("POST", "/train/{model}", ADMIN, keys=TRAIN_KEYS),
    Rule("DELETE", "/train/", ADMIN),
    Rule("POST", "/activelearning/{strategy}", USER, keys=NEXT_KEYS),
    Rule("GET", "/scoring/", USER),
    Rule("POST", "/scoring/", ANNOTATOR, keys=SCORING_KEYS),
    Rule("POST", "/scoring/{method}", ANNOTATOR, keys=SCORING_KEYS),
    Rule("DELETE", "/scoring/", ANNOTATOR),
    Rule("GET", "/datastore/", USER),
    Rule("PUT", "/datastore/", ANNOTATOR),
    Rule("DELETE", "/datastore/", ADMIN),
    Rule("PUT", "/datastore/image", ANNOTATOR),
    Rule("DELETE", "/datastore/image", ADMIN),
    Rule("HEAD", "/datastore/image", USER),
    Rule("GET", "/datastore/image", USER),
    Rule("GET", "/datastore/image/info", USER),
    Rule("PUT", "/datastore/image/info", ANNOTATOR),
    Rule("PUT", "/datastore/label", ANNOTATOR),
    Rule("DELETE", "/datastore/label", ADMIN),
    Rule("HEAD", "/datastore/label", USER),
    Rule("GET", "/datastore/label", USER),
    Rule("GET", "/datastore/label/info", USER),
    Rule("PUT", "/datastore/label/info", ANNOTATOR),
    Rule("PUT", "/datastore/updatelabelinfo", ANNOTATOR),
    Rule("GET", "/datastore/dataset", ANNOTATOR),
    Rule("GET", "/logs/", ADMIN),
    Rule("GET", "/logs/gpu", ADMIN, _GPU),
    Rule("GET", "/ohif/{path:path}", USER, _OHIF),
    *(
        Rule(method, f"/proxy/dicom/{kind}{{path:path}}", USER, _DICOM)
        for kind in ("wado/", "qido/", "stow/", "")
        for method in ("GET", "POST")
    ),
    Rule("PUT", "/session/", USER),
    Rule("GET", "/session/{session_id}", USER),
    Rule("DELETE", "/session/{session_id}", USER),
    Rule("GET", "/fewlabel/study", USER),
    Rule("GET", "/fewlabel/cases", USER),
    Rule("GET", "/fewlabel/history", USER),
    Rule("GET", "/fewlabel/history.png", USER),
    Rule("POST", "/fewlabel/skip/{case}", ANNOTATOR),
    Rule("DELETE", "/fewlabel/skip/{case}", ANNOTATOR),
    Rule("POST", "/fewlabel/undo/{case}", ANNOTATOR),
    Rule("POST", "/fewlabel/label_all", ANNOTATOR),
    Rule("GET", "/fewlabel/label_all", USER),
    Rule("DELETE", "/fewlabel/label_all", ANNOTATOR),
    Rule("GET", "/fewlabel/thumbnail/{case}", USER),
    Rule("POST", "/fewlabel/accept/{case}", ANNOTATOR),
    Rule("POST", "/fewlabel/export", ADMIN),
    Rule("GET", "/fewlabel/export", USER),
    Rule("GET", "/fewlabel/export/file", ANNOTATOR),
)
"""In the application's order of routes, so that the first match is the route that responds."""

WITHOUT_PREFIX = ("/", "/docs", "/openapi.json", "/favicon.ico", "/static/{path:path}", "/reload")
"""Paths without MONAI Label's prefix ``MONAI_LABEL_API_STR``."""


class Table:
    """Finds the rule of a request.

    Args:
        prefix: MONAI_LABEL_API_STR.
    """

    def __init__(self, prefix: str) -> None:
        self._rules = [
            (rule, compile_path(("" if rule.path in WITHOUT_PREFIX else prefix) + rule.path)[0]) for rule in RULES
        ]

    def find(self, method: str, path: str) -> tuple[Rule, dict[str, str]] | None:
        """The rule of a request and its path parameters; None: there is no such route."""
        for rule, pattern in self._rules:
            found = rule.method == method and pattern.match(path)
            if found:
                return rule, found.groupdict()
        return None

    def knows(self, path: str) -> bool:
        """Whether any method is served at this path."""
        return any(pattern.match(path) for _, pattern in self._rules)

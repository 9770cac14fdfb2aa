"""A client for MONAI Label servers: for FewLabel with all its routes, and for any other app."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple
from urllib.parse import quote

from ..errors import Damaged, LoginNeeded, NotReachable, Refused, Trouble, Unusable, WrongServer
from .capabilities import Capabilities, read_capabilities
from .downloads import keep_newest
from .pool import PoolRequests
from .transport import Progress, Timeouts, Transport, full_address

__all__ = ["Client", "Damaged", "LoginNeeded", "NotReachable", "Refused", "Timeouts", "Trouble", "WrongServer"]

KINDS = (".nii.gz", ".nii", ".nrrd", ".mha", ".zip")


class Client(PoolRequests):
    """Requests to one server; used by one thread at a time.

    Every method may raise NotReachable, LoginNeeded, Refused, WrongServer or Damaged, see errors.py.

    Args:
        address: as typed by a person.
        folder: for downloads, of which the newest are kept; each server has its own subfolder.
        client_id: the annotator's name for the server's records.
        timeouts, token: when to give up; token of an earlier login, "" for none.

    Raises:
        WrongServer: the address is invalid.
    """

    def __init__(
        self, address: str, folder: Path, client_id: str = "", timeouts: Optional[Timeouts] = None, token: str = ""
    ) -> None:
        self.url, self.client_id = full_address(address), client_id
        self.folder = Path(folder) / hashlib.sha256(self.url.encode()).hexdigest()[:12]
        self._transport = Transport(self.url, timeouts or Timeouts(), token)

    @property
    def token(self) -> str:
        """The token of every request; "" before a login."""
        return self._transport.token

    # --- connecting

    def capabilities(self) -> Capabilities:
        """Connect: find out what the server offers.

        Raises:
            WrongServer: it is not a MONAI Label server.
        """
        info = self.info()
        try:
            paths = list((self._transport.json("GET", "/openapi.json").get("paths") or {}))
        except (Refused, WrongServer, AttributeError):  # a server may hide this page
            paths = []
        study = None
        if not paths or "/fewlabel/study" in paths:
            try:
                study = self._transport.json("GET", "/fewlabel/study")
            except (Refused, WrongServer):
                study = None
        return read_capabilities(info, paths, study)

    def info(self) -> Dict[str, Any]:
        """MONAI Label's own description of the app."""
        wrong = f"{self.url} is not a MONAI Label server. Check the address and the port."
        try:
            info = self._transport.json("GET", "/info/")
        except Refused as error:
            if error.status in (404, 405):
                raise WrongServer(wrong) from error
            raise
        if not isinstance(info, dict) or "datastore" not in info or "trainers" not in info:
            raise WrongServer(wrong)
        return info

    def login(self, user: str, password: str) -> None:
        """Get a token for all further requests; the password is not kept.

        Raises:
            LoginNeeded: user or password is wrong.
        """
        form = {"username": user, "password": password, "grant_type": "password"}
        try:
            answer = self._transport.json("POST", "/auth/token", data=form)
        except (LoginNeeded, Refused) as error:
            if isinstance(error, Refused) and error.status == 404:
                return  # this server has no login
            raise LoginNeeded(f"The server at {self.url} did not accept this user and password. Try again.") from error
        self._transport.token = answer.get("access_token") or ""

    # --- cases

    def cases(self) -> List[Dict[str, Any]]:
        """All cases; for a server without FewLabel's list, only id, state and file."""
        try:
            return self._transport.json("GET", "/fewlabel/cases")["cases"]
        except Refused as error:
            if error.status != 404:
                raise
        objects = self._transport.json("GET", "/datastore/", params={"output": "all"}).get("objects") or {}
        return [_case(name, entry) for name, entry in sorted(objects.items())]

    def history(self) -> Dict[str, Any]:
        """The history of submissions and corrections, and the estimated gain from more labels."""
        return self._transport.json("GET", "/fewlabel/history")

    def next_case(self, strategy: str, **options: Any) -> Dict[str, Any]:
        """The case to label next: ``id``, and if the server sends them, the reason and where to look.

        Raises:
            Refused: (404) nothing is left.
        """
        body = {"client_id": self.client_id, **options}
        answer = self._transport.json("POST", f"/activelearning/{quote(strategy, safe='+')}", work=True, json=body)
        if not answer or not answer.get("id"):
            raise Refused("The server has no unlabelled case left.", 404)
        return answer

    def skip(self, case: str, reason: str) -> Dict[str, Any]:
        """Skip a case for now."""
        return self._transport.json("POST", f"/fewlabel/skip/{quote(case, safe='')}", json={"reason": reason[:500]})

    def unskip(self, case: str) -> Dict[str, Any]:
        """Offer a skipped case again."""
        return self._transport.json("DELETE", f"/fewlabel/skip/{quote(case, safe='')}")

    def undo(self, case: str) -> Dict[str, Any]:
        """Take back the last submission of a case."""
        return self._transport.json("POST", f"/fewlabel/undo/{quote(case, safe='')}")

    # --- files

    def download_image(self, case: str, progress: Progress = None) -> Path:
        """The image of a case; not downloaded again if the server says that it has not changed."""
        return self._fetch("GET", "/datastore/image", case, "image", progress, params={"image": case})

    def download_label(self, case: str, tag: str = "final") -> Path:
        """A stored label of a case."""
        return self._fetch("GET", "/datastore/label", case, f"label-{tag}", None, params={"label": case, "tag": tag})

    def infer(self, model: str, case: str, extension: str = ".nrrd", **options: Any) -> Tuple[Path, Dict[str, Any]]:
        """Run a model on a case; gives the file, and the parameters of the response (``label_names``, ...)."""
        params = {"client_id": self.client_id, "result_extension": extension, **options}
        path, params = self._transport.download(
            "POST",
            f"/infer/{quote(model, safe='')}",
            lambda name: self._target(case, model, _kind(name) or extension),
            f"the result for case '{case}'",
            params={"image": case, "output": "all"},
            data={"params": json.dumps(params)},
        )
        keep_newest(self.folder)
        return path, params or {}

    def submit_label(self, case: str, file: Path, label_info: List[Dict[str, Any]], **params: Any) -> Dict[str, Any]:
        """Submit a label map; gives the response: ``notes``, ``correction``, ``flags`` if the server sends them.

        Args:
            label_info: ``{"name", "idx"}`` of every value.
        """
        about = {"client_id": self.client_id, "label_info": label_info, **params}
        answer = self._upload("/datastore/label", "label", file, {"image": case, "tag": "final"}, about)
        if answer.get("image") != case:
            raise WrongServer(f"The server did not confirm the label of '{case}'. Submit it again.")
        return answer

    def upload_image(self, file: Path, case: str) -> Dict[str, Any]:
        """Add an image to the study."""
        return self._upload("/datastore/image", "file", file, {"image": case}, {"client_id": self.client_id})

    # --- training

    def train(self, trainer: str, **options: Any) -> Dict[str, Any]:
        """Start a training."""
        body = {"client_id": self.client_id, **options}
        return self._transport.json("POST", f"/train/{quote(trainer, safe='')}", json=body)

    def stop_training(self) -> None:
        """Stop the running training, if there is one."""
        self._transport.json("DELETE", "/train/")

    def training(self, trainer: str) -> Dict[str, Any]:
        """State of the training: ``status`` of the task ("" if there was none), ``progress`` of the trainer."""
        try:
            task = self._transport.json("GET", "/train/") or {}
        except Refused as error:
            if error.status != 404:
                raise
            task = {}
        stats = (self.info().get("train_stats") or {}).get(trainer) or {}
        return {"status": str(task.get("status", "")), "details": task.get("details") or [], "progress": stats}

    # --- export

    def start_export(self, formats: Sequence[str], check: bool = True) -> Dict[str, Any]:
        """Start an export of these formats, in one file; a server of before version 0.3 exports the first alone."""
        asked = {"formats": list(formats), "format": formats[0], "check": check}
        return self._transport.json("POST", "/fewlabel/export", json=asked)

    def export_state(self) -> Dict[str, Any]:
        """State of the export."""
        return self._transport.json("GET", "/fewlabel/export")

    def download_export(self, target: Path, progress: Progress = None) -> Path:
        """Download the exported zip to ``target``."""
        return self._transport.download("GET", "/fewlabel/export/file", lambda _: target, "the export", progress)[0]

    # --- parts

    def _fetch(self, method: str, path: str, case: str, what: str, progress: Progress, **arguments: Any) -> Path:
        def target_of(name: str) -> Path:
            kind = _kind(name)
            if not kind:
                raise Unusable(f"The file format of '{case}' cannot be shown by this module: {name or 'unknown'}.")
            return self._target(case, what, kind)

        called = f"the {'image' if what == 'image' else 'label'} of case '{case}'"
        file = self._transport.download(method, path, target_of, called, progress, reuse=True, **arguments)[0]
        keep_newest(self.folder)
        return file

    def _target(self, case: str, what: str, kind: str) -> Path:
        """Local path for a file of a case, whose id may contain any characters."""
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", case)[:60]
        return self.folder / f"{plain}-{hashlib.sha256(case.encode()).hexdigest()[:8]}-{what}{kind}"

    def _upload(self, path: str, field: str, file: Path, query: Dict[str, str], params: Dict[str, Any]) -> Any:
        kind = _kind(file.name) or file.suffix
        with file.open("rb") as content:  # without dots of the case's name: the server would take them for suffixes
            files = {field: (field + kind, content)}
            data = {"params": json.dumps(params)}
            return self._transport.json("PUT", path, work=True, params=query, data=data, files=files)


def _kind(name: str) -> str:
    return next((kind for kind in KINDS if name.lower().endswith(kind)), "")


def _case(name: str, entry: Dict[str, Any]) -> Dict[str, Any]:
    info = (entry.get("image") or {}).get("info") or {}
    submitted = "final" in (entry.get("labels") or {})
    return {"id": name, "state": "submitted" if submitted else "unlabelled", "file": info.get("name", ""), "flags": []}

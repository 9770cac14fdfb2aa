"""A MONAI Label server as the panel sees it: FewLabel's with all it can do, any other app with what that one offers."""

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
from .transport import Progress, Timeouts, Transport, full_address

__all__ = ["Client", "Damaged", "LoginNeeded", "NotReachable", "Refused", "Timeouts", "Trouble", "WrongServer"]

KINDS = (".nii.gz", ".nii", ".nrrd", ".mha", ".zip")


class Client:
    """Requests to one server; used by one thread at a time.

    Every method raises what errors.py lists: NotReachable, LoginNeeded, Refused, WrongServer, Damaged.

    Args:
        address: as typed by a person.
        folder: for downloads, of which the newest are kept; files of different servers do not meet there.
        client_id: the annotator's name for the server's records.
        timeouts, token: when to give up; of an earlier login, "" for none.

    Raises:
        WrongServer: the address cannot be one.
    """

    def __init__(
        self, address: str, folder: Path, client_id: str = "", timeouts: Optional[Timeouts] = None, token: str = ""
    ) -> None:
        self.url = full_address(address)
        self.client_id = client_id
        self.folder = Path(folder) / hashlib.sha256(self.url.encode()).hexdigest()[:12]
        self._transport = Transport(self.url, timeouts or Timeouts(), token)

    @property
    def token(self) -> str:
        """What signs every request; "" before a login."""
        return self._transport.token

    # --- who is there

    def capabilities(self) -> Capabilities:
        """Connect: what the server is and offers.

        Raises:
            WrongServer: it is no MONAI Label server.
        """
        info = self.info()
        try:
            paths = list((self._transport.json("GET", "/openapi.json").get("paths") or {}))
        except (Refused, WrongServer, AttributeError):  # a server may hide that page
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
        wrong = f"What answers at {self.url} is no MONAI Label server. Check the address and the port."
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
                return  # this server asks nobody
            raise LoginNeeded(f"The server at {self.url} did not accept this user and password. Try again.") from error
        self._transport.token = answer.get("access_token") or ""

    # --- cases

    def cases(self) -> List[Dict[str, Any]]:
        """All cases; of a server without FewLabel's list, id, state and file only."""
        try:
            return self._transport.json("GET", "/fewlabel/cases")["cases"]
        except Refused as error:
            if error.status != 404:
                raise
        objects = self._transport.json("GET", "/datastore/", params={"output": "all"}).get("objects") or {}
        return [_case(name, entry) for name, entry in sorted(objects.items())]

    def history(self) -> Dict[str, Any]:
        """What was submitted when, with the correction, and what more labels would bring."""
        return self._transport.json("GET", "/fewlabel/history")

    def next_case(self, strategy: str, **options: Any) -> Dict[str, Any]:
        """The case to label next: ``id``, and why and where to look if the server tells.

        Raises:
            Refused: (404) nothing is left.
        """
        body = {"client_id": self.client_id, **options}
        answer = self._transport.json("POST", f"/activelearning/{quote(strategy, safe='+')}", work=True, json=body)
        if not answer or not answer.get("id"):
            raise Refused("The server has no unlabelled case left.", 404)
        return answer

    def skip(self, case: str, reason: str) -> Dict[str, Any]:
        """Put a case off."""
        return self._transport.json("POST", f"/fewlabel/skip/{quote(case, safe='')}", json={"reason": reason[:500]})

    def unskip(self, case: str) -> Dict[str, Any]:
        """Offer a skipped case again."""
        return self._transport.json("DELETE", f"/fewlabel/skip/{quote(case, safe='')}")

    def undo(self, case: str) -> Dict[str, Any]:
        """Take back the last submission of a case."""
        return self._transport.json("POST", f"/fewlabel/undo/{quote(case, safe='')}")

    # --- files

    def download_image(self, case: str, progress: Progress = None) -> Path:
        """The image of a case; not fetched again if the server says that the one at hand is still the same."""
        return self._fetch("GET", "/datastore/image", case, "image", progress, params={"image": case})

    def download_label(self, case: str, tag: str = "final") -> Path:
        """A stored label of a case."""
        return self._fetch("GET", "/datastore/label", case, f"label-{tag}", None, params={"label": case, "tag": tag})

    def infer(self, model: str, case: str, extension: str = ".nrrd", **options: Any) -> Tuple[Path, Dict[str, Any]]:
        """Let a model work on a case; gives the file, and what is told along (``label_names``, ...)."""
        params = {"client_id": self.client_id, "result_extension": extension, **options}
        place, params = self._transport.download(
            "POST",
            f"/infer/{quote(model, safe='')}",
            lambda name: self._place(case, model, _kind(name) or extension),
            f"the result for case '{case}'",
            params={"image": case, "output": "all"},
            data={"params": json.dumps(params)},
        )
        keep_newest(self.folder)
        return place, params or {}

    def submit_label(self, case: str, file: Path, label_info: List[Dict[str, Any]], **params: Any) -> Dict[str, Any]:
        """Submit a label map; gives what the server says: ``notes``, ``correction``, ``flags`` where it knows them.

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
        """End the training that runs, if one does."""
        self._transport.json("DELETE", "/train/")

    def training(self, trainer: str) -> Dict[str, Any]:
        """How the training is going: ``status`` of the task ("" if there was none), ``progress`` of the trainer."""
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
        """How the export is going."""
        return self._transport.json("GET", "/fewlabel/export")

    def download_export(self, target: Path, progress: Progress = None) -> Path:
        """Fetch the exported zip to ``target``."""
        return self._transport.download("GET", "/fewlabel/export/file", lambda _: target, "the export", progress)[0]

    # --- parts

    def _fetch(self, method: str, path: str, case: str, what: str, progress: Progress, **arguments: Any) -> Path:
        def place(name: str) -> Path:
            kind = _kind(name)
            if not kind:
                raise Unusable(f"'{case}' is a file of a kind that Slicer's module cannot show: {name or 'unknown'}.")
            return self._place(case, what, kind)

        called = f"the {'image' if what == 'image' else 'label'} of case '{case}'"
        file = self._transport.download(method, path, place, called, progress, reuse=True, **arguments)[0]
        keep_newest(self.folder)
        return file

    def _place(self, case: str, what: str, kind: str) -> Path:
        """Where a file of a case lies here; a case's id may hold anything, and two may differ by one sign only."""
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", case)[:60]
        return self.folder / f"{plain}-{hashlib.sha256(case.encode()).hexdigest()[:8]}-{what}{kind}"

    def _upload(self, path: str, field: str, file: Path, query: Dict[str, str], params: Dict[str, Any]) -> Any:
        kind = _kind(file.name) or file.suffix
        with file.open("rb") as content:  # named without the case's dots: the server takes all suffixes for the kind
            files = {field: (field + kind, content)}
            data = {"params": json.dumps(params)}
            return self._transport.json("PUT", path, work=True, params=query, data=data, files=files)


def _kind(name: str) -> str:
    return next((kind for kind in KINDS if name.lower().endswith(kind)), "")


def _case(name: str, entry: Dict[str, Any]) -> Dict[str, Any]:
    info = (entry.get("image") or {}).get("info") or {}
    submitted = "final" in (entry.get("labels") or {})
    return {"id": name, "state": "submitted" if submitted else "unlabelled", "file": info.get("name", ""), "flags": []}

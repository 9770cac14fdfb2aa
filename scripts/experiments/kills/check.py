"""What must hold after a kill: nothing acknowledged is lost, nothing half written is served, no file stays."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile

import nibabel
import numpy as np
import requests

from experiments.kills.study import MortalServer
from experiments.kills.truth import Case, Sent
from fewlabel.published import read_card
from fewlabel.workspace import Workspace


class Fault(Exception):
    """What did not hold after a kill."""


def expect(answer: requests.Response, status: int) -> None:
    """Raise a Fault where a request was answered otherwise."""
    if answer.status_code != status:
        asked = f"{answer.request.method} {answer.request.path_url}"
        raise Fault(f"{asked} answered {answer.status_code}: {answer.text[:300]}")


class Check:
    """Looks at everything that a server serves.

    Args:
        server: which runs when it is looked at.
        workspace: of its study.
        cases: what is known of each case; what is found is remembered there.
    """

    def __init__(self, server: MortalServer, workspace: Workspace, cases: dict[str, Case]) -> None:
        self.server, self.workspace, self.cases = server, workspace, cases
        self.version = 0

    def look(self, restarted: bool) -> None:
        """Look at labels, model and export.

        Args:
            restarted: the server has been started since the kill, so no file of nobody may be left.

        Raises:
            Fault: something acknowledged is lost, something half written is served, or a file stays.
        """
        if restarted and self.server.leftovers():
            raise Fault(f"files that belong to nobody: {', '.join(self.server.leftovers())}")
        listed = self.server.request("GET", "/datastore/", params={"output": "all"}).json()["objects"]
        for case, known in self.cases.items():
            known.found(self._matching(case, known, "final" in listed[case]["labels"]))
        self._check_model()
        self._check_export()

    def _matching(self, case: str, known: Case, has_label: bool) -> Sent | None:
        if not has_label:
            if None not in known.may_be:
                raise Fault(f"the label of {case} was acknowledged and is lost")
            return None
        query = {"label": case, "tag": "final"}
        content = self.server.request("GET", "/datastore/label", params=query)
        info = self.server.request("GET", "/datastore/label/info", params=query)
        expect(content, 200)
        array = np.asarray(nibabel.Nifti1Image.from_bytes(gzip.decompress(content.content)).dataobj)
        values = {each["name"]: each["idx"] for each in info.json()["label_info"]}
        for sent in known.may_be:
            if sent is not None and sent.is_stored_as(array, values):
                return sent
        raise Fault(f"the label of {case} is none that was sent")

    def _check_model(self) -> None:
        """A model that was published once loads, answers, and is never replaced by an older one."""
        if not self.workspace.model.exists():
            if self.version:
                raise Fault(f"the model of version {self.version} is gone")
            return
        version = read_card(self.workspace.model)["version"]
        if version < self.version:
            raise Fault(f"the model went back from version {self.version} to {version}")
        self.version = version
        query = {"image": next(iter(self.cases)), "output": "json"}
        expect(self.server.request("POST", "/infer/fewlabel", params=query, data={"params": "{}"}), 200)

    def _check_export(self) -> None:
        """The address of the export gives a whole file or says that there is none."""
        answer, state = self.server.request("GET", "/fewlabel/export/file"), self.server.export_state()
        if answer.status_code != 200:
            expect(answer, 404)
            return
        if hashlib.sha256(answer.content).hexdigest() != state["sha256"]:
            raise Fault("the export is not the file that its checksum names")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            if archive.testzip() is not None:
                raise Fault("the export is no whole zip")

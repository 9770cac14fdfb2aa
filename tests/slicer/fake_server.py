"""A server in memory for the session's tests: countable, and broken at will."""

import base64

import nrrd
import numpy as np

from FewLabelLib.errors import LoginNeeded, Refused
from FewLabelLib.label.labels import LabelClass
from FewLabelLib.net.capabilities import Capabilities, ExportFormat

SHAPE = (4, 5, 6)
PICTURE = base64.b64decode(  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)


class FakeClient:
    """A server of three cases in memory, shared by all clients of one address.

    Attributes:
        troubles: by method, what it raises the next times it is called, a list.
        gates: by method, an event that it waits for.
        calls: (method, first argument) so far.
        stored: label maps by case.
        said: more that was said of the last label.
    """

    def __init__(self, url, folder):
        self.url, self.folder, self.calls = url, folder, []
        self.troubles, self.gates, self.stored, self.versions = {}, {}, {}, 0
        self.order, self.classes = ["a", "b", "c"], [LabelClass("liver", 1), LabelClass("tumour", 2)]
        self.routes = frozenset(
            {"study", "cases", "skip", "undo", "history", "export", "label_all", "accept", "thumbnail"}
        )
        self.shown = {}
        self.pool, self.proposals, self.skipped = {"state": "idle", "done": 0, "of": 3}, {}, set()
        self.formats = [
            *(ExportFormat("bundle"), ExportFormat("msd", kind="dataset"), ExportFormat("onnx", problem="No onnx.")),
        ]
        self.task, self.progress, self.exporting, self.answer = "", {}, {"state": "none"}, {}
        self.problem = self.no_scans = self.proposal = ""
        self.said = {}
        self.before, self.token, self.protected = {}, None, False
        folder.mkdir(exist_ok=True)

    def _call(self, name, *values):
        self.calls.append((name, *values))
        if name in self.gates:
            self.gates[name].wait(20)
        if self.troubles.get(name):
            raise self.troubles[name].pop(0)
        if self.troubles.get("all"):
            raise self.troubles["all"]
        if self.protected and self.token is None and name != "login":
            raise LoginNeeded("Log in.")

    def count(self, name):
        return sum(call[0] == name for call in self.calls)

    def login(self, user, password):
        self._call("login", user)
        if password != "right":
            raise LoginNeeded("Try again.")
        self.token = "secret"

    def capabilities(self):
        self._call("capabilities")
        return Capabilities(
            name="FewLabel",
            study="study",
            routes=self.routes,
            classes=self.classes,
            segmentation="fewlabel" if self.versions else None,
            uncertainty="fewlabel_uncertainty" if self.versions else None,
            trainer="fewlabel",
            strategies={"uncertainty+diversity": "", "first": ""},
            exports=self.formats,
            problem=self.problem,
            no_scans=self.no_scans,
            proposal=self.proposal,
            counts={"cases": 3, "submitted": len(self.stored), "completed": len(self.stored)},
        )

    def cases(self):
        self._call("cases")
        return [
            {
                "id": case,
                "state": "submitted" if case in self.stored else "unlabelled",
                "flags": [],
                "skipped": case in self.skipped,
                "proposal": None if case in self.stored else self.proposals.get(case),
            }
            for case in sorted(self.order)
        ]

    def label_all(self):
        self._call("label_all")
        self.pool = {"state": "running", "done": 0, "of": 3}
        return self.pool

    def label_all_state(self):
        self._call("label_all_state")
        return self.pool

    def stop_label_all(self):
        self._call("stop_label_all")
        self.pool = {**self.pool, "state": "idle"}
        return self.pool

    def propose(self, **scores):
        """Label all has ended, with these scores."""
        for case, score in scores.items():
            self.proposals[case] = {"version": self.versions, "newest": True, "score": score, "dice": None}
        self.pool = {"state": "done", "done": len(scores), "of": 3}

    def thumbnail(self, case):
        self._call("thumbnail", case)
        if case not in self.proposals:
            raise Refused("There is no stored proposal.", 404)
        path = self.folder / f"{case}.png"
        path.write_bytes(PICTURE)
        return path

    def accept(self, case, version):
        self._call("accept", case, version)
        self.before[case] = self.stored.get(case)
        self.stored[case] = self.shown[case]
        return {"id": case, "state": "submitted", "kind": "accepted", "notes": []}

    def next_case(self, strategy, **options):
        self._call("next_case", strategy, options)
        left = [case for case in self.order if case not in self.stored]
        if not left:
            raise Refused("All cases are labelled.", 404)
        points = {"axial": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "coronal": []}
        return {"id": left[0], "reason": "It is unsure.", "slices": {"axial": [3, 6]}, "points": points}

    def _file(self, name, array):
        path = self.folder / f"{name}.npy"
        np.save(path, array)
        return path

    def download_image(self, case, progress=None):
        self._call("download_image", case)
        progress(10, 10)
        return self._file(f"{case}-image", np.zeros(SHAPE))

    def download_label(self, case, tag="final"):
        self._call("download_label", case)
        return self._file(f"{case}-label", self.stored[case])

    def infer(self, model, case, extension=".nrrd", **options):
        self._call("infer" if model == "fewlabel" else "uncertainty", case)
        array = np.zeros(SHAPE, np.uint8)
        array[0, 0] = 1
        array[1, 0] = 2
        self.shown[case] = array
        return self._file(f"{case}-{model}", array), {
            "label_names": {"liver": 1, "tumour": 2},
            "model_version": self.versions,
        }

    def submit_label(self, case, file, label_info, **params):
        self._call("submit_label", case)
        self.said = params
        self.before[case] = self.stored.get(case)
        self.stored[case] = nrrd.read(str(file))[0].T
        return {"image": case, "notes": ["Seen."], **self.answer}

    def history(self):
        self._call("history")
        return {"entries": [{"case": case} for case in self.stored], "stopping": None}

    def undo(self, case):
        self._call("undo", case)
        before = self.before.pop(case)
        if before is None:
            del self.stored[case]
        else:
            self.stored[case] = before
        return {"id": case, "state": "unlabelled" if before is None else "submitted"}

    def skip(self, case, reason):
        self._call("skip", case, reason)
        self.order.remove(case)
        self.order.append(case)
        return {"id": case}

    def unskip(self, case):
        self._call("unskip", case)
        return {"id": case}

    def train(self, trainer, **options):
        self._call("train", options)
        self.task = "RUNNING"
        self.progress = {"start_ts": self.count("train"), "phase": "training", "progress": 0.0, "step": 0}

    def stop_training(self):
        self._call("stop_training")
        self.task = "STOPPED"

    def training(self, trainer):
        self._call("training")
        return {"status": self.task, "details": [], "progress": dict(self.progress)}

    def publish(self):
        """The training ends well."""
        self.task, self.versions = "DONE", self.versions + 1
        self.progress.update(phase="done", progress=1.0, published=True, version=self.versions)

    def start_export(self, formats, check=True):
        self._call("start_export", formats)
        self.exporting = {"state": "running", "progress": 0.0}
        return self.exporting

    def export_state(self):
        self._call("export_state")
        return self.exporting

    def download_export(self, target, progress=None):
        self._call("download_export", target)
        progress(5, 5)
        target.write_bytes(b"model")
        return target

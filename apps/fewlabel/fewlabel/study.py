"""One study on one server: its settings, its datastore and its tasks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from monailabel.config import settings as monailabel_settings
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask

from fewlabel.background import announce_server, end_with_server, is_background_process
from fewlabel.data.domains import describe_domains, in_a_sentence
from fewlabel.data.setting import check_setting
from fewlabel.datastore.choices import Choices
from fewlabel.datastore.classes import agree_on_classes
from fewlabel.datastore.domains import FILE, read_domains
from fewlabel.datastore.found import was_made_now
from fewlabel.datastore.kinds import kind_of
from fewlabel.datastore.lock import lock_study
from fewlabel.datastore.store import StudyDatastore
from fewlabel.inference.segment import FewLabelInfer, FewLabelUncertainty
from fewlabel.renaming import finish_renaming
from fewlabel.review.submitted import Reviewer
from fewlabel.selection.table import DEFAULT_STRATEGY, make_strategies
from fewlabel.selection.task import FewLabelScoring
from fewlabel.settings import Settings, ignored
from fewlabel.training.keeper import Keeper
from fewlabel.training.task import FewLabelTrain
from fewlabel.workspace import Workspace, read_json, write_json

logger = logging.getLogger(__name__)

NAME = "fewlabel"
UNCERTAINTY = "fewlabel_uncertainty"


class Study:
    """What the app serves for one folder of images.

    Args:
        studies: folder of NIfTI, NRRD and MetaImage volumes.
        conf: MONAI Label's ``--conf`` dictionary.

    Raises:
        ValueError: unusable settings, a workspace of another study, or one that another server uses.
        Refusal: the workspace cannot be written.
    """

    def __init__(self, studies: str, conf: Mapping[str, Any]) -> None:
        if "://" in studies:
            raise ValueError(
                f"FewLabel works on a folder of .nii.gz, .nii, .nrrd or .mha volumes, not on {studies}: "
                "convert the series to NIfTI and pass their folder to --studies."
            )
        self.studies = Path(studies).resolve()
        self._made = was_made_now(self.studies)
        self.settings = Settings.from_conf(conf)
        check_setting(self.settings)
        for sentence in ignored(conf):
            logger.warning(sentence)
        self.workspace = Workspace(self.settings.workspace or self.studies / ".fewlabel")
        if not is_background_process():
            lock_study(self.workspace.folder, self.studies / ".fewlabel")
        self._own_workspace()
        if not is_background_process() and (self.studies / FILE).exists():
            read_domains(self.studies / FILE)  # refuses to start where it cannot be used
        if not is_background_process():
            for line in finish_renaming(self.studies, self.workspace):  # a renaming that was killed
                logger.warning("renamed: %s", line)
        agree_on_classes(self.studies, self.workspace, self.settings.labels or ())
        self._store: StudyDatastore | None = None
        self._strategies, self.features = make_strategies(self.workspace, self.settings.seed)
        self.infer = FewLabelInfer(self.workspace, self.settings.device)
        self.reviewer = Reviewer(self.workspace, self.infer)
        self.keeper = Keeper(self.workspace, self.settings)
        self._chosen_by: dict[str, str] = {}
        default = self._strategies[DEFAULT_STRATEGY]
        self.leases, self.scores = default.leases, default.scores

    def _own_workspace(self) -> None:
        """Check ``--conf workspace``: a workspace belongs to the study that used it first, unless that was moved."""
        if self.settings.workspace is None:
            return
        if self.workspace.folder == self.studies:
            raise ValueError(
                f"--conf workspace {self.settings.workspace}: this is the folder of the images, which also "
                "contains the labels. Choose another folder, or leave it out."
            )
        owner = read_json(self.workspace.study, {}).get("studies", "")
        if owner and Path(owner) != self.studies and Path(owner).is_dir():
            raise ValueError(
                f"--conf workspace {self.settings.workspace}: it holds the state of the study {owner}, and two "
                "studies never share a model. Choose another folder."
            )
        if owner != str(self.studies):
            write_json(self.workspace.study, {"studies": str(self.studies)})

    def datastore(self) -> Datastore:
        """The study's images and labels; read-only in the processes that MONAI Label starts."""
        child = is_background_process()
        if child:
            end_with_server()
        else:
            announce_server()
        reload = monailabel_settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD and not child
        choices = Choices(self.settings.subfolders, self.settings.companions, self._made, self.settings.domain_pattern)
        self._store = StudyDatastore(
            str(self.studies), self.workspace, auto_reload=reload, read_only=child, choices=choices
        )
        return self._store

    @property
    def store(self) -> StudyDatastore:
        """The images and labels, after MONAI Label has called ``datastore``.

        Raises:
            RuntimeError: it has not been called.
        """
        if self._store is None:
            raise RuntimeError(f"The study {self.studies} is not open: call datastore() first.")
        return self._store

    def infers(self) -> dict[str, InferTask]:
        """Inference tasks by name."""
        return {NAME: self.infer, UNCERTAINTY: FewLabelUncertainty(self.workspace, self.settings.device)}

    def trainers(self) -> dict[str, TrainTask]:
        """Training tasks by name."""
        return {NAME: FewLabelTrain(self.workspace, self.settings, self.keeper)}

    def strategies(self) -> dict[str, Strategy]:
        """Strategies by name, the default first: viewers show the first one."""
        return dict(self._strategies)

    def scoring_methods(self) -> dict[str, ScoringMethod]:
        """Scoring tasks by name."""
        return {NAME: FewLabelScoring(self.workspace, self.settings)}

    def proposed(self, image: Any, result: dict[str, Any]) -> dict[str, Any]:
        """Remember the result of an inference on an image of the study as a proposal; gives the result."""
        params = result.get("params") or {}
        if "checksum" in params and image in self.store.list_images():
            values, classes = params["label_names"], self.workspace.classes()
            in_study_values = values == {name: classes.index(name) + 1 for name in values if name in classes}
            names = classes if in_study_values else sorted(values, key=values.get)
            self.store.proposals.remember(image, params["model_version"], params["checksum"], names, "infer")
        return result

    def describe_scans(self, info: dict[str, Any]) -> dict[str, Any]:
        """Add the content of the folder, its domains, and labels that are not used, to the description in ``/info/``.

        Stock viewers show the description.
        """
        found, left_out = self.store.found(), self.store.left_out()
        domains = describe_domains(self.store, self.settings)
        said = " ".join(filter(None, [found.problem or " ".join(left_out.values()), in_a_sentence(domains)]))
        counts = {"scans": asdict(found), "labels_left_out": left_out, **({"domains": domains} if domains else {})}
        return {**info, **counts, **({"description": said} if said else {})}

    def handed_out(self, sample: dict[str, Any], strategy: str) -> dict[str, Any]:
        """The case to label next; remembers the strategy that chose it."""
        if sample:
            self._chosen_by[sample["id"]] = strategy
        return sample

    def saved(self, image: str) -> dict[str, Any]:
        """The response to a stored label; for a submitted one, with its comparison to the model."""
        notes: dict[str, Any] = {"notes": self.store.notes(image)}
        replaced = self.store.take_submitted(image)
        if replaced is None:
            return notes
        self.keeper.submitted()
        files = self.store.get_image_uri(image), self.store.get_label_uri(image, "final")
        notes["kind"] = kind = kind_of(self.store.get_label_info(image, "final"))
        with self.keeper.people.ask():  # a person waits for the comparison with the model
            return notes | self.reviewer.submitted(image, *files, replaced, self._chosen_by.get(image), kind)

    def reload(self) -> None:
        """Read the folder again. Everything else that may change is read when it is used."""
        self.store.refresh()
        self.ready()

    def ready(self, trainer: str | None = None) -> None:
        """The server is up: check labels and scans in the background, and start continuous training.

        Args:
            trainer: name of the training task; None where there is none, or it is started already.
        """
        threading.Thread(target=self.store.left_out, name="labels", daemon=True).start()
        self.keeper.keep(trainer, self.store)
        self.features.fill_in_background(list(self.store.list_images()), self.store.get_image_uri, self.settings.seed)
        logger.info("FewLabel serves %s; its state is in %s", self.studies, self.workspace.folder)
        logger.info("In short: %s", self.store.found().short)  # scripts/serving shows it

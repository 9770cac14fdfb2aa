"""Responses about a study, made from its lists and files; changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fewlabel import __version__
from fewlabel.data.domains import describe_domains
from fewlabel.devices import choose_device, device_names
from fewlabel.errors import Refusal
from fewlabel.export.table import EXPORTS
from fewlabel.files import ReadAgain
from fewlabel.methods import METHODS, default_method
from fewlabel.published import read_card
from fewlabel.quality import quality
from fewlabel.replaced import how_to_restore
from fewlabel.review.history import Outlook
from fewlabel.review.picture import history_picture
from fewlabel.service.answers import (
    CasesAnswer,
    Choice,
    ClassEntry,
    Counts,
    DomainsAnswer,
    ExportChoice,
    HistoryAnswer,
    PublishedModel,
    Scans,
    State,
    StudyAnswer,
)
from fewlabel.service.cases import (
    count,
    make_cases,
    state_of,
    with_domains,
    with_notes,
    with_proposals,
    with_unusable,
)
from fewlabel.service.colours import colour
from fewlabel.service.label_all import label_all_of
from fewlabel.workspace import read_json

if TYPE_CHECKING:
    from fewlabel.study import Study


class Overview:
    """Reads one study for the routes; thread-safe.

    Args:
        study: open (its datastore is there).
    """

    def __init__(self, study: Study) -> None:
        self.study, self.workspace = study, study.workspace
        self._card: ReadAgain[dict[str, Any]] = ReadAgain(lambda path: read_card(path), dict)
        self._history, self._outlook = study.reviewer.history, Outlook(self.workspace.history)

    def describe(self) -> StudyAnswer:
        """The study as a viewer needs it when it connects."""
        study, settings = self.study, self.study.settings
        chosen = settings.with_request(study.keeper.mode.options())
        model, problem = self._model()
        device = choose_device(settings.device)
        domains = describe_domains(study.store, settings)
        return StudyAnswer(
            app_version=__version__,
            name=study.studies.name,
            classes=[
                ClassEntry(name=name, value=index + 1, color=colour(index))
                for index, name in enumerate(self.workspace.classes())
            ],
            methods=[Choice(name=name, description=method.description) for name, method in METHODS.items()],
            default_method=chosen.method or default_method(device),
            strategies=[Choice(name=name, description=each.description) for name, each in study.strategies().items()],
            exports=[
                ExportChoice(name=name, description=each.description, kind=each.kind, problem=each.lacks())
                for name, each in EXPORTS.items()
            ],
            device=device,
            devices=device_names(settings.device),
            model=model,
            problem=problem,
            counts=self.counts(),
            scans=Scans(**asdict(study.store.found())),
            domains=None if domains is None else DomainsAnswer(**domains),
            training=next(iter(study.trainers().values())).stats() or None,
        )

    def cases(self) -> CasesAnswer:
        """All cases by id."""
        scores = self.study.scores.read()
        cases = make_cases(self._objects(), self.study.leases, scores, self._validation(), self._entries())
        cases = with_domains(with_notes(cases, self.study.store.label_notes()), self._domains())
        cases = with_proposals(cases, label_all_of(self.study).proposals())
        listed = with_unusable(cases, self.study.store.unusable())
        return CasesAnswer.model_construct(model_version=scores.version or None, cases=listed)

    def counts(self) -> Counts:
        """How many cases are in each state."""
        return count(self._objects(), self.study.leases, self._validation())

    def state(self, case: str) -> State:
        """The state of one case.

        Raises:
            Refusal: (404) no such case.
        """
        return state_of(self.is_labelled(case), case, self.study.leases, self._validation())

    def is_labelled(self, case: str) -> bool:
        """Whether a label of the case was submitted.

        Raises:
            Refusal: (404) no such case.
        """
        self.study.store.get_image_uri(case)
        return case in self.study.store.get_labeled_images()

    def history(self) -> HistoryAnswer:
        """The review of each submission, and the estimated gain from more labels."""
        return HistoryAnswer(entries=self._entries(), stopping=self._outlook() or None)

    def history_picture(self) -> Path:
        """Plot the history into a file of the workspace.

        Raises:
            Refusal: (507) it cannot be written.
        """
        file = self.workspace.history.with_suffix(".png")
        history_picture(self._entries(), file)
        return file

    def _objects(self) -> dict[str, Any]:
        return self.study.store.json()["objects"]

    def _domains(self) -> Mapping[str, str]:
        try:
            return self.study.store.domains().of
        except Refusal:  # the description of the study says why
            return {}

    def _validation(self) -> set[str]:
        kept = read_json(self.workspace.pools, {})
        return set(kept.get("validation", ())) if isinstance(kept, dict) else set()

    def _entries(self) -> list[dict[str, Any]]:
        return self._history.entries()

    def _model(self) -> tuple[PublishedModel | None, str | None]:
        """The published model, or why it cannot be used: viewers can connect nevertheless, and train again."""
        try:
            card = self._card(self.workspace.model)
            if not card:
                return None, self._put_aside()
            known = quality(card)
            shown = {**card, "quality": known.sentence, "doubtful": known.doubtful}
            return PublishedModel.model_validate(shown), None
        except Refusal as error:
            return None, str(error)
        except ValidationError:
            return None, f"The published model {self.workspace.model} is of another version of FewLabel: train again."

    def _put_aside(self) -> str | None:
        aside = how_to_restore(self.workspace)
        return f"There is no published model any more. {aside}" if aside else None

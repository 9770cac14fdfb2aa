"""The settings of a training: which scans it may learn from, by their domains, and how crops are paired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fewlabel.datastore.domains import FILE
from fewlabel.errors import Refusal
from fewlabel.settings import ADAPTATION, GENERALISATION, SEMI_SUPERVISED, Settings

if TYPE_CHECKING:
    from fewlabel.data.pools import Pools
    from fewlabel.datastore.store import StudyDatastore


@dataclass(frozen=True)
class Sampling:
    """Which scans a training learns from, and how their crops are paired: all that differs between the settings.

    ========================  ===================  =========================  ==============================
    ..                        semi-supervised      adaptation                 generalisation
    ========================  ===================  =========================  ==============================
    labelled                  all with a label     all with a label           those of the other domains
    unlabelled                all others           those of the target        others of the same domains
    never opened              nothing              the source's unlabelled    all scans of the target
    an epoch is a pass over   the unlabelled       the labelled               the unlabelled
    partner of a crop         any                  of another domain          of another domain
    ========================  ===================  =========================  ==============================

    Scans whose domain is not known are left out of a training that names a target.

    Attributes:
        setting: ``semi_supervised``, ``adaptation`` or ``generalisation``.
        domain_of: domain by id.
        targets: names of domains. Adaptation: those that the model is for. Generalisation: those that it must never
            see, so that they can judge it; may be empty.
    """

    setting: str = SEMI_SUPERVISED
    domain_of: Mapping[str, str] = field(default_factory=dict)
    targets: frozenset[str] = frozenset()

    @property
    def pairs(self) -> bool:
        """Whether a crop is paired with one of another domain."""
        return self.setting != SEMI_SUPERVISED and len(set(self.domain_of.values())) > 1

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same for a training to be continued; {} for an ordinary one, as in earlier versions."""
        return {} if self.setting == SEMI_SUPERVISED else {"setting": [self.setting, sorted(self.targets)]}

    @property
    def outside(self) -> str:
        """Where the labels of a training lie, for a sentence: `` outside of south``, or "" for anywhere."""
        held_out = self.setting == GENERALISATION and self.targets
        return f" outside of {' and '.join(sorted(self.targets))}" if held_out else ""

    def hides(self, case: str) -> bool:
        """Whether a training must not open this case, not even for its label."""
        if not self.targets:
            return False
        domain = self.domain_of.get(case)
        return domain is None or (self.setting == GENERALISATION and domain in self.targets)

    def pool(self, cases: Iterable[str]) -> set[str]:
        """The cases of these that may be trained on without a label."""
        seen = {case for case in cases if not self.hides(case)}
        return {case for case in seen if self.setting != ADAPTATION or self.domain_of[case] in self.targets}

    def noted(self, pools: Pools) -> Pools:
        """The pools of a training with a note that says what the setting means for it."""
        names = " and ".join(sorted(self.targets))
        said = ""
        if self.setting == GENERALISATION and names:
            said = f"Nothing of {names} is opened."
        elif self.setting == ADAPTATION:
            said = f"Of the unlabelled scans only those of {names} are used."
            if pools.validation and not any(self.domain_of[case] in self.targets for case in pools.validation):
                said += f" No validation case is of {names}: the Dice says nothing about it."
        return replace(pools, note=f"{pools.note} {said}".strip()) if said else pools


class Visible:
    """A study's datastore as a training sees it: without the cases that it must not open.

    Args:
        datastore: of the study; everything else is passed on to it.
        sampling: says which cases are hidden.
    """

    def __init__(self, datastore: StudyDatastore, sampling: Sampling) -> None:
        self._datastore, self._sampling = datastore, sampling

    def __getattr__(self, name: str) -> Any:
        return getattr(self._datastore, name)

    def list_images(self) -> list[str]:
        """Ids of the images that are not hidden."""
        return [case for case in self._datastore.list_images() if not self._sampling.hides(case)]

    def get_labeled_images(self) -> list[str]:
        """Ids of those with a submitted label."""
        return [case for case in self._datastore.get_labeled_images() if not self._sampling.hides(case)]

    def left_out(self) -> dict[str, str]:
        """Those of them whose label is not used, and why; no other label is opened."""
        if not self._sampling.targets:
            return self._datastore.left_out()
        return self._datastore.left_out(set(self.get_labeled_images()))


def check_setting(settings: Settings) -> None:
    """Check what can be checked before the scans are known.

    Raises:
        ValueError: the setting and the target do not fit; the message says what to do.
    """
    if settings.setting == ADAPTATION and settings.target is None:
        raise ValueError("--conf setting adaptation also needs --conf target NAME, the domain that the model is for.")
    if settings.setting == SEMI_SUPERVISED and settings.target is not None:
        raise ValueError(
            f"--conf target {settings.target} needs a setting: add --conf setting adaptation (the model is for this "
            "domain) or --conf setting generalisation (the model must never see it), or leave it out."
        )


def sampling_of(settings: Settings, datastore: StudyDatastore) -> Sampling:
    """How a training of this study samples.

    Raises:
        Refusal: (422) the domains cannot be read, or do not fit the setting; the message says what to do.
    """
    if settings.setting == SEMI_SUPERVISED:
        return Sampling()
    domains = datastore.domains()
    setting = f"--conf setting {settings.setting}"
    if len(domains.names) < 2:
        known = f"they are all of {domains.names[0]}" if domains.names else "none is known"
        raise Refusal(
            f"{setting} needs scans of at least two domains, but {known}. Give them in {FILE} beside the scans, or "
            "with --conf domain_pattern.",
            422,
        )
    targets = _targets(settings.target or "", domains.names)
    unknown = sorted(targets - set(domains.names))
    if unknown:
        raise Refusal(f"--conf target: there is no domain {unknown[0]}. There are: {', '.join(domains.names)}.", 422)
    if targets == set(domains.names):
        raise Refusal("--conf target names all domains, so there is none to learn from: leave one out.", 422)
    return Sampling(settings.setting, domains.of, frozenset(targets))


def _targets(text: str, names: Sequence[str]) -> set[str]:
    """Names separated by commas; one name may itself hold a comma."""
    return {text} if text in names else {name.strip() for name in text.split(",") if name.strip()}

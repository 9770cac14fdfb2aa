"""How the domains (scanners, sites) of a study are described to people, and which setting they suggest."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fewlabel.data.setting import sampling_of
from fewlabel.datastore.domains import Domains
from fewlabel.errors import Refusal
from fewlabel.settings import SEMI_SUPERVISED, Settings
from fewlabel.wording import amount

if TYPE_CHECKING:
    from fewlabel.data.pools import Pools
    from fewlabel.datastore.store import StudyDatastore

logger = logging.getLogger(__name__)

_SHOWN = 6  # domains in a sentence
_SOME = 2  # labels from which a setting is proposed


def propose(domains: Domains, labelled: Iterable[str], setting: str) -> str:
    """Where all labels lie in one of several domains: a sentence that proposes another setting, and why; "" else.

    Examples:
        >>> from fewlabel.settings import ADAPTATION
        >>> domains = Domains({"a": "north", "b": "north", "c": "south"}, "domains.csv")
        >>> propose(domains, ["a"], SEMI_SUPERVISED), propose(domains, ["a", "b"], ADAPTATION)
        ('', '')
        >>> print(propose(domains, ["a", "b"], SEMI_SUPERVISED))  # doctest: +ELLIPSIS
        All 2 labels are of north, none is of south. If the model is for south, ... --conf target south ...
    """
    counts = domains.count(labelled)
    with_labels = [name for name in counts if counts[name]]
    if setting != SEMI_SUPERVISED or len(with_labels) != 1 or len(counts) < 2 or counts[with_labels[0]] < _SOME:
        return ""
    source = with_labels[0]
    others = [name for name in counts if name != source]
    return (
        f"All {counts[source]} labels are of {source}, none is of {' or '.join(others)}. If the model is for "
        f"{' and '.join(others)}, start the server with --conf setting adaptation --conf target "
        f"{shlex.quote(','.join(others))}: it then learns from the unlabelled scans of the target alone. If it must "
        "work on scanners that are not here, label scans of another domain too, and use --conf setting generalisation."
    )


def describe_domains(store: StudyDatastore, settings: Settings) -> dict[str, Any] | None:
    """The domains of a study for viewers; None where there are none.

    Returns:
        ``source``, a phrase; ``domains``, a list of ``name``, ``scans`` and ``labelled``; ``notes``, sentences;
        ``problem``, why the domains cannot be used, or ""; ``setting``; ``target``, or None; ``proposal``, a sentence
        that proposes another setting, or "".
    """
    chosen = {"setting": settings.setting, "target": settings.target}
    try:
        domains = store.domains()
        sampling_of(settings, store)
        problem = ""
    except Refusal as refusal:
        domains, problem = _if_readable(store), str(refusal)
    if not domains.source and not problem:
        return None
    labels = store.get_labeled_images()
    scans, labelled = domains.count(domains.of), domains.count(labels)
    listed = [{"name": name, "scans": scans[name], "labelled": labelled[name]} for name in domains.names]
    said = {"problem": problem, "notes": list(domains.notes), "proposal": propose(domains, labels, settings.setting)}
    return {"source": domains.source, "domains": listed, **said, **chosen}


def _if_readable(store: StudyDatastore) -> Domains:
    try:
        return store.domains()
    except Refusal:
        return Domains()


def in_a_sentence(described: Mapping[str, Any] | None) -> str:
    """What :func:`describe_domains` gave, for viewers that show only text; "" for none.

    Examples:
        >>> known = {"domains": [{"name": "A", "scans": 3, "labelled": 1}], "problem": "", "notes": [], "proposal": ""}
        >>> in_a_sentence(known)
        'Scans of 1 domain: A (3 scans, 1 with a label).'
    """
    if described is None:
        return ""
    domains = described["domains"]
    each = [f"{one['name']} ({amount(one['scans'], 'scan')}, {one['labelled']} with a label)" for one in domains]
    more = f" and {len(each) - _SHOWN} more" if len(each) > _SHOWN else ""
    said = f"Scans of {amount(len(each), 'domain')}: {', '.join(each[:_SHOWN])}{more}." if each else ""
    return " ".join(filter(None, [said, described["problem"], *described["notes"], described["proposal"]]))


def known_domains(datastore: StudyDatastore) -> Domains:
    """The domains of a study for a training that can do without: none, with the reason as a note, if unreadable."""
    try:
        return datastore.domains()
    except Refusal as refusal:
        logger.warning("%s", refusal)
        return Domains(notes=(str(refusal),))


def count_pools(domains: Domains, pools: Pools) -> dict[str, Any]:
    """How many cases of each domain a training uses, for the model's card; {} where the study has no domains."""
    if not domains.source:
        return {}
    kinds = {"labelled": pools.labelled, "unlabelled": pools.unlabelled, "validation": pools.validation}
    counted = {kind: domains.count(cases) for kind, cases in kinds.items()}
    return {name: {kind: counted[kind][name] for kind in kinds} for name in domains.names}

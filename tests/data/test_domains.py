"""How the domains of a study are described, and what they mean for a training."""

import pytest

from fewlabel.data.domains import count_pools, describe_domains, in_a_sentence, known_domains, propose
from fewlabel.data.pools import Pools
from fewlabel.datastore.domains import Domains
from fewlabel.errors import Refusal
from fewlabel.settings import ADAPTATION, GENERALISATION, SEMI_SUPERVISED, Settings


class Store:
    """A datastore with these domains and labels."""

    def __init__(self, domains, labelled=()):
        self._domains, self.labelled = domains, list(labelled)

    def domains(self):
        if isinstance(self._domains, Exception):
            raise self._domains
        return self._domains

    def get_labeled_images(self):
        return self.labelled


OF = {"n1": "north", "n2": "north", "s1": "south", "s2": "south", "e1": "east"}
DOMAINS = Domains({"a": "north", "b": "north", "c": "south"}, "domains.csv", ("A note.",))
BROKEN = Refusal("domains.csv is broken: repair it.", 422)


def test_a_study_without_domains_has_no_description():
    assert describe_domains(Store(Domains()), Settings()) is None
    assert in_a_sentence(None) == ""


def test_scans_and_labels_are_counted_by_domain():
    described = describe_domains(Store(DOMAINS, ["a", "elsewhere"]), Settings())
    assert described["domains"] == [
        {"name": "north", "scans": 2, "labelled": 1},
        {"name": "south", "scans": 1, "labelled": 0},
    ]
    assert in_a_sentence(described) == (
        "Scans of 2 domains: north (2 scans, 1 with a label), south (1 scan, 0 with a label). A note."
    )


def test_a_long_list_is_cut_in_a_sentence_only():
    many = Domains({str(number): f"site {number}" for number in range(9)}, "domains.csv")
    described = describe_domains(Store(many), Settings())
    assert len(described["domains"]) == 9
    assert "site 5 (1 scan, 0 with a label) and 3 more." in in_a_sentence(described)


def test_domains_that_cannot_be_read_are_described_by_the_reason_and_stop_nobody():
    described = describe_domains(Store(BROKEN), Settings())
    assert (described["domains"], in_a_sentence(described)) == ([], str(BROKEN))
    assert known_domains(Store(BROKEN)) == Domains(notes=(str(BROKEN),))


def test_a_setting_that_does_not_fit_is_described_by_the_reason_beside_the_domains():
    described = describe_domains(Store(DOMAINS), Settings(setting=ADAPTATION, target="west"))
    assert "there is no domain west" in described["problem"]
    assert [each["name"] for each in described["domains"]] == ["north", "south"]
    assert (described["setting"], described["target"]) == (ADAPTATION, "west")


def test_the_proposal_is_part_of_the_description():
    described = describe_domains(Store(DOMAINS, ["a", "b"]), Settings())
    assert described["proposal"] in in_a_sentence(described)
    assert described["proposal"].startswith("All 2 labels are of north")
    assert described["setting"] == SEMI_SUPERVISED


def test_the_cases_of_a_training_are_counted_by_domain():
    assert count_pools(Domains(), Pools(["a"], ["b"], ["c"])) == {}
    assert count_pools(DOMAINS, Pools(["a"], ["b"], ["c"])) == {
        "north": {"labelled": 1, "unlabelled": 1, "validation": 0},
        "south": {"labelled": 0, "unlabelled": 0, "validation": 1},
    }


# --- the proposal


def test_where_all_labels_lie_in_one_of_several_domains_adaptation_is_proposed_with_its_reason():
    said = propose(Domains(OF, "domains.csv"), ["n1", "n2"], SEMI_SUPERVISED)
    assert said.startswith("All 2 labels are of north, none is of east or south.")
    assert "--conf setting adaptation --conf target east,south:" in said
    assert "use --conf setting generalisation" in said


@pytest.mark.parametrize(
    ("of", "labelled", "setting"),
    [
        (OF, [], SEMI_SUPERVISED),
        (OF, ["n1"], SEMI_SUPERVISED),
        (OF, ["n1", "n2", "s1"], SEMI_SUPERVISED),
        ({"n1": "north", "n2": "north"}, ["n1", "n2"], SEMI_SUPERVISED),
        ({}, ["n1", "n2"], SEMI_SUPERVISED),
        (OF, ["n1", "n2"], ADAPTATION),
        (OF, ["n1", "n2"], GENERALISATION),
    ],
    ids=["no label", "one label", "labels in two", "one domain", "no domains", "chosen already", "chosen other"],
)
def test_otherwise_nothing_is_proposed(of, labelled, setting):
    assert propose(Domains(of, "domains.csv"), labelled, setting) == ""

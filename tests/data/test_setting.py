"""The three settings: what each may learn from, how it is chosen, and what is refused."""

import pytest

from fewlabel.data.pools import Pools
from fewlabel.data.setting import Sampling, Visible, check_setting, sampling_of
from fewlabel.datastore.domains import Domains
from fewlabel.errors import Refusal
from fewlabel.settings import ADAPTATION, GENERALISATION, SEMI_SUPERVISED, Settings

OF = {"n1": "north", "n2": "north", "s1": "south", "s2": "south", "e1": "east"}
EVERY = {*OF, "unknown"}


class Store:
    """A datastore of all cases; counts whose labels were looked at."""

    def __init__(self, of=OF, labelled=("n1", "s1", "unknown")):
        self.of, self.labelled, self.looked_at = of, list(labelled), []

    def domains(self):
        return Domains(self.of, "domains.csv")

    def list_images(self):
        return sorted(EVERY)

    def get_labeled_images(self):
        return self.labelled

    def left_out(self, cases=None):
        self.looked_at += self.labelled if cases is None else cases
        return {}

    def get_image_uri(self, case):
        return f"/{case}.nii"


def sampling(setting, target=None):
    return sampling_of(Settings(setting=setting, target=target), Store())


# --- the table


def test_an_ordinary_training_uses_everything_and_asks_for_no_domains():
    ordinary = sampling_of(Settings(), object())
    assert ordinary.pool(EVERY) == EVERY
    assert not any(map(ordinary.hides, EVERY))
    assert not ordinary.pairs


def test_adaptation_uses_every_label_of_a_known_domain_and_the_unlabelled_scans_of_the_target_alone():
    adapted = sampling(ADAPTATION, "south")
    assert adapted.pool(EVERY) == {"s1", "s2"}
    assert {case for case in EVERY if adapted.hides(case)} == {"unknown"}
    assert adapted.pairs
    assert sampling(ADAPTATION, "south, east").pool(EVERY) == {"s1", "s2", "e1"}


def test_generalisation_hides_the_held_out_domain_and_what_might_be_of_it():
    general = sampling(GENERALISATION, "south")
    assert general.pool(EVERY) == {"n1", "n2", "e1"}
    assert {case for case in EVERY if general.hides(case)} == {"s1", "s2", "unknown"}
    assert general.pairs


def test_generalisation_with_nothing_held_out_uses_everything():
    general = sampling(GENERALISATION)
    assert general.pool(EVERY) == EVERY
    assert general.pairs


@pytest.mark.parametrize(
    ("chosen", "validation", "said"),
    [
        (Sampling(), ["n1"], "Two labels."),
        (sampling(GENERALISATION), ["n1"], "Two labels."),
        (sampling(GENERALISATION, "south"), ["n1"], "Two labels. Nothing of south is opened."),
        (sampling(ADAPTATION, "south"), [], "Two labels. Of the unlabelled scans only those of south are used."),
        (
            sampling(ADAPTATION, "south"),
            ["n1"],
            "Two labels. Of the unlabelled scans only those of south are used. No validation case is of south: the "
            "Dice says nothing about it.",
        ),
        (sampling(ADAPTATION, "south"), ["s1"], "Two labels. Of the unlabelled scans only those of south are used."),
    ],
)
def test_people_are_told_what_the_setting_means_for_a_training(chosen, validation, said):
    assert chosen.noted(Pools(["n2"], ["s2"], validation, "Two labels.")).note == said


def test_a_training_sees_nothing_of_hidden_cases_in_the_datastore():
    store = Store()
    visible = Visible(store, sampling(GENERALISATION, "south"))
    assert visible.list_images() == ["e1", "n1", "n2"]
    assert visible.get_labeled_images() == ["n1"]
    assert visible.left_out() == {}
    assert store.looked_at == ["n1"], "no label of a hidden case is looked at"
    assert visible.get_image_uri("n1") == "/n1.nii", "all else is the datastore's"


def test_nothing_is_hidden_from_an_ordinary_training():
    visible = Visible(Store(), Sampling())
    assert set(visible.list_images()) == EVERY
    assert visible.get_labeled_images() == ["n1", "s1", "unknown"]


# --- refusals


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(setting=ADAPTATION), "also needs --conf target NAME"),
        (Settings(target="south"), r"--conf target south needs a setting: add --conf setting adaptation \(.*\) or"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_the_start(settings, said):
    with pytest.raises(ValueError, match=said):
        check_setting(settings)


def test_options_that_fit_pass():
    for setting, target in ((SEMI_SUPERVISED, None), (ADAPTATION, "a"), (GENERALISATION, None), (GENERALISATION, "a")):
        check_setting(Settings(setting=setting, target=target))


@pytest.mark.parametrize(
    ("of", "target", "said"),
    [
        ({}, "south", "at least two domains, but none is known. Give them in domains.csv beside the scans, or"),
        ({"a": "south"}, "south", "but they are all of south"),
        (OF, "west", "there is no domain west. There are: east, north, south."),
        (OF, "south,north,east", "names all domains, so there is none to learn from: leave one out."),
    ],
)
def test_domains_that_do_not_fit_the_setting_are_refused_in_words(of, target, said):
    with pytest.raises(Refusal, match=said) as caught:
        sampling_of(Settings(setting=ADAPTATION, target=target), Store(of))
    assert caught.value.status_code == 422


def test_a_name_may_hold_a_comma():
    store = Store({**OF, "x": "Ward 1, basement"})
    settings = Settings(setting=ADAPTATION, target="Ward 1, basement")
    assert sampling_of(settings, store).targets == {"Ward 1, basement"}

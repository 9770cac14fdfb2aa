"""Trainings of a study with domains: what each setting learns from, opens and reports."""

import dataclasses

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.methods import METHODS
from fewlabel.published import read_card
from fewlabel.settings import ADAPTATION, GENERALISATION
from fewlabel.training import run as run_module
from fewlabel.workspace import read_json

NORTH, SOUTH = "abc", "def"


@pytest.fixture
def study(make_study):
    """Scans a, b, c of the north and d, e, f of the south; a, b and d have a label."""
    study = make_study(6)
    lines = [f"{name},{'north' if name in NORTH else 'south'}" for name in study.names]
    (study.folder / "domains.csv").write_text("\n".join(["id,domain", *lines]))
    study.label("abd")
    return study


@pytest.fixture
def loaders(monkeypatch):
    """The loaders that trainings have made."""
    made, make = [], run_module.PairedLoader

    def noted(*arguments, **more):
        made.append(make(*arguments, **more))
        return made[-1]

    monkeypatch.setattr(run_module, "PairedLoader", noted)
    return made


def spoil(study, names, labels=""):
    """Make scans, and the labels of some, unreadable; the study knows their headers already."""
    for path in [*map(study.image_file, names), *map(study.label_file, labels)]:
        path.write_bytes(np.full(1000, np.nan, np.float32).tobytes())


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_learns_from_partners_of_another_domain(study, loaders, method):
    report = study.train(method=method, setting=GENERALISATION)
    assert report["published"]
    assert (report["labelled"], report["unlabelled"], report["problems"]) == (3, 3, [])
    (loader,) = loaders
    assert loader.sampling.pairs
    assert loader.unlabelled.read <= {"c", "e", "f"}


def test_a_held_out_domain_is_not_opened_and_nothing_says_that_it_is_broken(study, loaders):
    run = study.run(setting=GENERALISATION, target="south")
    spoil(study, SOUTH, "d")
    run()
    report = study.progress()
    assert report["published"]
    assert (report["labelled"], report["unlabelled"], report["problems"]) == (2, 1, [])
    assert loaders[0].labelled.read | loaders[0].unlabelled.read == set(NORTH)
    assert set(read_json(study.workspace.scores)["cases"]) == {"c"}
    assert read_card(study.workspace.model)["domains"] == {
        "north": {"labelled": 2, "unlabelled": 1, "validation": 0},
        "south": {"labelled": 0, "unlabelled": 0, "validation": 0},
    }


def test_a_held_out_label_is_not_looked_at_even_before_the_training(study, monkeypatch):
    looked_at = []
    stored = study.store._stored
    stored._looked_at.clear()
    monkeypatch.setattr(stored, "_why_left_out", lambda case: looked_at.append(case) or "")
    study.run(setting=GENERALISATION, target="south")
    assert looked_at == ["a", "b"]
    study.run()
    assert looked_at == ["a", "b", "d"], "an ordinary training looks at it"


def test_adaptation_reads_the_unlabelled_scans_of_the_target_alone(study, loaders):
    run = study.run(setting=ADAPTATION, target="south")
    spoil(study, "c")
    run()
    report = study.progress()
    assert report["published"]
    assert (report["labelled"], report["unlabelled"], report["problems"]) == (3, 2, [])
    assert loaders[0].labelled.read == {"a", "b", "d"}, "a label of the target is trained on"
    assert loaders[0].unlabelled.read == {"e", "f"}
    settings = read_card(study.workspace.model)["settings"]
    assert (settings["setting"], settings["target"]) == (ADAPTATION, "south")


def test_another_setting_starts_from_new_weights(study):
    study.train(setting=GENERALISATION)
    identity = study.run(setting=GENERALISATION)._identity
    plan = dataclasses.make_dataclass("Plan", ["classes", "reasons"])(("organ",), ())
    assert identity(plan) != study.run(setting=GENERALISATION, target="south")._identity(plan)
    assert identity(plan)["setting"] != study.run(setting=ADAPTATION, target="south")._identity(plan)["setting"]
    assert "setting" not in study.run()._identity(plan), "checkpoints of earlier versions can be continued"


def test_domains_that_do_not_fit_stop_a_training_in_words(study):
    with pytest.raises(Refusal, match=r"there is no domain west\. There are: north, south"):
        study.run(setting=ADAPTATION, target="west")
    (study.folder / "domains.csv").write_text("id\na\n")
    with pytest.raises(Refusal, match="has the column 'domain' not"):
        study.run(setting=GENERALISATION)
    assert study.run().domains.names == [], "an ordinary training goes on without"


def test_without_a_label_outside_of_the_held_out_domain_there_is_nothing_to_train_on(make_study):
    study = make_study(3)
    (study.folder / "domains.csv").write_text("id,domain\na,north\nb,south\nc,south\n")
    study.label("a")
    with pytest.raises(Refusal, match="no labels outside of north yet: submit"):
        study.run(setting=GENERALISATION, target="north")

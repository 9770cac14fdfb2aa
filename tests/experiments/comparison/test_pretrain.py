"""A network that has learnt from scans alone before its first label."""

import json
from functools import partial

import pytest
import torch

from experiments.comparison import pretrain as pretrain_module
from experiments.comparison import worker
from experiments.comparison.going_on import work
from experiments.comparison.pretrain import begun_with, hidden_error, pretrained, reconstruct
from experiments.comparison.rows import FLOOR, Row, comparison
from fewlabel.networks import find
from fewlabel.volumes import reading
from fewlabel.workspace import write_json

pytestmark = pytest.mark.usefixtures("quiet_process")


def test_the_error_is_that_of_hidden_voxels_alone():
    image = torch.randn(2, 1, 16, 16, 16)
    seen = []

    def guess(hidden):
        seen.append(hidden)
        return torch.where(hidden == image, image + 100, image + 2)  # wrong where it can see, 2 away elsewhere

    assert float(hidden_error(guess, image)) == pytest.approx(4, rel=1e-4)
    share = float((seen[0] != image).float().mean())
    assert 0.4 < share < 0.8


def test_it_learns_to_fill_in_and_opens_no_label_and_no_scan_that_is_measured_on(data, monkeypatch):
    opened, original = set(), reading.read_volume

    def recorded(path, *arguments):
        opened.add(str(path))
        return original(path, *arguments)

    monkeypatch.setattr("fewlabel.data.transforms.read_volume", recorded)
    monkeypatch.setattr("fewlabel.data.transforms.read_label", lambda path: pytest.fail("a label was read"))
    experiment = data.experiment(steps=1)
    cases = experiment.cases()
    network = reconstruct(experiment, cases, 0, 40)
    assert opened
    assert opened <= {str(path) for case, path in cases.images.items() if case not in cases.test}
    torch.manual_seed(0)
    image = torch.randn(2, 1, 16, 16, 16).cumsum(2) / 4
    fresh = find("unet_small")(1)
    with torch.no_grad():
        assert hidden_error(network, image) < hidden_error(fresh, image)


def test_weights_are_taken_over_but_for_the_output():
    trained = find("unet_small")(1)
    network = begun_with(partial(find("unet_small"), 3), trained.state_dict())()
    own, theirs = network.state_dict(), trained.state_dict()
    same = {name for name in own if own[name].shape == theirs[name].shape and torch.equal(own[name], theirs[name])}
    assert len(same) > len(own) / 2
    assert all(3 in own[name].shape for name in own.keys() - same)


def test_it_is_made_once_for_all_rows_of_a_seed(data, tmp_path, monkeypatch):
    made, original = [], pretrain_module.reconstruct
    monkeypatch.setattr(pretrain_module, "reconstruct", lambda *given: made.append(given) or original(*given))
    experiment = data.experiment(steps=1)
    arguments = tmp_path, experiment, experiment.cases()
    first = pretrained(*arguments, 0, 2)
    again = pretrained(*arguments, 0, 2)
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    pretrained(*arguments, 1, 2)
    assert len(made) == 2


@pytest.mark.parametrize("marks", [(), (0.5,)], ids=["to an end", "on and on"])
def test_a_row_trains_from_there(data, tmp_path, monkeypatch, marks):
    begun, original = [], worker.make_method

    def recorded(name, build, *arguments, **settings):
        method = original(name, build, *arguments, **settings)
        begun.append({key: value.clone() for key, value in method.network.state_dict().items()})
        return method

    monkeypatch.setattr(worker, "make_method", recorded)
    folder, row = tmp_path / "out", Row("supervised, pretrained", FLOOR, 1, 0, pretrain=2)
    data.experiment(steps=2, marks=marks, publishes=("branch",) if marks else ()).keep(folder)
    write_json(folder / "rows" / f"{row.key}.json", {"row": row.to_dict(), "seconds": 1e15})
    work(folder, row.key)
    outcome = json.loads((folder / "outcomes" / f"{row.key}.json").read_text())
    assert outcome["row"]["pretrain"] == 2
    weights = torch.load(folder / "pretrained" / "unet_small-0-2.pt", weights_only=True)
    assert sum(torch.equal(value, weights[name]) for name, value in begun[0].items()) > len(weights) / 2


def test_each_row_has_a_pretrained_one_beside_it_and_others_are_written_as_before():
    rows = comparison(["bcp"], [1, 2], [0], references=False, pretrain=3.0)
    assert [(row.name, row.labelled, row.pretrain) for row in rows] == [
        ("bcp", 1, 0.0),
        ("bcp, pretrained", 1, 3.0),
        ("bcp", 2, 0.0),
        ("bcp, pretrained", 2, 3.0),
    ]
    assert "pretrain" not in rows[0].to_dict()
    assert Row(**rows[1].to_dict()) == rows[1]

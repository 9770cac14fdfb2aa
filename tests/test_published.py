from __future__ import annotations

import math
import pickle
import signal
from pathlib import Path

import pytest
import torch

from fewlabel.errors import Refusal
from fewlabel.networks import NETWORKS
from fewlabel.plan import Plan
from fewlabel.published import load_published, read_card, save_published, save_tensors

PLAN = Plan((1.0, 1.0, 1.5), (16, 16, 16), "ct", (-100.0, 200.5), "unet_small", 2, ("liver", "tumour"), ("a reason",))


@pytest.fixture
def published(tmp_path):
    """A path and the network that was published there."""
    network = NETWORKS["unet_small"](3)
    save_published(tmp_path / "model.pt", network, PLAN, {"version": 3, "validation": {"liver": math.nan}})
    return tmp_path / "model.pt", network


def test_what_is_loaded_is_what_was_published(published):
    path, network = published
    loaded = load_published(path)
    image = torch.randn(1, 1, 16, 16, 16)
    assert not loaded.network.training
    assert torch.equal(loaded.network(image), network.eval()(image))
    assert loaded.plan == PLAN
    assert loaded.plan.reasons == PLAN.reasons
    assert loaded.card == read_card(path)


def test_the_card_is_finite_and_dated(published):
    card = read_card(published[0])
    assert card["version"] == 3
    assert card["validation"] == {"liver": None}
    assert card["time"] > 1.6e9


def test_the_weights_lie_where_monai_label_expects_them(published):
    assert set(torch.load(published[0], weights_only=True)["model"]) == set(published[1].state_dict())


def test_without_a_model_there_is_no_card(tmp_path):
    assert read_card(tmp_path / "model.pt") == {}


@pytest.mark.parametrize("damage", ["text", "cut", "other weights", "other plan", "no card", "code"])
def test_a_damaged_model_is_refused_in_words_and_runs_nothing(published, damage, tmp_path):
    path, _ = published
    content = torch.load(path, weights_only=True)
    if damage == "text":
        path.write_text("hello")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-500])
    elif damage == "code":
        path.write_bytes(pickle.dumps({"model": Path("/tmp")}))
    else:
        if damage == "other weights":
            content["model"] = NETWORKS["unet_small"](2).state_dict()
        elif damage == "other plan":
            content["plan"] = '{"spacing": [1, 1, 1]}'
        else:
            del content["card"]
        torch.save(content, path)
    with pytest.raises(Refusal, match=r"model\.pt cannot be loaded .*Move it away, then train again") as caught:
        load_published(path)
    assert caught.value.status_code == 500
    if damage in ("text", "cut", "no card"):
        with pytest.raises(Refusal, match="cannot be loaded"):
            read_card(path)


@pytest.fixture
def small_files():
    """No file may grow beyond 2 MB, as if the disk were full then."""
    resource = pytest.importorskip("resource", reason="limits the size of files as Unix does")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("small_files")
def test_a_disk_that_is_really_full_is_refused_in_words_and_the_old_model_stays(published):
    path, network = published
    with pytest.raises(Refusal, match="The old file is unchanged") as caught:
        save_tensors(path, {"model": torch.ones(1_000_000)})
    assert caught.value.status_code == 507
    assert [entry.name for entry in path.parent.iterdir()] == ["model.pt"]
    assert torch.equal(next(load_published(path).network.parameters()), next(network.parameters()))


def test_any_tensors_can_be_saved_and_read_without_running_code(tmp_path):
    save_tensors(tmp_path / "a.pt", {"a": torch.arange(3), "b": {"c": 1.5}})
    read = torch.load(tmp_path / "a.pt", weights_only=True)
    assert read["a"].tolist() == [0, 1, 2]
    assert read["b"] == {"c": 1.5}


@pytest.mark.parametrize("change", ["missing", "one more"])
def test_weights_that_fit_in_part_are_refused(published, change):
    """A layer that keeps its random beginning would predict nonsense and say nothing."""
    path, _ = published
    content = torch.load(path, weights_only=True)
    if change == "missing":
        content["model"].pop(list(content["model"])[-1])
    else:
        content["model"]["another.weight"] = torch.zeros(3)
    torch.save(content, path)
    with pytest.raises(Refusal, match="cannot be loaded"):
        load_published(path)

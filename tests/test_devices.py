import mmap

import pytest
import torch

from fewlabel.devices import choose_device, device_names, memory_used, pick_device
from fewlabel.errors import Refusal


@pytest.fixture
def gpus(monkeypatch):
    """Pretends that there are so many."""

    def pretend(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)

    return pretend


@pytest.mark.parametrize(("count", "names"), [(0, ["cpu"]), (2, ["cuda:0", "cuda:1", "cpu"])])
def test_the_best_device_comes_first_and_the_cpu_is_always_there(gpus, count, names):
    gpus(count)
    assert device_names() == names
    assert choose_device(None) == choose_device("") == choose_device(names) == names[0]


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("NVIDIA A100-SXM4-80GB:1", "cuda:1")],
)
def test_a_device_that_exists_is_used_by_any_of_its_names(gpus, asked, chosen):
    gpus(2)
    assert choose_device(asked) == chosen


@pytest.mark.parametrize(("count", "asked"), [(0, "cuda"), (0, "cuda:0"), (0, "NVIDIA:0"), (2, "cuda:2"), (2, "tpu")])
def test_a_device_that_does_not_exist_is_refused_with_those_that_do(gpus, count, asked):
    gpus(count)
    with pytest.raises(Refusal, match="There is no device") as caught:
        choose_device(asked)
    assert ", ".join(device_names()) in str(caught.value)


def test_the_memory_of_this_process_is_given_in_bytes():
    size = 50_000_000
    with mmap.mmap(-1, size) as held:  # pages of its own: a bytearray may get memory that the process holds already
        before = memory_used("cpu")
        held.write(b"\1" * size)
        assert memory_used("cpu") >= before + 0.8 * size


@pytest.mark.parametrize(
    ("count", "asked"), [(0, "cuda"), (0, ["NVIDIA:0", "cpu"]), (2, "cuda:2"), (2, 5), (2, {"a": 1})]
)
def test_a_request_for_a_device_that_is_not_here_gets_the_default_and_a_note(gpus, count, asked):
    gpus(count)
    device, note = pick_device(asked, "cpu")
    assert device == "cpu"
    assert "cpu was used instead" in note


@pytest.mark.parametrize("asked", [None, "", [], "auto", "cuda:1", ["cuda:1", "cpu"]])
def test_a_request_that_can_be_met_has_no_note(gpus, asked):
    gpus(2)
    assert pick_device(asked, "cuda:1") == ("cuda:1", "")


def test_a_default_that_is_not_here_is_refused(gpus):
    gpus(0)
    with pytest.raises(Refusal, match="There is no device 'cuda'"):
        pick_device(None, "cuda")

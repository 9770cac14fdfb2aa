"""No step may wait for the device: it would cost more than the step."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fewlabel.methods import METHODS, make_method
from fewlabel.methods.base import total
from fewlabel.networks import find

CROP = (32, 32, 32)
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique")  # operations whose result the host must see


class Waits(TorchDispatchMode):
    """Collects the operations for which the host would wait if the tensors were on a GPU."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        selects = "index" in str(operation) and any(
            index is not None and index.dtype is torch.bool for index in (args[1] if isinstance(args[1], list) else [])
        )
        if selects or any(name in str(operation) for name in WAITING):
            self.found.append(str(operation))
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", METHODS)
def test_no_value_is_asked_for_in_a_step(name):
    torch.manual_seed(0)
    method = make_method(name, lambda: find("unet_small")(3), lambda: find("unet_small")(3), 3)
    image, weak, strong = torch.randn(3, 2, 1, 16, 16, 16).unbind()
    labelled = {"image": image, "label": torch.randint(3, image.shape)}
    with Waits() as waits:
        for _ in range(6):  # each method does each of its turns
            made = method.step(labelled, {"weak": weak, "strong": strong}, 1.0)
            total(made, method.weights(1.0)).backward()
            method.after_step(1.0)
    assert waits.found == []


def test_a_value_that_is_asked_for_is_noticed():
    with Waits() as waits:
        assert torch.ones(()).item() == 1
        torch.ones(3)[torch.ones(3) > 0]
    assert len(waits.found) == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", METHODS)
def test_the_host_never_waits_for_the_device_in_a_step(name, precision):
    torch.manual_seed(0)
    method = make_method(name, lambda: find("unet_small")(3), lambda: find("unet_small")(3), 3).cuda()
    image, weak, strong = torch.randn(3, 2, 1, *CROP, device="cuda").unbind()
    labelled = {"image": image, "label": torch.randint(3, image.shape, device="cuda")}

    def step():
        with torch.autocast("cuda", torch.bfloat16, enabled=precision is torch.bfloat16):
            made = method.step(labelled, {"weak": weak, "strong": strong}, 1.0)
            loss = total(made, method.weights(1.0))
        loss.backward()
        method.after_step(1.0)

    step()  # what is set up once may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")

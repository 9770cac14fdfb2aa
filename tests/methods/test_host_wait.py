"""No step may wait for the device: it would cost more than the step."""

from __future__ import annotations

import pytest
import torch

from fewlabel.methods import METHODS, make_method
from fewlabel.methods.base import total
from fewlabel.networks import find

CROP = (32, 32, 32)


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

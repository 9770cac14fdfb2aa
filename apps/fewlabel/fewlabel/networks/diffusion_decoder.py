"""A teacher that segments by denoising: label maps from noise, given the image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import DiffusionModelUNet
from monai.networks.schedulers import DDIMScheduler
from monai.networks.utils import one_hot, pixelshuffle, pixelunshuffle
from torch import Tensor, nn

_TIMES = 1000  # of the forward process; linear variances 1e-4..0.02 (Ho 2020, section 4; A&D, Wang 2023)


class DiffusionDecoder(nn.Module):
    """Encoder and time-conditioned decoder of their own over concat[image, noisy label map]; the output is logits.

    The label map is one-hot in -1..1, the noise Gaussian, x_t = √ᾱ x_0 + √(1 - ᾱ) ε. The network predicts the
    clean map: it is trained by Dice and cross entropy on its logits z, and for sampling x_0 = 2 softmax(z) - 1.
    Sampling by DDIM (Song 2021, eq. 12, η = 0) returns the logits of its last step unchanged. The published
    A&D code trains logits but uses them as x_0, clamps them to -1..1 and returns those: with 14 classes no
    probability can exceed 0.36, and in an ensemble weighted by entropy this teacher would never count.

    The times of K steps end each K-th part of the process (K = 2: 999, 499; Lin 2024, "trailing"). A&D ends at
    time 0, where hardly any noise is left and the network repeats its input.

    Inferred: DTLP's text was not available; the abstract says "diffusion decoder", and A&D's shares one encoder
    between tasks. With an encoder of its own, the teacher's errors differ from the student's. MONAI's
    DiffusionModelUNet is used on blocks of ``patch``³ voxels, folded into channels without loss (with patch 2 it costs
    an eighth).

    Args:
        classes: C, background included.
        channels: of the levels, each a multiple of 8; each level halves the grid.
        patch: side of the blocks. Sides of crops must be multiples of patch · 2^(levels - 1).
        steps: K ≥ 1, of sampling.
    """

    def __init__(self, classes: int, channels: Sequence[int] = (16, 32), patch: int = 4, steps: int = 2) -> None:
        super().__init__()
        self.classes, self.patch = classes, patch
        self.network = DiffusionModelUNet(
            spatial_dims=3,
            in_channels=(1 + classes) * patch**3,
            out_channels=classes * patch**3,
            channels=list(channels),
            attention_levels=[False] * len(channels),
            num_res_blocks=1,
            norm_num_groups=8,
            num_head_channels=8,
        )
        self.process = DDIMScheduler(_TIMES, prediction_type="sample", clip_sample=False)
        self.process.steps_offset = _TIMES // steps - 1  # from the end; not accepted by its constructor
        self.process.set_timesteps(steps)
        self.times: list[int] = self.process.timesteps.tolist()

    def forward(self, image: Tensor, noisy: Tensor, times: Tensor) -> Tensor:
        """Logits BCDHW from an image B1DHW, a noisy label map BCDHW and the time 0..999 of each crop, B."""
        folded = pixelunshuffle(torch.cat([image, noisy.to(image.dtype)], 1), 3, self.patch)
        return pixelshuffle(self.network(folded, times), 3, self.patch)

    def denoise(self, image: Tensor, label: Tensor) -> Tensor:
        """Logits BCDHW for a label B1DHW with noise of random strength added, for training."""
        clean = 2 * one_hot(label, self.classes) - 1
        times = torch.randint(_TIMES, (len(image),), device=image.device)
        noisy = self.process.add_noise(clean, torch.randn_like(clean), times)
        return self(image, noisy, times)

    @torch.no_grad()
    def sample(self, image: Tensor, seed: int | None = None) -> Tensor:
        """Logits BCDHW of an image B1DHW, from noise in K passes, without gradient.

        Args:
            image: B1DHW.
            seed: of the first noise, to get the same result each time; None: use the global generator.
        """
        generator = None if seed is None else torch.Generator(image.device).manual_seed(seed)
        shape = (len(image), self.classes, *image.shape[2:])
        noisy = torch.randn(shape, device=image.device, generator=generator)
        for time in self.times:
            logits = self(image, noisy, torch.full((len(image),), time, device=image.device))
            noisy, _ = self.process.step(2 * logits.float().softmax(1) - 1, time, noisy)
        return logits

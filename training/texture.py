"""Texture of the strength that is missing: what the inpainter learns to make of its noise.

A received picture, coarse or filled in, lacks part of the original's energy in each octave of luma. Where that energy
lies can be told to about 16 pixels; its phase cannot, so a mean leaves it out and looks smooth. Here the lack is
measured, in latents, and filled with band-passed noise of that deviation. Bands and gains were chosen by ST-LPIPS,
which took no part in any training, on training photographs: noise of about 5 pixels' period brought most per squared
error.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Differences of two Gaussians, by deviations in latents of two pixels: octaves around periods of 5, 11 and 23 pixels.
BANDS = ((0.5, 0.8), (1.0, 1.6), (2.0, 3.2))
# How much of the lack is filled in each band, with a coarse layer and without. The finest stands for what lies above it
# too, which costs more squared error than it pleases; coarse layers lack little below it.
GAINS = {True: (2.0, 0.0, 0.0), False: (1.5, 1.0, 1.0)}
CELL_LATENTS = 8


def band_kernels() -> list[Tensor]:
    """Return the kernels [1, 1, k, k] that measure a band."""
    kernels = []
    for narrow, wide in BANDS:
        half = int(np.ceil(3 * wide))
        square = np.add.outer(*(np.arange(-half, half + 1) ** 2,) * 2)
        gaussians = [np.exp(-square / (2 * deviation**2)) for deviation in (narrow, wide)]
        kernel = gaussians[0] / gaussians[0].sum() - gaussians[1] / gaussians[1].sum()
        kernels.append(torch.tensor(kernel, dtype=torch.float32)[None, None])
    return kernels


def _filtered(luma: Tensor, kernel: Tensor) -> Tensor:
    border = kernel.shape[-1] // 2
    return functional.conv2d(functional.pad(luma, (border,) * 4, mode="reflect"), kernel)


def missing_texture(
    original: Tensor, fill: Tensor, noise: Tensor, has_coarse: Tensor, kernels: list[Tensor]
) -> Tensor:
    """Return the texture [B, 1, h, w] that *fill* lacks of *original* (latents; luma is their first channel).

    noise: white, [B, ≥ 3, h, w], one channel for each band. has_coarse: bool [B].
    """
    gains = torch.tensor([GAINS[bool(coarse)] for coarse in has_coarse])
    total = torch.zeros_like(noise[:, :1])
    for band, kernel in enumerate(kernels):
        energies = [
            functional.avg_pool2d(_filtered(latents[:, :1], kernel).square(), CELL_LATENTS)
            for latents in (original, fill)
        ]
        lack = (energies[0] - energies[1]).clamp(min=0).sqrt()
        lack = functional.interpolate(lack, noise.shape[2:], mode="bilinear", align_corners=False)
        of_unit_energy = kernel / kernel.square().sum().sqrt()  # keeps the noise's deviation of one
        shaped = _filtered(noise[:, band : band + 1], of_unit_energy)
        total = total + gains[:, band, None, None, None] * lack * shaped
    return total

"""A loss for texture whose exact place cannot be known: local energies of oriented band-pass filters.

A pixel loss rewards blur where detail was lost, and so do, nearly as much, fine-grained network features: plausible
grain in the wrong phase counts as error. Here the picture's luma is filtered by quadrature pairs at four orientations
on three octaves, the energies are pooled over windows, and the amplitudes are compared as ratios: grain, edges and
cloth of the right strength count as right wherever inside the window they fall.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

ORIENTATIONS = 4
WAVELENGTH_PX = 3.2
KERNEL_PX = 7
POOL_PX = 8
FLOOR = 0.006  # amplitude below which differences fade: about half a grey level


def quadrature_bank() -> Tensor:
    """Return the filters [2 · ORIENTATIONS, 1, 7, 7], even and odd of each orientation, with zero mean."""
    half = KERNEL_PX // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    window = np.exp(-(x * x + y * y) / (2 * 1.6**2))
    kernels = []
    for phase in (0.0, np.pi / 2):
        for index in range(ORIENTATIONS):
            angle = np.pi * index / ORIENTATIONS
            wave = np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / WAVELENGTH_PX + phase)
            kernel = window * (wave - (window * wave).sum() / window.sum())
            kernels.append(kernel / np.sqrt((kernel**2).sum()) / 2)
    return torch.tensor(np.array(kernels), dtype=torch.float32)[:, None]


def amplitudes(pictures: Tensor, bank: Tensor) -> list[Tensor]:
    """Return, per octave, the pooled amplitudes [B, ORIENTATIONS, ·, ·] of *pictures* [B, 3, H, W] in [−1, 1]."""
    luma = (pictures * pictures.new_tensor([0.299, 0.587, 0.114])[None, :, None, None]).sum(1, keepdim=True)
    maps = []
    for octave in range(3):
        responses = functional.conv2d(luma, bank)
        even, odd = responses.chunk(2, dim=1)
        pool = POOL_PX if octave == 0 else POOL_PX // 2
        energy = functional.avg_pool2d(even.square() + odd.square(), pool, stride=pool // 2)
        maps.append((energy + 1e-8).sqrt())
        luma = functional.avg_pool2d(luma, 2)
    return maps


def texture_distance(ours: Tensor, truth: Tensor, bank: Tensor) -> Tensor:
    """Return the mean relative difference of the amplitudes of each picture, [B], in [0, 1)."""
    with torch.no_grad():
        wanted = amplitudes(truth, bank)
    parts = [
        ((a - b).abs() / (a + b + FLOOR)).mean(dim=(1, 2, 3))
        for a, b in zip(amplitudes(ours, bank), wanted, strict=True)
    ]
    return torch.stack(parts).mean(dim=0)

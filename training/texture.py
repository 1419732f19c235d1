"""How much texture stands where: a loss that asks for the right amount of it, wherever its phase may lie.

Where what was lost can be told in strength but not in phase, a squared or absolute error is least without it. Here the
deviation of luma in two bands, over cells of 16 pixels, is compared with the original's: noise of the right strength in
the right place costs nothing.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Differences of two Gaussians, by their deviations in pixels: octaves around periods of 3.5 and 7 pixels.
BANDS = ((0.6, 1.1), (1.2, 2.2))
CELL_PX = 16
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
FLOOR = 0.5 / 127.5  # half a grey level: below it no eye tells


@lru_cache(maxsize=1)
def band_kernels() -> Tensor:
    """Return the kernels [bands, 1, k, k] that pass one band each, all of the same size."""
    half = int(np.ceil(3 * BANDS[-1][1]))
    square = np.add.outer(*(np.arange(-half, half + 1) ** 2,) * 2)
    kernels = []
    for narrow, wide in BANDS:
        gaussians = [np.exp(-square / (2 * deviation**2)) for deviation in (narrow, wide)]
        kernels.append(gaussians[0] / gaussians[0].sum() - gaussians[1] / gaussians[1].sum())
    return torch.tensor(np.stack(kernels), dtype=torch.float32)[:, None]


def deviations(pictures: Tensor) -> Tensor:
    """Return the luma's deviation in each band and cell of pictures [B, 3, H, W] in [−1, 1]: [B, bands, h, w]."""
    weights = pictures.new_tensor(LUMA)[:, None, None]
    luma = (pictures.float() * weights).sum(dim=1, keepdim=True)
    kernels = band_kernels().to(pictures.device)
    border = kernels.shape[-1] // 2
    bands = functional.conv2d(functional.pad(luma, (border,) * 4, mode="reflect"), kernels)
    return (functional.avg_pool2d(bands.square(), CELL_PX, CELL_PX // 2) + FLOOR**2).sqrt()


def texture_loss(ours: Tensor, truth: Tensor) -> Tensor:
    """Return the mean absolute difference of deviations [B]."""
    with torch.no_grad():
        wanted = deviations(truth)
    return (deviations(ours) - wanted).abs().mean(dim=(1, 2, 3))

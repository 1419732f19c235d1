"""The critics' quantile Huber loss (paper Eqs. 3–4), and its gradient.

The paper divides Huber's function by κ, so the loss tends to the pinball loss as κ vanishes; libraries that leave the
division out scale the gradient by κ instead.
"""

import numpy as np
import torch
from torch import Tensor

from ntnsim.arrays import Float32Array, FloatArray


def quantile_midpoints(n_quantiles: int) -> Tensor:
    """Return τ_i = (i + ½)/N [n_quantiles]."""
    return (torch.arange(n_quantiles, dtype=torch.float32) + 0.5) / n_quantiles


def quantile_huber_gradient(quantiles: Tensor, targets: Tensor, levels: Tensor, kappa: float) -> Tensor:
    """Return the gradient of Σ_i ρ_τi^κ(target − q_i) with respect to *quantiles*, in its shape.

    The sum is averaged over the batch and added up over the critics. quantiles: [n_critics, batch, n_quantiles];
    targets: [n_critics, batch]; levels τ: [n_quantiles].
    """
    error = targets.unsqueeze(-1) - quantiles
    rate = -1.0 / (kappa * quantiles.shape[1])
    side = torch.where(error < 0, rate * (1.0 - levels), rate * levels)
    return error.clamp_(-kappa, kappa).mul_(side)


def quantile_huber_loss(
    quantiles: Float32Array, targets: FloatArray, levels: Float32Array, kappa: float
) -> FloatArray:
    """Return Σ_i ρ_τi^κ(target − q_i) of each critic [n_critics], for one row.

    quantiles: [n_critics, n_quantiles], in the order of *levels* τ [n_quantiles]; targets: [n_critics].
    """
    error = targets[:, None] - quantiles
    size = np.abs(error)
    huber = np.where(size <= kappa, 0.5 * size**2 / kappa, size - 0.5 * kappa)
    loss: FloatArray = (np.abs(levels - (error < 0)) * huber).sum(-1)
    return loss

"""The gradient of the critics' quantile Huber loss (paper Eqs. 3–4).

The paper divides Huber's function by κ, so the loss tends to the pinball loss as κ vanishes; libraries that leave the
division out scale the gradient by κ instead.
"""

import torch
from torch import Tensor


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

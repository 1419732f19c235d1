"""The critics' coordinates of x: each entry by the share of the image that it still acts on.

Where the box is the image (β = 1) no tile is left for p or the coarse layer to matter, and where every tile is sent
(p = 1) no pixel shows the coarse layer. A critic that sees p and q there fits noise to them, and the actor takes the
noise for a bargain. So the critics see (β, (1−β)·p(l), (1−β)·(1−min p)·q), which is the same for all x that do the
same, and x itself wherever it matters. An image without a top rank has no box: there β does nothing and counts as 0.
"""

import torch
from torch import Tensor

from ntnsim.protocols.configuration import ConfigurationSpace


def has_box(states: Tensor, space: ConfigurationSpace) -> Tensor:
    """Return 1 [rows, 1] where an image of *states* [rows, n_features] has a top rank, else 0."""
    # The states begin with 2·fraction − 1 of each rank (``features.py``).
    return (states[:, space.n_ranks - 1 : space.n_ranks] > -1.0).to(states.dtype)


def effective(x: Tensor, boxed: Tensor, space: ConfigurationSpace) -> Tensor:
    """Return the coordinates [rows, dimension] in [0, 1] of *x* [rows, dimension]; boxed: `has_box` [rows, 1]."""
    growth = boxed * x[:, :1]
    outside = 1.0 - growth
    parts = [growth, outside * _fractions(x, space)]
    if space.has_coarse_layer:
        parts.append(outside * (1.0 - _fewest(x, space)) * x[:, -1:])
    return torch.cat(parts, 1)


def pulled_back(gradient: Tensor, x: Tensor, boxed: Tensor, space: ConfigurationSpace) -> Tensor:
    """Return the gradient with respect to *x* of what has *gradient* with respect to `effective`; [rows, dimension]."""
    outside, fractions = 1.0 - boxed * x[:, :1], _fractions(x, space)
    result = gradient.clone()
    by_fractions = gradient[:, 1 : space.n_ranks]
    result[:, :1] -= (by_fractions * fractions).sum(1, keepdim=True)
    result[:, 1 : space.n_ranks] = outside * by_fractions
    if space.has_coarse_layer:
        by_quality, quality, unsent = gradient[:, -1:], x[:, -1:], 1.0 - _fewest(x, space)
        result[:, :1] -= by_quality * unsent * quality
        result[:, -1:] = outside * unsent * by_quality
        # min p: its own entry alone feels it.
        lowest = 1 + fractions.argmin(1, keepdim=True)
        result.scatter_add_(1, lowest, -outside * quality * by_quality)
    result[:, :1] *= boxed
    return result


def _fractions(x: Tensor, space: ConfigurationSpace) -> Tensor:
    return x[:, 1 : space.n_ranks]


def _fewest(x: Tensor, space: ConfigurationSpace) -> Tensor:
    return _fractions(x, space).amin(1, keepdim=True)

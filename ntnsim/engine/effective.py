"""The critics' coordinates of x: each entry by the share of the image that it still acts on.

Where the box is the image (β = 1) no tile is left for p or the coarse layer to matter, and where every tile is sent
(p = 1) no pixel shows the coarse layer. A critic that sees p and q there fits noise to them, and the actor takes the
noise for a bargain. So the critics see (β, (1−β)·p(l), (1−β)·(1−min p)·q), which is the same for all x that do the
same, and x itself wherever it matters. An image without a top rank has no box: there β does nothing and counts as 0.
"""

import numpy as np

from ntnsim.arrays import Float32Array
from ntnsim.protocols.configuration import ConfigurationSpace


def has_box(states: Float32Array, space: ConfigurationSpace) -> Float32Array:
    """Return 1 [rows, 1] where an image of *states* [rows, n_features] has a top rank, else 0."""
    # The states begin with 2·fraction − 1 of each rank (``features.py``).
    return (states[:, space.n_ranks - 1 : space.n_ranks] > -1.0).astype(states.dtype)


def effective(x: Float32Array, boxed: Float32Array, space: ConfigurationSpace) -> Float32Array:
    """Return the coordinates [rows, dimension] in [0, 1] of *x* [rows, dimension]; boxed: `has_box` [rows or 1, 1]."""
    result = np.empty_like(x)
    result[:, :1] = boxed * x[:, :1]
    outside = 1.0 - result[:, :1]
    result[:, 1 : space.n_ranks] = outside * _fractions(x, space)
    if space.has_coarse_layer:
        result[:, -1:] = outside * (1.0 - _fewest(x, space)) * x[:, -1:]
    return result


def pulled_back(
    gradient: Float32Array, x: Float32Array, boxed: Float32Array, space: ConfigurationSpace
) -> Float32Array:
    """Return the gradient with respect to *x* of what has *gradient* with respect to `effective`; [rows, dimension]."""
    outside, fractions = 1.0 - boxed * x[:, :1], _fractions(x, space)
    result = gradient.copy()
    by_fractions = gradient[:, 1 : space.n_ranks]
    result[:, :1] -= (by_fractions * fractions).sum(1, keepdims=True)
    result[:, 1 : space.n_ranks] = outside * by_fractions
    if space.has_coarse_layer:
        by_quality, quality, unsent = gradient[:, -1:], x[:, -1:], 1.0 - _fewest(x, space)
        result[:, :1] -= by_quality * unsent * quality
        result[:, -1:] = outside * unsent * by_quality
        # min p: its own entry alone feels it.
        rows = np.arange(len(x))
        result[rows, 1 + fractions.argmin(1)] -= (outside * quality * by_quality)[:, 0]
    result[:, :1] *= boxed
    return result


def _fractions(x: Float32Array, space: ConfigurationSpace) -> Float32Array:
    return x[:, 1 : space.n_ranks]


def _fewest(x: Float32Array, space: ConfigurationSpace) -> Float32Array:
    fewest: Float32Array = _fractions(x, space).min(1, keepdims=True)
    return fewest

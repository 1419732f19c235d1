"""Waits drawn evenly: quantiles of what waits, at points that fill the unit cube evenly, and never at random."""

import numpy as np
from scipy.special import gammaincinv, ndtri

from ntnsim.arrays import FloatArray, IntArray

_SHAPES = np.geomspace(0.02, 4e3, 160)
_SHARES = (np.arange(512) + 0.5) / 512
# Gamma quantiles as deviations from the mean in standard deviations, by shape; the last row is the normal law's.
_DEVIATIONS = np.vstack(
    [*((gammaincinv(shape, _SHARES) - shape) / np.sqrt(shape) for shape in _SHAPES), ndtri(_SHARES)]
)


def even_points(count: int, dimensions: int) -> FloatArray:
    """Return [count, dimensions] points of Halton's sequence, scrambled with a fixed seed."""
    from scipy.stats import qmc  # half a second, which only fluid worlds need

    points: FloatArray = qmc.Halton(dimensions, scramble=True, rng=np.random.default_rng(7)).random(count)
    return points


def waiting_work(busy: FloatArray, mean: FloatArray, second: FloatArray, share: FloatArray) -> FloatArray:
    """Return quantiles [...] of waiting work with an atom 1 − *busy* at 0 and a gamma law above it, by its moments.

    busy, mean, second: [...] probability that work waits, first and second moment of the work.
    share: [...] in (0, 1).
    """
    inside = np.maximum(share - (1 - busy), 0.0) / np.maximum(busy, 1e-12)
    first = mean / np.maximum(busy, 1e-12)
    variance = np.maximum(second / np.maximum(busy, 1e-12) - first**2, 1e-12 * first**2)
    row = _shape_row(first**2 / np.maximum(variance, 1e-300))
    column = np.minimum((inside * len(_SHARES)).astype(np.int64), len(_SHARES) - 1)
    work = first + np.sqrt(variance) * _DEVIATIONS[row, column]
    return np.where(inside > 0, np.maximum(work, 0.0), 0.0)


def _shape_row(shape: FloatArray) -> IntArray:
    place = np.log(np.maximum(shape, _SHAPES[0]) / _SHAPES[0]) / np.log(_SHAPES[1] / _SHAPES[0])
    return np.minimum(np.rint(place).astype(np.int64), len(_SHAPES))

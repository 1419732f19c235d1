"""Random processes along a path: a unit-variance Gaussian one, and a latent uniform for two-state chains.

Both live on a coordinate that grows by one per decorrelation length, however unevenly it is sampled, and have the same
marginal at every point. A chain that is "in line of sight" while its latent uniform is below p has probability p at any
moment, even where p changes along the path; with p constant it leaves with rate 1 − p and returns with rate p.
"""

import numpy as np

from ntnsim.arrays import FloatArray

LONGEST_BLOCK = 20.0  # decorrelation lengths per vectorised block: e^20 leaves half of a double's digits
INDEPENDENT_AFTER = 20.0  # correlation e^-20: treated as none


def gaussian_process(
    coordinate: FloatArray, rng: np.random.Generator, before: float | None = None
) -> FloatArray:
    """Return N(0, 1) values [n] with correlation exp(−Δ) between points Δ apart on a non-decreasing *coordinate* [n].

    The recursion x_k = ρ_k x_{k−1} + √(1 − ρ_k²) w_k, solved block by block with a cumulative sum. One draw per point.
    before: the value at coordinate 0, if these points continue a process that has come so far.
    """
    draws = rng.standard_normal(len(coordinate))
    if len(coordinate) == 0:
        return draws
    if before is not None:
        continued = _recursion(np.concatenate([[0.0], coordinate]), np.concatenate([[before], draws]))
        return continued[1:]
    return _recursion(coordinate, draws)


def _recursion(coordinate: FloatArray, draws: FloatArray) -> FloatArray:
    step = np.diff(coordinate)
    if len(step) and step.min() > INDEPENDENT_AFTER:
        return draws
    noise = draws
    noise[1:] *= np.sqrt(-np.expm1(-2 * step))
    values = np.empty_like(noise)
    begin = 0
    last = 0.0
    while begin < len(coordinate):
        # A block starts from the value before it, so that one formula serves every block.
        origin = coordinate[begin - 1] if begin else coordinate[0]
        end = int(np.searchsorted(coordinate, origin + LONGEST_BLOCK, side="right"))
        if end <= begin:  # a single step longer than a block: nothing is remembered
            values[begin] = noise[begin]
            end = begin + 1
        else:
            growth = np.exp(coordinate[begin:end] - origin)
            values[begin:end] = (last + np.cumsum(growth * noise[begin:end])) / growth
        last = float(values[end - 1])
        begin = end
    return values


def latent_uniform(
    coordinate: FloatArray, rng: np.random.Generator, before: float | None = None
) -> FloatArray:
    """Return U(0, 1) values [n], redrawn at the points of a unit-rate Poisson process along *coordinate* [n].

    before: the value at coordinate 0, if these points continue a process that has come so far.
    """
    if not len(coordinate):
        return np.empty(0)
    origin = float(coordinate[0]) if before is None else 0.0
    length = float(coordinate[-1]) - origin
    renewals = np.sort(rng.random(rng.poisson(length))) * length
    values = rng.random(len(renewals) + 1)
    if before is not None:
        values[0] = before
    if not len(renewals):
        return np.full(len(coordinate), values[0])
    return values[np.searchsorted(renewals, coordinate - origin, side="right")]

"""How far outcomes lie from what least squares say of them: a standard deviation of each term that depends on x.

Where a trial was made its outcome is known; between two trials it is nearly so; where a part of the image shows the
coarse layer and a part does not, no trial tells how the two go together. So the variance of a term is a sum of three
parts that are not negative: a constant, one that grows with the mixture, one with the distance to the next trial. A
margin that is the same everywhere would make the well-known x dearer than they are.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from ntnsim.arrays import Float32Array, FloatArray

SMALLEST_SPREAD = 1e-3  # of residuals, which are logarithms
QUALITY_STEP = 0.1  # distances to a trial's q count in these


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """The standard deviation of each term.

    variances: [terms, 3]: constant, by the square of the mixture 4·u·(1 − u), by the square of the distance in q, with
    u the share of the image that shows the coarse layer. knots: q of the trials; without any only the constant counts.
    """

    variances: FloatArray
    knots: tuple[float, ...] = ()

    @classmethod
    def fitted(cls, residuals: FloatArray, acts: Float32Array, knots: tuple[float, ...]) -> "Spread":
        """Return the spread that explains the squares of *residuals* [rows, terms] at *acts* [rows, dimension]."""
        parts = _parts(acts, knots)[0].astype(np.float64)
        variances = np.stack([nnls(parts, term**2)[0] for term in residuals.T])
        variances[:, 0] = np.maximum(variances[:, 0], SMALLEST_SPREAD**2)
        return cls(variances, knots)

    @classmethod
    def one(cls, n_terms: int) -> "Spread":
        """Return a spread of 1 everywhere: before anything was fitted."""
        return cls(np.ones((n_terms, 1)))

    def of(self, acts: Float32Array) -> Float32Array:
        """Return the standard deviations [terms, rows] at *acts*: x by what it acts on [rows, dimension]."""
        variance = self.variances @ _parts(acts, self.knots)[0].T
        spread: Float32Array = np.sqrt(variance).astype(np.float32)
        return spread

    def pulled_back(self, gradient: Float32Array, acts: Float32Array) -> Float32Array:
        """Return the gradient by *acts* [rows, dimension] of what has *gradient* [terms, rows] by the spread."""
        result = np.zeros_like(acts)
        if not self.knots:
            return result
        _, by_shown, by_quality = _parts(acts, self.knots)
        by_variance = (gradient / (2.0 * self.of(acts))).T @ self.variances  # [rows, 3]
        along_shown = (by_variance * by_shown).sum(1)
        result[:, -1] = (by_variance * by_quality).sum(1)
        result[:, 0] = -along_shown
        result[:, 1:-1] = -along_shown[:, None] / (acts.shape[1] - 2)
        return result


def _parts(acts: Float32Array, knots: tuple[float, ...]) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return what the variances weigh [rows, 3 or 1], and its slopes by u and by u·q, the last entry of *acts*."""
    ones = np.ones((len(acts), 1), dtype=np.float32)
    if not knots:
        return ones, 0.0 * ones, 0.0 * ones
    shown = 1.0 - acts[:, 0] - acts[:, 1:-1].mean(1)
    mixture = 4.0 * shown * (1.0 - shown)
    at = np.array(knots, dtype=np.float32)
    gaps = (acts[:, -1:] - shown[:, None] * at) / np.float32(QUALITY_STEP)
    nearest = np.abs(gaps).argmin(1)
    gap = gaps[np.arange(len(gaps)), nearest]
    nothing = np.zeros_like(shown)
    parts = np.stack((ones[:, 0], mixture**2, gap**2), 1)
    by_quality = np.stack((nothing, nothing, 2.0 * gap / np.float32(QUALITY_STEP)), 1)
    by_shown = np.stack((nothing, 8.0 * mixture * (1.0 - 2.0 * shown), -by_quality[:, 2] * at[nearest]), 1)
    return parts, by_shown, by_quality

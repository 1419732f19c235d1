"""What independent samples say about the quantity behind them: intervals over replications and pictures, shares, CDFs.

Jobs of one run queue behind each other, so they are not independent: what they allow is in `within_run`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from ntnsim.arrays import FloatArray

DEFAULT_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its two-sided confidence limits; the limits are nan where one sample tells nothing."""

    value: float
    low: float
    high: float
    confidence: float

    @property
    def half_width(self) -> float:
        """Half of the distance between the limits."""
        return (self.high - self.low) / 2


def student_t(confidence: float, degrees_of_freedom: float) -> float:
    """Return the two-sided quantile t with P(|T| ≤ t) = *confidence*."""
    return float(stdtrit(degrees_of_freedom, 0.5 + confidence / 2))


def replication_interval(values: npt.ArrayLike, confidence: float = DEFAULT_CONFIDENCE) -> Interval:
    """Return the mean of independent *values* [n] and its Student-t interval."""
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean()) if len(sample) else np.nan
    if len(sample) < 2:
        return Interval(mean, np.nan, np.nan, confidence)
    half = student_t(confidence, len(sample) - 1) * float(sample.std(ddof=1)) / np.sqrt(len(sample))
    return Interval(mean, mean - half, mean + half, confidence)


def clustered_interval(
    values: npt.ArrayLike, clusters: npt.NDArray[np.intp], confidence: float = DEFAULT_CONFIDENCE
) -> Interval:
    """Return the mean of *values* [n], with an interval that takes those of one cluster as fully dependent.

    clusters: [n], a number ≥ 0 per value. The spread is the jackknife's, leaving out one cluster at a time; Student's
    degrees of freedom are those of as many equal clusters as the unequal ones are worth, (Σ n_g)² / Σ n_g² (Carter,
    Schnepel and Steigerwald, "Asymptotic behavior of a t-test robust to cluster heterogeneity", 2017).
    """
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean()) if len(sample) else np.nan
    counts = np.bincount(clusters)
    sizes = counts[counts > 0]
    n_clusters = len(sizes)
    if n_clusters < 2:
        return Interval(mean, np.nan, np.nan, confidence)
    totals = np.bincount(clusters, weights=sample - mean)[counts > 0]
    without = -totals / (len(sample) - sizes)  # of the mean, when the cluster is left out
    variance = (n_clusters - 1) / n_clusters * float(np.sum(without**2))
    n_effective = len(sample) ** 2 / float(np.sum(sizes.astype(np.float64) ** 2))
    half = student_t(confidence, n_effective - 1) * np.sqrt(variance)
    return Interval(mean, mean - half, mean + half, confidence)


def wilson_interval(
    share: float, n_effective: float, quantile: float, confidence: float = DEFAULT_CONFIDENCE
) -> Interval:
    """Return Wilson's limits of a *share* in [0, 1] of *n_effective* independent trials.

    They stay inside [0, 1] and do not collapse when every trial hit. quantile: of the standard normal, or of
    Student's t where the number of trials is itself an estimate.
    """
    z2 = quantile**2 / n_effective
    centre = (share + z2 / 2) / (1 + z2)
    half = np.sqrt(z2 * share * (1 - share) + z2**2 / 4) / (1 + z2)
    return Interval(share, max(0.0, float(centre - half)), min(1.0, float(centre + half)), confidence)


def proportion_interval(
    hits: npt.ArrayLike, n_independent: int, confidence: float = DEFAULT_CONFIDENCE
) -> Interval:
    """Return the share of true *hits* [n], with Wilson's limits for *n_independent* of them (pictures, say)."""
    values = np.asarray(hits, dtype=np.float64)
    if len(values) == 0:
        return Interval(np.nan, np.nan, np.nan, confidence)
    return wilson_interval(
        float(values.mean()), n_independent, float(ndtri(0.5 + confidence / 2)), confidence
    )


@dataclass(frozen=True, slots=True)
class CdfBand:
    """An empirical distribution function on a grid, with pointwise confidence limits.

    x, probability, low, high: [n]; the limits are nan where there is only one group.
    """

    x: FloatArray
    probability: FloatArray
    low: FloatArray
    high: FloatArray


def cdf_grid(samples: npt.ArrayLike, n_points: int = 400) -> FloatArray:
    """Return points [≤ n_points] at which to draw the distribution of the finite *samples*: its own quantiles.

    Quantiles put the points where the curve rises, so that a million jobs and a thousand make equally sharp figures.
    """
    values = np.asarray(samples, dtype=np.float64)
    values = np.sort(values[np.isfinite(values)])
    if len(values) == 0:
        return np.empty(0)
    picked = np.unique(np.linspace(0, len(values) - 1, min(n_points, len(values))).round().astype(np.int64))
    return np.unique(values[picked])


def cdf_band(groups: list[FloatArray], x: npt.ArrayLike, confidence: float = DEFAULT_CONFIDENCE) -> CdfBand:
    """Return the distribution function of pooled *groups* at *x* [n], with Student-t limits over the groups.

    groups: one array of samples per replication (or per batch of one run). An infinite sample (a job that never
    arrived) counts in the denominator, so that such a curve ends below one.
    """
    grid = np.asarray(x, dtype=np.float64)
    groups = [np.sort(group) for group in groups if len(group)]
    if not groups:
        nothing = np.full(len(grid), np.nan)
        return CdfBand(grid, nothing, nothing, nothing)
    counts = np.array([np.searchsorted(group, grid, side="right") for group in groups])
    sizes = np.array([len(group) for group in groups])
    pooled = counts.sum(axis=0) / sizes.sum()
    if len(groups) < 2:
        unknown = np.full(len(grid), np.nan)
        return CdfBand(grid, pooled, unknown, unknown)
    of_groups = counts / sizes[:, None]
    spread = np.sqrt(np.sum((of_groups - pooled) ** 2, axis=0) / (len(groups) - 1) / len(groups))
    half = student_t(confidence, len(groups) - 1) * spread
    return CdfBand(grid, pooled, np.clip(pooled - half, 0, 1), np.clip(pooled + half, 0, 1))

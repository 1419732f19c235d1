"""What simulated samples say about the quantity behind them: warm-up, batch means, intervals over replications.

Jobs of one run queue behind each other, so they are not independent: an interval computed as if they were is too
narrow. Within a run the intervals here come from batches of consecutive jobs (Law, *Simulation Modeling and
Analysis*, ch. 9); over replications they come from one value per run. Both use Student's t.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from ntnsim.arrays import FloatArray

DEFAULT_CONFIDENCE = 0.95
# Schmeiser (1982): beyond 30 batches the interval hardly narrows, and fewer, longer batches are less correlated.
DEFAULT_BATCHES = 20
# The tail of MSER's criterion is noise: White, Cobb and Spratt (2000) look at the first half only.
MSER_SEARCHED_SHARE = 0.5


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


def mser5_truncation(samples: npt.ArrayLike) -> int:
    """Return how many of the first *samples* [n] to delete as warm-up, by MSER-5.

    White, Cobb and Spratt, "A comparison of five steady-state truncation heuristics for simulation" (WSC 2000): over
    means Z_j of five consecutive samples, the cut d minimises Σ_{j>d} (Z_j − Z̄_d)² / (k − d)², d up to half of k.
    A sample too short to judge (fewer than ten fives) is kept whole.
    """
    values = np.asarray(samples, dtype=np.float64)
    n_fives = len(values) // 5
    if n_fives < 10:
        return 0
    fives = values[: 5 * n_fives].reshape(n_fives, 5).mean(axis=1)
    fives = fives - fives.mean()  # the sums of squares below would lose digits on a large common offset
    remaining = np.arange(n_fives, 0, -1)
    tail_sum = np.cumsum(fives[::-1])[::-1]
    tail_square_sum = np.cumsum(fives[::-1] ** 2)[::-1]
    criterion = (tail_square_sum - tail_sum**2 / remaining) / remaining**2
    searched = max(1, int(n_fives * MSER_SEARCHED_SHARE))
    return 5 * int(np.argmin(criterion[:searched]))


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


def batches_of(samples: FloatArray, n_batches: int = DEFAULT_BATCHES) -> list[FloatArray]:
    """Cut *samples* [n], in time order, in up to *n_batches* runs of consecutive samples of near equal length.

    At least two samples go in each batch, so that short samples give fewer batches.
    """
    count = max(1, min(n_batches, len(samples) // 2))
    return list(np.array_split(samples, count))


def batch_interval(
    samples: npt.ArrayLike,
    statistic: Callable[[FloatArray], float] = np.mean,
    *,
    n_batches: int = DEFAULT_BATCHES,
    confidence: float = DEFAULT_CONFIDENCE,
) -> Interval:
    """Return *statistic* of all *samples* [n] (in time order), with an interval from batches of consecutive ones.

    The centre is the statistic of the whole sample ("sectioning"), which is less biased than the mean of the batches'
    when the statistic is a quantile; the spread is that of the batches around it.
    """
    values = np.asarray(samples, dtype=np.float64)
    if len(values) == 0:
        return Interval(np.nan, np.nan, np.nan, confidence)
    centre = float(statistic(values))
    batches = batches_of(values, n_batches)
    if len(batches) < 2:
        return Interval(centre, np.nan, np.nan, confidence)
    of_batches = np.array([float(statistic(batch)) for batch in batches])
    variance = float(np.sum((of_batches - centre) ** 2)) / (len(batches) - 1) / len(batches)
    half = student_t(confidence, len(batches) - 1) * np.sqrt(variance)
    return Interval(centre, centre - half, centre + half, confidence)


def quantile_interval(
    samples: npt.ArrayLike,
    probability: float,
    *,
    n_batches: int = 10,
    confidence: float = DEFAULT_CONFIDENCE,
) -> Interval:
    """Return the *probability* quantile of *samples* [n], in time order, with a batch interval.

    Fewer batches than for a mean: a quantile of a short batch is biased towards the middle.
    """

    def quantile(values: FloatArray) -> float:
        return float(np.quantile(values, probability))

    return batch_interval(samples, quantile, n_batches=n_batches, confidence=confidence)


def proportion_interval(
    hits: npt.ArrayLike, *, n_batches: int = DEFAULT_BATCHES, confidence: float = DEFAULT_CONFIDENCE
) -> Interval:
    """Return the share of true *hits* [n], in time order, with Wilson limits for the effective sample size.

    Wilson's limits stay inside [0, 1] and do not collapse when every job hit. Correlation between jobs counts as a
    smaller sample: n is divided by the ratio of the batch means' variance to what independent jobs would show.
    """
    values = np.asarray(hits, dtype=np.float64)
    n = len(values)
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, confidence)
    share = float(values.mean())
    n_effective = float(n)
    batches = batches_of(values, n_batches)
    if len(batches) > 1 and 0 < share < 1:
        of_batches = np.array([batch.mean() for batch in batches])
        variance = float(np.sum((of_batches - share) ** 2)) / (len(batches) - 1) / len(batches)
        n_effective = n / max(1.0, variance / (share * (1 - share) / n))
    z = float(ndtri(0.5 + confidence / 2))
    centre = (share + z**2 / (2 * n_effective)) / (1 + z**2 / n_effective)
    spread = np.sqrt(share * (1 - share) / n_effective + z**2 / (4 * n_effective**2))
    half = z / (1 + z**2 / n_effective) * spread
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), confidence)


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

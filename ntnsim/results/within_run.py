"""What the jobs of one run say: warm-up, and intervals of means, quantiles and shares that hold what they claim.

Jobs queue behind each other, so an interval computed as if they were independent is far too narrow, and in a short
run even batches of them are. Four rules keep the coverage: batch means are widened by their own correlation and
skewness, and by how few independent jobs they are worth; no interval is given below a stated number of jobs; nor where
the jobs are worth few independent ones.
``benchmarks/interval_coverage.py`` measures what the limits hold.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import FloatArray
from ntnsim.results.statistics import DEFAULT_CONFIDENCE, Interval, student_t, wilson_interval

# Few and long: beyond ten batches the interval narrows little (Schmeiser, 1982), and shorter ones are correlated.
N_BATCHES = 10
# A calm stretch of a busy queue looks like a queue that is never busy. In M/M/1 at a load of 0.8, 1,000 jobs often are
# nothing but such a stretch, and no estimate from them can tell.
FEWEST_JOBS = 5000
FEWEST_EFFECTIVE = 20  # independent jobs that correlated ones are worth
FEWEST_IN_TAIL = 1500  # jobs beyond a quantile
# The tail of MSER's criterion is noise: White, Cobb and Spratt (2000) look at the first half only.
MSER_SEARCHED_SHARE = 0.5
TOO_SMALL = "n too small for an interval"


@dataclass(frozen=True, slots=True)
class Truncation:
    """Where MSER-5 cuts. n_deleted: samples. at_limit: whether the search ended there before the criterion rose."""

    n_deleted: int
    at_limit: bool


def mser5_truncation(samples: npt.ArrayLike) -> Truncation:
    """Return how many of the first *samples* [n] to delete as warm-up, by MSER-5, and whether more would be better.

    White, Cobb and Spratt, "A comparison of five steady-state truncation heuristics for simulation" (WSC 2000): over
    means Z_j of five consecutive samples, the cut d minimises Σ_{j>d} (Z_j − Z̄_d)² / (k − d)², d up to half of k.
    A sample too short to judge (fewer than ten fives) is kept whole.
    """
    values = np.asarray(samples, dtype=np.float64)
    n_fives = len(values) // 5
    if n_fives < 10:
        return Truncation(0, at_limit=False)
    fives = values[: 5 * n_fives].reshape(n_fives, 5).mean(axis=1)
    fives = fives - fives.mean()  # the sums of squares below would lose digits on a large common offset
    remaining = np.arange(n_fives, 0, -1)
    tail_sum = np.cumsum(fives[::-1])[::-1]
    tail_square_sum = np.cumsum(fives[::-1] ** 2)[::-1]
    criterion = (tail_square_sum - tail_sum**2 / remaining) / remaining**2
    searched = max(1, int(n_fives * MSER_SEARCHED_SHARE))
    cut = int(np.argmin(criterion[:searched]))
    return Truncation(5 * cut, at_limit=cut == searched - 1)


@dataclass(frozen=True, slots=True)
class BatchMeans:
    """Means [k] of batches of consecutive samples of equal length, and how many samples a batch has."""

    means: FloatArray
    batch_size: int

    @property
    def variance_of_mean(self) -> float:
        """Variance of the mean of all batches, widened by the correlation of neighbours as in an AR(1) process."""
        deviations = self.means - self.means.mean()
        squares = float(np.sum(deviations**2))
        if squares == 0:
            return 0.0
        correlation = max(0.0, float(np.sum(deviations[1:] * deviations[:-1])) / squares)
        return (1 + correlation) / (1 - correlation) * squares / (len(self.means) - 1) / len(self.means)


def batch_means(samples: FloatArray, n_batches: int = N_BATCHES) -> BatchMeans | None:
    """Cut *samples* [n], in time order, in batches of at least two; the first ones that fit in none are left out.

    None where fewer than three batches come out.
    """
    count = min(n_batches, len(samples) // 2)
    if count < 3:
        return None
    size = len(samples) // count
    return BatchMeans(samples[len(samples) - size * count :].reshape(count, size).mean(axis=1), size)


def batch_interval(samples: npt.ArrayLike, confidence: float = DEFAULT_CONFIDENCE) -> Interval:
    """Return the mean of *samples* [n], in time order, with limits from batch means, however few they are.

    The limits are not symmetric: delays are skewed, and Student's t is corrected for that (Willink, "A confidence
    interval and test for the mean of an asymmetric distribution", Communications in Statistics 34, 2005; N-Skart of
    Tafazzoli, Steiger and Wilson, 2011, corrects correlation and skewness alike).
    """
    values = np.asarray(samples, dtype=np.float64)
    mean = float(values.mean()) if len(values) else np.nan
    batches = batch_means(values)
    if batches is None:
        return Interval(mean, np.nan, np.nan, confidence)
    spread = np.sqrt(batches.variance_of_mean)
    count = len(batches.means)
    t = student_t(confidence, count - 1)
    if spread == 0:
        return Interval(mean, mean, mean, confidence)
    deviations = batches.means - batches.means.mean()
    third = count / ((count - 1) * (count - 2)) * float(np.sum(deviations**3))
    skew = third / float(batches.means.std(ddof=1)) ** 3 / (6 * np.sqrt(count))

    def corrected(quantile: float) -> float:
        if abs(skew) < 1e-3:
            return quantile
        return float((np.cbrt(1 + 6 * skew * (quantile - skew)) - 1) / (2 * skew))

    return Interval(
        mean,
        mean - max(0.0, corrected(t)) * float(spread),
        mean - min(0.0, corrected(-t)) * float(spread),
        confidence,
    )


def mean_interval(samples: npt.ArrayLike, confidence: float = DEFAULT_CONFIDENCE) -> Interval:
    """Return the mean of *samples* [n], in time order; nan limits where they are too few for an interval."""
    values = np.asarray(samples, dtype=np.float64)
    interval, n_effective = batch_interval(values, confidence), effective_samples(values)
    if _too_few(values, n_effective):
        return Interval(interval.value, np.nan, np.nan, confidence)
    mean, widening = interval.value, _widening(n_effective)
    low, high = (mean + widening * (limit - mean) for limit in (interval.low, interval.high))
    return Interval(mean, low, high, confidence)


def effective_samples(samples: npt.NDArray[np.generic]) -> float:
    """Return how many independent samples the correlated *samples* [n] are worth for their mean, at most n."""
    values = samples.astype(np.float64)
    batches = batch_means(values)
    variance = 0.0 if batches is None else batches.variance_of_mean
    return min(float(len(values)), float(values.var()) / variance) if variance > 0 else float(len(values))


def quantile_interval(
    samples: npt.ArrayLike, probability: float, confidence: float = DEFAULT_CONFIDENCE
) -> Interval:
    """Return the *probability* quantile of *samples* [n], in time order; nan limits where they are too few.

    The limits are those of the share of samples below it, turned into quantiles: a quantile of a short batch would
    be biased towards the middle.
    """
    values = np.asarray(samples, dtype=np.float64)
    if len(values) == 0:
        return Interval(np.nan, np.nan, np.nan, confidence)
    quantile = float(np.quantile(values, probability))
    # The fraction of ties that belongs below is unknown: both readings count.
    n_effective = min(effective_samples(x) for x in (values, values < quantile, values <= quantile))
    if _too_few(values, n_effective) or len(values) * min(probability, 1 - probability) < FEWEST_IN_TAIL:
        return Interval(quantile, np.nan, np.nan, confidence)
    t = student_t(confidence, N_BATCHES - 1)
    limits = wilson_interval(probability, n_effective / _widening(n_effective) ** 2, t, confidence)
    low, high = np.quantile(values, [limits.low, limits.high])
    return Interval(quantile, float(low), float(high), confidence)


def share_interval(
    hits: npt.ArrayLike, samples: npt.ArrayLike, confidence: float = DEFAULT_CONFIDENCE
) -> Interval:
    """Return the share of true *hits* [n], in time order, with Wilson's limits; nan limits where n is too small.

    samples: [m], what decides about the hits (delays, for a deadline). Rare misses tell nothing about how they
    cluster, and delays do: the hits are worth no more independent ones, per job, than the samples are.
    """
    values, behind = np.asarray(hits, dtype=np.float64), np.asarray(samples, dtype=np.float64)
    share = float(values.mean()) if len(values) else np.nan
    n_effective = effective_samples(values)
    if len(behind):
        n_effective = min(n_effective, effective_samples(behind) * len(values) / len(behind))
    if _too_few(values, n_effective):
        return Interval(share, np.nan, np.nan, confidence)
    return wilson_interval(share, n_effective, student_t(confidence, N_BATCHES - 1), confidence)


def _widening(n_effective: float) -> float:
    """Return by how much an interval from so few independent jobs is too narrow: they misjudge their own spread too.

    Twice at the least number that is allowed, nothing for many; measured by the benchmark.
    """
    return 1 + FEWEST_EFFECTIVE / n_effective


def _too_few(samples: FloatArray, n_effective: float) -> bool:
    return len(samples) < FEWEST_JOBS or n_effective < FEWEST_EFFECTIVE

"""Intervals cover what they claim to; warm-up is found; textbook numbers come out."""

import numpy as np
import pytest
from scipy import stats

from ntnsim.results.statistics import (
    batch_interval,
    cdf_band,
    cdf_grid,
    mser5_truncation,
    proportion_interval,
    quantile_interval,
    replication_interval,
    student_t,
)


def ar1(rng: np.random.Generator, n: int, correlation: float) -> np.ndarray:
    """Return a stationary AR(1) sample of mean 0 and variance 1, as queueing delays behave."""
    noise = rng.normal(size=n) * np.sqrt(1 - correlation**2)
    values = np.empty(n)
    values[0] = rng.normal()
    for index in range(1, n):
        values[index] = correlation * values[index - 1] + noise[index]
    return values


@pytest.mark.parametrize(
    ("confidence", "freedom", "table"), [(0.95, 9, 2.262), (0.90, 4, 2.132), (0.99, 29, 2.756)]
)
def test_student_t_matches_the_printed_table(confidence, freedom, table):
    assert student_t(confidence, freedom) == pytest.approx(table, abs=5e-4)


def test_replication_interval_matches_law_and_kelton_example():
    # Law & Kelton, Simulation Modeling and Analysis, example 4.26: ten observations, 90 % interval 1.34 ± 0.24.
    sample = [1.20, 1.50, 1.68, 1.89, 0.95, 1.49, 1.58, 1.55, 0.50, 1.09]
    interval = replication_interval(sample, 0.90)
    assert interval.value == pytest.approx(1.343, abs=1e-9)
    assert interval.half_width == pytest.approx(0.24, abs=0.005)


def test_replication_interval_agrees_with_scipy():
    sample = np.random.default_rng(1).normal(3, 2, 17)
    interval = replication_interval(sample, 0.95)
    low, high = stats.t.interval(0.95, 16, loc=sample.mean(), scale=stats.sem(sample))
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-12)


def test_one_replication_claims_no_interval():
    interval = replication_interval([4.0])
    assert interval.value == 4.0
    assert np.isnan(interval.low)
    assert np.isnan(interval.high)


def test_batch_interval_covers_the_mean_of_correlated_samples_and_a_naive_one_does_not():
    rng = np.random.default_rng(7)
    covered = naive_covered = 0
    n_trials = 120
    for _ in range(n_trials):
        sample = ar1(rng, 2000, 0.8)
        interval = batch_interval(sample)
        covered += interval.low <= 0 <= interval.high
        naive_covered += abs(sample.mean()) <= 1.96 * sample.std() / np.sqrt(len(sample))
    assert covered / n_trials > 0.88
    assert naive_covered / n_trials < 0.65  # theory: the variance of the mean is 9 times the naive one → 0.49


def test_quantile_interval_covers_the_quantile_of_an_exponential():
    rng = np.random.default_rng(8)
    true_quantile = -np.log(0.1)
    intervals = [quantile_interval(rng.exponential(size=2000), 0.9) for _ in range(150)]
    covered = np.mean([interval.low <= true_quantile <= interval.high for interval in intervals])
    assert 0.88 < covered <= 1.0


def test_proportion_of_all_hits_keeps_an_uncertain_lower_limit():
    interval = proportion_interval(np.ones(50))
    # Wilson at p = 1: low = n / (n + z²) = 50 / 53.84
    assert interval.low == pytest.approx(50 / (50 + 1.959964**2), abs=1e-6)
    assert interval.high == 1.0


def test_proportion_of_independent_hits_matches_scipy_wilson():
    hits = np.arange(1000) % 10 < 3  # as even as can be: batches agree, so the effective size is n
    interval = proportion_interval(hits)
    reference = stats.binomtest(300, 1000).proportion_ci(0.95, method="wilson")
    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high), abs=1e-9)


def test_proportion_of_correlated_hits_is_wider_than_of_independent_ones():
    rng = np.random.default_rng(3)
    independent = rng.random(4000) < 0.5
    correlated = ar1(rng, 4000, 0.98) > 0
    assert proportion_interval(correlated).half_width > 3 * proportion_interval(independent).half_width


def test_mser5_deletes_an_initial_transient_and_keeps_a_stationary_sample():
    rng = np.random.default_rng(5)
    steady = rng.normal(10, 1, 2000)
    transient = steady + 30 * np.exp(-np.arange(2000) / 60)
    # exp(−n/60)·30 falls below the noise of a mean of five (0.45) at n = 60·ln(30/0.45) ≈ 252
    assert 120 <= mser5_truncation(transient) <= 400
    assert mser5_truncation(steady) <= 100


def test_mser5_matches_its_definition_computed_directly():
    sample = np.random.default_rng(6).exponential(size=205) + 5 * np.exp(-np.arange(205) / 10)
    fives = sample[:205].reshape(41, 5).mean(axis=1)
    criteria = [np.sum((fives[d:] - fives[d:].mean()) ** 2) / (41 - d) ** 2 for d in range(20)]
    assert mser5_truncation(sample) == 5 * int(np.argmin(criteria))


def test_mser5_keeps_short_samples_whole():
    assert mser5_truncation(np.arange(49.0)) == 0


def test_cdf_counts_jobs_that_never_arrived_in_the_denominator():
    band = cdf_band([np.array([1.0, 2.0, np.inf, np.inf])], [0.5, 1.0, 5.0])
    assert band.probability.tolist() == [0.0, 0.25, 0.5]


def test_cdf_band_over_replications_covers_the_true_distribution():
    rng = np.random.default_rng(9)
    x = np.array([0.2, 0.7, 1.5])
    truth = 1 - np.exp(-x)
    bands = [cdf_band([rng.exponential(size=60) for _ in range(8)], x) for _ in range(200)]
    covered = np.mean([(band.low <= truth) & (truth <= band.high) for band in bands], axis=0)
    assert np.all(covered > 0.9)


def test_cdf_grid_never_exceeds_its_size_and_reaches_both_ends():
    sample = np.random.default_rng(2).exponential(size=10_000)
    grid = cdf_grid(np.append(sample, np.inf), 300)
    assert len(grid) <= 300
    assert (grid[0], grid[-1]) == (sample.min(), sample.max())
    assert len(cdf_grid([np.inf])) == 0

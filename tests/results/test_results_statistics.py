"""Intervals cover what they claim to; warm-up is found; textbook numbers come out."""

import numpy as np
import pytest
from scipy import stats

from ntnsim.results.statistics import (
    cdf_band,
    cdf_grid,
    proportion_interval,
    replication_interval,
    student_t,
)


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


def test_proportion_of_all_hits_keeps_an_uncertain_lower_limit():
    interval = proportion_interval(np.ones(50), 50)
    # Wilson at p = 1: low = n / (n + z²) = 50 / 53.84
    assert interval.low == pytest.approx(50 / (50 + 1.959964**2), abs=1e-6)
    assert interval.high == 1.0


def test_proportion_of_independent_hits_matches_scipy_wilson():
    hits = np.arange(1000) % 10 < 3
    interval = proportion_interval(hits, 1000)
    reference = stats.binomtest(300, 1000).proportion_ci(0.95, method="wilson")
    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high), abs=1e-9)


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

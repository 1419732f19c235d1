"""Intervals within one run hold what they claim, or are not given; the warm-up is found, or said not to be."""

import numpy as np
import pytest

from ntnsim.results.within_run import (
    FEWEST_EFFECTIVE,
    FEWEST_JOBS,
    batch_interval,
    effective_samples,
    mean_interval,
    mser5_truncation,
    quantile_interval,
    share_interval,
)


def ar1(rng: np.random.Generator, n: int, correlation: float) -> np.ndarray:
    """Return a stationary AR(1) sample of mean 0 and variance 1, as queueing delays behave."""
    noise = rng.normal(size=n) * np.sqrt(1 - correlation**2)
    values = np.empty(n)
    values[0] = rng.normal()
    for index in range(1, n):
        values[index] = correlation * values[index - 1] + noise[index]
    return values


def mm1(rng: np.random.Generator, load: float, n_jobs: int) -> np.ndarray:
    """Return times in system of an M/M/1 queue with service rate 1, job by job, from near equilibrium."""
    times, wait = np.empty(1000 + n_jobs), 0.0
    for job, (service, gap) in enumerate(
        zip(rng.exponential(size=len(times)), rng.exponential(1 / load, len(times)), strict=True)
    ):
        times[job] = wait + service
        wait = max(0.0, times[job] - gap)
    return times[1000:]


@pytest.mark.parametrize("n_jobs", [0, 1, 4, 48, 500, FEWEST_JOBS - 1])
def test_short_runs_get_no_interval(n_jobs):
    times = np.random.default_rng(1).exponential(size=n_jobs)
    for interval in (mean_interval(times), quantile_interval(times, 0.5), share_interval(times < 1, times)):
        assert np.isnan([interval.low, interval.high]).all()


def test_a_long_run_worth_few_jobs_gets_no_interval():
    # One slow drift: 20,000 samples of a random walk are worth about one.
    walk = np.cumsum(np.random.default_rng(2).normal(size=20_000))
    assert np.isnan(mean_interval(walk).low)
    assert np.isnan(quantile_interval(walk, 0.5).low)
    assert np.isnan(share_interval(walk > walk.mean(), walk).low)


def test_intervals_hold_the_closed_form_of_a_busy_queue():
    # M/M/1 at a load of 0.8: the time in system is exponential with mean 5 (Kleinrock I, 3.2).
    rng = np.random.default_rng(20)
    truths = {"mean": 5.0, "q95": -5 * np.log(0.05), "share": 0.95}
    held = dict.fromkeys(truths, 0)
    for _ in range(70):
        times = mm1(rng, 0.8, 30_000)
        found = {
            "mean": mean_interval(times),
            "q95": quantile_interval(times, 0.95),
            "share": share_interval(times <= truths["q95"], times),
        }
        for name, interval in found.items():
            assert np.isfinite(interval.half_width)
            held[name] += interval.low <= truths[name] <= interval.high
    # Of 70 runs at a coverage of 0.94, fewer than 59 hold in 0.3 % of the cases.
    assert min(held.values()) >= 59, held


def test_a_mean_of_few_independent_jobs_is_wider_than_its_batches_say():
    few = np.repeat(np.random.default_rng(3).exponential(size=60), 100)
    many = np.random.default_rng(3).exponential(size=6000)
    for samples in (few, many):
        found, plain = mean_interval(samples), batch_interval(samples)
        widening = 1 + FEWEST_EFFECTIVE / effective_samples(samples)
        assert found.high - found.value == pytest.approx(widening * (plain.high - plain.value))
        assert found.low - found.value == pytest.approx(widening * (plain.low - plain.value))
    assert np.isfinite(mean_interval(few).high)


def test_limits_of_skewed_samples_reach_further_up():
    # Means of nine batches are 1, that of the tenth is 2: a right tail, however the mean came about.
    interval = batch_interval(np.repeat([1.0, 2, 1, 1, 1, 1, 1, 1, 1, 1], 20))
    assert interval.value == pytest.approx(1.1)
    assert interval.high - interval.value > interval.value - interval.low > 0


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


def test_effective_samples_of_an_ar1_process_are_those_of_theory():
    # n (1 − φ)/(1 + φ); the median over runs, since ten batches tell a variance to within a factor of two.
    rng = np.random.default_rng(8)
    worth = np.median([effective_samples(ar1(rng, 10_000, 0.8)) for _ in range(40)])
    assert worth == pytest.approx(10_000 / 9, rel=0.25)
    assert effective_samples(np.ones(10_000)) == 10_000


def test_constant_samples_have_an_interval_of_no_width():
    interval = mean_interval(np.full(FEWEST_JOBS, 0.1))
    assert (interval.low, interval.high) == pytest.approx((0.1, 0.1), rel=1e-9)


def test_share_of_all_hits_keeps_an_uncertain_lower_limit():
    times = np.random.default_rng(4).exponential(size=6000)
    interval = share_interval(np.ones(6000), times)
    assert 1 - 0.01 < interval.low < 1 == interval.high
    # 6,000 delays worth a tenth of that say that misses, had there been some, would have come together as well.
    clustered = np.repeat(times[:600], 10)
    assert share_interval(np.ones(6000), clustered).low < interval.low


def test_mser5_says_when_its_search_ends_before_the_criterion_rises():
    rising = np.arange(1000.0)
    assert mser5_truncation(rising).at_limit
    assert not mser5_truncation(np.random.default_rng(5).normal(size=1000)).at_limit


def test_mser5_deletes_an_initial_transient_and_keeps_a_stationary_sample():
    rng = np.random.default_rng(5)
    steady = rng.normal(10, 1, 2000)
    transient = steady + 30 * np.exp(-np.arange(2000) / 60)
    # exp(−n/60)·30 falls below the noise of a mean of five (0.45) at n = 60·ln(30/0.45) ≈ 252
    assert 120 <= mser5_truncation(transient).n_deleted <= 400
    assert mser5_truncation(steady).n_deleted <= 100


def test_mser5_matches_its_definition_computed_directly():
    sample = np.random.default_rng(6).exponential(size=205) + 5 * np.exp(-np.arange(205) / 10)
    fives = sample[:205].reshape(41, 5).mean(axis=1)
    criteria = [np.sum((fives[d:] - fives[d:].mean()) ** 2) / (41 - d) ** 2 for d in range(20)]
    assert mser5_truncation(sample).n_deleted == 5 * int(np.argmin(criteria))


def test_mser5_keeps_short_samples_whole():
    assert mser5_truncation(np.arange(49.0)).n_deleted == 0

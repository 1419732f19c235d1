"""B(t) over windows against direct integration."""

from fractions import Fraction
from math import inf

import numpy as np
import pytest

from ntnsim.chance import step_path
from ntnsim.chance.sampling import Streams
from ntnsim.rates.product_clock import product_clock
from ntnsim.rates.rate_clock import RateClock, RateWindow
from ntnsim.scenario.background import DailyLoadSpec
from ntnsim.scenario.terrestrial import GaussMarkovRateSpec


def random_clock(seed, until_s=inf):
    """Ten-step windows of 0.5 s steps, and the rate as a function of time."""

    def rates(window):
        rng = np.random.default_rng([seed, window])
        return (rng.integers(0, 3, 10) * 1e3).tolist()

    def next_window(start_s):
        window = round(start_s / 5)
        return RateWindow((start_s + 0.5 * np.arange(11)).tolist(), rates(window), None)

    return RateClock(next_window, until_s), lambda t: rates(int(t // 5))[int(t % 5 // 0.5)]


def test_bits_between_equal_the_integral_of_the_rate():
    clock, rate = random_clock(1)
    edges = np.arange(0, 60, 0.5)
    per_step = np.array([rate(t) * 0.5 for t in edges])
    for start, end in [(0, 120), (3, 4), (10, 41), (20, 20), (37, 118)]:
        assert clock.bits_between(start / 2, end / 2) == pytest.approx(per_step[start:end].sum(), abs=1e-9)


def test_finish_inverts_bits_between():
    clock, _ = random_clock(2)
    for start_s in (0.0, 0.3, 4.99, 17.2):
        for bits in (1.0, 900.0, 12_345.6, 60_000.0):
            finish_s = clock.finish_s(start_s, bits)
            assert clock.bits_between(start_s, finish_s) == pytest.approx(bits, abs=1e-8)
            assert clock.bits_between(start_s, finish_s - 1e-6) < bits  # the first such time


def exact_finish_s(edges_s, rates_bps, start_s, bits):
    """B⁻¹ in fractions, without any rounding, and the rate at the end."""
    left = Fraction(bits)
    for edge_s, end_s, rate in zip(edges_s[:-1], edges_s[1:], rates_bps, strict=True):
        begin = max(Fraction(edge_s), Fraction(start_s))
        if end_s <= begin or not rate:
            continue
        room = Fraction(rate) * (Fraction(end_s) - begin)
        if left <= room:
            return begin + left / Fraction(rate), rate
        left -= room
    return None


YEAR_S = 365 * 86_400.0


@pytest.mark.parametrize("seed", range(200))
def test_finish_is_exact_for_one_bit_to_a_terabit_at_one_bit_to_a_petabit_per_second_over_a_year(seed):
    rng = np.random.default_rng(seed)
    edges = np.unique(np.round(rng.uniform(0, YEAR_S, 60), 3)).tolist()
    edges = [0.0, *edges, YEAR_S]
    rates = np.where(rng.random(len(edges) - 1) < 0.4, 0.0, 10 ** rng.uniform(0, 15, len(edges) - 1))
    clock = RateClock(lambda start_s: RateWindow(edges, rates, None), until_s=YEAR_S, search_s=inf)
    for _ in range(20):
        start_s, bits = rng.uniform(0, YEAR_S), float(np.ceil(10 ** rng.uniform(0, 12)))
        exact = exact_finish_s(edges, rates, start_s, bits)
        finish_s = clock.finish_s(start_s, bits)
        if exact is None:
            assert finish_s == inf
            continue
        exact_s, rate_bps = exact
        a_few_last_digits_s = 4 * np.spacing(YEAR_S) + 60 * np.spacing(bits) / rate_bps
        assert abs(Fraction(finish_s) - exact_s) <= a_few_last_digits_s
        assert finish_s >= start_s


def test_a_small_image_behind_a_gap_and_many_bits_ends_after_the_gap():
    # 1 kbit at 1 Gbit/s from within a gap; 1e20 bits went before it, whose last digit is 16 kbit.
    window = RateWindow([0.0, 1e5, 2e5, 3e5], [1e15, 0.0, 1e9], None)
    clock = RateClock(lambda start_s: window, until_s=3e5)
    assert clock.finish_s(1.5e5, 1e3) == pytest.approx(2e5 + 1e-6, abs=1e-10)


def test_an_image_of_no_bits_waits_until_bits_can_pass():
    window = RateWindow([0.0, 10.0, 20.0], [0.0, 5.0], None)
    clock = RateClock(lambda start_s: window, until_s=20.0)
    assert clock.finish_s(3.0, 0.0) == 10.0 and clock.finish_s(12.0, 0.0) == 12.0


def test_next_flow_is_the_first_time_with_a_rate():
    clock, rate = random_clock(3)
    for time_s in np.arange(0, 50, 0.25).tolist():
        expected = (
            time_s
            if rate(time_s)
            else next(t for t in np.arange(np.ceil(time_s * 2) / 2, 99, 0.5) if rate(t))
        )
        assert clock.next_flow_s(time_s) == expected


def test_nobody_looks_beyond_the_horizon():
    calls = []

    def dark(start_s):
        calls.append(start_s)
        return RateWindow([start_s, start_s + 10], [0.0], None)

    clock = RateClock(dark, until_s=95)
    assert clock.finish_s(0.0, 1.0) == inf and clock.next_flow_s(0.0) == inf
    assert calls == list(range(0, 100, 10))


def test_equal_neighbouring_rates_become_one_run():
    window = RateWindow([0, 1, 2, 3, 4], [0.0, 0.0, 5.0, 5.0], None)
    assert list(window.edges_s) == [0, 2, 4]
    assert list(window.rates_bps) == [0.0, 5.0]
    assert list(window.cumulative_bits) == [0, 0, 10]


def test_daily_load_begins_at_its_offset_and_repeats():
    path = step_path.background_load(
        DailyLoadSpec(kind="daily", loads=(0.1, 0.2, 0.3), period_s=30, offset_s=15), Streams(1, "background")
    )
    assert [path.at(t) for t in (0, 4.9, 5, 15, 25, 35, 1e6 * 30 + 5)] == [0.2, 0.2, 0.3, 0.1, 0.2, 0.3, 0.3]


def test_gauss_markov_rate_has_its_mean_spread_and_memory():
    entity = GaussMarkovRateSpec(
        kind="gauss_markov", mean_bps=10e6, std_bps=2e6, correlation_time_s=5.0, step_s=0.5
    )
    path = step_path.rate(entity, Streams(4, "access"))
    rates = np.array([path.at(0.5 * k + 0.1) for k in range(40_000)])
    # 40,000 steps hold about 2,000 independent values: standard errors of 2 % of the spread and 1.6 %.
    assert rates.mean() == pytest.approx(10e6, abs=4 * 2e6 / np.sqrt(2000))
    assert rates.std() == pytest.approx(2e6, rel=0.07)
    deviation = rates - rates.mean()
    lag = 10  # steps: 5 s, one correlation time
    assert (deviation[:-lag] * deviation[lag:]).mean() / deviation.var() == pytest.approx(
        np.exp(-1), abs=0.06
    )


def test_wandering_rate_never_falls_below_its_floor():
    entity = GaussMarkovRateSpec(
        kind="gauss_markov", mean_bps=1e6, std_bps=2e6, correlation_time_s=2.0, floor_bps=1e5
    )
    path = step_path.rate(entity, Streams(4, "access"))
    assert min(path.at(float(k)) for k in range(2000)) == 1e5


def test_transfer_over_a_wandering_rate_ends_where_the_integral_says():
    entity = GaussMarkovRateSpec(
        kind="gauss_markov", mean_bps=1e6, std_bps=5e5, correlation_time_s=2.0, step_s=0.25
    )
    clock = product_clock([step_path.rate(entity, Streams(4, "access"))], None)
    path = step_path.rate(entity, Streams(4, "access"))
    end_s = clock.finish_s(0.6, 50e6)
    times = np.arange(0.6, end_s, 1e-3)
    bits = sum(path.at(t) for t in times.tolist()) * 1e-3
    assert bits == pytest.approx(50e6, rel=1e-3)


def test_window_that_nobody_asks_about_is_not_made_and_changes_nothing():
    made = []

    def next_window(start_s):
        made.append(start_s)
        rates = np.random.default_rng(round(start_s)).uniform(1e3, 2e3, 5)
        return RateWindow((start_s + np.arange(6)).tolist(), rates, None)

    sparse = RateClock(next_window, window_s=5.0)
    sparse.rate_bps(1.0)
    skipped = sparse.finish_s(101.0, 5e3)
    assert made == [0.0, 100.0, 105.0][: len(made)]
    dense = RateClock(next_window, window_s=5.0)
    for time_s in range(0, 101, 2):
        dense.rate_bps(float(time_s))
    assert dense.finish_s(101.0, 5e3) == skipped


def test_outage_is_one_run_whatever_the_load_does_and_looking_at_it_again_walks_nothing():
    asked = []

    class Counted(step_path.StepPath):
        def at(self, time_s):
            asked.append(time_s)
            return super().at(time_s)

    load = Counted((30.0 * number, 1e6 - 1e5 * (number % 2)) for number in range(10**6))
    outage = step_path.trace((0.0, 100.0, 1e6), (1.0, 0.0, 1.0), None)
    clock = product_clock([load, outage], None)
    assert clock.finish_s(90.0, 1e7) == inf  # nobody looks on to the end of it
    for hour in range(1, 278):
        assert clock.bits_between(90.0, 3_600.0 * hour) == pytest.approx(9e6)
    assert len(asked) < 1e6 / 30 + 100  # once per change of the load
    assert len(clock._windows) < 20
    assert clock.finish_s(999_990.0, 1e6) == pytest.approx(1e6 + 1.0)


def test_a_link_that_stays_up_is_looked_at_no_further_than_its_bits_flow():
    made = []

    def up():
        for number in range(10**6):
            made.append(number)
            yield float(number), 1.0

    clock = product_clock([step_path.constant(1e6), step_path.StepPath(up())], None, steps=8)
    assert clock.finish_s(100.0, 2e6) == pytest.approx(102.0)
    assert len(made) < 120


def test_windows_far_ahead_are_found_and_forgotten_in_order():
    clock, rate = random_clock(3)
    clock.bits_between(0.0, 5_000.0)
    assert [clock.rate_bps(t) for t in (4_999.0, 2.0, 17.0, 4_321.0)] == [
        rate(t) for t in (4_999.0, 2.0, 17.0, 4_321.0)
    ]
    clock.forget_before(4_321.0)
    assert clock._windows[0].end_s == 4_325.0
    clock.forget_before(4_325.0)
    assert clock._windows[0].end_s == 4_325.0  # its very end may still be asked about
    assert clock.rate_bps(4_321.0) == rate(4_321.0)

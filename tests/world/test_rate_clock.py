"""B(t) over windows against direct integration."""

from math import inf

import numpy as np
import pytest

from ntnsim.scenario.background import DailyLoad
from ntnsim.world import step_path
from ntnsim.world.rate_clock import RateClock, RateWindow
from ntnsim.world.sampling import Streams


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
    assert (
        window.edges_s == [0, 2, 4]
        and window.rates_bps == [0.0, 5.0]
        and window.cumulative_bits == [0, 0, 10]
    )


def test_daily_load_begins_at_its_offset_and_repeats():
    path = step_path.background_load(
        DailyLoad(kind="daily", loads=(0.1, 0.2, 0.3), period_s=30, offset_s=15), Streams(1, "background")
    )
    assert [path.at(t) for t in (0, 4.9, 5, 15, 25, 35, 1e6 * 30 + 5)] == [0.2, 0.2, 0.3, 0.1, 0.2, 0.3, 0.3]

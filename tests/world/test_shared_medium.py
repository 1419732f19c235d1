"""Processor sharing with changing rates, against a fine time-stepped reference and closed forms."""

from itertools import pairwise
from math import inf

import numpy as np
import pytest
import simpy

from ntnsim.rates.rate_clock import RateClock, RateWindow
from ntnsim.world.priority_medium import PriorityMedium
from ntnsim.world.shared_medium import SharedMedium
from ntnsim.world.solo_medium import SoloMedium

RELATIVE = 1e-6


def steps_clock(times_s, rates_bps):
    """A clock whose last rate holds for ever."""
    return RateClock(lambda start_s: RateWindow([*times_s, inf], rates_bps, None))


def windowed_clock(rng, step_s, n_per_window):
    """A clock of random rates, one in four of them zero, made in windows."""
    made = {}

    def next_window(start_s):
        if start_s not in made:
            edges = start_s + step_s * np.arange(n_per_window + 1)
            rates = rng.uniform(0.5e6, 5e6, n_per_window) * (rng.random(n_per_window) > 0.25)
            made[start_s] = (edges.tolist(), rates.tolist())
        return RateWindow(*made[start_s], None)

    return RateClock(next_window), next_window


def run(jobs, medium_class=SharedMedium):
    """Simulate (start_s, clock, bits, priority) and return each one's end."""
    env = simpy.Environment()
    ends = [None] * len(jobs)

    def finished(transfer):
        ends[transfer.payload] = env.now

    medium = medium_class(env, finished)
    for number, (start_s, clock, bits, priority) in enumerate(jobs):
        env.timeout(start_s).callbacks.append(
            lambda _, number=number, clock=clock, bits=bits, priority=priority: medium.start(
                clock, bits, number, priority
            )
        )
    env.run()
    assert medium.count == 0
    return ends


def stepped_reference(jobs, rate_of, edges_s, strict_priority=False):
    """Serve the jobs in the steps between *edges_s*, cut further at every start and end: shares are exact inside."""
    left = {}
    ends = [None] * len(jobs)
    cuts = sorted({*edges_s, *(job[0] for job in jobs)})
    for begin, end in pairwise(cuts):
        for number, job in enumerate(jobs):
            if job[0] == begin:
                left[number] = job[2]
        now = begin
        while left and now < end:
            top = max(jobs[number][3] for number in left)
            served = [n for n in left if not strict_priority or jobs[n][3] == top]
            speed = {n: rate_of(n, begin) / len(served) for n in served}
            finish = min((now + left[n] / speed[n] for n in served if speed[n] > 0), default=inf)
            until = min(finish, end)
            for n in served:
                left[n] -= speed[n] * (until - now)
                if until == finish and left[n] <= 1e-9 * jobs[n][2]:
                    ends[n] = until
            left = {n: bits for n, bits in left.items() if ends[n] is None}
            now = until
    return ends


@pytest.mark.parametrize("n_clocks", [1, 2, 7])
@pytest.mark.parametrize("medium_class", [SharedMedium, PriorityMedium])
def test_ends_under_sharing_with_changing_rates_equal_a_time_stepped_reference(n_clocks, medium_class):
    rng = np.random.default_rng(n_clocks)
    step_s, per_window = 0.37, 50
    clocks = [
        windowed_clock(np.random.default_rng([n_clocks, k]), step_s, per_window) for k in range(n_clocks)
    ]
    jobs = []
    starts = np.cumsum(rng.exponential(0.4, 120))
    for start_s in starts.tolist():
        which = int(rng.integers(n_clocks))
        jobs.append((start_s, which, float(rng.uniform(1e4, 1e6)), int(rng.integers(3))))
    ends = run([(s, clocks[k][0], b, p) for s, k, b, p in jobs], medium_class)

    # The reference asks the window makers anew, so that clocks which forget cannot hide an error.
    horizon = max(ends) + 60
    windows = [[] for _ in clocks]
    edges = set()
    for k, (_, make) in enumerate(clocks):
        start_s = 0.0
        while start_s < horizon:
            windows[k].append(make(start_s))
            edges.update(windows[k][-1].edges_s)
            start_s = windows[k][-1].end_s

    def rate_of(number, time_s):
        window = next(w for w in windows[jobs[number][1]] if time_s < w.end_s)
        return window.rates_bps[window.run_at(time_s)]

    reference = stepped_reference(jobs, rate_of, edges, medium_class is PriorityMedium)
    np.testing.assert_allclose(ends, reference, rtol=RELATIVE)


def test_two_equal_transfers_take_twice_as_long_as_one():
    # 10 bits at 2 bit/s: alone 5 s; two together share, both end at 10 s.
    clock = steps_clock([0.0], [2.0])
    assert run([(0.0, clock, 10.0, 0)]) == [5.0]
    assert run([(0.0, clock, 10.0, 0), (0.0, clock, 10.0, 0)]) == [10.0, 10.0]


def test_shares_are_of_time_so_each_terminal_keeps_its_own_rate():
    # Rates 4 and 1 bit/s, 8 bits each, half the time each: the fast one ends at 8/2 = 4 s; the slow one has sent 2 bits
    # by then and sends its other 6 alone: 4 + 6 = 10 s.
    fast, slow = steps_clock([0.0], [4.0]), steps_clock([0.0], [1.0])
    assert run([(0.0, fast, 8.0, 0), (0.0, slow, 8.0, 0)]) == [4.0, 10.0]


def test_transfer_pauses_in_a_gap_and_goes_on_after_it():
    # 1 bit/s on [0, 3), nothing on [3, 10), then 2 bit/s: 7 bits = 3 before the gap + 4 in 2 s.
    clock = steps_clock([0.0, 3.0, 10.0], [1.0, 0.0, 2.0])
    assert run([(0.0, clock, 7.0, 0)]) == [12.0]
    assert run([(0.0, clock, 3.0, 0)]) == [3.0]  # ends with the contact, not after the gap


def test_urgent_transfer_pauses_the_other():
    clock = steps_clock([0.0], [1.0])
    assert run([(0.0, clock, 5.0, 0), (2.0, clock, 4.0, 1)], PriorityMedium) == [9.0, 6.0]


def test_stopping_a_transfer_gives_its_share_to_the_others():
    env = simpy.Environment()
    ends = {}
    medium = SharedMedium(env, lambda transfer: ends.update({transfer.payload: env.now}))
    a, b = steps_clock([0.0], [1.0]), steps_clock([0.0], [2.0])
    stopped = medium.start(a, 10.0, "a")
    medium.start(b, 10.0, "b")
    left = []
    env.timeout(4.0).callbacks.append(lambda _: (left.append(stopped.remaining_bits()), medium.stop(stopped)))
    env.run()
    # Until 4 s each has 2 s: a sent 2 of 10, b 4 of 10; b alone needs 3 s more.
    assert left == [8.0] and ends == {"b": 7.0}


def test_looking_at_what_remains_changes_nothing():
    rng = np.random.default_rng(3)
    jobs = [
        (s, k, 5e5, 0) for s, k in zip(np.cumsum(rng.exponential(0.2, 50)).tolist(), [0, 1] * 25, strict=True)
    ]

    def ends(looks):
        clocks = [windowed_clock(np.random.default_rng(k), 0.5, 20)[0] for k in range(2)]
        env = simpy.Environment()
        times, under_way = [], []
        medium = SharedMedium(env, lambda transfer: times.append(env.now))
        for start_s, k, bits, _ in jobs:
            env.timeout(start_s).callbacks.append(
                lambda _, k=k, bits=bits: under_way.append(medium.start(clocks[k], bits, None))
            )
        for time_s in looks:
            env.timeout(time_s).callbacks.append(
                lambda _: [transfer.remaining_bits() for transfer in under_way if transfer.running]
            )
        env.run()
        return times

    assert ends([]) == ends(rng.uniform(0, 30, 200).tolist())


def test_a_single_sender_needs_no_sharing_to_get_the_same_ends():
    jobs_s = np.cumsum(np.random.default_rng(5).exponential(3.0, 40)).tolist()

    def ends(medium_class):
        clock = windowed_clock(np.random.default_rng(6), 0.5, 20)[0]
        env = simpy.Environment()
        times, left = [], []
        medium = medium_class(env, lambda transfer: times.append(env.now))

        def sender():
            for start_s in jobs_s:
                yield env.timeout(max(start_s - env.now, 0))
                transfer = medium.start(clock, 2e6, None)
                yield env.timeout(0.1)
                left.append(transfer.remaining_bits())
                while medium.count:
                    yield env.timeout(0.25)

        env.process(sender())
        env.run()
        return times, left

    for alone, shared in zip(ends(SoloMedium), ends(SharedMedium), strict=True):
        np.testing.assert_allclose(alone, shared, rtol=1e-9)

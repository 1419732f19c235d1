"""A contact days away: transfers wait for it, and nobody works out the days before they are near."""

from math import inf

import pytest
import simpy

from ntnsim.chance import step_path
from ntnsim.protocols.rate_profile import RateProfile
from ntnsim.rates.link_clock import Impairments, orbit_clock
from ntnsim.rates.rate_clock import RateClock, RateWindow
from ntnsim.world.shared_medium import SharedMedium
from ntnsim.world.solo_medium import SoloMedium

HOUR_S, DAY_S = 3_600.0, 86_400.0
AGAIN_S = 3.5 * DAY_S  # the link is back


def gap_clock(made, until_s=inf):
    """1 kbit/s for two seconds, then nothing for three and a half days, then 1 kbit/s for good."""

    def next_window(start_s):
        made.append(start_s)
        end_s = start_s + HOUR_S
        if start_s == 0:
            return RateWindow([0.0, 2.0, HOUR_S], [1e3, 0.0], None)
        return RateWindow([start_s, end_s], [1e3 if start_s >= AGAIN_S else 0.0], None)

    return RateClock(next_window, until_s, HOUR_S, search_s=DAY_S)


@pytest.mark.parametrize("medium_of", [SoloMedium, SharedMedium])
def test_transfer_over_a_gap_of_days_ends_when_its_bits_have_passed(medium_of):
    env, made, ends = simpy.Environment(), [], []
    medium = medium_of(env, lambda transfer: ends.append(env.now))
    transfer = medium.start(gap_clock(made), 5_000.0, None)
    assert max(made) < 1.1 * DAY_S
    env.run(until=3 * DAY_S)
    assert transfer.remaining_bits() == pytest.approx(3_000.0)
    env.run(until=4 * DAY_S)
    assert ends == pytest.approx([AGAIN_S + 3.0])


def test_two_that_share_wait_over_the_gap_together():
    env, ends = simpy.Environment(), []
    medium = SharedMedium(env, lambda transfer: ends.append(env.now))
    clock = gap_clock([])
    medium.start(clock, 5_000.0, None)
    medium.start(clock, 7_000.0, None)
    env.run(until=4 * DAY_S)
    # 1,000 bits each before the gap; then 4,000 each in 8 s, and the last 2,000 of one alone.
    assert ends == pytest.approx([AGAIN_S + 8.0, AGAIN_S + 10.0])


@pytest.mark.parametrize("medium_of", [SoloMedium, SharedMedium])
def test_a_link_that_is_dead_until_the_run_ends_is_looked_at_no_further(medium_of):
    env, made = simpy.Environment(), []
    medium = medium_of(env, lambda transfer: None)
    medium.start(gap_clock(made, until_s=2 * HOUR_S), 5_000.0, None)
    env.run()
    assert env.now < DAY_S
    assert max(made) <= 2 * HOUR_S


def test_transfers_as_if_alone_keep_what_was_sent_before_the_gap_whoever_starts_after_it():
    env, ends = simpy.Environment(), []
    medium = SoloMedium(env, lambda transfer: ends.append((transfer.payload, env.now)))
    clock = gap_clock([])
    medium.start(clock, 5_000.0, "first")
    env.run(until=3 * DAY_S)
    medium.start(clock, 1_000.0, "second")  # the clock now forgets what nobody needs
    env.run(until=4 * DAY_S)
    assert ends == [("second", pytest.approx(AGAIN_S + 1.0)), ("first", pytest.approx(AGAIN_S + 3.0))]


@pytest.mark.parametrize("medium_of", [SoloMedium, SharedMedium])
@pytest.mark.parametrize("n_clocks", [1, 2])
def test_nothing_at_all_waits_for_the_contact_too(medium_of, n_clocks):
    env, ends = simpy.Environment(), []
    medium = medium_of(env, lambda transfer: ends.append(env.now))
    clocks = [gap_clock([]) for _ in range(n_clocks)]
    env.run(until=1.0)
    for clock in clocks:
        medium.start(clock, 0.0, None)
    env.run(until=100.0)
    assert ends == [1.0] * n_clocks
    for clock in clocks:
        medium.start(clock, 0.0, None)
    env.run(until=4 * DAY_S)
    assert ends[n_clocks:] == pytest.approx([AGAIN_S] * n_clocks)


def test_an_orbit_link_that_a_fault_cuts_is_looked_at_an_hour_ahead_and_no_further():
    made = []

    def window(start_s):
        made.append(start_s)
        return RateProfile.of_rates(start_s, 10.0, [1e6] * 60)

    cut = Impairments(factors=[step_path.constant(0.0)])
    clock = orbit_clock(window, cut, until_s=inf)
    assert clock.next_flow_s(5.0) == clock.finish_s(5.0, 1e5) == inf
    assert max(made) <= HOUR_S
    assert clock.look_again_s(5.0) == HOUR_S + 5.0

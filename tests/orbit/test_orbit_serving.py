"""Serving satellites: policies, hysteresis, dwell, loss; and the way down: stations and inter-satellite routes."""

from itertools import pairwise

import numpy as np
import pytest

from ntnsim.orbit import serving_plan
from ntnsim.orbit.constellation import Shell, walker_orbits
from ntnsim.orbit.earth import EARTH_MODELS, Site
from ntnsim.orbit.geometry import look, slant_range_m
from ntnsim.orbit.ground import AssumedStation, StationsInView
from ntnsim.orbit.pass_book import Pass, PassBook
from ntnsim.orbit.serving import HandoverRule, ServingState, serve
from ntnsim.orbit.serving_plan import ServingPlan, score_elevation, score_remaining_time
from ntnsim.units import SPEED_OF_LIGHT_M_S

WGS = EARTH_MODELS["wgs84"]
TIMES = np.arange(0.0, 100.0)
RISING = Pass(0, -10.0, 0.0, 60.5, 80.0)
FOLLOWING = Pass(1, 20.0, 70.0, 130.0, 70.0)


def decide(rule, score_first, score_second, state=None):
    candidates = [RISING, FOLLOWING]
    usable = np.array([(one.rise_s <= TIMES) & (one.set_s > TIMES) for one in candidates])
    score = np.array([score_first, score_second])
    return serve(candidates, TIMES, usable, score, 0.0, 100.0, rule, state or ServingState())


def summary(stretches):
    return [(s.satellite_pass.satellite, s.start_s, s.end_s, s.reason) for s in stretches]


def test_higher_satellite_takes_over_only_beyond_the_hysteresis():
    # The first falls from 80 by 1 per second, the second climbs from 10 by 1: equal at 35 s, 5 better at 37.5 s.
    stretches, state = decide(HandoverRule(5.0, 0.0), 80 - TIMES, 10 + TIMES)
    assert summary(stretches) == [(0, 0.0, 38.0, "acquisition"), (1, 38.0, 100.0, "handover")]
    assert state == ServingState(FOLLOWING, 38.0, "handover")


def test_minimum_dwell_delays_a_better_satellite_but_not_a_loss():
    stretches, _ = decide(HandoverRule(0.0, 50.0), 80 - TIMES, 10 + TIMES)
    assert summary(stretches)[0] == (0, 0.0, 50.0, "acquisition")
    stretches, _ = decide(HandoverRule(0.0, 500.0), 80 - TIMES, 10 + TIMES)
    # Lost when it sets, between two decisions.
    assert summary(stretches) == [(0, 0.0, 60.5, "acquisition"), (1, 60.5, 100.0, "handover")]


def test_keeping_until_lost_ignores_better_scores():
    stretches, _ = decide(HandoverRule(0.0, 0.0, keep_until_lost=True), 80 - TIMES, 1000 + TIMES)
    assert [s[0] for s in summary(stretches)] == [0, 1]
    assert summary(stretches)[0][2] == 60.5


def test_state_carries_over_so_that_a_window_continues_without_a_handover():
    state = ServingState(RISING, -7.0, "handover")
    stretches, _ = decide(HandoverRule(5.0, 0.0), 80 - TIMES, 10 + TIMES, state)
    assert (stretches[0].since_s, stretches[0].reason) == (-7.0, "handover")
    assert not stretches[0].begins


def test_a_gap_is_left_open_and_ends_with_an_acquisition():
    early, late = Pass(0, -10.0, 0.0, 20.0, 40.0), Pass(1, 70.0, 80.0, 130.0, 40.0)
    usable = np.array([(one.rise_s <= TIMES) & (one.set_s > TIMES) for one in (early, late)])
    stretches, _ = serve(
        [early, late],
        TIMES,
        usable,
        np.where(usable, 10.0, -90),
        0.0,
        100.0,
        HandoverRule(0, 0),
        ServingState(),
    )
    assert summary(stretches) == [(0, 0.0, 20.0, "acquisition"), (1, 70.0, 100.0, "acquisition")]


def plan(policy, orbits, site, reach=None, outage=None):
    rule = HandoverRule(5.0, 15.0, policy == "longest")
    score = score_remaining_time if policy == "longest" else score_elevation
    return ServingPlan(
        PassBook(orbits, site),
        reach or AssumedStation(orbits, WGS, 10.0),
        rule,
        score,
        decision_interval_s=1.0,
        outage=outage,
    )


ORBITS = walker_orbits([Shell("s", "delta", 550e3, 53.0, 400, 20, 3)], WGS)
SITE = Site("parma", 44.8, 10.33, 0.0, 25.0)


@pytest.mark.parametrize("policy", ["elevation", "longest"])
def test_stretches_follow_each_other_within_passes_above_the_mask(policy):
    stretches = plan(policy, ORBITS, SITE).between(0.0, 3600.0)
    for one, following in pairwise(stretches):
        assert one.end_s <= following.start_s
    for one in stretches:
        assert one.satellite_pass.rise_s <= one.start_s < one.end_s <= one.satellite_pass.set_s + 1e-9
        sine, _ = look(
            SITE, ORBITS.positions_of_m(np.array([one.satellite_pass.satellite]), np.array([one.start_s]))
        )
        assert np.degrees(np.arcsin(sine[0])) >= 25.0 - 1e-6


def test_longest_remaining_time_changes_less_often_than_maximum_elevation():
    def changes(policy):
        return sum(
            one.begins and one.reason == "handover" for one in plan(policy, ORBITS, SITE).between(0.0, 7200.0)
        )

    assert changes("longest") < changes("elevation")


def test_plan_does_not_depend_on_the_order_or_size_of_questions():
    whole = [s for s in plan("elevation", ORBITS, SITE).between(0.0, 6000.0)]
    later_first = plan("elevation", ORBITS, SITE)
    late = later_first.between(3000.0, 6000.0)
    early = later_first.between(0.0, 3000.0)
    assert sorted({*early, *late}, key=lambda s: s.start_s) == whole


def test_a_time_decades_ahead_is_as_many_days_of_solving_away_as_an_epoch_has(monkeypatch):
    monkeypatch.setattr(serving_plan, "EPOCH_BLOCKS", 6)  # an hour
    walked, asked_late = plan("elevation", ORBITS, SITE), plan("elevation", ORBITS, SITE)
    solved = []
    solve = asked_late.solve
    monkeypatch.setattr(asked_late, "solve", lambda block, *_: (solved.append(block), solve(block))[0])
    late = asked_late.between(9 * 3600.0 + 1300.0, 9 * 3600.0 + 3000.0)
    assert solved == [54, 55, 56, 57, 58]
    whole = walked.between(0.0, 10 * 3600.0)
    assert late == [s for s in whole if s.start_s < 9 * 3600.0 + 3000.0 and s.end_s > 9 * 3600.0 + 1300.0]
    begun = [s for s in whole if s.start_s == 9 * 3600.0]
    assert begun[0].reason == "acquisition" and begun[0].since_s == 9 * 3600.0


def test_decisions_that_do_not_divide_a_block_leave_no_hole():
    rule = HandoverRule(5.0, 15.0)
    odd = ServingPlan(
        PassBook(ORBITS, SITE),
        AssumedStation(ORBITS, WGS, 10.0),
        rule,
        score_elevation,
        decision_interval_s=7.0,
    )
    even = plan("elevation", ORBITS, SITE).between(0.0, 6000.0)
    own = odd.between(0.0, 6000.0)
    served_s = sum(one.end_s - one.start_s for one in own)
    assert served_s == pytest.approx(sum(one.end_s - one.start_s for one in even), rel=0.01)
    holes = [(a.end_s, b.start_s) for a, b in pairwise(own) if not b.begins and b.start_s > a.end_s]
    assert holes == []


def test_a_satellite_out_of_service_is_not_served_by():
    names = {one.satellite_pass.satellite for one in plan("elevation", ORBITS, SITE).between(0.0, 1200.0)}
    broken = ORBITS.names[sorted(names)[0]]

    def outage(name, times_s):
        return np.full(len(times_s), name == broken)

    kept = plan("elevation", ORBITS, SITE, outage=outage).between(0.0, 1200.0)
    assert kept
    assert broken not in {ORBITS.names[one.satellite_pass.satellite] for one in kept}


def test_assumed_station_gives_the_range_of_its_elevation():
    orbits = walker_orbits([Shell("s", "delta", 600e3, 53.0, 4, 2, 0)], EARTH_MODELS["sphere_6371"])
    path = AssumedStation(orbits, EARTH_MODELS["sphere_6371"], 10.0).path(0, np.array([0.0, 500.0]))
    # TR 38.821, Table 4.2-2: 1,932 km.
    assert path.range_m == pytest.approx(1_932e3, abs=0.5e3)
    assert path.delay_s == pytest.approx(slant_range_m(600e3, 10.0) / SPEED_OF_LIGHT_M_S)


def test_nearest_station_in_view_is_used_and_none_means_no_way():
    stations = [Site("a", 44.0, 10.0, 0.0, 5.0), Site("b", -30.0, 150.0, 0.0, 5.0)]
    reach = StationsInView(ORBITS, stations)
    times_s = np.arange(0.0, 6000.0, 60.0)
    path = reach.path(7, times_s)
    positions_m = ORBITS.positions_of_m(np.full(len(times_s), 7), times_s)
    seen = np.zeros(len(times_s), dtype=bool)
    nearest_m = np.full(len(times_s), np.inf)
    for station in stations:
        sine, range_m = look(station, positions_m)
        up = sine >= np.sin(np.radians(5.0))
        seen |= up
        nearest_m = np.where(up, np.minimum(nearest_m, range_m), nearest_m)
    assert 0 < seen.sum() < len(seen)
    assert np.array_equal(np.isfinite(path.range_m), seen)
    assert path.range_m[seen] == pytest.approx(nearest_m[seen])
    assert np.array_equal(reach.reachable(np.array([7]), times_s)[0], seen)


def test_walking_a_long_run_again_solves_each_block_once_more_and_no_oftener(monkeypatch):
    monkeypatch.setattr("ntnsim.orbit.serving_plan.KEPT_BLOCKS", 12)
    monkeypatch.setattr("ntnsim.orbit.serving_plan.MILESTONE_BLOCKS", 6)
    long = plan("elevation", ORBITS, SITE)
    solved = []
    solve = long._solve
    monkeypatch.setattr(
        long, "_solve", lambda block, state, positions: solved.append(block) or solve(block, state, positions)
    )
    count = 60
    first = [long.between(600.0 * block, 600.0 * (block + 1)) for block in range(count)]
    assert solved == list(range(count))
    solved.clear()
    assert [long.between(600.0 * block, 600.0 * (block + 1)) for block in range(count)] == first
    assert solved == list(range(count))
    # Any other time is a milestone and fewer than six blocks away.
    solved.clear()
    assert long.between(600.0 * 28, 600.0 * 29) == first[28]
    assert len(solved) <= 6


def test_delays_of_many_satellites_are_those_of_each_of_them():
    orbits = walker_orbits([Shell("s", "delta", 550e3, 53.0, 40, 10, 3)], WGS)
    stations = [Site("a", 44.8, 10.3, 0.0, 5.0), Site("b", -30.0, 100.0, 0.0, 5.0)]
    for reach in (AssumedStation(orbits, WGS, 10.0), StationsInView(orbits, stations)):
        satellites, times_s = np.array([3, 17, 29]), np.linspace(0.0, 6000.0, 40)
        apart = [reach.path(int(one), times_s).delay_s for one in satellites]
        assert np.array_equal(reach.delays_s(satellites, times_s), apart, equal_nan=True)

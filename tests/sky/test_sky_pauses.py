"""When no data flow although a satellite serves: handovers by command and prepared ahead, feeders that move."""

import numpy as np
import pytest
from test_sky_space_segment import site, source

from ntnsim.orbit.geometry import look
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.units import SPEED_OF_LIGHT_M_S

STATIONS = [
    {"name": "west", "latitude_deg": 44.0, "longitude_deg": 2.0},
    {"name": "east", "latitude_deg": 45.0, "longitude_deg": 18.0},
]
LOST_S = 400.25


def first_handover_after_a_loss(**handover):
    """Return the timeline's row of the handover at LOST_S, and the link, where the satellite that serves is lost then."""
    before = source().plan.between(LOST_S, LOST_S + 1)[0].satellite_pass
    name = source().model.orbits.names[before.satellite]
    own = source({"handover": handover}, outage=lambda other, at_s: (other == name) & (at_s >= LOST_S))
    rows = [row for row in own.timeline(0, 900) if row["kind"] == "handover" and row["time_s"] >= LOST_S]
    return rows[0], own


def round_trip_s(own, row):
    index = own.model.orbits.names.index(row["satellite"])
    at_s = np.array([row["time_s"]])
    _, range_m = look(own.site.at(at_s), own.model.orbits.positions_of_m(np.array([index]), at_s))
    return 2 * float(range_m[0]) / SPEED_OF_LIGHT_M_S


def test_a_lost_satellite_costs_a_commanded_handover_a_failure_and_a_prepared_one_its_usual_round_trips():
    row, own = first_handover_after_a_loss(procedure="commanded", failure_s=2.5, interruption_s=0.1)
    assert row["time_s"] == pytest.approx(LOST_S, abs=1.0)
    assert row["end_s"] - row["time_s"] == pytest.approx(2.5 + 0.1 + 2.0 * round_trip_s(own, row), abs=1e-9)
    row, own = first_handover_after_a_loss(procedure="conditional", failure_s=2.5, interruption_s=0.1)
    assert row["end_s"] - row["time_s"] == pytest.approx(0.1 + 1.5 * round_trip_s(own, row), abs=1e-9)


def test_a_failure_is_silence_in_the_profile():
    row, own = first_handover_after_a_loss(procedure="commanded", failure_s=2.5)
    profile = own(0.0)
    silent = profile.rate_bps[round(row["time_s"] / 0.1) + 1 : round((row["time_s"] + 2.5) / 0.1)]
    assert len(silent) > 20
    assert np.all(silent == 0.0)


def test_handovers_that_nothing_forces_are_the_same_under_both_procedures():
    commanded = source({"handover": {"procedure": "commanded"}}).timeline(0, 3600)
    conditional = source({"handover": {"procedure": "conditional"}}).timeline(0, 3600)
    assert commanded == conditional
    assert sum(row["kind"] == "handover" for row in conditional) > 3


def switches_s(own, satellite, start_s, end_s):
    """Return when the nearer of the two stations becomes the other one, to a millisecond."""
    times_s = np.arange(start_s, end_s, 1e-3)
    positions_m = own.model.orbits.positions_of_m(np.full(len(times_s), satellite), times_s)
    ranges_m = []
    for station in own.model.reach.stations:
        sine, range_m = look(station, positions_m)
        ranges_m.append(np.where(sine >= np.sin(np.radians(5.0)), range_m, np.inf))
    nearer, seen = np.argmin(ranges_m, axis=0), np.isfinite(ranges_m).any(axis=0)
    changed = (nearer[1:] != nearer[:-1]) & seen[1:] & seen[:-1]
    return times_s[1:][changed]


@pytest.mark.parametrize("payload", ["regenerative", "transparent"])
def test_a_hard_feeder_switch_stops_the_data_for_its_time(payload):
    space = {"payload": {"kind": payload}, "ground_stations": STATIONS}
    soft = source(space)
    hard = source({**space, "feeder_switch": {"kind": "hard", "interruption_s": 3.0}})
    found = 0
    for stretch in soft.plan.between(0, 3600):
        for switch_s in switches_s(
            soft, stretch.satellite_pass.satellite, stretch.since_s + 1, min(stretch.end_s, 3600) - 6
        ):
            window_s = float(np.floor(switch_s / 600) * 600)
            if switch_s - window_s > 590:
                continue
            first = round((switch_s - window_s) / 0.1) - 2
            before, after = soft(window_s).rate_bps, hard(window_s).rate_bps
            lost_s = np.sum(1 - after[first : first + 60] / before[first : first + 60]) * 0.1
            round_trips = 0.0
            if payload == "transparent":
                link = soft.pass_link(stretch.satellite_pass)
                step = int(switch_s / 0.1) - link.geometry.first_step
                round_trips = 1.5 * link.geometry.round_trip_s[step]
            assert lost_s == pytest.approx(3.0 + round_trips, abs=0.01)
            found += 1
    assert found > 0


def test_a_hard_feeder_switch_does_not_depend_on_how_windows_are_cut():
    space = {"ground_stations": STATIONS, "feeder_switch": {"kind": "hard", "interruption_s": 20.0}}
    whole = source(space, {"profile": {"window_s": 1200}})(0.0)
    pieces = source(space, {"profile": {"window_s": 60}})
    cut = np.concatenate([pieces(start).rate_bps for start in range(0, 1200, 60)])
    assert cut.tolist() == whole.rate_bps.tolist()


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"ground_stations": STATIONS[:1]}, "hard needs two ground_stations to switch between, got 1"),
        (
            {"ground_stations": STATIONS, "inter_satellite_links": {"kind": "plus_grid"}},
            "hard needs inter_satellite_links: none, .*got plus_grid",
        ),
    ],
)
def test_hard_switches_without_stations_to_switch_between_are_refused(space, message):
    with pytest.raises(ValueError, match=message):
        SpaceSegmentSpec.model_validate({**space, "feeder_switch": {"kind": "hard", "interruption_s": 1}})


def test_a_receiver_on_the_ground_has_no_feeder_to_switch():
    space = {"ground_stations": STATIONS, "feeder_switch": {"kind": "hard", "interruption_s": 20.0}}
    own = source(space, where=site(on_satellite=True))
    assert np.any(own(0.0).rate_bps > 0)

"""Sites that move: where they are, and which passes they see."""

import numpy as np
import pytest

from ntnsim.errors import ScenarioError
from ntnsim.orbit.constellation import Shell, walker_orbits
from ntnsim.orbit.earth import EARTH_MODELS, Site
from ntnsim.orbit.geometry import look
from ntnsim.orbit.passes import find_passes
from ntnsim.orbit.track import MovingSite, Waypoint
from ntnsim.scenario.terrestrial import GatewaySpec
from ntnsim.scenario.track import TrackSpec

ORBITS = walker_orbits([Shell("a", "delta", 550e3, 53.0, 40, 8, 3)], EARTH_MODELS["wgs84"], 1.234)
# 250 m/s at 11 km, London to New York: an aircraft.
FLIGHT = MovingSite(
    "flight",
    51.5,
    -0.5,
    0.0,
    10.0,
    track=(
        Waypoint(1000.0, 51.5, -0.5, 0.0),
        Waypoint(3000.0, 53.0, -8.0, 11e3),
        Waypoint(22_000.0, 40.6, -73.8),
    ),
)


def test_a_site_is_at_its_points_on_time_and_on_the_great_circle_between():
    for point in FLIGHT.track:
        there = Site("there", point.latitude_deg, point.longitude_deg, point.altitude_m)
        assert FLIGHT.at(np.array([point.time_s])).position_m[0] == pytest.approx(there.position_m, abs=1e-3)
    # Half-way along the great circle from (0, 0) to (45 N, 90 E) is (30 N, 54.7 E): cos φ = √(2/3)·…, by vector sum.
    site = MovingSite("x", 0.0, 0.0, track=(Waypoint(0.0, 0.0, 0.0), Waypoint(10.0, 45.0, 90.0)))
    middle = np.array([1.0, np.sqrt(0.5), np.sqrt(0.5)])
    assert site.at(np.array([5.0])).up[0] == pytest.approx(middle / np.linalg.norm(middle))
    before, after = FLIGHT.at(np.array([-500.0, 1e6])).up
    assert before == pytest.approx(Site("x", 51.5, -0.5).up) and after == pytest.approx(
        Site("x", 40.6, -73.8).up
    )


def test_every_pass_over_an_aircraft_is_found_with_its_edges():
    times_s = np.arange(0.0, 25_000.0, 2.0)
    table = find_passes(ORBITS, FLIGHT, times_s[0], times_s[-1])
    assert len(table) > 30
    found = 0
    for satellite in range(len(ORBITS)):
        sine, _ = look(FLIGHT.at(times_s), ORBITS.positions_of_m(np.full(len(times_s), satellite), times_s))
        up = sine >= np.sin(np.radians(10.0))
        rising, setting = times_s[1:][~up[:-1] & up[1:]], times_s[1:][up[:-1] & ~up[1:]]
        own = table.satellite == satellite
        long = table.set_s[own] - table.rise_s[own] > 4.0  # shorter ones the brute force may miss
        rises = table.rise_s[own][long & ~table.rise_clipped[own]]
        sets = table.set_s[own][long & ~table.set_clipped[own]]
        assert len(rises) <= len(rising) + 1
        for one in rising:
            assert np.min(np.abs(table.rise_s[own] - one)) <= 2.0
        for one in setting:
            assert np.min(np.abs(table.set_s[own] - one)) <= 2.0
        found += len(rising)
        assert len(sets) <= len(setting) + 1
    assert found > 25


def test_a_track_that_stays_in_place_sees_what_a_fixed_site_sees():
    fixed = Site("x", 44.8, 10.3, 57.0, 25.0)
    still = MovingSite(
        "x", 44.8, 10.3, 57.0, 25.0, track=(Waypoint(0.0, 44.8, 10.3, 57.0), Waypoint(1e5, 44.8, 10.3, 57.0))
    )
    one, other = (find_passes(ORBITS, site, 0.0, 40_000.0) for site in (fixed, still))
    assert one.satellite.tolist() == other.satellite.tolist()
    assert other.rise_s == pytest.approx(one.rise_s, abs=1e-3)
    assert other.max_elevation_deg == pytest.approx(one.max_elevation_deg, abs=1e-4)


def read(tmp_path, text):
    (tmp_path / "way.csv").write_text(text)
    return TrackSpec.model_validate({"path": "way.csv"}, context={"directory": tmp_path}).points()


def test_tracks_are_read_from_a_file(tmp_path):
    points = read(tmp_path, "time_s,latitude_deg,longitude_deg\n0,44.0,8.9\n3600,43.7,9.5\n")
    assert [(one.time_s, one.latitude_deg, one.longitude_deg, one.altitude_m) for one in points] == [
        (0.0, 44.0, 8.9, 0.0),
        (3600.0, 43.7, 9.5, 0.0),
    ]


WAY = {
    "waypoints": [
        {"time_s": 0, "latitude_deg": 0, "longitude_deg": 0},
        {"time_s": 112, "latitude_deg": 0, "longitude_deg": 1},  # 993 m/s
    ]
}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; a header line"),
        ("time_s,latitude_deg\n0,1\n", "lacks the column longitude_deg"),
        ("time_s,latitude_deg,longitude_deg,speed\n0,1,1,1\n", "unknown column 'speed'"),
        ("time_s,latitude_deg,longitude_deg\n0,1,1\n", "needs two points or more, got 1"),
        ("time_s,latitude_deg,longitude_deg\n0,1,1\n10,95,1\n", r"way.csv:3: latitude_deg: .*got 95"),
        (
            "time_s,latitude_deg,longitude_deg\n0,1,1\n10,,1\n",
            r"way.csv:3: needs a number in column latitude_deg, got ''",
        ),
        ("time_s,latitude_deg,longitude_deg\n0,1,1\n0,2,1\n", "time_s must increase, got 0 after 0"),
        # A degree of the equator is 111.195 km.
        (
            "time_s,latitude_deg,longitude_deg\n0,0,179.5\n110,0,-179.5\n",
            r"from 0 to 110 s the gateway moves at 1,011 m/s; allowed are 1,000 m/s",
        ),
        (
            "time_s,latitude_deg,longitude_deg\n0,10,20\n90000,-10,-160\n",
            "at 0 and 90000 s lie on opposite sides of the Earth",
        ),
        (
            "time_s,latitude_deg,longitude_deg\n0,1,1\nx,2,1\n",
            r"way.csv:3: needs a number in column time_s, got 'x'",
        ),
    ],
)
def test_files_that_are_no_track_are_refused(tmp_path, text, message):
    with pytest.raises(ScenarioError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("gateway", "message"),
    [
        ({"track": {}}, "give either waypoints or path"),
        ({"track": WAY, "latitude_deg": 44.8}, "latitude_deg: 44.8 beside a track, which has its own"),
        (
            {"track": {"waypoints": [{"time_s": 0, "latitude_deg": 0, "longitude_deg": 0}]}},
            "two points or more",
        ),
        (
            {"on_satellite": True, "track": WAY},
            "does not move",
        ),
    ],
)
def test_gateways_that_cannot_move_so_are_refused(gateway, message):
    with pytest.raises(ValueError, match=message):
        GatewaySpec.model_validate({"name": "x", **gateway})

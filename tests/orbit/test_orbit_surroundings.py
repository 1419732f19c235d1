"""Skylines and the protected arc of geostationary satellites."""

import numpy as np
import pytest

from ntnsim.orbit.constellation import Shell, walker_orbits
from ntnsim.orbit.earth import EARTH_MODELS, Site, Surroundings
from ntnsim.orbit.geometry import azimuth_deg, look
from ntnsim.orbit.ground import AssumedStation, nearest_in_view
from ntnsim.orbit.pass_book import PassBook
from ntnsim.orbit.serving import HandoverRule
from ntnsim.orbit.serving_plan import ServingPlan, score_elevation
from ntnsim.orbit.surroundings import clear, from_gso_arc_deg, skyline_deg

WGS = EARTH_MODELS["wgs84"]
ORBITS = walker_orbits([Shell("s", "delta", 550e3, 53.0, 400, 20, 3)], WGS)


def stretches(site):
    plan = ServingPlan(
        PassBook(ORBITS, site),
        AssumedStation(ORBITS, WGS, 10.0),
        HandoverRule(0.0, 0.0),
        score_elevation,
        decision_interval_s=1.0,
    )
    return plan.between(0.0, 3000.0)


def seen_while_served(site):
    for one in stretches(site):
        times_s = np.arange(np.ceil(one.start_s), one.end_s - 1.0)
        if len(times_s):
            yield ORBITS.positions_of_m(np.full(len(times_s), one.satellite_pass.satellite), times_s)


def test_skyline_joins_its_points_and_its_ends():
    around = Surroundings(((10.0, 10.0), (350.0, 30.0)))
    assert skyline_deg(around, np.array([10.0, 180.0, 350.0, 0.0])) == pytest.approx([10.0, 20.0, 30.0, 20.0])


def test_serving_satellites_stand_above_the_skyline():
    around = Surroundings(((0.0, 0.0), (90.0, 60.0), (180.0, 60.0), (270.0, 0.0)))
    site = Site("x", 44.8, 10.3, 0.0, 10.0, surroundings=around)
    lowest = []
    for positions_m in seen_while_served(site):
        sine, _ = look(site, positions_m)
        elevation = np.degrees(np.arcsin(sine))
        assert np.all(elevation >= skyline_deg(around, azimuth_deg(site, positions_m)) - 1e-9)
        lowest.append(elevation.min())
    assert lowest
    assert stretches(site) != stretches(Site("x", 44.8, 10.3, 0.0, 10.0))


def test_arc_culminates_where_the_closed_form_says():
    # Highest point of the arc at latitude φ, spherical Earth: tan e = (cos φ − R/r)/sin φ (R/r = 6378/42164).
    latitude = np.radians(44.8)
    site = Site("x", 44.8, 10.3, earth=EARTH_MODELS["sphere_6378"])
    elevation = np.arctan2(np.cos(latitude) - 6_378.137 / 42_164.2, np.sin(latitude))
    south = np.array(
        [
            np.sin(latitude) * np.cos(np.radians(10.3)),
            np.sin(latitude) * np.sin(np.radians(10.3)),
            -np.cos(latitude),
        ]
    )
    for apart_deg in (-3.0, 0.0, 3.0, 15.0):
        raised = elevation + np.radians(apart_deg)
        towards = np.cos(raised) * south + np.sin(raised) * site.up
        [angle] = from_gso_arc_deg(site, (site.position_m + 900e3 * towards)[np.newaxis])
        assert angle == pytest.approx(abs(apart_deg), abs=0.1)


def test_satellites_near_the_arc_are_not_used():
    around = Surroundings(gso_exclusion_deg=20.0)
    site = Site("x", 10.0, 10.3, 0.0, 10.0, surroundings=around)
    least = [from_gso_arc_deg(site, positions_m).min() for positions_m in seen_while_served(site)]
    assert least and min(least) >= 20.0 - 1e-9
    free = [
        from_gso_arc_deg(site, positions_m).min()
        for positions_m in seen_while_served(Site("x", 10.0, 10.3, 0.0, 10.0))
    ]
    assert min(free) < 5.0


def test_nobody_beyond_81_degrees_of_latitude_sees_the_arc():
    site = Site("pole", 85.0, 0.0)
    assert np.all(np.isinf(from_gso_arc_deg(site, site.position_m + 1e6 * np.eye(3))))


def test_stations_heed_their_surroundings_too():
    walled = Site("b", 44.0, 10.0, 0.0, 5.0, surroundings=Surroundings(((0.0, 80.0),)))
    times_s = np.arange(0.0, 3000.0, 10.0)
    positions_m = ORBITS.positions_m(times_s)
    range_m, elevation_deg = nearest_in_view([walled], positions_m)
    assert np.nanmin(elevation_deg) >= 80.0
    sine, _ = look(walled, positions_m)
    assert np.array_equal(
        np.isfinite(range_m), (sine >= np.sin(np.radians(5.0))) & clear(walled, positions_m, sine)
    )

"""Sites, frames and directions."""

from datetime import UTC, datetime

import numpy as np
import pytest

from ntnsim.orbit.constellation import Shell, walker_orbits
from ntnsim.orbit.earth import EARTH_MODELS, Site, earth_model, greenwich_sidereal_angle_rad, julian_date
from ntnsim.orbit.geometry import look, satellite_view_uv, slant_range_m

SPHERE = EARTH_MODELS["sphere_6371"]


def test_julian_date_of_j2000():
    assert sum(julian_date(datetime(2000, 1, 1, 12, tzinfo=UTC))) == 2_451_545.0
    assert sum(julian_date(datetime(2000, 1, 1, 12))) == 2_451_545.0  # no zone is UTC


def test_sidereal_time_of_meeus_worked_example():
    # Meeus, Astronomical Algorithms, example 12.b: 10 April 1987, 19:21:00 UT: 8h34m57.0896s.
    day, fraction = julian_date(datetime(1987, 4, 10, 19, 21, tzinfo=UTC))
    hours = np.degrees(greenwich_sidereal_angle_rad(day, fraction)) / 15
    assert hours == pytest.approx(8 + 34 / 60 + 57.0896 / 3600, abs=1e-6)


def test_sidereal_angle_turns_at_the_rate_that_shells_use():
    day, fraction = julian_date(datetime(2026, 3, 1, tzinfo=UTC))
    one, later = (float(greenwich_sidereal_angle_rad(day, fraction + hours / 24)) for hours in (0, 6))
    assert (later - one) % (2 * np.pi) == pytest.approx(7.292115855e-5 * 6 * 3600, abs=1e-9)


@pytest.mark.parametrize(
    ("latitude_deg", "longitude_deg", "altitude_m", "expected_m"),
    [  # corners of WGS84
        (0.0, 0.0, 0.0, (6_378_137.0, 0.0, 0.0)),
        (0.0, 90.0, 100.0, (0.0, 6_378_237.0, 0.0)),
        (90.0, 0.0, 0.0, (0.0, 0.0, 6_356_752.3142)),
    ],
)
def test_sites_stand_where_wgs84_puts_them(latitude_deg, longitude_deg, altitude_m, expected_m):
    position_m = Site("x", latitude_deg, longitude_deg, altitude_m).position_m
    assert position_m == pytest.approx(np.array(expected_m), abs=1e-3)


def test_site_on_wgs84_agrees_with_skyfield():
    from skyfield.api import wgs84

    own = Site("x", 47.3, 8.5, 432.0).position_m
    assert own == pytest.approx(wgs84.latlon(47.3, 8.5, elevation_m=432.0).itrs_xyz.m, abs=1e-3)


def test_an_unknown_earth_is_refused_by_name():
    with pytest.raises(
        ValueError, match=r"earth must be one of \['sphere_6371', 'sphere_6378', 'wgs84'\], got 'flat'"
    ):
        earth_model("flat")


def test_slant_range_is_the_altitude_overhead_and_refuses_nonsense():
    assert slant_range_m(600e3, 90.0) == pytest.approx(600e3)
    assert slant_range_m(600e3, np.array([10.0, 90.0])).shape == (2,)
    with pytest.raises(ValueError, match="altitude_m must be > 0, got 0"):
        slant_range_m(0.0, 10.0)
    with pytest.raises(ValueError, match="elevation_deg must be in"):
        slant_range_m(600e3, 91.0)
    with pytest.raises(ValueError, match="elevation_deg must be in"):
        slant_range_m(600e3, float("nan"))


def test_look_gives_elevation_and_range_of_the_spherical_formula():
    site = Site("x", 0.0, 0.0, 0.0, 10.0, SPHERE)
    seen = np.radians(25.0)
    angle = np.pi / 2 - seen - np.arcsin(6_371 / 6_971 * np.cos(seen))  # the triangle's third corner
    satellite_m = 6_971e3 * np.array([[np.cos(angle), np.sin(angle), 0.0]])
    sine, range_m = look(site, satellite_m)
    assert np.degrees(np.arcsin(sine[0])) == pytest.approx(25.0)
    assert range_m[0] == pytest.approx(slant_range_m(600e3, 25.0))


def test_satellite_sees_its_site_at_the_sine_of_the_nadir_angle_ahead_before_and_behind_after():
    orbits = walker_orbits([Shell("p", "star", 600e3, 90.0, 1, 1, 0)], SPHERE)
    site = Site("x", 0.0, 0.0, 0.0, 10.0, SPHERE)
    times_s = np.arange(-250.0, 251.0)
    positions_m = orbits.positions_of_m(np.zeros(len(times_s), dtype=int), times_s)
    sine, _ = look(site, positions_m)
    uv = satellite_view_uv(site, positions_m)
    elevation = np.arcsin(sine)
    assert np.hypot(uv[:, 0], uv[:, 1]) == pytest.approx(6371 / 6971 * np.cos(elevation), abs=1e-6)
    assert uv[0, 0] > 0.8 and uv[-1, 0] < -0.8
    assert np.abs(uv[:, 1]).max() < 0.1

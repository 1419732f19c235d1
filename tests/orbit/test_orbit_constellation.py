"""Walker shells: geometry, count, J2's secular rates."""

import numpy as np
import pytest
from sgp4.api import WGS84, Satrec

from ntnsim.orbit.constellation import Shell, secular_rates_rad_s, walker_orbits
from ntnsim.orbit.earth import EARTH_MODELS, EARTH_MU_M3_S2, Site
from ntnsim.orbit.passes import find_passes
from ntnsim.scenario.space import PRESET_SHELLS

WGS = EARTH_MODELS["wgs84"]


def shells(name):
    return [Shell(**shell.model_dump()) for shell in PRESET_SHELLS[name]]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("iridium-66", 66),
        ("oneweb-648", 648),
        ("starlink-shell1-1584", 1584),
        ("leo-600", 160),
        ("leo-1200", 78),
    ],
)
def test_presets_hold_as_many_satellites_as_they_say(name, count):
    orbits = walker_orbits(shells(name), WGS)
    assert len(orbits) == len(set(orbits.names)) == count


def test_several_shells_join_into_one_constellation():
    two = [Shell("low", "delta", 550e3, 53.0, 12, 3, 1), Shell("high", "star", 1200e3, 88.0, 8, 2, 0)]
    orbits = walker_orbits(two, WGS)
    assert len(orbits) == 20
    assert orbits.names[0] == "low-00-00"
    assert orbits.names[-1] == "high-01-03"
    assert set(np.round(orbits.radius_m - 6_378_137.0)) == {550e3, 1200e3}


def test_shells_of_the_same_name_fail_the_count_audit():
    same = Shell("a", "delta", 550e3, 53.0, 12, 3, 1)
    with pytest.raises(ValueError, match="24 satellites asked for, 12 distinct"):
        walker_orbits([same, same], WGS)


def test_satellites_stand_at_their_altitude_and_never_beyond_their_inclination():
    orbits = walker_orbits([Shell("a", "delta", 550e3, 53.0, 12, 3, 1)], WGS)
    positions_m = orbits.positions_m(np.arange(0.0, 6000.0, 60.0))
    radius_m = np.linalg.norm(positions_m, axis=-1)
    assert radius_m == pytest.approx(6_378_137.0 + 550e3)
    latitude = np.degrees(np.arcsin(positions_m[..., 2] / radius_m))
    assert np.abs(latitude).max() == pytest.approx(53.0, abs=0.1)


def test_walker_planes_and_phases_are_those_of_the_notation():
    # 45°: 8/4/1: planes 90° apart, satellites 180° apart in the plane, planes shifted by 45°.
    orbits = walker_orbits([Shell("a", "delta", 550e3, 45.0, 8, 4, 1)], WGS)
    assert np.degrees(orbits.node_rad[::2]) == pytest.approx([0, 90, 180, 270])
    assert np.degrees(orbits.argument_rad) == pytest.approx([0, 180, 45, 225, 90, 270, 135, 315])
    star = walker_orbits([Shell("a", "star", 550e3, 45.0, 8, 4, 1)], WGS)
    assert np.degrees(star.node_rad[::2]) == pytest.approx([0, 45, 90, 135])


def test_sun_synchronous_node_turns_once_a_year():
    # 600 km: the inclination at which J2 turns the node by 360° in 365.2422 days is 97.79° (textbook).
    node_rate, _ = secular_rates_rad_s(np.array([6_978_137.0]), np.radians(np.array([97.79])))
    assert np.degrees(node_rate[0]) * 86_400 == pytest.approx(360 / 365.2422, rel=1e-3)


def test_starlinks_satellites_stay_apart_where_planes_cross():
    orbits = walker_orbits(shells("starlink-shell1-1584"), WGS)
    times_s = np.linspace(0.0, orbits.period_s[0], 181)
    own = orbits.positions_of_m(np.zeros(len(times_s), dtype=int), times_s)
    closest_m = np.inf
    for first in range(1, 1584, 100):
        others = np.arange(first, min(first + 100, 1584))
        distance_m = np.linalg.norm(orbits.positions_of_m(others[:, None], times_s[None, :]) - own, axis=-1)
        closest_m = min(closest_m, distance_m.min())
    assert closest_m > 50e3


@pytest.mark.parametrize(
    ("altitude_m", "inclination_deg"),
    [(550e3, 53.0), (550e3, 0.1), (600e3, 87.0), (600e3, 97.8), (780e3, 86.4), (1200e3, 87.9)],
)
def test_j2_stays_within_20_km_of_sgp4_over_a_day(altitude_m, inclination_deg):
    """SGP4 without drag on the same mean orbit: short-period terms of 10 to 17 km and second-order rates are left."""
    orbits = walker_orbits([Shell("a", "delta", altitude_m, inclination_deg, 1, 1, 0)], WGS)
    radius_m = 6_378_137.0 + altitude_m
    record = Satrec()
    mean_motion = np.sqrt(EARTH_MU_M3_S2 / radius_m**3) * 60.0  # rad/min, Brouwer's
    # SGP4 takes Kozai's mean motion and divides it by 1 + δ, with δ from J2 (Hoots and Roehrich, 1980, p. 10).
    kozai = mean_motion
    for _ in range(20):
        axis = (np.sqrt(398_600.8 * 60.0**2 / 6378.135**3) / kozai) ** (2 / 3)
        first = 0.75 * 1.08262998905e-3 * (3 * np.cos(np.radians(inclination_deg)) ** 2 - 1)
        delta = first / axis**2
        axis *= 1 - delta**2 - delta * (1 / 3 + 134 * delta**2 / 81)
        kozai = mean_motion * (1 + first / axis**2)
    record.sgp4init(
        WGS84, "i", 1, 27_000.0, 0.0, 0.0, 0.0, 1e-6, 0.0, np.radians(inclination_deg), 0.0, kozai, 0.0
    )
    minutes = np.arange(0.0, 1441.0, 1.0)
    day = record.jdsatepoch
    codes, inertial_km, _ = record.sgp4_array(
        np.full(len(minutes), day), record.jdsatepochF + minutes / 1440.0
    )
    assert not codes.any()
    # Ours is Earth-fixed from Greenwich at time 0: turn it back by the Earth's rotation.
    fixed_m = orbits.positions_of_m(np.zeros(len(minutes), dtype=int), minutes * 60.0)
    angle = 7.292115855306589e-5 * minutes * 60.0
    inertial_m = np.stack(
        [
            np.cos(angle) * fixed_m[:, 0] - np.sin(angle) * fixed_m[:, 1],
            np.sin(angle) * fixed_m[:, 0] + np.cos(angle) * fixed_m[:, 1],
            fixed_m[:, 2],
        ],
        axis=1,
    )
    error_km = np.linalg.norm(inertial_m / 1e3 - inertial_km, axis=1)
    assert error_km.max() < 20.0


@pytest.mark.parametrize("name", ["leo-600", "leo-1200"])
@pytest.mark.parametrize("latitude_deg", [0.0, 35.0, 70.0])
def test_reference_constellations_leave_no_gap_above_10_degrees(name, latitude_deg):
    orbits = walker_orbits(shells(name), WGS)
    table = find_passes(orbits, Site("x", latitude_deg, 20.0), 0.0, 86_400.0)
    covered_until_s = 0.0
    for rise_s, set_s in zip(table.rise_s, table.set_s, strict=True):
        assert rise_s <= covered_until_s
        covered_until_s = max(covered_until_s, set_s)
    assert covered_until_s == 86_400.0

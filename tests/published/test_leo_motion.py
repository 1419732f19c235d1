"""Motion of a LEO-600 satellite: speed, Doppler, its rate and the drift of the delay (TR 38.811, 5.3.4; TR 38.821, 7)."""

import numpy as np
import pytest

from ntnsim.link.doppler import doppler_from_ranges_hz, intercarrier_interference_ratio_db
from ntnsim.orbit.constellation import Shell, walker_orbits
from ntnsim.orbit.earth import EARTH_MODELS, Site
from ntnsim.orbit.geometry import look
from ntnsim.orbit.passes import find_passes
from ntnsim.units import SPEED_OF_LIGHT_M_S

SPHERE = EARTH_MODELS["sphere_6371"]
STEP_S = 0.5


@pytest.fixture(scope="module")
def overhead_pass():
    """Elevations and ranges of a pass through the zenith of a site on the equator, every half second."""
    orbits = walker_orbits([Shell("p", "star", 600e3, 90.0, 1, 1, 0)], SPHERE)
    site = Site("x", 0.0, 0.0, 0.0, 10.0, SPHERE)
    table = find_passes(orbits, site, -1000.0, 1000.0)
    times_s = np.arange(table.rise_s[0], table.set_s[0], STEP_S)
    sine, range_m = look(site, orbits.positions_of_m(np.zeros(len(times_s), dtype=int), times_s))
    return times_s, np.degrees(np.arcsin(sine)), range_m


def test_speed_is_7_56_km_per_second():
    orbits = walker_orbits([Shell("p", "star", 600e3, 90.0, 1, 1, 0)], SPHERE)
    # Inertial speed: TR 38.811, Table 5.3.4.3.2-7 prints 7.5622 km/s.
    assert orbits.argument_rate_rad_s[0] * 6_971e3 == pytest.approx(7_562.2, rel=2e-3)


def test_overhead_pass_lasts_510_seconds_over_15_84_degrees_on_each_side(overhead_pass):
    times_s, _, range_m = overhead_pass
    # The satellite moves on while the site stays: half of the way is the angle at the Earth's centre.
    speed_deg_s = np.degrees(7_562.2 / 6_971e3)
    assert (times_s[-1] - times_s[0]) / 2 * speed_deg_s == pytest.approx(15.84, rel=0.02)
    assert times_s[-1] - times_s[0] == pytest.approx(510, rel=0.02)
    assert range_m.max() == pytest.approx(1_932e3, rel=2e-3)
    assert range_m.min() == pytest.approx(600e3, rel=2e-3)


def test_doppler_and_its_rate_are_the_tables(overhead_pass):
    _, _, range_m = overhead_pass
    shift_hz = doppler_from_ranges_hz(range_m, STEP_S, 2e9)
    # 22.7 ppm at 10 degrees for a resting terminal in the plane.
    assert shift_hz[1] == pytest.approx(22.7e-6 * 2e9, rel=0.02)
    assert shift_hz[-2] == pytest.approx(-22.7e-6 * 2e9, rel=0.02)
    rate_hz_s = np.gradient(shift_hz, STEP_S)
    # Table 5.3.4.3.2-7: −544 Hz/s; by formula 505 to 581 with and without the Earth's rotation: 7 %.
    assert rate_hz_s.min() == pytest.approx(-544, rel=0.07)


def test_round_trip_drifts_by_up_to_47_microseconds_per_second(overhead_pass):
    _, _, range_m = overhead_pass
    drift = 2 * np.abs(np.gradient(range_m, STEP_S)).max() / SPEED_OF_LIGHT_M_S
    # TR 38.821, Table 4.2-2 prints ±47.6 µs/s, with a moving terminal.
    assert drift * 1e6 == pytest.approx(47.6, rel=0.06)


def test_residual_frequency_error_limits_the_sinr():
    # ε = 0.1 of the spacing: sinc² = 0.9675, so 14.7 dB by hand.
    assert intercarrier_interference_ratio_db(1500.0, 15e3) == pytest.approx(
        10 * np.log10(0.96752 / 0.03248), abs=0.01
    )
    # Series and closed form meet.
    assert intercarrier_interference_ratio_db(15e3 * 0.000999, 15e3) == pytest.approx(
        intercarrier_interference_ratio_db(15e3 * 0.001001, 15e3), abs=0.05
    )

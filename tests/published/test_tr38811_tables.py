"""Tables of 3GPP TR 38.811 V15.1.0, typed from the report, against what the link package gives at their rows."""

import numpy as np
import pytest

from ntnsim.link.antenna import HALF_POWER_ARGUMENT, pattern_gain_ratio
from ntnsim.link.atmosphere import (
    gas_loss_db,
    tropospheric_scintillation_db,
    zenith_gas_loss_db,
)
from ntnsim.link.doppler import doppler_from_ranges_hz
from ntnsim.link.path_loss import (
    at_elevation,
    building_entry_loss_db,
    clutter_loss_rows_db,
    free_space_loss_db,
    line_of_sight_probability_rows,
    shadowing_std_rows_db,
)
from ntnsim.orbit.earth import EARTH_MODELS, EARTH_MU_M3_S2
from ntnsim.orbit.geometry import slant_range_m
from ntnsim.units import EARTH_RADIUS_SPHERE_M, SPEED_OF_LIGHT_M_S

ROWS_DEG = np.arange(10.0, 91.0, 10.0)
S_BAND_HZ, KA_BAND_HZ = 2e9, 20e9


@pytest.mark.parametrize(
    ("environment", "probability"),
    [  # Table 6.6.1-1
        ("dense_urban", [0.282, 0.331, 0.398, 0.468, 0.537, 0.612, 0.738, 0.82, 0.981]),
        ("urban", [0.246, 0.386, 0.493, 0.613, 0.726, 0.805, 0.919, 0.968, 0.992]),
        ("suburban", [0.782, 0.869, 0.919, 0.929, 0.935, 0.94, 0.949, 0.952, 0.998]),
        ("rural", [0.782, 0.869, 0.919, 0.929, 0.935, 0.94, 0.949, 0.952, 0.998]),
    ],
)
def test_line_of_sight_probability_is_the_tables_at_its_rows(environment, probability):
    assert at_elevation(line_of_sight_probability_rows(environment), ROWS_DEG).tolist() == probability


@pytest.mark.parametrize(
    ("environment", "carrier_hz", "los", "sigma", "clutter"),
    [  # Tables 6.6.2-1, -2, -3
        ("dense_urban", S_BAND_HZ, False, [15.5, 13.9, 12.4, 11.7, 10.6, 10.5, 10.1, 9.2, 9.2], 34.3),
        ("dense_urban", KA_BAND_HZ, True, [2.9, 2.4, 2.7, 2.4, 2.4, 2.7, 2.6, 2.8, 0.6], 44.3),
        ("urban", S_BAND_HZ, True, [4.0] * 9, 34.3),
        ("urban", KA_BAND_HZ, False, [6.0] * 9, 44.3),
        ("rural", S_BAND_HZ, True, [1.79, 1.14, 1.14, 0.92, 1.42, 1.56, 0.85, 0.72, 0.72], 19.52),
        ("suburban", KA_BAND_HZ, False, [10.7, 10.0, 11.2, 11.6, 11.8, 10.8, 10.8, 10.8, 10.8], 29.5),
    ],
)
def test_shadowing_and_clutter_are_the_tables_at_their_rows(environment, carrier_hz, los, sigma, clutter):
    assert shadowing_std_rows_db(environment, carrier_hz, los).tolist() == sigma
    assert clutter_loss_rows_db(environment, carrier_hz)[0] == clutter


def test_nearest_row_is_taken_ties_go_up_and_low_elevations_use_the_first_row():
    rows = ROWS_DEG.copy()
    given = np.array([3.0, 10.0, 14.9, 15.0, 24.999, 25.0, 84.9, 85.0, 90.0])
    assert at_elevation(rows, given).tolist() == [10, 10, 10, 20, 20, 30, 80, 90, 90]


def test_interpolation_between_rows_is_linear_and_only_on_request():
    assert at_elevation(ROWS_DEG, np.array([12.5]), interpolate=True)[0] == pytest.approx(12.5)
    assert at_elevation(ROWS_DEG, np.array([12.5]))[0] == 10.0


def test_free_space_loss_of_eq_6_6_2():
    # By hand: 32.45 + 20 log10(2) + 20 log10(1e6) = 32.45 + 6.0206 + 120.
    assert free_space_loss_db(1e6, 2e9) == pytest.approx(158.4706, abs=1e-4)
    # The rounded constant is 20 log10(4π·1e9/c) = 32.4478 to the second digit.
    assert 20 * np.log10(4 * np.pi * 1e9 / SPEED_OF_LIGHT_M_S) == pytest.approx(32.45, abs=0.005)


@pytest.mark.parametrize(
    ("altitude_m", "elevation_deg", "one_way_ms"),
    [  # Table 5.3.4.1-1, on the sphere of 6,378 km that reproduces it
        (600e3, 10, 6.44),
        (600e3, 5, 7.763),
        (600e3, 90, 2.0),
        (1500e3, 10, 12.158),
        (10_000e3, 10, 46.727),
        (35_786e3, 10, 135.286),
        (35_786e3, 5, 137.088),
    ],
)
def test_one_way_delays_of_table_5_3_4_1_1(altitude_m, elevation_deg, one_way_ms):
    radius_m = EARTH_MODELS["sphere_6378"].equatorial_radius_m
    delay_ms = slant_range_m(altitude_m, elevation_deg, earth_radius_m=radius_m) / SPEED_OF_LIGHT_M_S * 1e3
    # The table takes c as 3e5 km/s in places: 0.07 %.
    assert delay_ms == pytest.approx(one_way_ms, rel=1.5e-3)


def test_gas_attenuation_matches_p676_at_the_frequencies_of_the_link_budgets():
    # ITU-R P.676-12, line by line, TR 38.811's standard atmosphere, zenith.
    assert [zenith_gas_loss_db(f) for f in (2e9, 20e9, 30e9)] == pytest.approx([0.0355, 0.2526, 0.2319])
    # Eq. 6.6-8: twice that at 30 degrees.
    assert gas_loss_db(20e9, 30.0) == pytest.approx(0.5052)


def test_gas_attenuation_is_that_of_annex_2_within_its_accuracy():
    # Another method of P.676-12: equivalent heights times specific attenuation, good to some per cent of the sum of lines.
    itu676 = pytest.importorskip("itur.models.itu676", reason="needs the optional package itur")
    carriers_ghz = np.array([1.0, 4.0, 11.7, 14.25, 17.7, 22.2, 26.0, 29.5, 37.5, 42.0, 47.2, 50.4, 51.4])
    estimate_db = itu676.gaseous_attenuation_slant_path(
        carriers_ghz, 90.0, 7.5, 1013.25, 288.15, mode="approx"
    ).value
    own_db = [zenith_gas_loss_db(1e9 * carrier) for carrier in carriers_ghz]
    annex_2_accuracy = 0.08
    assert own_db == pytest.approx(estimate_db, rel=annex_2_accuracy)


def test_gas_attenuation_between_rows_is_the_sum_of_lines():
    itu676 = pytest.importorskip("itur.models.itu676", reason="needs the optional package itur")
    carriers_ghz = np.array([0.25, 1.5, 12.5, 17.5, 22.235, 26.25, 33.5, 44.5, 50.1])
    exact_db = itu676.gaseous_attenuation_slant_path(
        carriers_ghz, 90.0, 7.5, 1013.25, 288.15, mode="exact"
    ).value
    own_db = [zenith_gas_loss_db(1e9 * carrier) for carrier in carriers_ghz]
    assert own_db == pytest.approx(exact_db, rel=0.025, abs=1e-3)


@pytest.mark.parametrize("carrier_hz", [60e9, 0.05e9, np.nan])
def test_gas_attenuation_refuses_carriers_outside_its_table(carrier_hz):
    with pytest.raises(ValueError, match=r"carrier_hz must be in \[0.1e9, 52e9\]"):
        zenith_gas_loss_db(carrier_hz)


def test_tropospheric_scintillation_is_table_6_6_6_2_1_1():
    expected = [1.08, 0.48, 0.3, 0.22, 0.17, 0.13, 0.12, 0.12, 0.12]
    assert tropospheric_scintillation_db(20e9, ROWS_DEG).tolist() == expected
    assert np.all(tropospheric_scintillation_db(2e9, ROWS_DEG) == 0.0)


def test_antenna_pattern_has_its_half_power_null_and_sidelobe_where_6_4_1_puts_them():
    wave_number = 2 * np.pi * 2e9 / SPEED_OF_LIGHT_M_S

    def at(argument):
        return 10 * np.log10(pattern_gain_ratio(np.array([argument / wave_number]), 2.0, 2e9)[0])

    assert at(HALF_POWER_ARGUMENT) == pytest.approx(10 * np.log10(0.5), abs=1e-9)
    assert at(1.6163) == pytest.approx(-3.0, abs=0.02)
    assert at(3.8317) < -80
    assert max(at(x) for x in np.linspace(4.0, 7.0, 3001)) == pytest.approx(-17.57, abs=0.01)
    assert pattern_gain_ratio(np.array([0.0]), 2.0, 2e9)[0] == 1.0


def in_plane_shift_hz(altitude_m, elevation_deg):
    """The shift at 2 GHz of a satellite that comes nearer in the plane of a resting terminal, from its ranges."""
    radius_m = EARTH_RADIUS_SPHERE_M + altitude_m
    ratio = EARTH_RADIUS_SPHERE_M / radius_m
    away = np.pi / 2 - np.radians(elevation_deg) - np.arcsin(ratio * np.cos(np.radians(elevation_deg)))
    angles = away - np.sqrt(EARTH_MU_M3_S2 / radius_m**3) * np.array([-1.0, 0.0, 1.0])
    ranges_m = np.sqrt(
        radius_m**2 + EARTH_RADIUS_SPHERE_M**2 - 2 * radius_m * EARTH_RADIUS_SPHERE_M * np.cos(angles)
    )
    return doppler_from_ranges_hz(ranges_m, 1.0, 2e9)[1]


@pytest.mark.parametrize(("altitude_m", "shift_hz"), [(600e3, 48e3), (1500e3, 40e3), (10_000e3, 15e3)])
def test_doppler_shift_matches_table_5_3_4_3_2_7(altitude_m, shift_hz):
    # The table adds a terminal at 1,000 km/h (0.93 ppm); without it the shift is up to 6 % lower.
    moving = 1000 / 3.6 / SPEED_OF_LIGHT_M_S * 2e9
    assert in_plane_shift_hz(altitude_m, 0.0) + moving == pytest.approx(shift_hz, rel=0.04)


def test_doppler_of_a_resting_terminal_at_leo_600():
    # By formula: 23.05 ppm on the horizon, 22.7 ppm at 10 degrees.
    assert in_plane_shift_hz(600e3, 0.0) / 2e9 * 1e6 == pytest.approx(23.05, abs=0.02)
    assert in_plane_shift_hz(600e3, 10.0) / 2e9 * 1e6 == pytest.approx(22.7, abs=0.02)


def test_building_entry_loss_of_p2109_median_at_low_elevation():
    # By hand at 2 GHz, P = 0.5, elevation 0: A = 12.64 + 3.72 log f + 0.96 log² f = 13.847, B = 9.1 − 3 log f = 8.197.
    by_hand = 10 * np.log10(10**1.38468 + 10**0.81969 + 10**-0.3)
    assert building_entry_loss_db(2e9, 0.0, 0.5, "traditional") == pytest.approx(by_hand, abs=1e-3)
    assert building_entry_loss_db(2e9, 30.0, 0.5, "thermally_efficient") > 25

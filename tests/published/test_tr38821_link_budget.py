"""Link budgets, delays and beams of 3GPP TR 38.821 V16.2.0."""

import math

import numpy as np
import pytest

from ntnsim.api.space import link_budget
from ntnsim.link.antenna import beam_spacing_uv, half_power_beamwidth_rad
from ntnsim.link.budget import calibration_case, combined_db, g_over_t_db_k, reference_budget
from ntnsim.link.reference_radio import reference_satellite, reference_terminal
from ntnsim.link.tables import table
from ntnsim.orbit.geometry import slant_range_m
from ntnsim.units import SPEED_OF_LIGHT_M_S

HALF_A_PRINTED_DIGIT = 0.5


@pytest.mark.parametrize(("altitude_m", "published_km"), [(600e3, 1932), (1200e3, 3131), (35_786e3, 40_581)])
def test_slant_range_at_10_degrees_matches_table_4_2_2(altitude_m, published_km):
    assert slant_range_m(altitude_m, 10.0) / 1e3 == pytest.approx(published_km, abs=HALF_A_PRINTED_DIGIT)


@pytest.mark.parametrize(
    ("altitude_m", "round_trip_ms"), [(600e3, 12.89), (1200e3, 20.89), (35_786e3, 270.73)]
)
def test_regenerative_round_trip_matches_table_7_1_1(altitude_m, round_trip_ms):
    delay_ms = 2 * slant_range_m(altitude_m, 10.0) / SPEED_OF_LIGHT_M_S * 1e3
    assert delay_ms == pytest.approx(round_trip_ms, abs=0.01)


def test_a_budget_states_the_radius_that_its_range_is_over():
    budget = link_budget(satellite="geo", terminal="vsat", elevation_deg=10.0)
    own_m = slant_range_m(35_786e3, 10.0, earth_radius_m=budget["earth_radius_m"])
    assert (
        own_m == budget["slant_range_m"] and budget["earth_radius_m"] == 6_371e3
    )  # TR 38.821's; TR 38.811 has 6,378


def test_every_calibration_case_exists_with_both_directions():
    budgets = [
        reference_budget(direction=direction, **calibration_case(f"SC{number}"))
        for number in range(1, 31)
        for direction in ("dl", "ul")
    ]
    assert len({round(float(budget.cnr_db), 6) for budget in budgets}) > 30
    with pytest.raises(ValueError, match="SC1 to SC30, got 'SC31'"):
        calibration_case("SC31")


def test_budget_of_a_handheld_downlink_worked_by_hand():
    # SC9: LEO-600, S band, set 1, FRF 1, 30 degrees.
    budget = reference_budget(direction="dl", **calibration_case("SC9"))
    up = 6371e3 * 0.5
    range_m = math.sqrt(up**2 + 600e3**2 + 2 * 600e3 * 6371e3) - up
    fspl_db = 32.45 + 20 * math.log10(2) + 20 * math.log10(range_m)
    eirp_dbw = 34 + 10 * math.log10(30)
    by_hand = eirp_dbw - 31.6 + 228.6 - fspl_db - 0.0355 / 0.5 - 3.0 - 2.2 - 10 * math.log10(30e6)
    assert budget.cnr_db == pytest.approx(by_hand, abs=1e-9)
    assert budget.bandwidth_hz == 30e6


def test_budget_of_a_vsat_uplink_with_reuse_worked_by_hand():
    # SC2: GEO, Ka band, set 1, FRF 3, 12.5 degrees: bandwidth 400/3 MHz, nearest scintillation row is 10 degrees.
    budget = reference_budget(direction="ul", **calibration_case("SC2"))
    sine = math.sin(math.radians(12.5))
    up = 6371e3 * sine
    range_m = math.sqrt(up**2 + 35_786e3**2 + 2 * 35_786e3 * 6371e3) - up
    fspl_db = 32.45 + 20 * math.log10(30) + 20 * math.log10(range_m)
    by_hand = 46.2 + 28 + 228.6 - fspl_db - 0.2319 / sine - 1.08 - 10 * math.log10(400e6 / 3)
    assert budget.cnr_db == pytest.approx(by_hand, abs=1e-9)


def test_budget_is_the_sum_of_its_reported_terms():
    for number in range(1, 31):
        for direction in ("dl", "ul"):
            b = reference_budget(direction=direction, **calibration_case(f"SC{number}"))
            losses = b.fspl_db + b.atmospheric_db + b.shadow_margin_db + b.scintillation_db
            losses += b.polarisation_db + b.additional_db
            total = b.eirp_dbw + b.g_over_t_db_k + 228.6 - losses - 10 * math.log10(b.bandwidth_hz)
            assert b.cnr_db == pytest.approx(total, abs=1e-9)
            assert b.delay_s == pytest.approx(b.slant_range_m / 299_792_458.0)


def test_polarisation_loss_only_for_a_linear_uplink_with_polarisation_reuse():
    def loss(direction, reuse):
        return reference_budget(
            orbit="leo-600", parameter_set=1, band="s", terminal="handheld", direction=direction, reuse=reuse
        ).polarisation_db

    assert loss("ul", "frf2_polarisation") == 3.0
    assert loss("dl", "frf2_polarisation") == loss("ul", "frf3") == loss("ul", "frf1") == 0.0


def test_terminal_g_over_t_follows_from_gain_and_noise_figure():
    # Table 6.1.1.1-3: VSAT 39.7 dBi, 1.2 dB, 150 K; handheld 0 dBi, 7 dB, 290 K.
    vsat = g_over_t_db_k(39.7, noise_figure_db=1.2, antenna_temperature_k=150)
    handheld = g_over_t_db_k(0.0, noise_figure_db=7.0, antenna_temperature_k=290)
    assert vsat == pytest.approx(reference_terminal("vsat").g_over_t_db_k, abs=0.05)
    assert handheld == pytest.approx(reference_terminal("handheld").g_over_t_db_k, abs=0.05)


@pytest.mark.parametrize("parameter_set", [1, 2])
@pytest.mark.parametrize("orbit", ["geo", "leo-600", "leo-1200"])
@pytest.mark.parametrize(("band", "carrier_hz"), [("s", 2e9), ("ka", 20e9)])
def test_half_power_beamwidths_match_tables_6_1_1_1_1_and_2_within_1_percent(
    parameter_set, orbit, band, carrier_hz
):
    rows = table("tr38821")[f"satellite_set_{parameter_set}"][orbit.upper()][f"{band}_band"]["dl"]
    satellite = reference_satellite(orbit, parameter_set, band)
    width_deg = math.degrees(half_power_beamwidth_rad(satellite.transmit_aperture_m, carrier_hz))
    assert width_deg == pytest.approx(rows["hpbw_3db_deg"], rel=0.01)


@pytest.mark.parametrize(
    ("orbit", "parameter_set", "band", "published_uv"),
    [  # Table 6.1.1.1-4 and -5: adjacent beam spacing
        ("leo-600", 1, "s", 0.0668),
        ("leo-600", 2, "s", 0.1334),
        ("leo-600", 1, "ka", 0.0267),
        ("leo-1200", 2, "ka", 0.0667),
        ("geo", 1, "s", 0.0061),
        ("geo", 1, "ka", 0.0027),
        ("geo", 2, "ka", 0.0067),
    ],
)
def test_beam_spacing_matches_the_uv_layout(orbit, parameter_set, band, published_uv):
    aperture_m = reference_satellite(orbit, parameter_set, band).transmit_aperture_m
    spacing = beam_spacing_uv(aperture_m, {"s": 2e9, "ka": 20e9}[band])
    assert spacing == pytest.approx(published_uv, rel=0.002, abs=0.00006)


def test_interference_and_noise_combine_as_in_6_1_3_1():
    assert combined_db(10.0, 10.0) == pytest.approx(10.0 - 10 * math.log10(2))
    assert combined_db(np.array([10.0, 300.0]), 300.0)[0] == pytest.approx(10.0)

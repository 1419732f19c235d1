"""Bands of the service and the feeder link: ranges, limits, and radios scaled to them."""

from datetime import UTC, datetime
from math import log10

import numpy as np
import pytest

from ntnsim.link.antenna import half_power_beamwidth_rad
from ntnsim.link.atmosphere import gas_loss_db
from ntnsim.link.reference_radio import (
    reference_bandwidth_hz,
    reference_carrier_hz,
    reference_satellite,
    reference_terminal,
)
from ntnsim.link.tables import table
from ntnsim.scenario.bands import BANDS, WIDEST_CHANNEL_HZ
from ntnsim.scenario.radio import RadioSpec
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.sky.radio_link import default_bandwidth_hz, link_model
from ntnsim.sky.service_radio import service_satellite, service_terminal
from ntnsim.sky.space_segment import space_model


def link(radio, payload=None):
    space = SpaceSegmentSpec.model_validate({"payload": payload or {"kind": "regenerative"}})
    return link_model(
        space_model(space, datetime(2026, 1, 1, tzinfo=UTC)), RadioSpec.model_validate(radio), 45.0
    )


def test_widest_channels_are_those_of_nr():
    # TS 38.101-1 and -2, Table 5.3.2-1.
    for name, widest in WIDEST_CHANNEL_HZ.items():
        rows = table("nr")["prb"][name]
        assert {f"{spacing}kHz": hz for spacing, hz in widest.items()} == {
            spacing: max(map(float, row)) * 1e6 for spacing, row in rows.items()
        }


@pytest.mark.parametrize("band", ["s", "ka"])
@pytest.mark.parametrize("direction", ["ul", "dl"])
@pytest.mark.parametrize("reuse", ["frf1", "frf3", "frf2_polarisation"])
def test_defaults_of_s_and_ka_are_tr_38_821s(band, direction, reuse):
    own = link({"band": band, "direction": direction, "reuse": reuse})
    terminal = reference_terminal("handheld" if band == "s" else "vsat")
    assert own.carrier_hz == reference_carrier_hz(band, direction)
    assert own.bandwidth_hz == reference_bandwidth_hz(band, direction, reuse, terminal)
    assert own.terminal == terminal
    assert own.satellite == reference_satellite("leo-600", 1, band)


@pytest.mark.parametrize(
    ("band", "down_mhz", "up_mhz"),
    [  # TS 38.101-5, Tables 5.2.2-1 and 5.2.3-1
        ("n254", (2483.5, 2500), (1610, 1626.5)),
        ("n255", (1525, 1559), (1626.5, 1660.5)),
        ("n256", (2170, 2200), (1980, 2010)),
        ("n508", (10_700, 12_750), (13_750, 14_000)),
        ("n509", (10_700, 12_750), (14_000, 14_500)),
        ("n510", (17_300, 20_200), (27_500, 28_350)),
        ("n511", (17_300, 20_200), (28_350, 30_000)),
        ("n512", (17_300, 20_200), (27_500, 30_000)),
    ],
)
def test_named_bands_are_those_of_ts_38_101_5(band, down_mhz, up_mhz):
    for direction, (low, high) in {"dl": down_mhz, "ul": up_mhz}.items():
        assert BANDS[band].range_hz(direction) == (low * 1e6, high * 1e6)
        own = link({"band": band, "direction": direction})
        assert own.carrier_hz == pytest.approx((low + high) / 2 * 1e6)
        assert own.carrier_hz + own.bandwidth_hz / 2 <= high * 1e6


@pytest.mark.parametrize(
    ("band", "widest_mhz"),
    [  # TS 38.101-5, Tables 5.3.5-1 and -2
        ("n254", {15: 15, 30: 15, 60: 15}),
        ("n255", {15: 20, 30: 20, 60: 20}),
        ("n256", {15: 20, 30: 20, 60: 20}),
        ("n508", {120: 200}),  # 400 down only
        ("n509", {120: 400}),
        ("n510", {60: 200, 120: 400}),
        ("n511", {60: 200, 120: 400}),
        ("n512", {60: 200, 120: 400}),
    ],
)
def test_named_bands_have_the_channels_of_ts_38_101_5(band, widest_mhz):
    assert {
        spacing: BANDS[band].widest_hz(spacing) / 1e6 for spacing in BANDS[band].spacings_khz
    } == widest_mhz


@pytest.mark.parametrize("band", list(BANDS))
@pytest.mark.parametrize("direction", ["ul", "dl"])
def test_defaults_of_every_band_are_within_its_limits(band, direction):
    for spacing_khz in BANDS[band].spacings_khz:
        radio = RadioSpec.model_validate(
            {"band": band, "direction": direction, "subcarrier_spacing_khz": spacing_khz}
        )
        written = {"bandwidth_hz": default_bandwidth_hz(radio, service_terminal(radio))}
        RadioSpec.model_validate({**radio.model_dump(), **written})


@pytest.mark.parametrize(("direction", "carrier_hz", "made_for_hz"), [("dl", 12e9, 20e9), ("ul", 14e9, 30e9)])
def test_antennas_of_one_size_at_both_ends_lose_with_the_square_of_the_frequency(
    direction, carrier_hz, made_for_hz
):
    ku, ka = (RadioSpec.model_validate({"band": band, "direction": direction}) for band in ("ku", "ka"))
    at_satellite = "eirp_density_dbw_per_mhz" if direction == "dl" else "g_over_t_db_k"
    at_terminal = "g_over_t_db_k" if direction == "dl" else "eirp_dbw"
    gains_db = getattr(service_satellite(ku, 600e3), at_satellite) + getattr(
        service_terminal(ku), at_terminal
    )
    gains_db -= getattr(service_satellite(ka, 600e3), at_satellite) + getattr(
        service_terminal(ka), at_terminal
    )
    # Friis between apertures: A_t A_r f^2 / (c r)^2. Two gains fall by f^2 each, free space gives one f^2 back.
    free_space_db = 20 * log10(carrier_hz / made_for_hz)
    assert gains_db - free_space_db == pytest.approx(20 * log10(carrier_hz / made_for_hz))


def test_satellites_below_1_ghz_keep_the_s_beam():
    radio = RadioSpec.model_validate({"band": "uhf", "direction": "dl"})
    satellite, at_2_ghz = service_satellite(radio, 600e3), reference_satellite("leo-600", 1, "s")
    assert satellite.eirp_density_dbw_per_mhz == at_2_ghz.eirp_density_dbw_per_mhz
    assert half_power_beamwidth_rad(satellite.transmit_aperture_m, 0.85e9) == pytest.approx(
        half_power_beamwidth_rad(at_2_ghz.transmit_aperture_m, 2e9)
    )


def test_a_q_band_feeder_differs_by_its_gas_alone():
    # The station's dish gains what free space takes; the satellite radiates the same power.
    ka, qv = (
        link({}, {"kind": "transparent", "feeder": {"band": band}}).feeder.cnr_db(
            np.array([1e6]), np.array([30.0])
        )
        for band in ("ka", "qv")
    )
    assert ka - qv == pytest.approx(gas_loss_db(40e9, 30.0) - gas_loss_db(20e9, 30.0))
    assert (
        link({"direction": "dl"}, {"kind": "transparent", "feeder": {"band": "qv"}}).feeder.carrier_hz == 50e9
    )


@pytest.mark.parametrize(("spacing_khz", "bandwidth_hz"), [(15, 0.36e6), (30, 0.36e6), (60, 0.72e6)])
def test_a_handheld_sends_in_one_resource_block_at_least(spacing_khz, bandwidth_hz):
    radio = RadioSpec(subcarrier_spacing_khz=spacing_khz)
    assert default_bandwidth_hz(radio, service_terminal(radio)) == bandwidth_hz

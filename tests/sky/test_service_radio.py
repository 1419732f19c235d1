"""The satellite's radio follows the constellation; one made for another altitude is told."""

import subprocess
import sys
from datetime import UTC, datetime
from math import log10

import pytest

from ntnsim.link.reference_radio import satellite_at
from ntnsim.scenario.radio import RadioSpec
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.sky.service_radio import service_satellite
from ntnsim.sky.space_segment import space_model

START = datetime(2026, 1, 1, tzinfo=UTC)
# The ISS's element set of skyfield's documentation.
ISS = (
    "1 25544U 98067A   14020.93268519  .00009878  00000-0  18200-3 0  5082\n"
    "2 25544  51.6498 109.4756 0003572  55.9686 274.8005 15.49815350868473\n"
)


def model(constellation, start=START):
    return space_model(SpaceSegmentSpec.model_validate({"constellation": constellation}), start)


@pytest.mark.parametrize(
    ("preset", "parameter_set", "band", "printed_dbw_per_mhz"),
    [  # TR 38.821, Tables 6.1.1.1-1 and -2
        ("leo-600", 1, "s", 34.0),
        ("leo-1200", 1, "s", 40.0),
        ("leo-600", 2, "s", 28.0),
        ("leo-1200", 2, "s", 34.0),
        ("leo-600", 1, "ka", 4.0),
        ("leo-1200", 1, "ka", 10.0),
        ("leo-1200", 2, "ka", 2.0),
        ("oneweb-648", 1, "s", 40.0),
    ],
)
def test_presets_carry_the_radio_of_their_altitude(preset, parameter_set, band, printed_dbw_per_mhz):
    radio = RadioSpec.model_validate({"band": band, "satellite": {"kind": "tr38821", "set": parameter_set}})
    satellite = service_satellite(radio, model({"kind": "preset", "name": preset}).altitude_m)
    assert satellite.eirp_density_dbw_per_mhz == printed_dbw_per_mhz


@pytest.mark.parametrize("altitude_m", [550e3, 630e3, 780e3, 1_015e3, 1_400e3])
def test_between_the_tables_orbits_the_flux_on_the_ground_stays(altitude_m):
    at_600_dbw = 34.0 - 20 * log10(600e3)
    a_printed_decibel_over_an_octave = 0.03  # 6 dB are printed, 6.02 would be the same flux
    flux = satellite_at(altitude_m, 1, "s").eirp_density_dbw_per_mhz - 20 * log10(altitude_m)
    assert flux == pytest.approx(at_600_dbw, abs=a_printed_decibel_over_an_octave)


def test_the_geostationary_orbit_has_its_own_row():
    assert satellite_at(35_786e3, 1, "s").eirp_density_dbw_per_mhz == 59.0
    assert satellite_at(35_786e3, 2, "ka").g_over_t_db_k == 20.0


def test_element_sets_know_their_altitude(tmp_path):
    path = tmp_path / "iss.tle"
    path.write_text(ISS)
    iss = model({"kind": "element_sets", "path": str(path)}, datetime(2014, 1, 21, tzinfo=UTC))
    # 15.498 turns a day: a = (mu / n^2)^(1/3) = 6,795.7 km.
    assert iss.altitude_m == pytest.approx(6_795.7e3 - 6_378.137e3, abs=3e3)


def test_most_satellites_decide_where_shells_differ():
    shells = [
        {"name": "low", "altitude_m": 600e3, "inclination_deg": 53, "satellites": 12, "planes": 3},
        {"name": "high", "altitude_m": 1200e3, "inclination_deg": 53, "satellites": 4, "planes": 2},
    ]
    assert model({"kind": "walker", "shells": shells}).altitude_m == 600e3


def test_a_case_keeps_its_own_radio_and_says_where_it_does_not_fit():
    radio = RadioSpec.model_validate({"case": "SC14"})  # LEO-1200, S band
    with pytest.warns(
        UserWarning, match=r"leo-1200 \(case SC14\) is for 1,200 km and 40\.0 dBW.*600 km, .*34\.0 dBW"
    ):
        assert service_satellite(radio, 600e3).eirp_density_dbw_per_mhz == 40.0


@pytest.mark.filterwarnings("error")
def test_a_radio_that_fits_is_quiet():
    service_satellite(RadioSpec(), 780e3)
    service_satellite(RadioSpec.model_validate({"case": "SC14"}), 1_200e3)
    service_satellite(RadioSpec.model_validate({"case": "SC1"}), 35_786e3)
    own = {"kind": "custom", "eirp_density_dbw_per_mhz": 30, "g_over_t_db_k": 0, "aperture_m": 1}
    service_satellite(RadioSpec.model_validate({"satellite": own}), 8_062e3)


def test_an_orbit_without_a_table_is_told():
    with pytest.warns(UserWarning, match=r"600, 1,200 and 35,786 km, the constellation flies at 8,062 km"):
        service_satellite(RadioSpec(), 8_062e3)


def test_validate_warns_in_one_line_with_both_numbers():
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "ntnsim", "validate", "scenarios/isl_relay.yaml"),
            *("--set", "radio.satellite={kind: tr38821, orbit: leo-600}"),
        ],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0
    [line] = checked.stderr.splitlines()
    assert line == (
        "ntnsim: warning: radio.satellite.orbit: leo-600 is for 600 km and 34.0 dBW/MHz, the constellation flies at "
        "780 km, where set 1 has 36.3 dBW/MHz; without orbit the radio follows the constellation"
    )

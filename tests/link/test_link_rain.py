"""Rain, cloud and a site's gas: the series has the statistics of its table, and links of one site share it."""

import numpy as np
import pytest
from scipy.special import ndtri

from ntnsim.link.rain import (
    CLOUD_EXCEEDANCE_PERCENT,
    ELEVATIONS_DEG,
    RAIN_EXCEEDANCE_PERCENT,
    SiteProcess,
    quantile_table,
    rain_table,
)
from ntnsim.link.site_gas import site_zenith_gas_db


def made_up_table(rain_percent=6.0):
    """Rain that follows ln A = −3.8 + 1.75 Q⁻¹(p) / √sin(elevation) exactly."""
    shape = 1 / np.sqrt(np.sin(np.radians(ELEVATIONS_DEG)))
    cloud_db = np.outer(shape, np.linspace(1.5, 0.0, len(CLOUD_EXCEEDANCE_PERCENT)))
    return quantile_table(
        lambda e, p: np.exp(-3.8 + 1.75 * shape * -ndtri(p / 100)), rain_percent, cloud_db
    ), shape


def test_rain_is_what_its_rows_say_and_their_log_normal_law_between_them():
    table, _ = made_up_table(20.0)
    for percent in (*RAIN_EXCEEDANCE_PERCENT, 0.003, 0.03, 0.3, 2.5):
        normal = -ndtri(percent / 100)
        expected_db = np.exp(-3.8 + 1.75 * normal / np.sqrt(np.sin(np.radians(30.0))))
        assert table.rain_db(np.array([normal]), np.array([30.0]))[0] == pytest.approx(expected_db)


def test_it_rains_for_as_much_of_the_time_as_the_table_says():
    table, _ = made_up_table(6.0)
    gaussian = np.random.default_rng(1).standard_normal(200_000)
    rain_db = table.rain_db(gaussian, np.full(len(gaussian), 30.0))
    assert np.mean(rain_db > 0) == pytest.approx(0.06, abs=3 * np.sqrt(0.06 * 0.94 / 200_000))
    assert rain_db.min() == 0.0


def test_a_place_without_rain_has_none():
    table, _ = made_up_table(0.001)
    assert np.all(table.rain_db(np.linspace(-4, 4, 50), np.full(50, 30.0)) < 1e-6)


def test_cloud_takes_the_quantile_of_the_process():
    table, _ = made_up_table()
    at_one_percent = table.cloud_loss_db(np.array([-ndtri(0.01)]), np.array([ELEVATIONS_DEG[3]]))
    assert at_one_percent[0] == pytest.approx(table.cloud_db[3, list(CLOUD_EXCEEDANCE_PERCENT).index(1.0)])


def test_site_process_is_the_same_however_it_is_asked_and_has_its_correlation_time():
    times_s = np.arange(0.0, 200_000.0, 50.0)
    whole = SiteProcess(5000.0, 3, "here").at(times_s)
    piecewise = SiteProcess(5000.0, 3, "here")
    assert np.concatenate([piecewise.at(part) for part in np.split(times_s, 8)]).tolist() == whole.tolist()
    late_only = SiteProcess(5000.0, 3, "here").at(times_s[-10:])
    assert late_only.tolist() == whole[-10:].tolist()
    assert SiteProcess(5000.0, 3, "there").at(times_s).tolist() != whole.tolist()
    many = np.array(
        [SiteProcess(5000.0, seed, "x").at(np.array([10_000.0, 15_000.0])) for seed in range(400)]
    )
    assert many.std() == pytest.approx(1.0, abs=0.1)
    assert np.mean(many[:, 0] * many[:, 1]) == pytest.approx(np.exp(-1), abs=0.15)


@pytest.mark.parametrize(("latitude_deg", "longitude_deg"), [(44.8, 10.33), (1.35, 103.8), (59.44, 24.75)])
def test_rain_of_a_real_site_has_the_distribution_of_p618(latitude_deg, longitude_deg):
    itur = pytest.importorskip("itur", reason="needs the optional package itur")
    height_km = itur.topographic_altitude(latitude_deg, longitude_deg).value
    table = rain_table(latitude_deg, longitude_deg, 20e9)
    # Time that the attenuation exceeds P.618's value of p per cent, from draws of the process; p off the table's rows too.
    draws = np.random.default_rng(5).standard_normal(1_000_000)
    for elevation_deg in (12.5, 30.0, 72.0):
        series_db = table.rain_db(draws, np.full(len(draws), elevation_deg))
        for percent in (0.01, 0.03, 0.1, 0.7, 1.5, 2.5, 3.0, 4.5):
            expected_db = itur.models.itu618.rain_attenuation(
                latitude_deg, longitude_deg, 20.0, elevation_deg, hs=height_km, p=percent
            ).value
            own_db = table.rain_db(np.array([-ndtri(percent / 100)]), np.array([elevation_deg]))[0]
            assert own_db == pytest.approx(expected_db, rel=0.03)
            three_sigma = 3 * np.sqrt(percent / 100 / len(draws))
            assert np.mean(series_db > own_db) == pytest.approx(percent / 100, abs=three_sigma)


def test_cloud_of_a_real_site_is_that_of_p840():
    pytest.importorskip("itur", reason="needs the optional package itur")
    # Worked point of the Amsterdam site: cloud at 1 % of time is 0.91 dB at 30 degrees.
    table = rain_table(52.37, 4.9, 20e9)
    assert table.cloud_loss_db(np.array([-ndtri(0.01)]), np.array([30.0]))[0] == pytest.approx(0.91, abs=0.01)


def test_gas_of_a_real_site_is_the_reference_atmospheres_scaled_by_its_water_vapour():
    pytest.importorskip("itur", reason="needs the optional package itur")
    # Amsterdam's median of 7.9 g/m³ is near the 7.5 g/m³ behind the table's 0.2526 dB; at 20 GHz vapour is most of it.
    assert site_zenith_gas_db(52.37, 4.9, 20e9) == pytest.approx(0.2526 * 7.9 / 7.5, rel=0.1)
    assert site_zenith_gas_db(1.35, 103.8, 20e9) > 2 * site_zenith_gas_db(52.37, 4.9, 20e9)
    # At 2 GHz oxygen is nearly all of it, whatever the climate.
    assert site_zenith_gas_db(1.35, 103.8, 2e9) == pytest.approx(0.0355, rel=0.2)

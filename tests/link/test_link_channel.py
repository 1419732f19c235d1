"""The stochastic channel: marginals are the tables', correlations are the designed ones."""

import numpy as np
import pytest

from ntnsim.link.channel import (
    ChannelSettings,
    channel_along_pass,
    channel_loss,
    independent_path_losses_db,
)
from ntnsim.link.correlated import gaussian_process, latent_uniform
from ntnsim.link.path_loss import (
    clutter_loss_rows_db,
    correlation_distance_m,
    free_space_loss_db,
    line_of_sight_probability_rows,
    shadowing_std_rows_db,
)

N = 200_000


def towards(elevation_deg, azimuth_deg=0.0):
    """Return unit vectors [n, 3] east, north, up."""
    elevation, azimuth = np.radians(elevation_deg), np.radians(azimuth_deg)
    level = np.cos(elevation)
    return np.stack(
        [level * np.sin(azimuth), level * np.cos(azimuth), np.sin(elevation) * np.ones_like(azimuth)], axis=-1
    )


def settings(environment="urban", carrier_hz=2e9, **changes):
    return ChannelSettings(environment, carrier_hz, **changes)


@pytest.mark.parametrize("environment", ["dense_urban", "urban", "suburban", "rural"])
@pytest.mark.parametrize("row", [0, 3, 8])
def test_line_of_sight_fraction_is_the_tables_within_three_standard_errors(environment, row):
    rng = np.random.default_rng(row)
    elevation = np.full(N, 10.0 * (row + 1))
    loss = channel_loss(elevation, rng.random(N), rng.standard_normal(N), settings(environment))
    probability = line_of_sight_probability_rows(environment)[row]
    standard_error = np.sqrt(probability * (1 - probability) / N)
    assert abs(loss.line_of_sight.mean() - probability) < 3 * standard_error


@pytest.mark.parametrize("environment", ["dense_urban", "rural"])
@pytest.mark.parametrize("carrier_hz", [2e9, 20e9])
@pytest.mark.parametrize("row", [0, 4])
def test_shadowing_deviates_as_the_table_says_within_3_percent(environment, carrier_hz, row):
    rng = np.random.default_rng(5)
    elevation = np.full(N, 10.0 * (row + 1))
    loss = channel_loss(elevation, rng.random(N), rng.standard_normal(N), settings(environment, carrier_hz))
    for los in (True, False):
        own = loss.shadowing_db[loss.line_of_sight == los]
        assert own.std() == pytest.approx(shadowing_std_rows_db(environment, carrier_hz, los)[row], rel=0.03)
    assert np.all(loss.clutter_db[loss.line_of_sight] == 0)
    expected = clutter_loss_rows_db(environment, carrier_hz)[row]
    assert np.all(loss.clutter_db[~loss.line_of_sight] == expected)


def test_gaussian_process_has_its_exponential_correlation_on_an_uneven_coordinate():
    rng = np.random.default_rng(1)
    steps = rng.choice([0.02, 0.1, 0.5], size=N)
    coordinate = np.cumsum(steps)
    values = gaussian_process(coordinate, rng)
    assert values.mean() == pytest.approx(0.0, abs=0.03)
    assert values.std() == pytest.approx(1.0, abs=0.02)
    for lag in (1, 5, 20):
        designed = np.mean(np.exp(-(coordinate[lag:] - coordinate[:-lag])))
        measured = np.mean(values[lag:] * values[:-lag])
        assert measured == pytest.approx(designed, abs=0.02)


def test_gaussian_process_equals_its_recursion_step_by_step():
    coordinate = np.cumsum(np.random.default_rng(2).exponential(0.8, size=500))
    values = gaussian_process(coordinate, np.random.default_rng(3))
    draws = np.random.default_rng(3).standard_normal(500)
    expected = [draws[0]]
    for k in range(1, 500):
        rho = np.exp(-(coordinate[k] - coordinate[k - 1]))
        expected.append(rho * expected[-1] + np.sqrt(1 - rho**2) * draws[k])
    assert values == pytest.approx(np.array(expected), abs=1e-9)


def test_gaussian_process_survives_leaps_and_standstill():
    coordinate = np.array([0.0, 0.0, 1e-12, 500.0, 500.0, 1000.0])
    values = gaussian_process(coordinate, np.random.default_rng(3))
    assert values[0] == pytest.approx(values[1])
    assert values[3] == pytest.approx(values[4])
    assert np.all(np.isfinite(values))
    assert len(gaussian_process(np.array([]), np.random.default_rng(0))) == 0


def test_line_of_sight_chain_leaves_and_returns_at_the_rates_of_its_probability():
    # A two-state chain of rate 1: P(LOS → NLOS) = 1 − p and P(NLOS → LOS) = p per unit of the coordinate.
    step, p = 0.05, 0.3
    latent = latent_uniform(np.arange(400_000) * step, np.random.default_rng(4))
    los = latent < p
    leaves = np.mean(~los[1:][los[:-1]]) / step
    returns = np.mean(los[1:][~los[:-1]]) / step
    assert los.mean() == pytest.approx(p, abs=0.015)
    # (1 − e^−step)/step is 0.975 of the rate.
    assert leaves == pytest.approx((1 - p) * 0.975, rel=0.05)
    assert returns == pytest.approx(p * 0.975, rel=0.05)


def test_shadowing_decorrelates_over_the_terminals_distance():
    # 30 m/s, fixed elevation, line of sight: correlation 1/e after 37 m.
    speed, step_s = 30.0, 0.05
    own = settings("urban", always_line_of_sight=True, terminal_speed_m_s=speed)
    elevation = np.full(N, 50.0)
    loss, _ = channel_along_pass(elevation, towards(elevation), step_s, own, np.random.default_rng(6))
    lag = round(correlation_distance_m("urban", True) / (speed * step_s))
    x = loss.shadowing_db / 4.0
    assert x.std() == pytest.approx(1.0, rel=0.05)
    assert np.mean(x[lag:] * x[:-lag]) == pytest.approx(np.exp(-lag * speed * step_s / 37.0), abs=0.05)


def test_shadowing_decorrelates_over_the_satellites_elevation_and_persists_without_motion():
    rng = np.random.default_rng(7)
    at_start, at_later, at_rest = [], [], []
    elevation = np.array([50.0, 53.0, 53.0])
    for _ in range(1500):
        rising, _ = channel_along_pass(
            elevation, towards(elevation), 1.0, settings("urban", always_line_of_sight=True), rng
        )
        at_start.append(rising.shadowing_db[0] / 4)
        at_later.append(rising.shadowing_db[1] / 4)
        at_rest.append(rising.shadowing_db[2] / 4)
    # The default decorrelation angle is 3 degrees.
    assert np.mean(np.multiply(at_start, at_later)) == pytest.approx(np.exp(-1), abs=0.08)
    assert at_later == at_rest


def test_marginal_stays_the_tables_at_each_elevation_of_a_pass():
    elevation = np.concatenate([np.linspace(10, 90, 200), np.linspace(90, 10, 200)])
    sky = towards(elevation)
    rng = np.random.default_rng(8)
    runs = np.array(
        [
            channel_along_pass(elevation, sky, 1.0, settings("urban"), rng)[0].line_of_sight
            for _ in range(1500)
        ]
    )
    for row, at in ((0, 0), (3, 75), (8, 199)):
        p = line_of_sight_probability_rows("urban")[row]
        assert runs[:, at].mean() == pytest.approx(p, abs=3 * np.sqrt(p * (1 - p) / 1500) + 1e-9)


def test_state_changes_of_a_low_pass_are_those_of_a_chain_along_its_arc_not_its_elevation():
    # 60 degrees of azimuth at 10 degrees of elevation. A small circle's chord between neighbours gives the arc.
    count, rng = 601, np.random.default_rng(11)
    elevation, azimuth = np.full(count, 10.0), np.linspace(0.0, 60.0, count)
    arc = (count - 1) * np.degrees(
        np.arccos(np.sin(np.radians(10)) ** 2 + np.cos(np.radians(10)) ** 2 * np.cos(np.radians(0.1)))
    )
    p = line_of_sight_probability_rows("urban")[0]
    changes = [
        np.count_nonzero(
            np.diff(
                channel_along_pass(elevation, towards(elevation, azimuth), 1.0, settings("urban"), rng)[
                    0
                ].line_of_sight
            )
        )
        for _ in range(3000)
    ]
    # A chain that is renewed once per 3 degrees flips at a renewal with probability 2p(1 − p): Poisson, in small steps.
    expected = 2 * p * (1 - p) * arc / 3.0
    assert np.mean(changes) == pytest.approx(expected, abs=4 * np.std(changes) / np.sqrt(3000))


def test_a_pass_cut_in_two_goes_on_from_the_direction_where_it_was_cut():
    elevation, azimuth = np.full(2, 10.0), np.array([0.0, 3.0])
    own, rng = settings("urban", always_line_of_sight=True), np.random.default_rng(12)
    pairs = []
    for _ in range(4000):
        sky = towards(elevation, azimuth)
        head, end = channel_along_pass(elevation[:1], sky[:1], 1.0, own, rng)
        tail, _ = channel_along_pass(elevation[1:], sky[1:], 1.0, own, rng, end)
        pairs.append((head.shadowing_db[0], tail.shadowing_db[0]))
    # 3 degrees of azimuth are 3 cos(10°) degrees of sky.
    assert np.corrcoef(np.transpose(pairs))[0, 1] == pytest.approx(
        np.exp(-np.cos(np.radians(10))), abs=4 / np.sqrt(4000)
    )


def test_a_drop_is_free_space_plus_the_terms():
    elevation, range_m = np.array([30.0, 60.0]), np.array([1e6, 7e5])
    own = settings("rural", 20e9)
    drop = independent_path_losses_db(elevation, range_m, own, np.random.default_rng(9))
    rng = np.random.default_rng(9)
    loss = channel_loss(elevation, rng.random(2), rng.standard_normal(2), own)
    assert drop == pytest.approx(free_space_loss_db(range_m, 20e9) + loss.total_db)


def test_interpolation_is_an_option():
    elevation, zero = np.array([15.0]), np.full(1, 0.999)
    nearest = channel_loss(elevation, zero, zero, settings("urban"))
    between = channel_loss(elevation, zero, zero, settings("urban", interpolate_rows=True))
    assert nearest.clutter_db[0] == 30.9
    assert between.clutter_db[0] == pytest.approx((34.3 + 30.9) / 2)


def test_gas_counts_from_10_ghz_on_and_below_that_only_under_10_degrees():
    elevation, zero = np.array([8.0, 12.0, 90.0]), np.zeros(3)
    low = channel_loss(elevation, zero, zero, settings("rural", 2e9)).gas_db
    high = channel_loss(elevation, zero, zero, settings("rural", 20e9)).gas_db
    assert low == pytest.approx([0.0355 / np.sin(np.radians(8.0)), 0.0, 0.0])
    assert high == pytest.approx(0.2526 / np.sin(np.radians(elevation)))


def test_gas_of_a_sites_own_climate_counts_at_every_elevation():
    elevation, zero = np.array([8.0, 30.0, 90.0]), np.zeros(3)
    own = channel_loss(elevation, zero, zero, settings("rural", 2e9, zenith_gas_db=0.04)).gas_db
    assert own == pytest.approx(0.04 / np.sin(np.radians(elevation)))


def test_rice_factor_has_the_tables_mean_and_spread_in_line_of_sight_and_is_none_without():
    elevation, rng = np.full(20_000, 50.0), np.random.default_rng(8)
    # Each step a whole sky further: no memory.
    sky = np.stack(
        [np.cos(np.arange(20_000) * 2.0), np.sin(np.arange(20_000) * 2.0), np.zeros(20_000)], axis=1
    )
    own = settings("urban", 2e9, rice_factor_db=None, sky_decorrelation_deg=1.0)
    loss, _ = channel_along_pass(elevation, sky, 1.0, own, rng)
    factor_db = loss.rice_factor_db[loss.line_of_sight]
    assert factor_db.mean() == pytest.approx(6.52, abs=0.3)  # TR 38.811, Table 6.7.2-3a, 50 degrees
    assert factor_db.std() == pytest.approx(8.27, abs=0.25)
    assert np.all(loss.rice_factor_db[~loss.line_of_sight] == -np.inf)


def test_rice_factor_goes_on_where_a_pass_is_cut_and_leaves_the_other_draws_alone():
    elevation = np.linspace(20.0, 40.0, 300)
    sky = towards(elevation)
    own = settings("urban", 2e9, rice_factor_db=None, sky_decorrelation_deg=1e6, always_line_of_sight=True)
    head, end = channel_along_pass(elevation[:150], sky[:150], 1.0, own, np.random.default_rng(9))
    tail, _ = channel_along_pass(elevation[150:], sky[150:], 1.0, own, np.random.default_rng(10), end)
    deviations = (head.rice_factor_db[0] - 18.78) / 13.78, (tail.rice_factor_db[-1] - 7.46) / 8.01
    assert deviations[0] == pytest.approx(deviations[1])  # rows of 20 and 40 degrees, one draw
    without, _ = channel_along_pass(
        elevation,
        sky,
        1.0,
        settings("urban", 2e9, sky_decorrelation_deg=1e6, always_line_of_sight=True),
        np.random.default_rng(9),
    )
    with_fading, _ = channel_along_pass(elevation, sky, 1.0, own, np.random.default_rng(9))
    assert without.total_db.tolist() == with_fading.total_db.tolist()
    assert without.rice_factor_db is None

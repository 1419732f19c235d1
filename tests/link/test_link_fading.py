"""Small-scale fading: closed forms of its distributions, integrals over them, and a simulator of every slot."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import i0e, j0
from scipy.stats import gamma, ncx2
from slot_by_slot import SlotLink, fades, run

from ntnsim.link.adaptation import LevelTable, level_table
from ntnsim.link.fading import FLAT, FadingSettings, FadingTables, faded_goodput
from ntnsim.link.goodput import GoodputSettings, steady_efficiency
from ntnsim.link.multipath import Multipath, power_draws, tapped_delay_line
from ntnsim.link.retransmission import ErrorTables, RetransmissionSettings
from ntnsim.link.tables import table

SLOT_S = 1e-3
ELEMENTS_PER_S = 309e3
ROUND_TRIP_S = 0.013
PEDESTRIAN_HZ, CAR_HZ = 5.6, 185.3  # 3 and 100 km/h at 2 GHz


def link(outer_loop=True, **again):
    levels = level_table(
        table_number=1,
        levels="mcs",
        threshold_set="measured_nr_ldpc_awgn",
        resource_elements_per_slot=ELEMENTS_PER_S * SLOT_S,
    )
    settings = RetransmissionSettings(**again)
    return GoodputSettings(ErrorTables(levels, settings), ELEMENTS_PER_S, SLOT_S, outer_loop=outer_loop)


def faded_efficiency(sinr_db, k_db, doppler_hz, own, round_trip_s=ROUND_TRIP_S, **settings):
    tables = FadingTables(FadingSettings(doppler_hz, 360e3, **settings), own)
    result = faded_goodput(
        np.atleast_1d(float(sinr_db)), np.atleast_1d(float(k_db)), np.atleast_1d(round_trip_s), tables
    )
    return float(result.rate_bps[0] / ELEMENTS_PER_S)


def rice_density(power, k):
    """Density of a Rician power gain of mean 1: non-central chi-square with two degrees of freedom."""
    return 2 * (k + 1) * ncx2.pdf(2 * (k + 1) * power, 2, 2 * k)


def rice_outage(power, k):
    """P(gain < power) = 1 − Q1(√(2K), √(2(K+1) power))."""
    return ncx2.cdf(2 * (k + 1) * power, 2, 2 * k)


@pytest.mark.parametrize("k_db", [-np.inf, 4.0, 7.0, 12.0])
def test_drawn_powers_have_rices_outage_probability(k_db):
    k = 10 ** (k_db / 10)
    power = power_draws(Multipath(k), np.array([0.0, 0.01]), 50.0, np.zeros(1))[:, :, 0]
    assert power.mean(axis=0) == pytest.approx([1.0, 1.0], abs=0.01)
    for level in (0.1, 0.3, 1.0, 2.0):
        outage = (power < level).mean(axis=0)
        assert outage == pytest.approx(np.full(2, rice_outage(level, k)), abs=0.02)


def test_power_forgets_as_clarkes_model_says():
    # Power of a direct path and scattered waves of autocorrelation r: (2 K r + r²) / (1 + 2 K).
    lags_s, doppler_hz, k = np.array([0.0, 0.002, 0.005, 0.02]), 60.0, 2.5
    power = power_draws(Multipath(k), lags_s, doppler_hz, np.zeros(1))[:, :, 0]
    r = j0(2 * np.pi * doppler_hz * lags_s)
    expected = (2 * k * r + r**2) / (1 + 2 * k)
    assert np.corrcoef(power.T)[0] == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("profile", ["A", "B", "C", "D"])
def test_tapped_delay_lines_have_a_delay_spread_of_one_and_the_published_k(profile):
    own = tapped_delay_line(profile, 1.0)
    share = np.array(own.scattered) / (1 + own.rice)
    delay = np.array(own.delay_s)
    mean = np.sum(share * delay)  # the direct path comes at 0
    assert np.sqrt(np.sum(share * delay**2) - mean**2) == pytest.approx(1.0, abs=0.01)
    first_tap_k_db = {"C": 10.224, "D": 11.707}.get(profile)  # as printed beside the tables
    if first_tap_k_db is not None:
        assert 10 * np.log10(own.rice / own.scattered[0]) == pytest.approx(first_tap_k_db, abs=0.002)


def test_fades_apart_in_frequency_correlate_as_the_profiles_transform_says():
    own = tapped_delay_line("A", 100e-9)
    frequency_hz = np.array([0.0, 0.5e6, 2e6])
    power = power_draws(own, np.zeros(1), 0.0, frequency_hz)[:, 0, :]
    transfer = np.exp(-2j * np.pi * np.outer(frequency_hz, own.delay_s)) @ np.array(own.scattered)
    assert np.corrcoef(power.T)[0] == pytest.approx(np.abs(transfer) ** 2, abs=0.03)


def test_followed_fades_give_the_integral_over_rices_density():
    own, k = link(outer_loop=False, feedback="disabled"), 10**0.4
    levels = own.levels

    def rate(power, sinr):
        sinr_db = 10 * np.log10(max(sinr * power, 1e-9))
        level = int(levels.level_at(np.array(sinr_db)))
        return 0.0 if level < 0 else levels.efficiency[level] * (1 - float(levels.bler(level, sinr_db)))

    for sinr_db in (0.0, 8.0, 15.0):
        sinr = 10 ** (sinr_db / 10)
        edges = np.unique(np.clip(10 ** (levels.switching_db / 10) / sinr, 0, 12))
        expected = sum(
            quad(lambda power, s=sinr: rate(power, s) * rice_density(power, k), low, high)[0]
            for low, high in zip(edges, np.append(edges[1:], 12.0), strict=True)
        )
        assert faded_efficiency(sinr_db, 4.0, 0.001, own) == pytest.approx(expected, rel=0.01)


def test_forgotten_fades_give_the_product_of_what_was_reported_and_what_is_met():
    # At the first zero of J0 the report says nothing about the scattered waves.
    own, k, lag_s = link(outer_loop=False, feedback="disabled"), 10**0.4, 0.013
    doppler_hz = 2.404826 / (2 * np.pi * lag_s)
    levels = own.levels
    for sinr_db in (4.0, 12.0):
        sinr = 10 ** (sinr_db / 10)
        edges = np.append(10 ** (levels.switching_db / 10) / sinr, np.inf)
        chosen = np.diff(rice_outage(edges, k))
        met = np.array(
            [
                quad(
                    lambda power, n=n, s=sinr: (
                        rice_density(power, k)
                        * (1 - float(levels.bler(n, 10 * np.log10(max(s * power, 1e-9)))))
                    ),
                    0,
                    12,
                    limit=400,
                )[0]
                for n in range(len(levels))
            ]
        )
        expected = float(np.sum(chosen * levels.efficiency * met))
        found = faded_efficiency(sinr_db, 4.0, doppler_hz, own, lag_s)
        assert found == pytest.approx(expected, rel=0.06)  # a bin of round trips is 10 % wide


def test_a_strong_direct_path_leaves_the_steady_link():
    sinr_db = np.array([2.0, 7.0, 13.0])
    steady = steady_efficiency(sinr_db, link())
    for one_db, expected in zip(sinr_db, steady, strict=True):
        # Fades of 0.3 dB cost a few percent where levels are a decibel apart, and smooth their steps.
        assert faded_efficiency(one_db, 40.0, 5.0, link()) == pytest.approx(expected, rel=0.06)


def test_the_other_simulators_fades_cross_levels_as_often_as_rice_says():
    # N = √(2π(K+1)) f_D ρ exp(−K − (K+1)ρ²) I0(2ρ√(K(K+1))) for a direct path of no Doppler shift.
    k, doppler_hz, step_s = 10**0.4, 20.0, 2e-4
    envelope = np.sqrt(
        fades(40, 20_000, step_s, k=k, doppler_hz=doppler_hz, rng=np.random.default_rng(5))[:, :, 0]
    )
    for rho in (0.3, 0.6, 1.0):
        crossings = np.sum((envelope[:, :-1] < rho) & (envelope[:, 1:] >= rho)) / (40 * 20_000 * step_s)
        argument = 2 * rho * np.sqrt(k * (k + 1))
        expected = (
            np.sqrt(2 * np.pi * (k + 1))
            * doppler_hz
            * rho
            * np.exp(-k - (k + 1) * rho**2 + argument)
            * i0e(argument)
        )
        assert crossings == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("feedback", ["enabled", "disabled"])
@pytest.mark.parametrize("doppler_hz", [2.0, PEDESTRIAN_HZ, 60.0, CAR_HZ])
@pytest.mark.parametrize(("k_db", "tolerance"), [(-np.inf, 0.12), (4.0, 0.11), (7.0, 0.06)])
def test_tables_deliver_what_a_simulation_of_every_slot_delivers(feedback, doppler_hz, k_db, tolerance):
    own = link(feedback=feedback)
    levels = own.levels
    other = SlotLink(levels.efficiency, levels.threshold_db, levels.slope_per_db)
    rng = np.random.default_rng(1)
    for sinr_db in (4.0, 12.0):
        # Four moments of each slot, and the SINR that has the mean of their capacities.
        power = fades(60, 36_000, SLOT_S / 4, k=10 ** (k_db / 10), doppler_hz=doppler_hz, rng=rng)
        sinr = 10 ** (sinr_db / 10) * power.reshape(60, 9000, 4)
        sinr = np.expm1(np.mean(np.log1p(sinr), axis=2))
        simulated, bler = run(other, sinr, rng, warm_up=4000, with_feedback=feedback == "enabled")
        assert faded_efficiency(sinr_db, k_db, doppler_hz, own) == pytest.approx(simulated, rel=tolerance)
        if k_db > 0:
            assert bler == pytest.approx(0.1, abs=0.015)


def test_frequency_selective_fades_deliver_what_a_simulation_of_every_slot_delivers():
    # 20 MHz over a delay spread of 100 ns: several fades side by side, each block meets them all.
    own, bandwidth_hz = link(feedback="enabled"), 20e6
    profile = tapped_delay_line("A", 100e-9)
    levels = own.levels
    other = SlotLink(levels.efficiency, levels.threshold_db, levels.slope_per_db)
    rng = np.random.default_rng(2)
    taps = tuple(zip(profile.delay_s, profile.scattered, strict=True))
    frequencies_hz = (np.arange(24) + 0.5) / 24 * bandwidth_hz
    gain = fades(
        40, 7000, SLOT_S, k=0.0, doppler_hz=PEDESTRIAN_HZ, rng=rng, taps=taps, frequencies_hz=frequencies_hz
    )
    settings = FadingSettings(PEDESTRIAN_HZ, bandwidth_hz, profile, profile, each_k=False)
    for sinr_db in (4.0, 12.0):
        effective = np.expm1(np.mean(np.log1p(10 ** (sinr_db / 10) * gain), axis=2))
        simulated, _ = run(other, effective, rng, warm_up=3000)
        result = faded_goodput(
            np.array([sinr_db]),
            np.array([-np.inf]),
            np.array([ROUND_TRIP_S]),
            FadingTables(settings, own),
        )
        found = float(result.rate_bps[0] / ELEMENTS_PER_S)
        assert found == pytest.approx(simulated, rel=0.06)
        assert found > 1.05 * faded_efficiency(sinr_db, -np.inf, PEDESTRIAN_HZ, own)  # flat fades are deeper


def test_losses_are_those_that_were_estimated_beforehand():
    # A pedestrian's fades of K 4 to 12 dB cost 0 to 18 % of the rate, at 100 km/h and K = 7 dB 37 to 54 %.
    sinr_db = np.array([4.0, 7.0, 10.0, 13.0])
    own = link(feedback="enabled")
    steady = steady_efficiency(sinr_db, own)
    for k_db in (4.0, 7.0, 12.0):
        left = np.array([faded_efficiency(one, k_db, PEDESTRIAN_HZ, own) for one in sinr_db])
        assert np.all((left > 0.79 * steady) & (left < 1.05 * steady))
    left = np.array([faded_efficiency(one, 7.0, CAR_HZ, own) for one in sinr_db])
    assert np.all((left > 0.44 * steady) & (left < 0.66 * steady))


def test_stalled_processes_cut_the_faded_rate_as_they_cut_the_steady_one():
    few = faded_efficiency(10.0, 7.0, 2.0, link(feedback="enabled", processes=8), 0.031)
    many = faded_efficiency(10.0, 7.0, 2.0, link(feedback="enabled", processes=32), 0.031)
    assert few / many == pytest.approx(8 / 32)
    without = faded_efficiency(10.0, 7.0, 2.0, link(feedback="disabled", processes=8), 0.031)
    assert faded_efficiency(10.0, 7.0, 2.0, link(feedback="auto", processes=8), 0.031) == without


def test_nothing_is_sent_without_a_link():
    tables = FadingTables(FadingSettings(5.0, 360e3), link())
    result = faded_goodput(np.array([-np.inf, 10.0]), np.array([-np.inf, 7.0]), np.zeros(2), tables)
    assert result.rate_bps[0] == 0.0
    assert result.level[0] == -1
    assert result.rate_bps[1] > 0


def test_flat_fading_has_one_tap_and_tables_hold_k_of_every_band_and_surroundings():
    assert FLAT.scattered == (1.0,)
    for environment in ("dense_urban", "urban", "suburban", "rural"):
        for band in ("s_band", "ka_band"):
            rows = table("fading")["los_k_factor_db"][environment][band]
            assert len(rows["mu_db"]) == len(rows["sigma_db"]) == 9


@pytest.mark.parametrize("repeats", [1, 2, 4, 8])
def test_repeats_apart_meet_fades_of_their_own(repeats):
    # One level, Rayleigh, repeats far apart: their sum is gamma distributed, and the block passes where it reaches the
    # level's threshold (a logistic 0.3 dB wide).
    base = link(outer_loop=False, feedback="disabled")
    levels = base.levels
    one = LevelTable(
        index=levels.index[5:6],
        bits_per_symbol=levels.bits_per_symbol[5:6],
        efficiency=levels.efficiency[5:6] / repeats,
        threshold_db=levels.threshold_db[5:6] - 10 * np.log10(repeats),
        slope_per_db=np.array([60.0]),
        code_blocks=levels.code_blocks[5:6],
        bler_target=0.1,
    )
    doppler_hz, interval_s = 60.0, 5.520078 / (2 * np.pi * 60.0)  # apart by a zero of J0
    own = GoodputSettings(
        ErrorTables(one, base.retransmission),
        ELEMENTS_PER_S,
        SLOT_S * repeats,
        outer_loop=False,
        csi_delay_s=1.234,
        repeats=repeats,
        repeat_interval_s=interval_s,
    )
    for sinr_db in (0.0, 3.0, 8.0):
        heard = np.exp(-(10 ** ((one.threshold_db[0] - sinr_db) / 10)))
        needed = 10 ** ((levels.threshold_db[5] - sinr_db) / 10)
        expected = heard * gamma.sf(needed, repeats) * one.efficiency[0]
        found = faded_efficiency(sinr_db, -np.inf, doppler_hz, own, 0.0)
        assert found == pytest.approx(expected, rel=0.12, abs=0.02 * one.efficiency[0])

"""Adaptation, errors and retransmission: the fluid model against its definitions and against the block-by-block one."""

from dataclasses import replace

import numpy as np
import pytest

from ntnsim.link.adaptation import block_error_rate, level_table, threshold_db
from ntnsim.link.goodput import GoodputSettings, delayed, goodput_along_pass, steady_efficiency
from ntnsim.link.per_block import run_blocks
from ntnsim.link.retransmission import (
    ErrorTables,
    RetransmissionSettings,
    stall_share,
)

SLOT_S = 1e-3
ELEMENTS_PER_S = 2 * 12 * 14 * 0.92 / SLOT_S  # 360 kHz at 15 kHz, uplink overhead


def link(levels="mcs", table_number=1, outer_loop=True, bler_target=0.1, repeats=1, **again):
    table = level_table(
        bler_target=bler_target,
        repeats=repeats,
        table_number=table_number,
        levels=levels,
        threshold_set="measured_nr_ldpc_awgn",
        resource_elements_per_slot=ELEMENTS_PER_S * SLOT_S,
    )
    return GoodputSettings(
        ErrorTables(table, RetransmissionSettings(**again)),
        ELEMENTS_PER_S,
        SLOT_S * repeats,
        outer_loop=outer_loop,
        repeats=repeats,
    )


def test_block_error_rate_is_a_tenth_at_the_threshold_and_grows_with_code_blocks():
    assert block_error_rate(0.0, 11.0) == pytest.approx(0.1)
    assert block_error_rate(0.0, 11.0, 3) == pytest.approx(1 - 0.9**3)
    assert block_error_rate(-50.0, 11.0) == pytest.approx(1.0)
    assert block_error_rate(50.0, 11.0) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("levels", ["cqi", "mcs"])
@pytest.mark.parametrize("table_number", [1, 2, 3])
@pytest.mark.parametrize(
    "threshold_set", ["measured_nr_ldpc_awgn", "classic_lte", "vienna_style", "matlab_tdl_not_awgn"]
)
def test_levels_of_every_set_rise_in_efficiency_and_threshold(levels, table_number, threshold_set):
    table = level_table(table_number=table_number, levels=levels, threshold_set=threshold_set)
    assert np.all(np.diff(table.efficiency) > 0)
    assert np.all(np.diff(table.threshold_db) > 0)


def test_measured_thresholds_stand_at_their_rates_and_between_them():
    assert threshold_db(2, 449, "measured_nr_ldpc_awgn") == 0.17
    assert threshold_db(6, 948, "measured_nr_ldpc_awgn") == 19.36
    # Half-way between 16QAM 378 (3.98) and 490 (5.93).
    assert threshold_db(4, 434, "measured_nr_ldpc_awgn") == pytest.approx(4.955)
    # Repetition below the lowest rate: −10 log10(78/30).
    assert threshold_db(2, 30, "measured_nr_ldpc_awgn") == pytest.approx(-8.14 - 10 * np.log10(78 / 30))


def test_transport_blocks_meet_the_target_at_their_switching_point():
    table = level_table(
        table_number=2,
        levels="cqi",
        threshold_set="measured_nr_ldpc_awgn",
        resource_elements_per_slot=40_000.0,
    )
    assert table.code_blocks.max() > 30
    every = np.arange(len(table))
    assert table.bler(every, table.switching_db) == pytest.approx(np.full(len(table), 0.1), rel=1e-6)


def test_strict_cqi_table_switches_at_its_block_error_rate_of_1e_5():
    table = level_table(table_number=3, levels="cqi", threshold_set="measured_nr_ldpc_awgn")
    assert table.bler(4, table.switching_db[4]) == pytest.approx(1e-5, rel=1e-3)


def test_level_is_the_highest_whose_threshold_is_reached():
    table = level_table(table_number=1, levels="cqi", threshold_set="measured_nr_ldpc_awgn")
    assert table.level_at(np.array([-9.0, -8.1, 0.2, 2.12, 2.14, 40.0])).tolist() == [-1, 0, 4, 4, 5, 14]


def test_fluid_outer_loop_meets_the_target_on_steady_and_moving_channels():
    n = 20_000
    rng = np.random.default_rng(1)
    wandering = 8 + np.cumsum(rng.normal(size=n)) * 0.01
    for sinr_db in (np.full(n, 6.3), np.linspace(0, 12, n), wandering):
        result = goodput_along_pass(sinr_db, np.full(n, 0.0126), SLOT_S, 0, link(feedback="disabled"))
        assert result.bler.mean() == pytest.approx(0.10, abs=0.02)


def test_nothing_is_sent_below_the_lowest_level_and_nothing_breaks_at_minus_infinity():
    sinr_db = np.array([-np.inf, -30.0, 10.0, 10.0])
    result = goodput_along_pass(sinr_db, np.zeros(4), 1.0, 0, link())
    assert result.rate_bps[:2].tolist() == [0.0, 0.0]
    assert result.rate_bps[2] > 0
    assert result.level[:2].tolist() == [-1, -1]


def test_old_channel_state_costs_rate_on_a_channel_that_moves():
    n = 20_000
    jitter = 8 + 2.0 * np.sin(np.arange(n) * 2 * np.pi / 60)
    fresh = goodput_along_pass(jitter, np.zeros(n), SLOT_S, 0, link())
    old = goodput_along_pass(jitter, np.full(n, 0.026), SLOT_S, 0, link())
    assert old.rate_bps.mean() < 0.9 * fresh.rate_bps.mean()


def test_delayed_series_is_shifted_and_starts_with_its_first_value():
    assert delayed(np.arange(5.0), 2.0, 1.0).tolist() == [0, 0, 0, 1, 2]
    assert delayed(np.arange(4.0), np.array([0, 1, 2, 1.0]), 1.0).tolist() == [0, 0, 0, 2]


def test_intervals_of_the_outer_loop_belong_to_absolute_time():
    n = 3000
    sinr_db = 6 + np.sin(np.arange(n) / 150)
    whole = goodput_along_pass(sinr_db, np.zeros(n), 0.01, 0, link())
    later = goodput_along_pass(sinr_db[130:], np.zeros(n - 130), 0.01, 130, link())
    # From the first whole interval on nothing knows where the series began.
    assert later.rate_bps[70:].tolist() == whole.rate_bps[200:].tolist()


def test_stall_caps_the_rate_at_processes_over_round_trip():
    # 16 processes, 25.77 ms, 1 ms slots, 1 ms of processing: 16/26.77 of the slots.
    own = RetransmissionSettings(processes=16, feedback="enabled")
    assert stall_share(0.02577, SLOT_S, own) == pytest.approx(16 / 26.77)
    n = 2000
    free = goodput_along_pass(
        np.full(n, 30.0), np.full(n, 0.004), SLOT_S, 0, link(processes=16, feedback="enabled")
    )
    capped = goodput_along_pass(
        np.full(n, 30.0), np.full(n, 0.02577), SLOT_S, 0, link(processes=16, feedback="enabled")
    )
    assert capped.rate_bps[-1] / free.rate_bps[-1] == pytest.approx(16 / 26.77)


def test_auto_feedback_is_off_exactly_where_processes_would_stall():
    n = 2000
    steady = np.full(n, 6.3)
    for round_trip_s, same_as in ((0.005, "enabled"), (0.0258, "disabled")):
        trip = np.full(n, round_trip_s)
        auto = goodput_along_pass(steady, trip, SLOT_S, 0, link(processes=16, feedback="auto"))
        other = goodput_along_pass(steady, trip, SLOT_S, 0, link(processes=16, feedback=same_as))
        assert auto.rate_bps.tolist() == other.rate_bps.tolist()


def test_rlc_gets_what_harq_leaves_as_many_blocks_as_the_per_block_model_counts():
    steady, trip = np.full(12_000, 6.3), np.full(12_000, 0.0126)
    without = goodput_along_pass(steady, trip, SLOT_S, 0, link(feedback="disabled"))
    assert without.residual_loss.tolist() == without.bler.tolist()
    # A second transmission, 3 dB better, hardly ever fails on a steady channel.
    assert goodput_along_pass(steady, trip, SLOT_S, 0, link(feedback="enabled")).residual_loss.max() < 1e-6
    once = link(feedback="enabled", max_transmissions=1)
    fluid = goodput_along_pass(steady, trip, SLOT_S, 0, once)
    run = run_blocks(
        steady,
        0.0126,
        once,
        np.random.default_rng(6),
        start_offset_db=float(fluid.outer_loop_offset_db[0]),
    )
    assert run.lost_by_harq / run.first_transmissions == pytest.approx(
        float(fluid.residual_loss.mean()), abs=3 * np.sqrt(0.09 / 12_000)
    )


def test_peak_rate_is_the_top_level_without_errors():
    result = goodput_along_pass(np.full(100, 40.0), np.zeros(100), SLOT_S, 0, link())
    assert result.rate_bps[-1] == pytest.approx(ELEMENTS_PER_S * 6 * 948 / 1024, rel=1e-6)


def test_steady_efficiency_never_falls_as_the_sinr_rises():
    sinr_db = np.linspace(-12, 30, 400)
    efficiency = steady_efficiency(sinr_db, link())
    assert efficiency[0] == 0.0
    assert np.all(np.diff(efficiency) > -0.02 * efficiency[:-1].max())
    assert efficiency[-1] == pytest.approx(6 * 948 / 1024)


@pytest.mark.parametrize("feedback", ["enabled", "disabled"])
@pytest.mark.parametrize("round_trip_s", [0.0126, 0.0258])
def test_fluid_and_per_block_transfer_times_agree_within_the_block_error_interval(feedback, round_trip_s):
    n = 16_000
    sinr_db = np.linspace(3.0, 9.0, n)
    own = link(feedback=feedback)
    fluid = goodput_along_pass(sinr_db, np.full(n, round_trip_s), SLOT_S, 0, own)
    bits = np.cumsum(fluid.rate_bps) * SLOT_S
    runs = [
        run_blocks(
            sinr_db,
            round_trip_s,
            own,
            np.random.default_rng(seed),
            start_offset_db=float(fluid.outer_loop_offset_db[0]),
        )
        for seed in range(3)
    ]
    for transfer in (1e6, 3e6, 6e6):
        fluid_s = (np.searchsorted(bits, transfer) + 1) * SLOT_S
        blocks_s = np.array([(np.searchsorted(run.delivered_bits, transfer) + 1) * SLOT_S for run in runs])
        # N blocks of which a tenth fail: the number of failures has deviation √(N p (1 − p)), each costs one slot.
        # The loop holds that number by feedback, so this is a generous interval; its own sawtooth adds a round trip.
        blocks = fluid_s / SLOT_S
        interval_s = 3 * np.sqrt(blocks * 0.1 * 0.9) * SLOT_S / np.sqrt(len(runs)) + round_trip_s
        assert abs(blocks_s.mean() - fluid_s) < interval_s
        assert abs(blocks_s.mean() - fluid_s) < 0.01 * fluid_s + round_trip_s
    assert np.mean([run.bler for run in runs]) == pytest.approx(0.10, abs=0.02)


def test_without_outer_loop_the_per_block_error_rate_is_the_tables():
    own = link(levels="cqi", outer_loop=False, feedback="disabled")
    sinr_db = np.full(8000, 2.13)  # exactly a switching point: 0.1
    run = run_blocks(sinr_db, 0.0126, own, np.random.default_rng(3))
    assert run.bler == pytest.approx(0.1, abs=3 * np.sqrt(0.09 / 8000))


def test_harq_repeats_until_the_block_is_through_and_hands_the_rest_to_rlc():
    # Far below every threshold, but forced: all transmissions of a block fail and RLC takes over.
    own = link(levels="cqi", outer_loop=False, feedback="enabled", max_transmissions=2)
    falling = np.concatenate([np.full(40, 10.0), np.full(400, -8.0)])
    run = run_blocks(falling, 0.02, own, np.random.default_rng(4))
    assert run.lost_by_harq > 0


@pytest.mark.parametrize("processes", [8, 16])
def test_stalled_harq_sends_as_much_in_blocks_as_in_the_fluid(processes):
    # 25.8 ms need 27 processes with the receiver's millisecond.
    n, round_trip_s = 12_000, 0.0258
    own = link(processes=processes, feedback="enabled")
    sinr_db = np.full(n, 6.3)
    fluid = goodput_along_pass(sinr_db, np.full(n, round_trip_s), SLOT_S, 0, own)
    run = run_blocks(
        sinr_db,
        round_trip_s,
        own,
        np.random.default_rng(5),
        start_offset_db=float(fluid.outer_loop_offset_db[0]),
    )
    delivered = run.delivered_bits[-1] - run.delivered_bits[3000]
    expected = float(np.sum(fluid.rate_bps[3001:])) * SLOT_S
    assert delivered == pytest.approx(expected, rel=0.02)


def bicm_capacity(bits_per_symbol, snr_db):
    """Return the capacity of bit-interleaved coded modulation with Gray square QAM, by Gauss-Hermite integration."""
    points, weights = np.polynomial.hermite.hermgauss(60)
    size = 2 ** (bits_per_symbol // 2)
    amplitude = 2.0 * np.arange(size) - (size - 1)
    amplitude /= np.sqrt(np.mean(amplitude**2))
    label = np.arange(size) ^ (np.arange(size) >> 1)
    sigma = 10 ** (-snr_db / 20)
    received = amplitude[:, None] + np.sqrt(2) * sigma * points
    exponent = -((received[:, :, None] - amplitude) ** 2) / (2 * sigma**2)
    likelihood = np.exp(exponent - exponent.max(axis=2, keepdims=True))
    total = likelihood.sum(axis=2)
    capacity = 0.0
    for bit in range(bits_per_symbol // 2):
        same = ((label >> bit) & 1)[:, None] == ((label >> bit) & 1)[None, :]
        right = np.where(same[:, None, :], likelihood, 0.0).sum(axis=2)
        capacity += 1 + np.mean(np.log2(right / total) @ weights) / np.sqrt(np.pi)
    return 2 * capacity


@pytest.mark.parametrize(("bits", "rate"), [(6, 772), (8, 797), (8, 948), (10, 805.5), (10, 853), (10, 948)])
def test_thresholds_lie_a_decibel_above_the_capacity_of_their_modulation(bits, rate):
    # A code of some thousand bits needs about a decibel more than capacity.
    at_db = threshold_db(bits, rate, "measured_nr_ldpc_awgn")
    assert bicm_capacity(bits, at_db - 1.2) < bits * rate / 1024 < bicm_capacity(bits, at_db - 0.8)


def test_1024qam_pays_from_some_30_db_on():
    sinr_db = np.array([20.0, 28.0, 33.0])
    of_4, of_2 = (steady_efficiency(sinr_db, link(table_number=number)) for number in (4, 2))
    assert of_4[0] == pytest.approx(of_2[0], rel=0.05)
    assert of_4[2] / of_2[2] == pytest.approx(10 / 8, rel=0.01)


@pytest.mark.parametrize("repeats", [2, 8, 32])
def test_repeated_slots_are_worth_their_number_in_sinr_and_cost_it_in_rate(repeats):
    sinr_db = np.linspace(-20.0, 10.0, 61)
    once = steady_efficiency(sinr_db + 10 * np.log10(repeats), link())
    assert steady_efficiency(sinr_db, link(repeats=repeats)) == pytest.approx(
        once / repeats, rel=0.02, abs=1e-6
    )


def test_repeated_slots_reach_as_far_down_as_their_number_says():
    lowest_db = link().levels.switching_db[0]
    for repeats in (1, 4, 16):
        edge_db = lowest_db - 10 * np.log10(repeats)
        either_side = steady_efficiency(np.array([edge_db - 0.05, edge_db + 0.05]), link(repeats=repeats))
        assert either_side[0] == 0.0 < either_side[1]


def test_per_block_model_sends_repeats_as_the_fluid_one_does():
    own = link(repeats=4, feedback="disabled", bler_target=0.01)
    n = 8000
    fluid = goodput_along_pass(np.full(n, 2.0), np.full(n, 0.0126), own.slot_s, 0, own)
    run = run_blocks(
        np.full(n, 2.0),
        0.0126,
        own,
        np.random.default_rng(7),
        start_offset_db=float(fluid.outer_loop_offset_db[0]),
    )
    assert run.delivered_bits[-1] == pytest.approx(float(fluid.rate_bps.sum()) * own.slot_s, rel=0.01)
    assert run.bler == pytest.approx(0.01, abs=4 * np.sqrt(0.01 / n))


def test_link_without_feedback_has_its_own_repeats_and_error_target():
    without = link(feedback="disabled", bler_target=1e-3, repeats=2)
    own = replace(link(feedback="auto", processes=16), unanswered=without)
    sinr_db, n = np.full(4000, 6.3), 4000
    short = goodput_along_pass(sinr_db, np.full(n, 0.005), SLOT_S, 0, own)
    long = goodput_along_pass(sinr_db, np.full(n, 0.0258), SLOT_S, 0, own)
    assert short.bler.mean() == pytest.approx(0.1, abs=0.01)
    assert long.bler.mean() == pytest.approx(1e-3, rel=0.1)
    assert long.residual_loss.tolist() == long.bler.tolist()
    assert (
        long.rate_bps.tolist()
        == goodput_along_pass(sinr_db, np.zeros(n), SLOT_S, 0, without).rate_bps.tolist()
    )
    # Over a pass on which the processes begin to stall, each step has the link that it would have alone.
    mixed = goodput_along_pass(sinr_db, np.where(np.arange(n) < 2000, 0.005, 0.0258), SLOT_S, 0, own)
    assert mixed.rate_bps[1000] == short.rate_bps[1000]
    assert mixed.rate_bps[3000] == long.rate_bps[3000]

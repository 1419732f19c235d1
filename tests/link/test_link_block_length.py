"""Short blocks against Shannon's bound of 1959, and against what they do to a link."""

from math import log, log2, sqrt, tan

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import betainc
from scipy.stats import nct

from ntnsim.link.adaptation import SLOPE_PER_DB, level_table
from ntnsim.link.block_length import needed_snr_db, short_block

HANDHELD_ELEMENTS = 2 * 12 * 14 * 0.92  # 360 kHz at 15 kHz, one slot


def cone_packing_snr_db(bits, channel_uses, bler):
    """Return the SINR below which no code has so few errors (Shannon, Bell Syst. Tech. J. 38(3), 1959).

    The best code shares the sphere of its m real dimensions out into cones: a point leaves a cone of half-angle t when
    Student's noncentral ratio of its part along the axis to the rest falls below cot t.
    """
    dimensions = 2 * channel_uses

    def excess_solid_angle(angle):
        fraction = betainc((dimensions - 1) / 2, 0.5, np.sin(angle) ** 2) / 2
        return log(max(fraction, 1e-300)) + bits * log(2)

    angle = brentq(excess_solid_angle, 1e-3, np.pi / 2 - 1e-9)

    def excess_errors(snr_db):
        away = sqrt(dimensions * 10 ** (snr_db / 10))
        return nct.cdf(sqrt(dimensions - 1) / tan(angle), dimensions - 1, away) - bler

    return brentq(excess_errors, -12, 20)


@pytest.mark.parametrize(("bler", "close_db"), [(0.1, 0.06), (0.01, 0.2)])
@pytest.mark.parametrize("bits", [72, 150, 300, 450, 600])
def test_the_normal_approximation_stands_at_shannons_cone_packing_bound(bits, bler, close_db):
    bound_db = cone_packing_snr_db(bits, 309, bler)
    assert 0.0 < needed_snr_db(bits, 309, bler) - bound_db < close_db


def test_long_blocks_come_to_capacity():
    assert needed_snr_db(1e7 * log2(1 + 10**0.3), 1e7) == pytest.approx(3.0, abs=0.005)


@pytest.mark.parametrize(("code_rate", "measured_bits"), [(308, 1920), (658, 3968)])
def test_blocks_as_long_as_the_measured_ones_need_nothing_more(code_rate, measured_bits):
    assert short_block(measured_bits, 2 * code_rate / 1024, code_rate) == (0.0, 1.0)
    assert short_block(8448, 2 * code_rate / 1024, code_rate) == (0.0, 1.0)
    more_db, gentler = short_block(measured_bits / 2, 2 * code_rate / 1024, code_rate)
    assert 0.0 < more_db < 0.3 and 0.6 < gentler < 0.8  # about sqrt(1/2)


def test_a_handhelds_levels_need_more_and_fail_gently():
    long, short = (
        level_table(
            table_number=1,
            levels="mcs",
            threshold_set="measured_nr_ldpc_awgn",
            resource_elements_per_slot=HANDHELD_ELEMENTS,
            short_blocks=short_blocks,
        )
        for short_blocks in (False, True)
    )
    own = {index: at for at, index in enumerate(short.index)}
    shared = [(at, own[index]) for at, index in enumerate(long.index) if index in own]
    checked = 0
    for at_long, at_short in shared:
        bits = long.efficiency[at_long] * HANDHELD_ELEMENTS
        if bits > 900:  # the cones' share of the sphere leaves the range of floats
            continue
        checked += 1
        code_rate = 1024 * long.efficiency[at_long] / long.bits_per_symbol[at_long]
        reference_bits = 1920 if code_rate <= 341 else 3968
        more_db = short.threshold_db[at_short] - long.threshold_db[at_long]
        uses = reference_bits / long.efficiency[at_long]
        # By the bound, with the CRC's 16 bits; the reference by capacity's own formula for long blocks.
        bound_db = cone_packing_snr_db(bits + 16, HANDHELD_ELEMENTS, 0.1) - needed_snr_db(
            reference_bits, uses
        )
        assert more_db == pytest.approx(bound_db, abs=0.1)
        width = SLOPE_PER_DB[int(long.bits_per_symbol[at_long])] / short.slope_per_db[at_short]
        assert 1.4 < width < 5.0  # curves widen with the root of the length
    assert checked > 15


def test_a_slot_of_a_wide_channel_is_long():
    wide = level_table(
        table_number=1,
        levels="mcs",
        threshold_set="measured_nr_ldpc_awgn",
        resource_elements_per_slot=160 * 12 * 14 * 0.86,
        short_blocks=True,
    )
    assert wide.threshold_db.tolist() == pytest.approx(
        level_table(table_number=1, levels="mcs", threshold_set="measured_nr_ldpc_awgn").threshold_db.tolist()
    )

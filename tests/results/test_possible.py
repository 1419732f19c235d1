"""Intervals stay inside what a figure can be, and say how many values they stand on."""

import math

import numpy as np
import pytest

from ntnsim.results.possible import possible
from ntnsim.results.show import interval_text
from ntnsim.results.statistics import Interval
from ntnsim.results.summary import mean_only


@pytest.mark.parametrize(
    ("metric", "low", "high"),
    [
        ("fidelity.pf_rank.1", -math.inf, 1.0),  # 1 − a distance
        ("fidelity.sf_rank.0", -1.0, 1.0),  # a cosine
        ("savings", -math.inf, 1.0),
        ("deadline_met", 0.0, 1.0),
        ("delay_s", 0.0, math.inf),
        ("transmitted_bits", 0.0, math.inf),
    ],
)
def test_no_interval_leaves_what_its_figure_can_be(metric, low, high):
    cut = possible(Interval(0.5, -9.0, 9.0, 0.95), metric)
    assert (cut.low, cut.high) == (max(-9.0, low), min(9.0, high))
    unknown = possible(Interval(0.5, math.nan, math.nan, 0.95), metric)
    assert math.isnan(unknown.low)
    assert math.isnan(unknown.high)


def test_a_cut_interval_is_written_with_its_limits_and_a_whole_one_with_its_half_width():
    near_one = Interval(0.97, 0.90, 1.04, 0.95)
    assert interval_text(near_one, metric="fidelity.pf_rank") == "0.970 [0.900, 1.000]"
    assert interval_text(near_one) == "0.970 ± 0.070"
    assert interval_text(Interval(0.99, 0.95, 1.03, 0.95), metric="savings", scale=100, unit=" %") == (
        "99.0 % [95.0, 100.0]"
    )
    assert interval_text(Interval(math.nan, math.nan, math.nan, 0.95)) == "–"


def test_rounding_of_a_sum_is_not_printed_as_spread():
    percent = Interval(81.79, 81.79 - 4.4e-14, 81.79 + 4.4e-14, 0.95)
    assert interval_text(percent, unit=" %") == "81.79 ± 0 %"
    assert interval_text(percent, metric="savings", scale=0.01) == "0.8179 ± 0"
    assert interval_text(Interval(87_800.0, 87_800.0 - 4.4e-8, 87_800.0 + 4.4e-8, 0.95)) == "8.78e+04 ± 0"


def test_few_images_give_their_number_and_more_say_that_they_are_too_few():
    for n, text in ((4, "0.6 (n = 4)"), (400, "0.6 (n too small)")):
        entry = mean_only(np.tile([0.4, 0.5, 0.6, 0.9], n // 4), 0.95)
        assert (entry["low"], entry["high"]) == (None, None)
        assert interval_text(Interval(entry["mean"], np.nan, np.nan, 0.95), n=entry["n"]) == text

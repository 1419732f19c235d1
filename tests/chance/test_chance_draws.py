"""Distributions and arrival processes against their moments; blocks do not show in the draws."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from ntnsim.chance.sampling import Streams, block_draw
from ntnsim.chance.traffic import arrival_times_s, read_trace
from ntnsim.scenario.distribution import DistributionSpec
from ntnsim.scenario.traffic import SourceSpec

LAWS = [
    {"kind": "exponential", "mean": 2.0},
    {"kind": "erlang", "shape": 3, "mean": 2.0},
    {"kind": "gamma", "mean": 2.0, "cv": 0.7},
    {"kind": "lognormal", "mean": 2.0, "cv": 0.8},
    {"kind": "uniform", "low": 1.0, "high": 3.0},
    {"kind": "two_point", "low": 1.0, "high": 6.0, "low_probability": 0.8},
    {"kind": "hyperexponential", "means": [1.0, 6.0], "probabilities": [0.8, 0.2]},
    {"kind": "weibull", "mean": 2.0, "shape": 0.8},
    {"kind": "pareto", "mean": 2.0, "shape": 4.5},
    {"kind": "empirical", "values": [1.0, 2.0, 3.0]},
    {"kind": "empirical", "values": [1.0, 6.0], "probabilities": [0.8, 0.2]},
]
SECOND_MOMENT_OVER_SQUARED_MEAN = {"exponential": 2.0, "erlang": 4 / 3, "gamma": 1.49, "lognormal": 1.64}


def law(entry):
    return TypeAdapter(DistributionSpec).validate_python(entry)


@pytest.mark.parametrize("entry", LAWS, ids=lambda entry: entry["kind"])
def test_distribution_has_the_mean_and_spread_it_states(entry):
    draws = block_draw(law(entry))(np.random.default_rng(1), 200_000)
    assert draws.mean() == pytest.approx(2.0, abs=5 * draws.std() / np.sqrt(len(draws)))
    assert law(entry).mean == pytest.approx(2.0)
    if entry["kind"] in SECOND_MOMENT_OVER_SQUARED_MEAN:
        assert (draws**2).mean() / 4 == pytest.approx(
            SECOND_MOMENT_OVER_SQUARED_MEAN[entry["kind"]], rel=0.03
        )


@pytest.mark.parametrize("entry", LAWS, ids=lambda entry: entry["kind"])
def test_block_size_does_not_show_in_the_draws(entry):
    one_by_one = np.random.default_rng(5)
    draw = block_draw(law(entry))
    rng = np.random.default_rng(5)
    assert draw(rng, 50).tolist() == [draw(one_by_one, 1)[0] for _ in range(50)]


def first_arrivals(arrivals, n, seed=3):
    source = SourceSpec.model_validate({"name": "s", "arrivals": arrivals})
    times = arrival_times_s(source.arrivals, Streams(seed, "source", "s"))
    return np.array([next(times) for _ in range(n)])


def test_mmpp_has_its_mean_rate_and_is_burstier_than_poisson():
    times = first_arrivals({"kind": "mmpp", "rates_per_s": [0.2, 5.0], "mean_stays_s": [30.0, 10.0]}, 60_000)
    assert len(times) / times[-1] == pytest.approx((0.2 * 30 + 5.0 * 10) / 40, rel=0.06)
    counts = np.histogram(times, bins=np.arange(0, times[-1], 20.0))[0]
    # Index of dispersion of counts in windows of w for a two-level MMPP (Heffes & Lucantoni 1986):
    # 1 + 2 (λ1−λ2)² r1 r2 / ((r1+r2)² (λ1 r2 + λ2 r1)) · (1 − (1 − e^{−(r1+r2) w}) / ((r1+r2) w)), r the rates of leaving.
    r1, r2, l1, l2, w = 1 / 30, 1 / 10, 0.2, 5.0, 20.0
    r = r1 + r2
    expected = 1 + 2 * (l1 - l2) ** 2 * r1 * r2 / (r**2 * (l1 * r2 + l2 * r1)) * (
        1 - (1 - np.exp(-r * w)) / (r * w)
    )
    assert counts.var() / counts.mean() == pytest.approx(expected, rel=0.1)


def test_batches_come_together_and_have_their_mean_size():
    times = first_arrivals(
        {"kind": "batch", "interval_s": 10.0, "size": {"kind": "empirical", "values": [1, 2, 6]}}, 30_000
    )
    lots, sizes = np.unique(times, return_counts=True)
    np.testing.assert_allclose(np.diff(lots), 10.0)
    assert set(sizes[:-1]) == {1, 2, 6} and sizes.mean() == pytest.approx(3.0, rel=0.05)


def test_periodic_source_keeps_its_beat_and_its_order_under_jitter():
    assert first_arrivals({"kind": "periodic", "period_s": 2.0, "offset_s": 0.5}, 4).tolist() == [
        0.5,
        2.5,
        4.5,
        6.5,
    ]
    jittered = first_arrivals(
        {"kind": "periodic", "period_s": 2.0, "jitter_s": {"kind": "exponential", "mean": 3.0}}, 500
    )
    assert (np.diff(jittered) >= 0).all() and (jittered >= 2.0 * np.arange(500)).all()
    offsets = [
        first_arrivals({"kind": "periodic", "period_s": 2.0, "offset_s": "random"}, 1, s)[0]
        for s in range(99)
    ]
    assert 0 <= min(offsets) < 0.2 and 1.8 < max(offsets) < 2.0


def test_trace_names_the_line_of_a_bad_row(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("time_s,image\n0.5,3\n1.5,0\n")
    assert read_trace(path) == ([0.5, 1.5], [3, 0])
    path.write_text("time_s\n0.5\nsoon\n")
    with pytest.raises(Exception, match=r"trace.csv:3: needs a number in column time_s, got .*soon"):
        read_trace(path)
    path.write_text("time_s\n2\n1\n")
    with pytest.raises(Exception, match=r"trace.csv:3: time_s must be >= 0 and not decrease, got 1.0"):
        read_trace(path)

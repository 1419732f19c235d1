"""Common random numbers: what is added to a scenario leaves everybody else's draws alone; equal seeds, equal bytes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from ntnsim.scenario.distribution import DistributionSpec
from ntnsim.scenario.traffic import SourceSpec
from ntnsim.world.sampling import Streams, block_draw
from ntnsim.world.traffic import arrival_times_s, read_trace

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


BASE = {
    "sources": [{"name": "a", "arrivals": {"kind": "poisson", "rate_per_s": 0.2}}],
    "gateways": [{"name": "g", "device": "xeon-2vcpu", "access": {"rate": 5e6, "loss_probability": 0.2}}],
    "data_network": {"device": "tesla-t4"},
    "horizon": {"n_jobs": 40},
    "schemes": [
        {"name": "s", "codec": {"kind": "sizes", "size_bits": {"kind": "exponential", "mean": 1e6}}},
        {"name": "t", "codec": {"kind": "sizes", "size_bits": {"kind": "constant", "value": 1e6}}},
    ],
}
LUCK = ("created_s", "access_attempts", "original_bits", "gw_comp_service_s")


def luck(run, source="a"):
    mine = run["source"] == source
    work = run["gw_comp_service_s"] * (run["interruptions"] == 0)
    return [run["created_s"][mine], run["access_attempts"][mine], work[mine].round(9)]


@pytest.mark.parametrize(
    "added",
    [
        {"sources": [*BASE["sources"], {"name": "b", "arrivals": {"kind": "poisson", "rate_per_s": 0.3}}]},
        {"gateways": [*BASE["gateways"], {"name": "h"}], "sources": [{**BASE["sources"][0], "gateway": "g"}]},
        {
            "faults": [
                {
                    "kind": "feeder",
                    "name": "f",
                    "time_to_failure_s": {"kind": "exponential", "mean": 30.0},
                    "time_to_repair_s": {"kind": "exponential", "mean": 5.0},
                }
            ]
        },
        {
            "background": {
                "kind": "on_off",
                "on_load": 0.5,
                "on_s": 10,
                "off_s": {"kind": "exponential", "mean": 9.0},
            }
        },
    ],
    ids=["source", "gateway", "fault", "load"],
)
def test_adding_an_entity_leaves_other_draws_unchanged(textbook, added):
    world_of, run_world, _, _ = textbook
    before, after = run_world(world_of(**BASE)), run_world(world_of(**{**BASE, **added}))
    for was, now in zip(luck(before), luck(after), strict=True):
        np.testing.assert_array_equal(was, now)
    # And the gateways' and the network's waiting did change, so that the comparison means something.
    assert not np.array_equal(before["delay_s"], after["delay_s"][after["source"] == "a"]) or "h" in str(
        added
    )


def test_schemes_meet_the_same_images_at_the_same_times(textbook):
    world_of, run_world, _, _ = textbook
    runs = [run_world(world_of(**BASE), scheme=number) for number in (0, 1)]
    for one, other in zip(luck(runs[0]), luck(runs[1]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_images_lost_in_one_scheme_do_not_shift_the_luck_of_later_ones(textbook):
    world_of, run_world, _, _ = textbook
    wide = {**BASE["gateways"][0], "access": {"rate": 1e9}}
    tight = {**wide, "queue": {"buffer": 0}}
    sources = [{"name": "a", "arrivals": {"kind": "poisson", "rate_per_s": 3.0}}]
    free = run_world(world_of(**{**BASE, "sources": sources, "gateways": [wide]}))
    lossy = run_world(world_of(**{**BASE, "sources": sources, "gateways": [tight]}))
    kept = lossy["state"] != "dropped"
    assert 0 < kept.sum() < len(kept)
    np.testing.assert_array_equal(
        free["gw_comp_service_s"].round(9)[kept], lossy["gw_comp_service_s"].round(9)[kept]
    )


def test_same_seed_gives_the_same_bytes_in_another_process_and_another_seed_does_not(tmp_path):
    script = f"""
import sys, hashlib
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import world_of, run_world
from test_world_random_numbers import BASE
run = run_world(world_of(**{{**BASE, "seed": int(sys.argv[1])}}))
digest = hashlib.sha256()
for name, values in run.columns.items():
    digest.update(name.encode() + repr(values.tolist()).encode())
print(digest.hexdigest())
"""

    def digest(seed, hash_seed):
        done = subprocess.run(
            [sys.executable, "-c", script, str(seed)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": hash_seed, "PATH": ""},
        )
        return done.stdout

    assert digest(1, "1") == digest(1, "2") != digest(2, "1")

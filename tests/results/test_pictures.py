"""Intervals over pictures: sending a picture again says nothing about other pictures."""

import numpy as np
import pytest
from synthetic_run import write_run

from ntnsim.datasets.open_dataset import photographs_shown
from ntnsim.results.directory import new_results
from ntnsim.results.pictures import column_of, depends_on_picture, mean_over_pictures, over_replications
from ntnsim.results.read import find_runs
from ntnsim.results.show import interval_text
from ntnsim.results.statistics import Interval, clustered_interval, replication_interval, student_t
from ntnsim.scenario.dataset import SamplesDatasetSpec

UNKNOWN = Interval(0.0, np.nan, np.nan, 0.95)


def test_with_one_value_per_cluster_the_interval_is_students():
    values = np.random.default_rng(3).normal(size=17)
    expected = replication_interval(values)
    found = clustered_interval(values, np.arange(17))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_with_equal_clusters_the_interval_is_students_over_their_means():
    values = np.random.default_rng(4).normal(size=(6, 9))
    expected = replication_interval(values.mean(axis=1))
    found = clustered_interval(values.ravel(), np.repeat(np.arange(6), 9))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_unequal_clusters_by_hand():
    # Values 1, 1, 1 of one picture and 5 of another: mean 2. Without the first 5, without the second 1: deviations 3 and
    # -1, jackknife variance (1 / 2)(9 + 1) = 5. Worth 16 / 10 equal clusters: 0.6 degrees of freedom.
    found = clustered_interval(np.array([1.0, 1, 1, 5]), np.array([0, 0, 0, 1]))
    assert found.value == 2
    assert found.high - 2 == pytest.approx(student_t(0.95, 0.6) * np.sqrt(5))


@pytest.mark.parametrize("sizes", [[8] * 6, [14, 14, 14, 2, 2, 2], list(range(1, 21))])
def test_ninety_five_per_cent_intervals_hold_the_truth_that_often(sizes):
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    n_trials, held = 1500, 0
    for _ in range(n_trials):
        values = rng.normal(size=len(sizes))[clusters] + 0.5 * rng.normal(size=len(clusters))
        found = clustered_interval(values, clusters)
        held += found.low <= 0 <= found.high
    assert 0.92 < held / n_trials < 0.98


def test_a_picture_sent_again_narrows_nothing():
    values = np.random.default_rng(6).normal(size=24)
    once, n_once = mean_over_pictures(values, np.arange(24), UNKNOWN)
    often, n_often = mean_over_pictures(np.tile(values, 50), np.tile(np.arange(24), 50), UNKNOWN)
    assert often.half_width == pytest.approx(once.half_width)
    assert n_once == n_often == 24


def test_four_pictures_give_no_interval_however_often_they_are_sent():
    values = np.tile([0.7, 0.8, 0.9, 0.6], 30)
    found, n = mean_over_pictures(values, np.tile(np.arange(4), 30), replication_interval(values))
    assert np.isnan(found.low) and n == 4
    assert (
        interval_text(found, metric="savings", scale=100, unit=" %", n=n, kind="pictures")
        == "75 % (4 pictures)"
    )


def test_an_interval_along_time_that_is_wider_is_kept():
    wide = Interval(0.5, -4.0, 5.0, 0.95)
    found, _ = mean_over_pictures(np.linspace(0, 1, 20), np.arange(20), wide)
    assert (found.low, found.high) == (-4, 5)


def test_replications_that_show_the_same_pictures_have_the_interval_of_one(tmp_path):
    for number in range(4):
        with new_results(tmp_path / f"r{number}") as scratch:
            write_run(scratch, n_jobs=60, seed=1)  # the same seed: the same pictures and the same savings
    runs = find_runs(sorted(tmp_path.iterdir()))
    means = [run.summary()["schemes"]["spiff"]["savings"]["mean"] for run in runs]
    replicated = replication_interval(means)
    assert replicated.half_width < 1e-12  # what was printed as "± 0"
    alone, n_alone = over_replications(runs[:1], "spiff", "savings.mean", UNKNOWN)
    found, n = over_replications(runs, "spiff", "savings.mean", replicated)
    assert n == n_alone > 4
    assert found.half_width == pytest.approx(alone.half_width)
    assert over_replications(runs, "spiff", "delay_s.mean", replicated) == (replicated, None)


def test_the_columns_behind_the_metrics():
    assert column_of("fidelity.pf_rank.0.mean") == "pf_rank_0"
    assert column_of("fidelity.sf") == "sf"
    assert column_of("savings.mean") == "savings"
    assert depends_on_picture("transmitted_bits.mean")
    assert not depends_on_picture("deadline_met.value")


def test_the_quickstarts_captures_are_of_six_photographs():
    shown = photographs_shown({"samples": SamplesDatasetSpec(count=40)})
    assert len(shown) == 40
    assert set(shown.values()) == {"astronaut", "grace_hopper", "camera", "chelsea", "coffee", "rocket"}
    assert shown["samples/sample-007"] == "chelsea"  # every eighth shows no person

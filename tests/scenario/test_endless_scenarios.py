"""What could never end, or would walk for years to its first event, is refused; long waits cost little."""

import re

import pytest

from ntnsim.errors import ScenarioError
from ntnsim.images.outcome_store import OutcomeStore
from ntnsim.orbit.serving_plan import EPOCH_BLOCKS, ServingPlan
from ntnsim.results.read import find_runs
from ntnsim.runs import run_scenario
from ntnsim.scenario.load import load_scenario
from ntnsim.world.timeline import EVEN_SAMPLES

SCENARIO = """
name: endless
horizon: {n_jobs: 3, drain_limit_s: 1.0e+9}
sources: [{name: camera, arrivals: {kind: periodic, period_s: 1.0}}]
gateways: [{name: site}]
satellite_link: {kind: constant, rate_bps: 1.0e+7}
schemes: [{name: bare, codec: {kind: sizes, size_bits: 1.0e+6}}]
"""


def loaded(tmp_path, *overrides):
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO)
    return load_scenario(path, overrides)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sources[0].arrivals={kind: trace, times_s: [1.7e+9]}", "54 years after start_utc"),
        (
            "sources[0].arrivals={kind: mmpp, rates_per_s: [0, 2], mean_stays_s: [1, 1], transitions: [[1, 0], [1, 0]]}",
            "no image ever comes again after level 0",
        ),
        ("horizon.duration_s=1.0e+12", "horizon.duration_s: 1000000000000.0 is not <= 1e+09"),
        ("radio.channel.additional_loss_db=1.0e+300", "additional_loss_db: 1e+300 is not <= 10000"),
        ("radio.channel.additional_loss_db=-1.0e+5", "additional_loss_db: -100000.0 is not >= -10000"),
        ("satellite_link.rate_bps=1.0e-300", "rate_bps: 1e-300 is too close to 0"),
        ("sources[0].arrivals.period_s=1.0e-9", "period_s: 1e-09 is not >= 1e-06"),
        (
            "sources[0].arrivals={kind: renewal, interval_s: {kind: exponential, mean: 1.0e-9}}",
            "mean: 1e-09 is not",
        ),
        (
            "schemes[0].codec.size_bits={kind: exponential, mean: 1.0e+30}",
            "size_bits.mean: 1e+30 is not <= 1e+19",
        ),
        (f"horizon.n_jobs={'9' * 26}", "n_jobs: 999999999999… (26 characters) is not <= 1e+09"),
        (
            "sources[0]={name: camera, count: 100, n_jobs: 100000000, arrivals: {kind: periodic, period_s: 1.0}}",
            "sources[0]: would take 1e+10 images until the end; allowed are 1e+09",
        ),
        ("schemes[0].codec.rank_fractions=[0.5, 0.6]", "rank_fractions must sum to 1, got 1.1"),
        ("schemes[0].codec.rank_fractions=[1.0]", "must have at least 2 entries"),
        ("schemes[0].codec.rank_fractions=[-0.5, 1.5]", "-0.5 is not >= 0"),
    ],
)
def test_it_is_refused_in_a_line(tmp_path, override, message):
    with pytest.raises(ScenarioError) as caught:
        loaded(tmp_path, override)
    assert message in str(caught.value)


def test_unix_times_in_a_file_are_refused_with_their_line(tmp_path):
    (tmp_path / "times.csv").write_text("time_s\n0\n1700000000\n")
    scenario = loaded(tmp_path, "sources[0].arrivals={kind: trace, path: times.csv}")
    with pytest.raises(ScenarioError, match=r"times.csv:3: .*54 years after start_utc.*Unix time"):
        run_scenario(scenario, tmp_path / "out", store=OutcomeStore())


def test_a_level_that_is_silent_but_left_again_goes_on(tmp_path):
    levels = "{kind: mmpp, rates_per_s: [0, 0, 2], mean_stays_s: [1, 1, 1], transitions: [[0, 1, 0], [0, 0, 1], [1, 0, 0]]}"
    summary = run_scenario(
        loaded(tmp_path, f"sources[0].arrivals={levels}"), tmp_path / "out", store=OutcomeStore()
    )
    assert summary["worlds"]["bare"]["created"] == 3


def test_samples_of_a_long_outage_grow_with_its_logarithm(tmp_path):
    outage = "faults=[{kind: feeder, name: f, outages: [{start_s: 0.5, duration_s: 1.0e+6}]}]"
    run_scenario(
        loaded(tmp_path, outage, "output.timeline_step_s=1.0"), tmp_path / "out", store=OutcomeStore()
    )
    [run] = find_runs([tmp_path / "out"])
    timeline = run.timeline()
    times_s = timeline[(timeline["kind"] == "sample") & (timeline["quantity"] == "jobs_on_the_way")]["time_s"]
    # 10,000 at 1 s, 10,000 at 2 s … : 10,000 · (2^k − 1) s are covered by 10,000 · k samples.
    assert len(times_s) == pytest.approx(6.6 * EVEN_SAMPLES, rel=0.02)
    assert list(times_s.iloc[:3]) == [0.0, 1.0, 2.0]


LATE = "sources[0].arrivals={kind: trace, times_s: [9.0e+8, 900000060]}"
NO_TIMELINE = "output.timeline_step_s=null"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            [LATE],
            "output.timeline_step_s: 9e+07 samples before the first image at 9e+08 s; allowed are 1e+06",
        ),
        (
            [LATE, NO_TIMELINE, "gateways[0].observation={report_period_s: 1}"],
            "gateways[0].observation.report_period_s: 9e+08 reports before the first image at 9e+08 s",
        ),
        (
            [LATE, NO_TIMELINE, "background={kind: on_off, on_load: 0.5, on_s: 10, off_s: 30}"],
            "background: 4.5e+07 changes in 9e+08 s without an image; allowed are 1e+07",
        ),
        (
            [
                "sources[0].arrivals={kind: trace, times_s: [0, 9.0e+8]}",
                "gateways[0].access={rate: {kind: gauss_markov, mean_bps: 1.0e+7, std_bps: 1, correlation_time_s: 5}}",
            ],
            "gateways[0].access.rate: 9e+08 changes in 9e+08 s without an image",
        ),
        (
            [
                LATE,
                NO_TIMELINE,
                "satellite_link={kind: windows, rate_bps: 1.0e+6, period_s: 10, contact_s: 5}",
            ],
            "satellite_link.period_s: 1.8e+08 changes in 9e+08 s without an image",
        ),
    ],
)
def test_what_would_step_through_decades_without_an_image_is_refused(tmp_path, overrides, message):
    with pytest.raises(ScenarioError, match=re.escape(message)):
        loaded(tmp_path, *overrides)


@pytest.mark.parametrize("link", ["{kind: orbit}", "{kind: constant, rate_bps: 1.0e+7}"])
def test_images_decades_after_the_start_cost_what_happens(tmp_path, link):
    scenario = loaded(
        tmp_path,
        LATE,
        NO_TIMELINE,
        f"satellite_link={link}",
        "horizon={n_jobs: 2}",
        "background={kind: daily, loads: [0.1, 0.4]}",
    )
    solved = []
    with pytest.MonkeyPatch.context() as patched:
        solve = ServingPlan.solve
        patched.setattr(
            ServingPlan, "solve", lambda plan, block, *more: (solved.append(block), solve(plan, block, *more))
        )
        run_scenario(scenario, tmp_path / "out", store=OutcomeStore())
    records = find_runs([tmp_path / "out"])[0].records()
    assert records["state"].to_pylist() == ["delivered"] * 2
    assert len(solved) < EPOCH_BLOCKS + 20

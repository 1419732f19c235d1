"""Designs give the points they promise; cells know themselves by their content."""

from itertools import product

import numpy as np
import pytest
from stand_in import SCENARIO

from ntnsim.errors import ScenarioError
from ntnsim.scenario.load import load_scenario
from ntnsim.scenario.sweep import SweepSpec
from ntnsim.sweeps.cells import SweepPlan
from ntnsim.sweeps.points import points_of_design


def points(*blocks: dict) -> list[dict]:
    return points_of_design(SweepSpec.model_validate({"design": list(blocks)}).design)


def plan_of(tmp_path, sweep: str, *overrides: str) -> SweepPlan:
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO + sweep)
    return SweepPlan(path, overrides)


def test_labels_go_with_their_values_through_products_and_into_the_cells(tmp_path):
    plan = plan_of(
        tmp_path,
        """
sweep:
  design:
    - kind: grid
      parameters:
        satellite_link: [{kind: constant, rate_bps: 1.0e+6}, {kind: orbit}]
      labels: {satellite_link: [cable, sky]}
    - kind: list
      points:
        - {background: 0.0, requirement.deadline_s: 5, label: "calm, in a hurry"}
        - {background: 0.5, requirement.deadline_s: 9}
""",
    )
    assert [cell.label for cell in plan.first_cells()] == [
        "cable, calm, in a hurry #0",
        "cable, background=0.5, requirement.deadline_s=9 #0",
        "sky, calm, in a hurry #0",
        "sky, background=0.5, requirement.deadline_s=9 #0",
    ]
    cell = plan.cell(0, 0)
    assert cell.entry()["labels"] == {
        "satellite_link": "cable",
        "background": "calm, in a hurry",
        "requirement.deadline_s": "",
    }
    assert "label" not in cell.parameters


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            "{kind: grid, parameters: {background: [0, 1]}, labels: {background: [a]}}",
            "has 2 values, got 1 labels",
        ),
        (
            "{kind: zip, parameters: {background: [0, 1]}, labels: {seed: [a, b]}}",
            "'seed' is none of the parameters",
        ),
        ("{kind: list, points: [{label: alone}]}", "the point 'alone' sets no value"),
        ("{kind: list, points: [{background: 0, label: 3}]}", "label: must be a text, got 3"),
    ],
)
def test_labels_that_fit_nothing_are_refused(tmp_path, block, message):
    with pytest.raises(ScenarioError, match=message):
        plan_of(tmp_path, f"\nsweep:\n  design:\n    - {block}\n")


def test_grid_is_every_combination_with_the_last_path_fastest():
    grid = points({"kind": "grid", "parameters": {"a": [1, 2], "b.c": ["x", "y"]}})
    assert grid == [{"a": a, "b.c": c} for a, c in product([1, 2], ["x", "y"])]


def test_zip_pairs_values_and_blocks_are_multiplied():
    paired = {"kind": "zip", "parameters": {"a": [1, 2], "b": [10, 20]}}
    listed = {"kind": "list", "points": [{"c": 0}, {"c": 5, "d": True}]}
    assert points(paired, listed) == [
        {"a": 1, "b": 10, "c": 0},
        {"a": 1, "b": 10, "c": 5, "d": True},
        {"a": 2, "b": 20, "c": 0},
        {"a": 2, "b": 20, "c": 5, "d": True},
    ]


def test_no_design_is_one_point_with_nothing_changed():
    assert points() == [{}]


def test_latin_hypercube_hits_every_slice_of_every_range_once():
    ranges = {"a": {"low": 0, "high": 1}, "b": {"low": 1, "high": 1000, "scale": "log"}}
    drawn = points({"kind": "latin_hypercube", "n_points": 40, "parameters": ranges})
    slices_a = sorted(int(point["a"] * 40) for point in drawn)
    slices_b = sorted(int(np.log(point["b"]) / np.log(1000) * 40) for point in drawn)
    assert slices_a == slices_b == list(range(40))


def test_random_points_stay_when_a_parameter_is_added():
    block = {"kind": "random", "n_points": 30, "parameters": {"a": {"low": 0, "high": 1}}}
    alone = points(block)
    with_another = points({**block, "parameters": {**block["parameters"], "b": {"choices": ["x", "y"]}}})
    assert [point["a"] for point in alone] == [point["a"] for point in with_another]
    assert {point["b"] for point in with_another} == {"x", "y"}
    assert points({**block, "seed": 1}) != alone


def test_integer_ranges_reach_both_limits_evenly():
    block = {"kind": "random", "n_points": 6000, "parameters": {"n": {"low": 1, "high": 3, "integer": True}}}
    counts = np.bincount([point["n"] for point in points(block)])
    assert counts[0] == 0
    sigma = np.sqrt(6000 * (1 / 3) * (2 / 3))
    assert np.all(np.abs(counts[1:] - 2000) < 4 * sigma)


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        (
            "sweep: {design: [{kind: zip, parameters: {a: [1], b: [1, 2]}}]}",
            "must have one length, got {'a': 1, 'b': 2}",
        ),
        ("sweep: {design: [{kind: grid, parameters: {seed: [1]}}]}", "the sweep sets seeds itself"),
        (
            "sweep: {design: [{kind: grid, parameters: {a: [1]}}, {kind: list, points: [{a: 2}]}]}",
            "a: varied by two blocks",
        ),
        (
            "sweep: {design: [{kind: random, n_points: 3, parameters: {a: {low: 2, high: 1}}}]}",
            "needs low < high",
        ),
        ("sweep: {replications: 1, adaptive: {half_width: 1}}", "adaptive needs replications >= 2"),
        ("sweep: {replications: 3, adaptive: {}}", "give one of relative_half_width and half_width"),
        ("sweep: {replication: 3}", "did you mean 'replications'"),
    ],
)
def test_a_wrong_sweep_section_is_told_by_file_and_line(tmp_path, sweep, message):
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO + sweep)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert message in str(caught.value)
    assert f"{path}:" in str(caught.value)


def test_a_scenario_without_a_sweep_section_says_so(tmp_path):
    with pytest.raises(ScenarioError, match="has no sweep: section"):
        plan_of(tmp_path, "")


def test_a_start_in_any_zone_is_its_moment_in_utc_and_may_itself_be_varied(tmp_path):
    starts = "[2026-06-01T12:00:00Z, 2026-06-01T12:00:00-03:00]"
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO + "start_utc: 2026-06-01T09:00:00+02:00\nsweep: {replications: 2}")
    assert SweepPlan(path).cell(0, 1).scenario().start_utc.isoformat() == "2026-06-01T07:00:00+00:00"
    plan = plan_of(tmp_path, f"sweep: {{design: [{{kind: grid, parameters: {{start_utc: {starts}}}}}]}}")
    assert [plan.cell(point, 0).scenario().start_utc.hour for point in range(2)] == [12, 15]


def test_a_point_that_makes_no_valid_scenario_names_its_values(tmp_path):
    plan = plan_of(tmp_path, "sweep: {design: [{kind: grid, parameters: {background: [0.2, 1.5]}}]}")
    assert plan.cell(0, 0).parameters == {"background": 0.2}
    with pytest.raises(ScenarioError, match=r"sweep point background=1.5: .*1.5 is not < 1"):
        plan.cell(1, 0)


def test_a_path_that_does_not_exist_names_itself(tmp_path):
    plan = plan_of(tmp_path, "sweep: {design: [{kind: grid, parameters: {'sources.port.n_jobs': [2]}}]}")
    with pytest.raises(ScenarioError, match=r"sources\.port\.n_jobs=2: the list has no element 'port'"):
        plan.cell(0, 0)


def test_replications_share_their_seeds_across_points_unless_told_otherwise(tmp_path):
    design = "design: [{kind: grid, parameters: {background: [0.1, 0.2]}}], replications: 3"
    common = plan_of(tmp_path, f"sweep: {{{design}}}")
    seeds = [[common.cell(point, number).seed for number in range(3)] for point in range(2)]
    assert seeds[0] == seeds[1]
    assert seeds[0][0] == 7  # replication 0 repeats what ntnsim run does
    assert len(set(seeds[0])) == 3
    separate = plan_of(tmp_path, f"sweep: {{{design}, common_random_numbers: false}}")
    assert len({separate.cell(point, number).seed for point in range(2) for number in range(3)}) == 6


def test_address_covers_what_determines_the_result_and_nothing_else(tmp_path):
    sweep = "sweep: {design: [{kind: grid, parameters: {background: [0.1, 0.2]}}], replications: 2}"
    plan = plan_of(tmp_path, sweep)
    addresses = {plan.cell(point, number).digest for point in range(2) for number in range(2)}
    assert len(addresses) == 4
    longer = "# a comment\n" + sweep.replace("[0.1, 0.2]", "[0.1, 0.2, 0.3]").replace(
        "replications: 2", "replications: 9"
    )
    assert plan_of(tmp_path, longer).cell(1, 1).digest == plan.cell(1, 1).digest
    assert plan_of(tmp_path, sweep, "horizon.n_jobs=6").cell(1, 1).digest != plan.cell(1, 1).digest
    # A default written out is the same scenario.
    assert plan_of(tmp_path, sweep, "output.gallery_images=4").cell(0, 0).digest == plan.cell(0, 0).digest

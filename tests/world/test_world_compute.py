"""Stages of a scenario: their names are checked, and their work is charged as energy."""

import pytest

from ntnsim.errors import ScenarioError
from ntnsim.scenario.compute import DeviceProfileSpec, StageTimeSpec


def test_misspelt_stage_is_refused(textbook):
    world_of, _, _, _ = textbook
    with pytest.raises(ScenarioError, match="segmentaton"):
        world_of(gateways=[{"name": "g", "service_s": {"segmentaton": 1.0}}])
    with pytest.raises(ValueError, match="'inpaintng' is not one of segmentation, "):
        DeviceProfileSpec(stages={"inpaintng": StageTimeSpec(fixed_s=1.0)})


def test_energy_is_the_work_times_the_power(textbook):
    world_of, run_world, _, _ = textbook
    cpu = {"power_w": 20, "stages": {"segmentation": {"fixed_s": 1.5}, "encode": {"fixed_s": 0.5}}}
    gpu = {"power_w": 100, "stages": {"decode": {"fixed_s": 3.0}}, "batch_marginal": 0.5}
    run = run_world(
        world_of(
            sources=[{"name": "c", "arrivals": {"kind": "trace", "times_s": [0.0, 0.0]}}],
            gateways=[{"name": "g", "device": cpu, "servers": 2}],
            data_network={"device": gpu, "batching": {"max_size": 2, "max_wait_s": 1.0}},
        )
    )
    assert list(run["gateway_energy_j"]) == [40.0, 40.0]
    assert list(run["data_network_energy_j"]) == [225.0, 225.0]  # 3 + 1.5 s at 100 W for the two

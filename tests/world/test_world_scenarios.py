"""The shipped scenarios show what their comments promise. Images are replaced by sizes, so only the world is at work."""

from pathlib import Path

import numpy as np
import pytest

from ntnsim.runs import way_of
from ntnsim.scenario.load import load_scenario
from ntnsim.sky.space_segment import terminal_profile_source
from ntnsim.world.faults import satellite_outages

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SIZES = {
    "name": "sizes",
    "codec": {
        "kind": "sizes",
        "size_bits": {"kind": "lognormal", "mean": 45e3, "cv": 0.3},
        "source_bits": 2e5,
        "reconstructed_bits": 6e5,
        "width_px": 256,
        "height_px": 192,
        "steps": 8,
    },
}


@pytest.fixture
def shipped(textbook):
    _, run_world, _, _ = textbook

    def run(name, **changes):
        scenario = load_scenario(SCENARIOS / f"{name}.yaml")
        content = scenario.model_dump() | {"schemes": [SIZES]} | changes
        scenario = type(scenario).model_validate(content)
        sources = {
            gateway.name: terminal_profile_source(
                scenario.space,
                scenario.radio,
                gateway,
                scenario.seed,
                start_utc=scenario.start_utc,
                outage=satellite_outages(scenario.faults, scenario.seed),
            )
            for gateway in scenario.gateways
        }
        return run_world(scenario, profile_sources=sources, way=way_of(scenario))

    return run


def test_load_slows_the_link_in_proportion_and_its_queue_more(shipped):
    half, heavy = shipped("load_levels", background=0.5), shipped("load_levels", background=0.95)
    service = [
        run["ntn_comm_service_s"].mean() - run["omega_ntn_propagation_s"].mean() for run in (half, heavy)
    ]
    assert service[1] / service[0] == pytest.approx(10, rel=0.2)
    assert heavy["ntn_comm_wait_s"].mean() > 20 * half["ntn_comm_wait_s"].mean()


def test_burst_fills_batches_and_drops_only_patrol_images(shipped):
    run = shipped("burst")
    patrol = np.char.startswith(run["source"].astype(str), "patrol")
    dropped = run["state"] == "dropped"
    assert dropped.any() and set(run["reason"][dropped]) == {"gateway buffer full"}
    served = ~dropped & (run["state"] != "in_flight")
    assert max(run["batch_size"][served]) == 8
    assert dropped[patrol].mean() > dropped[~patrol].mean()


def test_rain_slows_transfers_and_a_thunderstorm_stops_some(shipped):
    run = shipped("rain_fade")
    start = run["link_start_s"]
    time = run["ntn_comm_service_s"]
    clear, shower = time[(start < 300) | (start > 2000)], time[(start > 300) & (start < 900)]
    storm = run["ntn_comm_wait_s"][(run["encoded_s"] > 1500) & (run["encoded_s"] < 1680)]
    assert shower.mean() > 1.8 * clear.mean()
    assert storm.max() > 5.0


def test_breakdowns_interrupt_images_and_lose_none(shipped):
    run = shipped("satellite_outage")
    assert run["interruptions"].max() >= 1
    assert set(run["state"]) <= {"delivered", "late"}


def test_image_from_orbit_waits_for_a_pass_that_empties_the_queue(shipped):
    run = shipped("earth_observation")
    assert set(run["state"]) <= {"delivered", "late"}
    share = run["ntn_comm_wait_s"].sum() / run["delay_s"].sum()
    assert share > 0.95
    assert set(run["satellite"]) == {"eo-00-00"}
    assert np.nanmax(run["gateway_energy_j"]) > 10


def test_sparse_constellation_delivers_at_once_or_after_a_gap(shipped):
    run = shipped("sparse_constellation")
    wait = run["ntn_comm_wait_s"]
    assert (wait < 1).mean() > 0.2 and (wait > 300).mean() > 0.2
    seen = run["omega_ntn_next_contact_s"] > 0
    # Ω_t announced each gap's end: the first image of a gap left when it said.
    first = seen & (run["omega_ntn_backlog_bits"] == 0)
    promised = run["omega_time_s"] + run["omega_ntn_next_contact_s"]
    np.testing.assert_allclose(run["link_start_s"][first], promised[first], atol=1.0)


def test_stored_images_of_the_southern_buoys_come_down_an_hour_later(shipped):
    run = shipped("store_and_forward")
    done = np.isfinite(run["delivered_s"])
    assert done.mean() > 0.8 and set(run["reason"][~done]) <= {"satellite buffer full"}
    # Half an orbit of 96 minutes lies between the Ross Sea and Svalbard; the Bering Sea's satellites are there soon.
    south, north = run["gateway"] == "ross-sea", run["gateway"] == "bering-sea"
    assert np.median(run["on_board_s"][done & south]) > 2000 > np.median(run["on_board_s"][done & north])
    space = load_scenario(SCENARIOS / "store_and_forward.yaml").space.model_dump()
    space["payload"] |= {"store_and_forward": False}
    without = shipped("store_and_forward", space=space)
    assert "ross-sea" not in set(without["gateway"][np.isfinite(without["delivered_s"])])


def test_links_between_satellites_carry_the_ship_to_europe(shipped):
    run = shipped("isl_relay")
    assert set(run["state"]) == {"delivered"}
    propagation = run["omega_ntn_propagation_s"]
    # 7,000 km of ground distance are 23 ms of light at least; the paths climb and bend.
    assert 0.025 < propagation.min() < propagation.max() < 0.3

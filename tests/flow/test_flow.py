"""Fluid worlds: their queues against closed forms and Monte Carlo, their sky and delays against the world of images."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import ntnsim
from ntnsim.chance.sampling import block_draw
from ntnsim.cli import app
from ntnsim.errors import InputError, ScenarioError
from ntnsim.flow.links import SampledSky
from ntnsim.flow.pool import PoolQueue, all_busy
from ntnsim.flow.refusals import check_fluid
from ntnsim.flow.spread import spread, total
from ntnsim.flow.waits import waiting_work
from ntnsim.flow.workload import WorkloadQueue
from ntnsim.runs import run_scenario
from ntnsim.scenario.distribution import (
    ConstantSpec,
    EmpiricalSpec,
    ErlangSpec,
    ExponentialSpec,
    GammaSpec,
    HyperExponentialSpec,
    LogNormalSpec,
    ParetoSpec,
    TwoPointSpec,
    UniformSpec,
    WeibullSpec,
)
from ntnsim.scenario.satellite_link import OrbitLinkSpec
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.space import HandoverSpec
from ntnsim.scenario.terrestrial import DataNetworkSpec, GatewaySpec, TerrestrialLinkSpec
from ntnsim.scenario.traffic import SourceSpec
from ntnsim.sky.space_model import space_model
from ntnsim.sky.space_segment import terminal_links

LAWS = [
    ConstantSpec(value=3.0),
    ExponentialSpec(kind="exponential", mean=2.0),
    ErlangSpec(kind="erlang", shape=3, mean=2.0),
    GammaSpec(kind="gamma", mean=2.0, cv=0.7),
    LogNormalSpec(kind="lognormal", mean=2.0, cv=0.5),
    UniformSpec(kind="uniform", low=1.0, high=4.0),
    TwoPointSpec(kind="two_point", low=1.0, high=5.0, low_probability=0.3),
    HyperExponentialSpec(kind="hyperexponential", means=(1.0, 4.0), probabilities=(0.6, 0.4)),
    WeibullSpec(kind="weibull", mean=2.0, shape=1.5),
    ParetoSpec(kind="pareto", mean=2.0, shape=9.0),
    EmpiricalSpec(kind="empirical", values=(1.0, 2.0, 6.0), probabilities=(0.5, 0.2, 0.3)),
]
SHELL = {"altitude_m": 550e3, "inclination_deg": 53.0, "satellites": 1584, "planes": 72, "phasing": 17}


def world(**changes):
    return {
        "name": "fluid",
        "horizon": {"duration_s": 2400},
        "sites": {
            "kind": "grid",
            "step_deg": 60,
            "latitudes_deg": [-60, 60],
            "rate_per_s": 6.0,
            "gateway": {
                "name": "site",
                "device": "instant",
                "access": {"rate": 1e8},
                "service_s": {"segmentation": {"kind": "constant", "value": 0.3}},
            },
        },
        "space": {"constellation": {"kind": "walker", "shells": [SHELL]}},
        "radio": {"band": "ka"},
        "data_network": {
            "gpus": 9,
            "device": "instant",
            "service_s": {"inpainting": {"kind": "constant", "value": 1.0}},
        },
        "output": {"timeline_step_s": None},
        "requirement": {"deadline_s": 5},
        "schemes": [
            {
                "name": "drawn",
                "codec": {"kind": "sizes", "size_bits": {"kind": "lognormal", "mean": 2.4e9, "cv": 0.6}},
            }
        ],
        **changes,
    }


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.kind)
def test_moments_and_quantiles_are_those_of_draws(law):
    own = spread(law, "here")
    draws = block_draw(law)(np.random.default_rng(3), 2_000_000)
    for power, moment in enumerate(own.moments, start=1):
        assert np.mean(draws**power) == pytest.approx(moment, rel=0.03)
    shares = np.array([0.1, 0.5, 0.9])
    assert own.quantiles(shares) == pytest.approx(np.quantile(draws, shares), rel=0.02)


def test_a_sum_has_the_moments_of_its_parts():
    parts = [spread(law, "here") for law in LAWS[:5]]
    rng = np.random.default_rng(2)
    draws = sum(block_draw(law)(rng, 1_000_000) for law in LAWS[:5])
    for power, moment in enumerate(total(parts).moments, start=1):
        assert np.mean(draws**power) == pytest.approx(moment, rel=0.01)


@pytest.mark.parametrize("law", [LAWS[0], LAWS[1], LAWS[4], LAWS[7]], ids=lambda law: law.kind)
@pytest.mark.parametrize("load", [0.3, 0.9])
def test_equilibrium_is_pollaczeks_and_takacss(law, load):
    own = spread(law, "here")
    first, second, third = own.moments
    rate = np.array([load / first])
    queue = WorkloadQueue(own, np.ones(1))
    for _ in range(int(4 / (1 - load) ** 2) + 40):
        work = queue.advance(rate, np.ones(1), 5 * first)
    mean = rate[0] * second / (2 * (1 - load))
    assert work.mean[0] == pytest.approx(mean, rel=0.01)
    assert work.second[0] == pytest.approx(2 * mean**2 + rate[0] * third / (3 * (1 - load)), rel=0.02)
    assert work.busy[0] == pytest.approx(load, rel=0.005)


@pytest.mark.parametrize("speed", [1e3, 1e6])
def test_a_fast_server_stands_in_equilibrium_and_drains_a_gap_at_its_spare_speed(speed):
    own = spread(ExponentialSpec(kind="exponential", mean=1.0), "here")
    rate, queue = np.array([0.6 * speed]), WorkloadQueue(own, np.ones(1))
    for _ in range(5):
        work = queue.advance(rate, np.array([speed]), 30.0)
    assert work.mean[0] == pytest.approx(0.6 / 0.4, rel=0.01)
    queue.advance(rate, np.zeros(1), 30.0)
    assert queue.mean[0] == pytest.approx(0.6 * speed * 30, rel=0.01)
    queue.advance(rate, np.array([speed]), 30.0)
    assert queue.mean[0] == pytest.approx(0.2 * speed * 30, rel=0.01)
    queue.advance(rate, np.array([speed]), 30.0)
    assert queue.mean[0] == pytest.approx(0.6 / 0.4, rel=0.01)


def test_gaps_without_contact_are_those_of_a_monte_carlo():
    """2 s steps, three of them in nine without any rate; 3,000 independent queues, 60 parts a step."""
    rng = np.random.default_rng(1)
    speeds = np.where((np.arange(45) // 6) % 3 == 0, 0.0, 1.6)
    work = np.zeros(3000)
    means, seconds = [], []
    for speed in speeds:
        sums = np.zeros(2)
        for _ in range(60):
            arrivals = rng.poisson(0.7 / 30, len(work))
            work = np.maximum(
                work + rng.gamma(np.maximum(arrivals, 1e-12)) * (arrivals > 0) - speed / 30, 0.0
            )
            sums += (work.mean(), (work**2).mean())
        means.append(sums[0] / 60)
        seconds.append(sums[1] / 60)
    queue = WorkloadQueue(spread(ExponentialSpec(kind="exponential", mean=1.0), "here"), np.ones(1))
    fluid = [queue.advance(np.array([0.7]), np.array([speed]), 2.0) for speed in speeds]
    assert np.mean([one.mean[0] for one in fluid]) == pytest.approx(np.mean(means), rel=0.04)
    assert np.mean([one.second[0] for one in fluid]) == pytest.approx(np.mean(seconds), rel=0.08)
    high = np.argmax(means)
    assert fluid[high].mean[0] == pytest.approx(means[high], rel=0.04)


def test_erlang_c_is_the_published_one():
    # Kleinrock, Queueing Systems I, M/M/m: m = 2: C = 2 ρ² / (1 + ρ); one server: ρ.
    load = np.array([0.2, 0.5, 0.8])
    assert all_busy(1, load) == pytest.approx(load)
    assert all_busy(2, load) == pytest.approx(2 * load**2 / (1 + load))
    assert all_busy(10, np.array([0.8]))[0] == pytest.approx(0.4092, abs=2e-4)  # Erlang C(10, 8)


def test_a_pool_settles_at_erlang_c_and_grows_by_its_surplus():
    own = spread(ExponentialSpec(kind="exponential", mean=2.0), "here")
    pool = PoolQueue(10, own, np.ones(2))
    for _ in range(100):
        wait = pool.advance(np.array([4.0, 6.0]), 10.0)
    assert wait.mean[0] == pytest.approx(0.4092 * 2.0 / (10 * 0.2), rel=0.02)
    assert wait.mean[1] == pytest.approx(0.2 * 995, rel=0.05)


def test_waiting_work_has_the_moments_it_is_drawn_from():
    shares = (np.arange(20_000) + 0.5) / 20_000
    for busy, mean, second in ((0.3, 0.4, 1.2), (0.9, 9.0, 170.0), (1.0, 50.0, 2600.0)):
        some = np.ones_like(shares)
        work = waiting_work(busy * some, mean * some, second * some, shares)
        assert np.mean(work > 0) == pytest.approx(busy, abs=0.01)
        assert work.mean() == pytest.approx(mean, rel=0.02)
        assert np.mean(work**2) == pytest.approx(second, rel=0.04)


@pytest.mark.parametrize("radio", [{"band": "ka"}, {"band": "s"}, {"band": "s", "direction": "dl"}])
def test_the_sampled_sky_gives_the_rates_of_the_world_of_images(radio):
    scenario = Scenario.model_validate(world(radio=radio))
    places = [(site.latitude_deg, site.longitude_deg, 0.0, 10.0) for site in scenario.gateways]
    sky = SampledSky(space_model(scenario.space, scenario.start_utc), scenario.radio, *np.array(places).T)
    sampled = [sky.over(15.0 * step, 15.0 * step + 15.0) for step in range(80)]
    exact = [[link(0.0), link(600.0)] for link in terminal_links(scenario).values()]
    rate_bps = np.mean([[np.mean(window.rate_bps) for window in windows] for windows in exact], axis=1)
    delay_s = np.array([np.nanmean([np.nanmean(w.propagation_s) for w in windows]) for windows in exact])
    assert np.mean([state.rate_bps for state in sampled], axis=0) == pytest.approx(rate_bps, rel=0.03)
    assert np.nanmean([state.propagation_s for state in sampled], axis=0) == pytest.approx(delay_s, rel=0.03)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "fluid": {"step_s": 5},  # short against the gaps
            "satellite_link": {
                "kind": "windows",
                "rate_bps": 5e9,
                "period_s": 240,
                "contact_s": 120,
                "propagation_s": 0.01,
            },
        },
    ],
    ids=["orbit", "windows"],
)
def test_delays_are_those_of_the_world_of_images(tmp_path, changes):
    images, fluid = (
        run_scenario(Scenario.model_validate(world(fidelity=kind, **changes)), tmp_path / kind)["schemes"][
            "drawn"
        ]
        for kind in ("images", "fluid")
    )
    assert fluid["jobs"] == pytest.approx(images["jobs"], rel=0.05)
    assert fluid["delay_s"]["mean"] == pytest.approx(images["delay_s"]["mean"], rel=0.06)
    for quantile, within in (("q50", 0.08), ("q95", 0.13)):
        own, reference = (entry["delay_s"]["quantiles"][quantile]["value"] for entry in (fluid, images))
        assert own == pytest.approx(reference, rel=within)
    assert fluid["savings"]["mean"] == pytest.approx(images["savings"]["mean"], rel=0.03)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        (
            {"faults": [{"name": "f", "kind": "gateway", "target": "site*", "start_s": 1, "end_s": 2}]},
            "faults",
        ),
        ({"satellite_link": {"kind": "orbit", "buffer_bits": 1e6}}, "satellite_link"),
        ({"radio": {"channel": {"mode": "channel", "environment": "rural"}}}, "radio.channel.mode"),
        ({"horizon": {"n_jobs": 5}}, "horizon.duration_s"),
        ({"statistics": {"warm_up_s": 60}}, "statistics.warm_up_s"),
        ({"sites": {**world()["sites"], "source": {"deadline_s": 3}}}, "deadline_s"),
        ({"sites": {**world()["sites"], "gateway": {"name": "site", "rate_factor": 2}}}, "rate_factor"),
        ({"data_network": {"batching": {"max_size": 4}}}, "data_network.batching"),
        ({"data_network": {"batching": {"max_wait_s": 4}}}, "data_network.batching"),
        ({"satellite_link": {"kind": "orbit", "in_order": False}}, "satellite_link.in_order"),
        ({"satellite_link": {"kind": "orbit", "return_delay_s": 2}}, "satellite_link.return_delay_s"),
        ({"satellite_link": {"kind": "orbit", "sharing": "strict_priority"}}, "satellite_link.sharing"),
        (
            {"space": {**world()["space"], "handover": {"policy": "longest_remaining"}}},
            "space.handover.policy",
        ),
        ({"space": {**world()["space"], "handover": {"procedure": "commanded"}}}, "space.handover.procedure"),
        ({"sites": {**world()["sites"], "source": {"priority": 3}}}, "priority"),
        (
            {"sites": {**world()["sites"], "gateway": {"name": "site", "observation": {"delay_s": 3}}}},
            "observation",
        ),
        ({"delivery": {"rate": 1e6, "after_loss": "end_of_line"}}, "delivery.after_loss"),
        (
            {"schemes": [{**world()["schemes"][0], "policy": {"kind": "fixed", "guard": {}}}]},
            "schemes[0].policy.guard",
        ),
        ({"delivery": {"rate": 1e6, "loss_probability": 0.1}}, "delivery.loss_probability"),
        (
            {"requirement": {"changes": [{"from_s": 60, "deadline_s": 2}]}},
            "requirement.changes",
        ),
        (
            {
                "schemes": [
                    {**world()["schemes"][0], "requirement": {"changes": [{"from_s": 60, "deadline_s": 2}]}}
                ]
            },
            "requirement.changes",
        ),
        (
            {
                "schemes": [
                    {
                        "name": "p",
                        "codec": {"kind": "sizes", "size_bits": {"kind": "pareto", "mean": 1, "shape": 2}},
                    }
                ]
            },
            "size_bits",
        ),
    ],
)
def test_what_only_events_can_follow_is_refused_by_its_key(tmp_path, changes, key):
    with pytest.raises(InputError, match=re.escape(key)):
        run_scenario(Scenario.model_validate(world(fidelity="fluid", **changes)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_records_of_a_fluid_run_are_refused_in_one_line(tmp_path):
    run_scenario(Scenario.model_validate(world(fidelity="fluid")), tmp_path / "out")
    with pytest.raises(InputError, match="holds no records, as its world was fluid"):
        ntnsim.load(tmp_path / "out")


def test_the_summary_of_a_fluid_run_is_shown_like_any_other(tmp_path):
    path = tmp_path / "fluid.yaml"
    path.write_text(json.dumps(world(fidelity="fluid")))
    result = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "delay, 95th percentile (s)" in result.output
    assert {file.name for file in (tmp_path / "out" / "flow").iterdir()} == {
        "sites.parquet",
        "delays.parquet",
        "savings.parquet",
        "satellites.parquet",
    }


def test_a_number_of_images_is_refused_as_nobody_counts_them():
    scenario = Scenario.model_validate(
        {
            "name": "counted",
            "fidelity": "fluid",
            "horizon": {"duration_s": 600, "n_jobs": 3},
            "sources": [{"name": "camera", "arrivals": {"kind": "poisson", "rate_per_s": 0.1}}],
            "gateways": [{"name": "gateway"}],
            "satellite_link": {"kind": "constant", "rate_bps": 1e9},
            "schemes": [{"name": "sizes", "codec": {"kind": "sizes", "size_bits": 1e6}}],
        }
    )
    with pytest.raises(ScenarioError, match=r"horizon.n_jobs: fidelity fluid counts no images.*got 3"):
        check_fluid(scenario)


# Keys that a fluid world follows; all others of these parts must be refused where they are not as by default.
FOLLOWED = {
    GatewaySpec: "name latitude_deg longitude_deg altitude_m min_elevation_deg surroundings servers device service_s queue"
    " access of_sites",
    SourceSpec: "name gateway arrivals count images of_sites",
    OrbitLinkSpec: "kind overhead_fraction overhead_bits",
    HandoverSpec: "interruption_rtt interruption_s",
    TerrestrialLinkSpec: "rate sharing propagation_s service_s queue",
    DataNetworkSpec: "gpus device service_s queue",
}
REFUSED = {
    GatewaySpec: "count track on_satellite beam rate_factor observation",
    SourceSpec: "priority deadline_s start_s stop_s n_jobs access",
    OrbitLinkSpec: "sharing discipline per_image_flows buffer_bits in_order return_delay_s",
    HandoverSpec: "policy hysteresis_deg hysteresis_db hysteresis_s min_dwell_s decision_interval_s access_rtt procedure"
    " failure_s",
    TerrestrialLinkSpec: "loss_probability max_attempts after_loss",
    DataNetworkSpec: "batching",
}


@pytest.mark.parametrize("entity", FOLLOWED, ids=lambda entity: entity.__name__)
def test_every_key_is_followed_or_refused(entity):
    """A new key has to be put on one of the two lists, with what it takes."""
    assert sorted(entity.model_fields) == sorted(f"{FOLLOWED[entity]} {REFUSED[entity]}".split())
    said = (Path(ntnsim.__file__).parent / "flow" / "refusals.py").read_text()
    said += (Path(ntnsim.__file__).parent / "flow" / "stations.py").read_text()
    for key in REFUSED[entity].split():
        assert re.search(rf"\b{key}\b", said), key

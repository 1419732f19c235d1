"""What a gateway knows of the network beyond itself: exact, late or noisy."""

from types import SimpleNamespace

import numpy as np
import pytest
import simpy

from ntnsim.chance.sampling import Streams
from ntnsim.scenario.terrestrial import ObservationSpec
from ntnsim.world.observer import Observer


def at(*times_s):
    return [{"name": "c", "arrivals": {"kind": "trace", "times_s": times_s}}]


def seen(textbook, observation, times_s):
    world_of, run_world, _, _ = textbook
    gateway = {"name": "g", "device": "instant", "servers": 1, "observation": observation}
    link = {"kind": "constant", "rate_bps": 1e5}  # 10 s per image
    return run_world(world_of(sources=at(*times_s), gateways=[gateway], satellite_link=link))


def test_true_state_is_seen_at_the_moment_of_the_decision(textbook):
    run = seen(textbook, {}, (0.0, 5.0, 12.0))
    assert list(run["omega_time_s"]) == [0.0, 5.0, 12.0]
    np.testing.assert_allclose(run["omega_ntn_backlog_bits"], [0.0, 0.5e6, 0.8e6])


def test_reports_are_known_late_and_in_their_order(textbook):
    run = seen(textbook, {"report_period_s": 4.0, "delay_s": 2.0}, (0.5, 5.0, 6.0, 13.9, 14.0))
    # Reports of 0, 4, 8, 12 s are known from 2, 6, 10, 14 s on.
    assert list(run["omega_time_s"]) == [0.0, 0.0, 4.0, 8.0, 12.0]
    # At 4 s the first image has 6.5 s of 10 left; at 8 s there are 2.5 s of it and two more.
    np.testing.assert_allclose(run["omega_ntn_backlog_bits"][:4], [0.0, 0.0, 0.65e6, 2.25e6])


def test_noise_spreads_what_is_reported_around_the_truth_and_leaves_the_gateways_own_state_exact(textbook):
    world_of, run_world, assert_mean, exponential = textbook
    gateway = {
        "name": "g",
        "device": "instant",
        "servers": 1,
        "service_s": {"segmentation": exponential(1.0)},
    }
    exact = run_world(world_of(gateways=[gateway], horizon={"n_jobs": 4000}))
    noisy = run_world(
        world_of(gateways=[{**gateway, "observation": {"noise_cv": 0.3}}], horizon={"n_jobs": 4000})
    )
    ratio = noisy["omega_ntn_rate_bps"] / exact["omega_ntn_rate_bps"]
    assert_mean(ratio, 1.0, within=0.03)
    assert ratio.std() == pytest.approx(0.3, rel=0.1)
    np.testing.assert_array_equal(noisy["omega_gw_queue"], exact["omega_gw_queue"])
    np.testing.assert_array_equal(noisy["delay_s"], exact["delay_s"])  # looking wrong changes no time


def test_rate_seen_is_the_share_that_a_newcomer_would_get(textbook):
    world_of, run_world, _, _ = textbook
    gateways = [{"name": "g", "count": 3, "beam": "b", "device": "instant"}]
    sources = [{"name": "c", "count": 3, "arrivals": {"kind": "trace", "times_s": [0.0, 1.0]}}]
    run = run_world(
        world_of(
            gateways=gateways,
            sources=sources,
            satellite_link={"kind": "constant", "rate_bps": 1.2e6},
            background=0.5,
        )
    )
    later = run["created_s"] == 1.0
    # All three have an image under way; half of the beam is others' load.
    np.testing.assert_allclose(run["omega_ntn_rate_bps"][later], 0.2e6)
    np.testing.assert_allclose(run["omega_ntn_load"][later], 0.5 + 0.5 * 2 / 3)


def test_residual_work_is_what_devices_are_expected_to_need(textbook):
    world_of, run_world, _, _ = textbook
    gateway = {
        "name": "g",
        "device": "instant",
        "servers": 1,
        "service_s": {"segmentation": 2.0, "encode": 1.0},
    }
    run = run_world(
        world_of(
            sources=at(0.0, 0.5, 1.0), gateways=[gateway], data_network={"service_s": {"inpainting": 10.0}}
        )
    )
    # At 2 s two images wait, 3 s each, and the GPU is free; at 5 s one waits, and the GPU has worked 2 s of 10 since 3 s.
    np.testing.assert_allclose(run["omega_gw_residual_work_s"], [6.0, 3.0, 0.0])
    np.testing.assert_allclose(run["omega_dn_residual_work_s"], [0.0, 8.0, 5.0 + 10.0], atol=1e-6)
    assert list(run["omega_dn_queue"]) == [0, 0, 1] and list(run["omega_dn_free_gpus"]) == [1, 0, 0]


def test_reports_that_a_later_one_replaced_are_not_kept_while_nobody_decides():
    env = simpy.Environment()
    link, network = SimpleNamespace(), SimpleNamespace()
    observer = Observer(
        env,
        ObservationSpec(report_period_s=1.0, delay_s=5.0),
        Streams(0, "observer"),
        lambda: None,
        lambda: link,
        lambda: network,
    )
    observer.start()
    env.run(until=1000.5)
    assert len(observer._reports) <= 7
    assert observer.state().time_s == 995.0

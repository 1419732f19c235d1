"""Feedback, reneging and closed populations against their formulas."""

from itertools import accumulate
from math import exp

import numpy as np
import pytest

from ntnsim.chance.step_path import recorded
from ntnsim.errors import ScenarioError
from ntnsim.scenario.satellite_link import TraceLinkSpec

ACCESS = {"name": "g", "device": "instant", "servers": 1}


def poisson(rate_per_s):
    return [{"name": "camera", "arrivals": {"kind": "poisson", "rate_per_s": rate_per_s}}]


def lossy(service_s, loss_probability, **more):
    link = {"service_s": service_s, "loss_probability": loss_probability, "after_loss": "end_of_line"}
    return ACCESS | {"access": link | {"max_attempts": 1000} | more}


def test_mm1_with_bernoulli_feedback_is_an_mm1_of_the_longer_work(textbook):
    # Jackson: an image comes 1/(1 − p) times, so the station sees λ/(1 − p) at rate μ; T = 1/(μ(1 − p) − λ).
    world_of, run_world, assert_mean, exponential = textbook
    arrival_rate, mean, loss = 0.6, 0.8, 0.35
    gateway = lossy(exponential(mean), loss)
    run = run_world(world_of(gateways=[gateway], sources=poisson(arrival_rate), horizon={"n_jobs": 40_000}))
    assert_mean(run["access_attempts"], 1 / (1 - loss), within=0.02)
    assert_mean(run["delay_s"], 1 / ((1 - loss) / mean - arrival_rate), within=0.4)


def test_md1_with_feedback_follows_takacs(textbook):
    # Takács (1963). Who is served next changes nothing in how many are there, so L is that of an M/G/1 whose work is the
    # sum of all turns; with q = 1 − p, Pollaczek–Khinchine becomes T = (2h + λ(h₂ − 2h²)) / (2(q − λh)).
    world_of, run_world, assert_mean, _ = textbook
    arrival_rate, h, loss = 0.5, 1.0, 0.25
    second_moment = h**2
    run = run_world(
        world_of(gateways=[lossy(h, loss)], sources=poisson(arrival_rate), horizon={"n_jobs": 40_000})
    )
    expected = (arrival_rate * (second_moment - 2 * h**2) + 2 * h) / (2 * (1 - loss - arrival_rate * h))
    assert_mean(run["delay_s"], expected, within=0.2)


def test_a_lost_transfer_waits_behind_those_that_came_meanwhile(textbook):
    world_of, run_world, *_ = textbook
    sources = [{"name": "a", "arrivals": {"kind": "trace", "times_s": [0.0, 0.5, 0.6]}}]
    run = run_world(world_of(gateways=[lossy(1.0, 0.5, propagation_s=0.1)], sources=sources, seed=8))
    ends = dict(zip(run["index"], run["at_gateway_s"], strict=True))
    attempts = dict(zip(run["index"], run["access_attempts"], strict=True))
    # One queue by hand: turns of 1 s; who is lost comes back 0.2 s later, behind all others.
    line, now, left = [(time, n) for n, time in enumerate((0.0, 0.5, 0.6))], 0.0, dict(attempts)
    while line:
        line.sort()
        time, job = line.pop(0)
        now = max(now, time) + 1.0
        left[job] -= 1
        if left[job]:
            line.append((now + 0.2, job))
        else:
            assert ends[job] == pytest.approx(now + 0.1, abs=1e-9)
    assert max(attempts.values()) > 1


def losses_of_mm1_with_exponential_patience(arrival_rate, service_rate, leaving_rate, states=400):
    # Birth and death: λ up, μ + (n − 1)θ down; who leaves are Σ (n − 1) θ π_n of λ.
    down = service_rate + leaving_rate * np.arange(states)
    weights = np.array([1.0, *accumulate(arrival_rate / down, lambda weight, ratio: weight * ratio)])
    shares = weights / weights.sum()
    return (leaving_rate * np.arange(states) * shares[1:]).sum() / arrival_rate


def losses_of_mm1_with_constant_patience(arrival_rate, service_rate, patience_s):
    # Level crossing of the work v before a newcomer: density λ v₀ e^{−(μ−λ)x} up to τ, beyond it only μ brings it down.
    drift = service_rate - arrival_rate
    below = arrival_rate * (1 - exp(-drift * patience_s)) / drift
    beyond = arrival_rate * exp(-drift * patience_s) / service_rate
    return beyond / (1 + below + beyond)


@pytest.mark.parametrize("station", ["gateway", "access", "data network"])
def test_mm1_with_exponential_patience_loses_what_birth_and_death_say(textbook, station):
    world_of, run_world, assert_mean, exponential = textbook
    arrival_rate, mean, patience = 1.2, 1.0, 3.0
    queue, sections = {"patience_s": exponential(patience)}, {}
    if station == "gateway":
        gateway = ACCESS | {"service_s": {"segmentation": exponential(mean)}, "queue": queue}
    elif station == "access":
        gateway = ACCESS | {"access": {"service_s": exponential(mean), "queue": queue}}
    else:
        gateway = ACCESS | {"servers": 100}
        sections = {"data_network": {"service_s": {"inpainting": exponential(mean)}, "queue": queue}}
    world = world_of(
        gateways=[gateway], sources=poisson(arrival_rate), horizon={"n_jobs": 20_000}, **sections
    )
    run = run_world(world)
    expected = losses_of_mm1_with_exponential_patience(arrival_rate, 1 / mean, 1 / patience)
    lost = run["state"] == "dropped"
    assert_mean(lost, expected, within=0.1)
    place = {"access": "access link"}.get(station, station)
    assert set(run["reason"][lost]) == {f"lost patience at the {place}"}


@pytest.mark.parametrize("discipline", ["fifo", "edf"])
def test_mm1_with_constant_patience_loses_what_level_crossing_says(textbook, discipline):
    world_of, run_world, assert_mean, exponential = textbook
    arrival_rate, mean, patience = 0.9, 1.0, 2.0
    # All have one deadline: edf is fifo, by its heap.
    queue = {"patience_s": patience, "discipline": discipline}
    gateway = ACCESS | {"service_s": {"segmentation": exponential(mean)}, "queue": queue}
    run = run_world(world_of(gateways=[gateway], sources=poisson(arrival_rate), horizon={"n_jobs": 20_000}))
    lost = run["state"] == "dropped"
    assert_mean(lost, losses_of_mm1_with_constant_patience(arrival_rate, 1 / mean, patience), within=0.1)
    assert run["gw_comp_wait_s"][~lost].max() <= patience + 1e-9


def test_machine_repair_has_the_throughput_of_its_birth_and_death(textbook):
    # N machines that run 1/λ and one repairman: π_n ∝ N!/(N − n)! (λ/μ)ⁿ; throughput μ (1 − π₀), T = N/X − 1/λ.
    world_of, run_world, assert_mean, exponential = textbook
    machines, think, mean, duration_s = 6, 5.0, 1.0, 30_000
    sources = [
        {"name": "m", "count": machines, "arrivals": {"kind": "closed", "think_s": exponential(think)}}
    ]
    gateway = ACCESS | {"service_s": {"segmentation": exponential(mean)}}
    run = run_world(world_of(gateways=[gateway], sources=sources, horizon={"duration_s": duration_s}))
    weights = [
        1.0,
        *accumulate(range(machines, 0, -1), lambda w, left: w * left * mean / think, initial=1.0),
    ][1:]
    throughput = (1 - weights[0] / sum(weights)) / mean
    assert len(run["delay_s"]) / duration_s == pytest.approx(throughput, rel=0.02)
    assert_mean(run["delay_s"], machines / throughput - think, within=0.12)


def test_a_closed_source_has_one_image_under_way_and_goes_on_after_a_loss(textbook):
    world_of, run_world, _, exponential = textbook
    gateway = ACCESS | {"access": {"service_s": 1.0, "loss_probability": 0.4, "max_attempts": 1}}
    sources = [{"name": "m", "arrivals": {"kind": "closed", "think_s": exponential(2)}, "stop_s": 400}]
    run = run_world(world_of(gateways=[gateway], sources=sources, horizon={}))
    order = np.argsort(run["created_s"])
    created, ended = run["created_s"][order], run["ended_s"][order]
    assert (created[1:] > ended[:-1]).all() and created[-1] < 400
    assert {"dropped"} < set(run["state"])


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {
                "sources": [{"name": "a", "arrivals": {"kind": "closed", "think_s": 1}}],
                "horizon": {"n_jobs": 3},
            },
            "an image of the closed sources\\[0\\] may never come back",
        ),
        (
            {
                "gateways": [
                    ACCESS
                    | {"access": {"rate": 1e6, "sharing": "processor_sharing", "queue": {"patience_s": 1}}}
                ]
            },
            "nobody waits for a turn under processor_sharing",
        ),
    ],
)
def test_what_cannot_be_is_refused(textbook, sections, message):
    world_of, *_ = textbook
    with pytest.raises(ScenarioError, match=message):
        world_of(**sections)


def test_recorded_satellite_and_access_rates_are_read_from_files(textbook, tmp_path):
    # 1 Mbit at 0.2 Mbit/s for 2 s, then at 0.6: 0.4 Mbit, and the rest in 1 s. The access carries 8 Mbit at 4 Mbit/s.
    world_of, run_world, *_ = textbook
    (tmp_path / "satellite.csv").write_text("time_s,bps\n0,0.2e6\n4,0.6e6\n")
    (tmp_path / "access.csv").write_text("time_s,bps\n0,4.0e6\n")
    rate = {"kind": "trace", "path": str(tmp_path / "access.csv")}
    run = run_world(
        world_of(
            gateways=[ACCESS | {"access": {"rate": rate}}],
            sources=[{"name": "a", "arrivals": {"kind": "trace", "times_s": [0.0]}}],
            satellite_link={"kind": "trace", "path": str(tmp_path / "satellite.csv")},
        )
    )
    assert run["at_gateway_s"] == pytest.approx(2.0, abs=1e-9)
    assert run["link_end_s"] == pytest.approx(5.0, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_s,bps\n1,5\n", "rates.csv: times_s must start at 0, got 1.0"),
        ("time_s,bps\n0,5\n0,6\n", "rates.csv: times_s must increase, got 0.0 before 0.0"),
        ("time_s,bps\n0,fast\n", "rates.csv:2: needs a number in column bps, got 'fast'"),
        ("time_s,bps\n", "rates.csv: holds no rates"),
    ],
)
def test_files_that_hold_no_rate_are_told(tmp_path, text, message):
    (tmp_path / "rates.csv").write_text(text)
    with pytest.raises(ScenarioError) as caught:
        recorded(TraceLinkSpec(kind="trace", path=str(tmp_path / "rates.csv")))
    assert message in str(caught.value)

"""Textbook queues, written as scenarios, against their formulas."""

from math import factorial

import numpy as np
import pytest

from ntnsim.errors import ScenarioError


def mm1_wait(arrival_rate, service_rate):
    return arrival_rate / service_rate / (service_rate - arrival_rate)


def pollaczek_khinchine_wait(arrival_rate, mean, second_moment):
    return arrival_rate * second_moment / (2 * (1 - arrival_rate * mean))


def test_five_exponential_stages_in_a_row_are_five_mm1_queues(textbook):
    # Burke: the departures of an M/M/1 queue are Poisson, so each stage is one, whatever lies before it.
    world_of, run_world, assert_mean, exponential = textbook
    means = {"gw_comm": 0.5, "gw_comp": 0.6, "ntn_comm": 0.7, "dn_comp": 0.4, "dn_comm": 0.8}
    run = run_world(
        world_of(
            horizon={"n_jobs": 60_000},
            sources=[{"name": "camera", "arrivals": {"kind": "poisson", "rate_per_s": 1.0}}],
            gateways=[
                {
                    "name": "gateway",
                    "device": "instant",
                    "servers": 1,
                    "service_s": {"segmentation": exponential(means["gw_comp"])},
                    "access": {"service_s": exponential(means["gw_comm"])},
                }
            ],
            satellite_link={"kind": "constant", "rate_bps": 1e6},
            data_network={"service_s": {"inpainting": exponential(means["dn_comp"])}},
            delivery={"service_s": exponential(means["dn_comm"])},
            schemes=[
                {"name": "s", "codec": {"kind": "sizes", "size_bits": exponential(1e6 * means["ntn_comm"])}}
            ],
        )
    )
    for stage, mean in means.items():
        assert_mean(run[f"{stage}_service_s"], mean, within=0.03)
        assert_mean(run[f"{stage}_wait_s"], mm1_wait(1.0, 1 / mean), within=0.25 if mean < 0.75 else 0.35)
    parts = sum(run[f"{stage}_{part}_s"] for stage in means for part in ("wait", "service"))
    np.testing.assert_allclose(parts, run["delay_s"], rtol=0, atol=1e-9)


def test_mm1_sojourn_is_exponential(textbook):
    world_of, run_world, assert_mean, exponential = textbook
    gateway = {
        "name": "g",
        "device": "instant",
        "servers": 1,
        "service_s": {"segmentation": exponential(1.0)},
    }
    run = run_world(world_of(gateways=[gateway], horizon={"n_jobs": 40_000}))
    rate = 1 - 0.7  # μ − λ
    for probability in (0.5, 0.9):
        beyond = run["delay_s"] > -np.log(1 - probability) / rate
        assert_mean(beyond, 1 - probability, within=0.25)


def test_mmc_wait_follows_erlang_c(textbook):
    world_of, run_world, assert_mean, exponential = textbook
    servers, arrival_rate, mean = 3, 0.7, 3.0
    gateway = {
        "name": "g",
        "device": "instant",
        "servers": servers,
        "service_s": {"encode": exponential(mean)},
    }
    run = run_world(world_of(gateways=[gateway], horizon={"n_jobs": 40_000}))
    load = arrival_rate * mean
    top = load**servers / factorial(servers) * servers / (servers - load)
    erlang_c = top / (sum(load**k / factorial(k) for k in range(servers)) + top)
    assert_mean(run["gw_comp_wait_s"] > 0, erlang_c, within=0.1)
    assert_mean(run["gw_comp_wait_s"], erlang_c / (servers / mean - arrival_rate), within=0.25)


@pytest.mark.parametrize(
    ("size_bits", "mean", "second_moment"),
    [
        (1e6, 1.0, 1.0),  # M/D/1
        ({"kind": "two_point", "low": 0.5e6, "high": 3e6, "low_probability": 0.8}, 1.0, 2.0),
        ({"kind": "lognormal", "mean": 1e6, "cv": 1.5}, 1.0, 3.25),
        ({"kind": "erlang", "shape": 4, "mean": 1e6}, 1.0, 1.25),
    ],
)
def test_wait_for_the_satellite_link_follows_pollaczek_khinchine(textbook, size_bits, mean, second_moment):
    world_of, run_world, assert_mean, _ = textbook
    run = run_world(
        world_of(
            horizon={"n_jobs": 40_000},
            sources=[{"name": "camera", "arrivals": {"kind": "poisson", "rate_per_s": 0.6}}],
            satellite_link={"kind": "constant", "rate_bps": 1e6},
            schemes=[{"name": "s", "codec": {"kind": "sizes", "size_bits": size_bits}}],
        )
    )
    assert_mean(run["ntn_comm_wait_s"], pollaczek_khinchine_wait(0.6, mean, second_moment), within=0.3)


def test_full_buffer_loses_as_mm1k_says(textbook):
    world_of, run_world, assert_mean, exponential = textbook
    load, places = 0.9, 4  # one in service and three waiting
    gateway = {
        "name": "g",
        "device": "instant",
        "servers": 1,
        "service_s": {"segmentation": exponential(load / 0.7)},
        "queue": {"buffer": places - 1},
    }
    run = run_world(world_of(gateways=[gateway], horizon={"n_jobs": 40_000}))
    lost = run["state"] == "dropped"
    assert set(run["reason"][lost]) == {"gateway buffer full"}
    assert_mean(lost, (1 - load) * load**places / (1 - load ** (places + 1)), within=0.1)
    probabilities = load ** np.arange(places + 1) * (1 - load) / (1 - load ** (places + 1))
    through = 0.7 * (1 - probabilities[-1])
    assert_mean(run["delay_s"][~lost], probabilities @ np.arange(places + 1) / through, within=0.1)


def test_no_buffer_blocks_as_erlang_b_says(textbook):
    world_of, run_world, assert_mean, _ = textbook
    gateway = {
        "name": "g",
        "device": "instant",
        "servers": 4,
        # Erlang B holds for any service law of this mean.
        "service_s": {
            "segmentation": {"kind": "two_point", "low": 1.0, "high": 11.0, "low_probability": 0.7}
        },
        "queue": {"buffer": 0},
    }
    run = run_world(world_of(gateways=[gateway], horizon={"n_jobs": 40_000}))
    load = 0.7 * 4.0
    blocked = load**4 / factorial(4) / sum(load**k / factorial(k) for k in range(5))
    assert_mean(run["state"] == "dropped", blocked, within=0.1)


def test_urgent_images_wait_less_as_cobham_says(textbook):
    world_of, run_world, assert_mean, exponential = textbook
    rates = {2: 0.2, 1: 0.3, 0: 0.3}  # priority → arrivals per second; mean service 1 s
    gateway = {
        "name": "g",
        "device": "instant",
        "servers": 1,
        "service_s": {"segmentation": exponential(1.0)},
        "queue": {"discipline": "priority"},
    }
    sources = [
        {"name": f"p{p}", "priority": p, "arrivals": {"kind": "poisson", "rate_per_s": rate}}
        for p, rate in rates.items()
    ]
    run = run_world(
        world_of(gateways=[gateway], sources=sources, horizon={"n_jobs": None, "duration_s": 60_000})
    )
    residual = sum(rates.values()) * 1.0  # λ E[S²] / 2
    above = 0.0
    for priority, rate in rates.items():
        expected = residual / ((1 - above) * (1 - above - rate))
        assert_mean(run["gw_comp_wait_s"][run["priority"] == priority], expected, within=0.35)
        above += rate


@pytest.mark.parametrize("per_image_flows", [False, True])
def test_processor_sharing_takes_time_in_proportion_to_size_whatever_its_law(textbook, per_image_flows):
    # M/G/1-PS: E[T | size x] = x / (1 − ρ), insensitive to the law of the sizes. On the access link or in the beam.
    world_of, run_world, assert_mean, _ = textbook
    low, high = 0.5e6, 3e6  # mean 1 Mbit
    sizes = {"kind": "two_point", "low": low, "high": high, "low_probability": 0.8}
    if per_image_flows:
        sections = {
            "satellite_link": {"kind": "constant", "rate_bps": 1e6, "per_image_flows": True},
            "schemes": [{"name": "s", "codec": {"kind": "sizes", "size_bits": sizes}}],
        }
        size, time = "transmitted_bits", "ntn_comm"
    else:
        access = {"rate": 1e6, "sharing": "processor_sharing"}
        sections = {
            "gateways": [{"name": "g", "device": "instant", "access": access}],
            "schemes": [{"name": "s", "codec": {"kind": "sizes", "size_bits": 1.0, "source_bits": sizes}}],
        }
        size, time = "original_bits", "gw_comm"
    run = run_world(world_of(horizon={"n_jobs": 40_000}, **sections))
    sojourn = run[f"{time}_service_s"] + run[f"{time}_wait_s"]
    for bits in (low, high):
        assert_mean(sojourn[run[size] == bits], bits / 1e6 / (1 - 0.7), within=0.25)


@pytest.mark.parametrize(
    "sizes", [1e6, {"kind": "hyperexponential", "means": [0.5e6, 5.5e6], "probabilities": [0.9, 0.1]}]
)
@pytest.mark.parametrize("load", [0.9, 1.5])
def test_shared_link_with_few_places_loses_as_mg1k_ps_says_whatever_the_law_of_sizes(textbook, sizes, load):
    # M/G/1-PS with K places: P(n) = (1 − ρ) ρⁿ / (1 − ρ^(K+1)), insensitive to the law of the sizes.
    world_of, run_world, assert_mean, _ = textbook
    places = 5
    access = {"rate": 0.7e6 / load, "sharing": "processor_sharing", "queue": {"buffer": places - 1}}
    run = run_world(
        world_of(
            gateways=[{"name": "g", "device": "instant", "access": access}],
            horizon={"n_jobs": 40_000},
            schemes=[{"name": "s", "codec": {"kind": "sizes", "size_bits": 1.0, "source_bits": sizes}}],
        )
    )
    lost = run["state"] == "dropped"
    assert set(run["reason"][lost]) == {"access link buffer full"}
    probabilities = load ** np.arange(places + 1) * (1 - load) / (1 - load ** (places + 1))
    assert_mean(lost, probabilities[-1], within=0.2)
    through = 0.7 * (1 - probabilities[-1])
    assert_mean(run["delay_s"][~lost], probabilities @ np.arange(places + 1) / through, within=0.15)


def test_cut_link_on_which_transfers_take_no_time_delays_by_the_rest_of_the_cut(textbook):
    # Exponential cuts of mean R after uptimes of mean F: an image waits with probability R/(R + F), R on average.
    world_of, run_world, assert_mean, exponential = textbook
    fault = {
        "kind": "access",
        "name": "f",
        "time_to_failure_s": exponential(30.0),
        "time_to_repair_s": exponential(10.0),
    }
    run = run_world(world_of(faults=[fault], horizon={"n_jobs": 40_000}))
    assert_mean(run["delay_s"], 0.25 * 10.0, within=0.2)


def test_terminals_of_one_beam_share_it_like_one_processor(textbook):
    # 200 terminals with one image at a time are nearly a flow per image: M/M/1-PS, T = S / (1 − ρ).
    world_of, run_world, assert_mean, exponential = textbook
    run = run_world(
        world_of(
            horizon={"n_jobs": 150},
            gateways=[{"name": "g", "count": 200, "beam": "b", "device": "instant"}],
            sources=[{"name": "c", "count": 200, "arrivals": {"kind": "poisson", "rate_per_s": 0.7 / 200}}],
            satellite_link={"kind": "constant", "rate_bps": 1e6},
            schemes=[{"name": "s", "codec": {"kind": "sizes", "size_bits": exponential(1e6)}}],
        )
    )
    # All sources stop after 150 images, some earlier than others: judge while all still send.
    together = run["created_s"] < min(run["created_s"][run["index"] == 149])
    assert_mean(run["delay_s"][together], 1 / (1 - 0.7), within=0.25)


def test_terminals_with_different_antennas_share_time_not_bits(textbook):
    # Two terminals, 4 and 1 Mbit/s, 8 Mbit each at time 0. Half the time each: the fast one is through at 4 s; by then the
    # slow one has sent 2 Mbit and sends the other 6 alone.
    world_of, run_world, _, _ = textbook
    run = run_world(
        world_of(
            gateways=[
                {"name": "fast", "beam": "b", "device": "instant", "rate_factor": 4.0},
                {"name": "slow", "beam": "b", "device": "instant"},
            ],
            sources=[
                {"name": name, "gateway": name, "arrivals": {"kind": "trace", "times_s": [0.0]}}
                for name in ("fast", "slow")
            ],
            satellite_link={"kind": "constant", "rate_bps": 1e6},
            schemes=[{"name": "s", "codec": {"kind": "sizes", "size_bits": 8e6}}],
        )
    )
    assert dict(zip(run["source"], run["link_end_s"], strict=True)) == {"fast": 4.0, "slow": 10.0}


BREAKDOWN = {
    "time_to_failure_s": {"kind": "exponential", "mean": 20.0},
    "time_to_repair_s": {"kind": "exponential", "mean": 5.0},
}


@pytest.mark.parametrize("kind", ["gateway", "feeder", "gpu", "access", "delivery"])
def test_queue_with_breakdowns_follows_white_and_christie(textbook, kind):
    # White & Christie (1958), exponential up and down times, work resumes:
    # L = λ ((ξ+η)² + μ ξ) / ((ξ+η) (μ η − λ (ξ+η))), ξ failure rate, η repair rate.
    world_of, run_world, assert_mean, exponential = textbook
    arrival, service, failure, repair = 0.4, 1.0, 1 / 20, 1 / 5
    one_second = exponential(1.0)
    sections = {"gateways": [{"name": "gateway", "device": "instant", "servers": 1}]}
    if kind == "gateway":
        sections["gateways"][0]["service_s"] = {"encode": one_second}
    elif kind == "feeder":
        sections["satellite_link"] = {"kind": "constant", "rate_bps": 1e6}
        sections["schemes"] = [{"name": "s", "codec": {"kind": "sizes", "size_bits": exponential(1e6)}}]
    elif kind == "gpu":
        sections["data_network"] = {"service_s": {"decode": one_second}}
    elif kind == "access":
        sections["gateways"][0]["access"] = {"rate": 1e6}
        codec = {"kind": "sizes", "size_bits": 1.0, "source_bits": exponential(1e6)}
        sections["schemes"] = [{"name": "s", "codec": codec}]
    else:
        sections["delivery"] = {"service_s": one_second}
    run = run_world(
        world_of(
            horizon={"n_jobs": 25_000},
            sources=[{"name": "c", "arrivals": {"kind": "poisson", "rate_per_s": arrival}}],
            faults=[{"kind": kind, "name": "f", **BREAKDOWN}],
            **sections,
        )
    )
    both = failure + repair
    number = arrival * (both**2 + service * failure) / (both * (service * repair - arrival * both))
    assert_mean(run["delay_s"], number / arrival, within=0.35)
    assert run["interruptions"].max() >= 1


def test_random_arrivals_into_a_periodic_contact_window_wait_for_half_the_gap_they_hit(textbook):
    # Period T, contact c, tiny images: an arrival meets the gap T − c with probability (T − c)/T and then waits half of it.
    world_of, run_world, assert_mean, _ = textbook
    period, contact = 600.0, 150.0
    link = {"kind": "windows", "rate_bps": 1e9, "period_s": period, "contact_s": contact, "offset_s": 100.0}
    codec = {"kind": "sizes", "size_bits": 1e3}
    run = run_world(
        world_of(
            horizon={"n_jobs": 20_000},
            sources=[{"name": "c", "arrivals": {"kind": "poisson", "rate_per_s": 0.05}}],
            satellite_link=link,
            schemes=[{"name": "s", "codec": codec}],
        )
    )
    wait = run["ntn_comm_wait_s"]
    gap = period - contact
    assert_mean(wait > 1e-3, gap / period, within=0.05)
    assert_mean(wait, gap**2 / (2 * period), within=0.1)
    phase = (run["link_end_s"] - 100.0) % period
    assert phase.max() <= contact + 1e-6


def test_background_load_slows_the_link_by_its_share(textbook):
    world_of, run_world, assert_mean, exponential = textbook
    run = run_world(
        world_of(
            horizon={"n_jobs": 40_000},
            sources=[{"name": "c", "arrivals": {"kind": "poisson", "rate_per_s": 0.3}}],
            satellite_link={"kind": "constant", "rate_bps": 1e6},
            background=0.5,
            schemes=[{"name": "s", "codec": {"kind": "sizes", "size_bits": exponential(1e6)}}],
        )
    )
    assert_mean(run["delay_s"], 1 / (0.5 - 0.3), within=0.25)
    assert set(run["omega_ntn_load"]) == {0.5} and set(run["omega_ntn_rate_bps"]) == {0.5e6}


def test_lost_transfers_are_sent_again_geometrically_often(textbook):
    world_of, run_world, assert_mean, _ = textbook
    loss, arrival = 0.4, 0.4
    access = {"service_s": 1.0, "loss_probability": loss, "max_attempts": 100, "propagation_s": 0.25}
    run = run_world(
        world_of(
            horizon={"n_jobs": 30_000},
            gateways=[{"name": "g", "device": "instant", "access": access}],
            sources=[{"name": "c", "arrivals": {"kind": "poisson", "rate_per_s": arrival}}],
        )
    )
    mean, second_moment = 1 / (1 - loss), (1 + loss) / (1 - loss) ** 2
    assert_mean(run["access_attempts"], mean, within=0.03)
    assert_mean(run["gw_comm_wait_s"], pollaczek_khinchine_wait(arrival, mean, second_moment), within=0.25)
    # Each attempt but the last costs a round trip more.
    propagation = run["gw_comm_service_s"] - run["access_attempts"]
    np.testing.assert_allclose(propagation, 0.25 * (2 * run["access_attempts"] - 1), atol=1e-9)


def test_batches_raise_the_capacity_of_a_gpu(textbook):
    # 1 s for the first image and 0.25 s for each further one: batches of 4 take 1.75 s, so 2.29 images per second pass,
    # where single images would allow one. Offered 10 per second, the GPU always finds full batches.
    world_of, run_world, _, _ = textbook
    device = {"stages": {"inpainting": {"fixed_s": 1.0}}, "batch_marginal": 0.25}
    run = run_world(
        world_of(
            horizon={"n_jobs": 4000},
            sources=[{"name": "c", "arrivals": {"kind": "periodic", "period_s": 0.1}}],
            data_network={"device": device, "batching": {"max_size": 4, "max_wait_s": 2.0}},
        )
    )
    assert run["batch_size"].max() == 4
    assert run.result.duration_s == pytest.approx(4000 / 4 * 1.75, rel=0.01)


def bulk_service_wait(arrival_rate, service_rate, least, most):
    """Return the mean wait of M/M(a, b)/1: a batch starts with *least* waiting, and takes up to *most* of them.

    Neuts' general bulk service rule; its Markov chain is solved for up to 400 waiting.
    """
    n_waiting = 400
    n_states = least + n_waiting  # idle with 0 … least − 1 waiting, then busy with 0 … n_waiting − 1
    rates = np.zeros((n_states, n_states))
    for waiting in range(least):
        rates[waiting, waiting + 1 if waiting + 1 < least else least] += arrival_rate
    for waiting in range(n_waiting):
        state = least + waiting
        if waiting + 1 < n_waiting:
            rates[state, state + 1] += arrival_rate
        after = waiting if waiting < least else least + max(0, waiting - most)
        rates[state, after] += service_rate
    generator = rates - np.diag(rates.sum(axis=1))
    balance = np.vstack([generator.T, np.ones(n_states)])
    shares = np.linalg.lstsq(balance, np.append(np.zeros(n_states), 1.0), rcond=None)[0]
    return shares @ np.concatenate([np.arange(least), np.arange(n_waiting)]) / arrival_rate


def test_bulk_service_of_least_and_most_one_is_mm1():
    # Least squares of 401 states lose more digits with some BLAS than with others.
    assert bulk_service_wait(0.7, 1.0, 1, 1) == pytest.approx(mm1_wait(0.7, 1.0), rel=1e-7)


@pytest.mark.parametrize(("least", "most"), [(1, 4), (3, 4), (4, 4)])
def test_a_gpu_that_waits_for_a_minimum_batch_is_a_bulk_service_queue(textbook, least, most):
    world_of, run_world, assert_mean, exponential = textbook
    run = run_world(
        world_of(
            horizon={"n_jobs": 60_000},
            sources=[{"name": "c", "arrivals": {"kind": "poisson", "rate_per_s": 2.0}}],
            data_network={
                "device": {"batch_marginal": 0.0},
                "service_s": {"inpainting": exponential(1.0)},
                "batching": {"min_size": least, "max_size": most, "max_wait_s": 1000.0},
            },
        )
    )
    assert run["batch_size"].max() == most
    assert run["batch_size"][:-most].min() == least
    assert_mean(run["dn_comp_wait_s"], bulk_service_wait(2.0, 1.0, least, most), within=0.15)


@pytest.mark.parametrize(
    ("batching", "text"),
    [
        ({"min_size": 3, "max_size": 2, "max_wait_s": 1.0}, "min_size 3 is above max_size 2"),
        ({"min_size": 2, "max_size": 2}, "needs max_wait_s > 0"),
        ({"min_size": 0, "max_size": 2, "max_wait_s": 1.0}, "min_size: 0 is not >= 1"),
    ],
)
def test_a_minimum_batch_that_cannot_count_is_refused(textbook, batching, text):
    with pytest.raises(ScenarioError, match=text):
        textbook[0](data_network={"batching": batching})

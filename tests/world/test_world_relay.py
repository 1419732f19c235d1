"""Queues on board of satellites, on graphs that are written by hand: textbook queues, conservation, buffers, faults."""

import numpy as np
import pytest

from ntnsim.chance.sampling import Streams
from ntnsim.protocols.rate_profile import RateProfile
from ntnsim.protocols.way_down import GROUND, Hop
from ntnsim.world.faults import outage_path

LIGHT_S = 0.01  # of every hop


class Chain:
    """Satellites s0 – s1 – … in a row; the last one has the ground in view, in contact or by windows."""

    def __init__(self, n, steps=((0.0, 1.0),), linked=None):
        self.names = [f"s{number}" for number in range(n)]
        self.linked = n > 1 if linked is None else linked
        self._steps = list(steps)

    def plan(self, satellite, time_s, waiting=None):
        last = len(self.names) - 1 if self.linked else satellite
        return (*(Hop(to, time_s) for to in range(satellite + 1, last + 1)), Hop(GROUND, time_s))

    def hop_s(self, satellite, to, time_s):
        return LIGHT_S

    def station(self, satellite, time_s):
        return "station"

    def up_steps(self, satellite, to):
        yield from self._steps if to == GROUND else [(0.0, 1.0)]


def under(*satellites):
    """Return rate profiles of terminals that are always served by the named satellite, at a rate without limit."""

    def source(satellite):
        def profile(start_s):
            window = RateProfile.of_rates(start_s, 100.0, np.full(10, 1e15))
            return RateProfile(
                **{name: getattr(window, name) for name in window.__slots__} | {"satellites": (satellite,)}
            )

        return profile

    return {f"g{number}": source(satellite) for number, satellite in enumerate(satellites)}


def space(rate_bps=1e6, isl_bps=None, **payload):
    sections = {"payload": {"kind": "regenerative", "feeder_rate_bps": rate_bps, **payload}}
    if isl_bps is not None:
        sections["inter_satellite_links"] = {"kind": "plus_grid", "rate_bps": isl_bps}
        sections["ground_stations"] = [{"name": "station", "latitude_deg": 0, "longitude_deg": 0}]
    return sections


def sites(n, rate_per_s=0.7):
    return {
        "gateways": [{"name": f"g{k}", "device": "instant", "servers": 1} for k in range(n)],
        "sources": [
            {"name": f"c{k}", "gateway": f"g{k}", "arrivals": {"kind": "poisson", "rate_per_s": rate_per_s}}
            for k in range(n)
        ],
        "satellite_link": {"kind": "orbit"},
    }


def lindley(arrival_s, service_s):
    """Return the waiting times of a FIFO queue, by Lindley's recursion."""
    free_s, waits = 0.0, []
    for come_s, work_s in zip(arrival_s, service_s, strict=True):
        begin_s = max(come_s, free_s)
        waits.append(begin_s - come_s)
        free_s = begin_s + work_s
    return np.array(waits)


def test_feeder_is_an_m_d_1_queue_of_all_sites_together(textbook):
    """Two sites send 0.35 images/s each through one satellite; Pollaczek–Khinchine: ρ / (2 (1 − ρ)) services of waiting."""
    world_of, run_world, assert_mean, _ = textbook
    scenario = world_of(space=space(), **sites(2, rate_per_s=0.35))
    run = run_world(scenario, profile_sources=under("s0", "s0"), way=Chain(1))
    assert_mean(run["feeder_wait_s"], 0.7 / (2 * 0.3), within=0.12)
    np.testing.assert_allclose(run["on_board_s"], run["feeder_wait_s"] + 1.0)


def test_sites_under_different_satellites_do_not_meet(textbook):
    """Each feeder is a queue of its own: half the load, ρ = 0.35."""
    world_of, run_world, assert_mean, _ = textbook
    scenario = world_of(space=space(), **sites(2, rate_per_s=0.35))
    run = run_world(scenario, profile_sources=under("s0", "s1"), way=Chain(2, linked=False))
    assert_mean(run["feeder_wait_s"], 0.35 / (2 * 0.65), within=0.12)


def test_fixed_sizes_wait_only_at_the_first_of_equal_links(textbook):
    """M/D/1 in tandem: after the first queue, images come a service apart, and never wait again."""
    world_of, run_world, assert_mean, _ = textbook
    scenario = world_of(space=space(1e6, isl_bps=1e6), **sites(1))
    run = run_world(scenario, profile_sources=under("s0"), way=Chain(3))
    assert_mean(run["isl_wait_s"], 0.7 / (2 * 0.3), within=0.2)
    assert np.all(run["isl_hops"] == 2)
    assert run["feeder_wait_s"].max() < 1e-6
    # Three transmissions of a second, two flights between satellites.
    np.testing.assert_allclose(run["on_board_s"], run["isl_wait_s"] + 3.0 + 2 * LIGHT_S)


def test_random_sizes_wait_in_tandem_as_lindley_says(textbook):
    """First an M/M/1; the second queue is not Poisson with independent services, so that its waits are recomputed."""
    world_of, run_world, assert_mean, exponential = textbook
    scenario = world_of(
        space=space(0.8e6, isl_bps=1e6),
        schemes=[{"name": "sizes", "codec": {"kind": "sizes", "size_bits": exponential(1e6)}}],
        **sites(1, rate_per_s=0.6),
    )
    run = run_world(scenario, profile_sources=under("s0"), way=Chain(2))
    assert_mean(run["isl_wait_s"], 0.6 / (1 - 0.6), within=0.25)
    bits = run["link_bits"]
    first_s = lindley(run["link_end_s"], bits / 1e6)
    np.testing.assert_allclose(run["isl_wait_s"], first_s, atol=1e-6)
    second_s = lindley(run["link_end_s"] + first_s + bits / 1e6 + LIGHT_S, bits / 0.8e6)
    np.testing.assert_allclose(run["feeder_wait_s"], second_s, atol=1e-6)


def test_traffic_of_two_satellites_merges_at_the_third(textbook):
    """Jackson's routing by hand: s0 and s1 pass on over one link, whose load is the sum of both."""
    world_of, run_world, _, _ = textbook
    scenario = world_of(space=space(2e6, isl_bps=1e6), **sites(2, rate_per_s=0.3))
    run = run_world(scenario, profile_sources=under("s0", "s1"), way=Chain(3))
    both = run["isl_hops"] == 2
    arrival_s = np.where(both, run["link_end_s"], run["link_end_s"])
    waits0_s = np.zeros(len(both))
    waits0_s[both] = lindley(arrival_s[both], np.ones(both.sum()))
    at_s1 = np.where(both, arrival_s + waits0_s + 1.0 + LIGHT_S, arrival_s)
    order = np.argsort(at_s1, kind="stable")
    waits1_s = np.empty(len(both))
    waits1_s[order] = lindley(at_s1[order], np.ones(len(both)))
    np.testing.assert_allclose(run["isl_wait_s"], waits0_s + waits1_s, atol=1e-6)


def test_without_a_station_images_wait_and_a_pass_carries_as_many_bits_as_it_can(textbook):
    """A contact of 100 s in every 1,000 s at 1 Mb/s: the k-th image of 30 Mbit ends after 30 k s of contact."""
    world_of, run_world, _, _ = textbook
    steps = [(0.0, 0.0)]
    for number in range(100):
        steps += [(number * 1000.0 + 500.0, 1.0), (number * 1000.0 + 600.0, 0.0)]
    scenario = world_of(
        space=space(1e6, store_and_forward=True)
        | {"ground_stations": [{"name": "station", "latitude_deg": 0, "longitude_deg": 0}]},
        horizon={"n_jobs": 10},
        schemes=[{"name": "sizes", "codec": {"kind": "sizes", "size_bits": 30e6}}],
        **sites(1, rate_per_s=10.0),
    )
    run = run_world(scenario, profile_sources=under("s0"), way=Chain(1, steps))
    contact_s = 30.0 * np.arange(1, 11)
    whole = np.ceil(contact_s / 100) - 1  # passes before
    np.testing.assert_allclose(
        run["link_end_s"] + run["on_board_s"], 500 + 900 * whole + contact_s, atol=1e-6
    )


def test_full_satellites_drop_what_does_not_fit_and_say_so(textbook):
    world_of, run_world, _, _ = textbook
    scenario = world_of(
        space=space(1e6, buffer_bits=3e6),
        horizon={"n_jobs": 10},
        sources=[{"name": "c0", "arrivals": {"kind": "trace", "times_s": [0.0] * 10}}],
        gateways=[{"name": "g0", "device": "instant", "servers": 10}],
        satellite_link={"kind": "orbit"},
    )
    run = run_world(scenario, profile_sources=under("s0"), way=Chain(1))
    assert np.count_nonzero(run["state"] == "delivered") == 3
    assert set(run["reason"]) == {"", "satellite buffer full"}
    assert set(run["last_satellite"]) == {"s0"}


def test_what_is_on_board_at_the_end_is_in_flight(textbook):
    world_of, run_world, _, _ = textbook
    scenario = world_of(
        space=space(1e6), horizon={"n_jobs": None, "duration_s": 50.0, "drain": False}, **sites(1, 2.0)
    )
    run = run_world(scenario, profile_sources=under("s0"), way=Chain(1))
    up_s = run["link_end_s"]
    through = up_s + lindley(up_s, np.ones(len(up_s))) + 1.0 + LIGHT_S <= 50.0
    assert 40 < through.sum() < 50
    np.testing.assert_array_equal(run["state"] == "in_flight", ~through)


@pytest.mark.parametrize(
    ("work", "first", "second"), [("resume", 16.0, 26.0), ("restart", 21.0, 31.0), ("drop", np.nan, 21.0)]
)
def test_fault_of_a_feeder_meets_what_is_under_way_as_it_says(textbook, work, first, second):
    """An image of 10 s is half through when the feeder fails for 5 s; another one waits behind it."""
    world_of, run_world, _, _ = textbook
    fault = {
        "name": "dark",
        "kind": "satellite_feeder",
        "target": "s*",
        "outages": [{"start_s": 6.0, "duration_s": 5.0}],
        "work_in_progress": work,
    }
    scenario = world_of(
        space=space(1e6),
        sources=[
            {"name": "c0", "n_jobs": 1, "gateway": "g0", "arrivals": {"kind": "trace", "times_s": [1.0]}},
            {"name": "c1", "n_jobs": 1, "gateway": "g1", "arrivals": {"kind": "trace", "times_s": [2.0]}},
        ],
        gateways=[{"name": f"g{k}", "device": "instant"} for k in range(2)],
        satellite_link={"kind": "orbit"},
        schemes=[{"name": "sizes", "codec": {"kind": "sizes", "size_bits": 10e6}}],
        faults=[fault],
    )
    path = outage_path(scenario.faults[0], Streams(scenario.seed, "fault", "dark"))
    way = Chain(1, list(path.steps()))
    run = run_world(scenario, profile_sources=under("s0", "s0"), way=way)
    left_s = run["link_end_s"] + run["on_board_s"]
    np.testing.assert_allclose(left_s, [first, second], atol=1e-6)
    assert list(run["interruptions"]) == [1, 0]


def test_terminals_see_what_waits_beyond_the_satellite(textbook):
    """Ω_t's delay beyond the terminal's own link counts the feeder's queue: one image of a second each."""
    world_of, run_world, _, _ = textbook
    scenario = world_of(
        space=space(1e6),
        horizon={"n_jobs": 4},
        sources=[{"name": "c0", "arrivals": {"kind": "trace", "times_s": [1.0, 1.1, 1.2, 1.3]}}],
        gateways=[{"name": "g0", "device": "instant"}],
        satellite_link={"kind": "orbit"},
    )
    run = run_world(scenario, profile_sources=under("s0"), way=Chain(1))
    np.testing.assert_allclose(
        run["omega_ntn_propagation_s"], LIGHT_S + np.array([0.0, 0.9, 1.8, 2.7]), atol=1e-6
    )


def test_same_seed_gives_the_same_records(textbook):
    world_of, run_world, _, _ = textbook
    scenario = world_of(space=space(1e6, isl_bps=1e6), horizon={"n_jobs": 300}, **sites(2, 0.4))
    one, other = (run_world(scenario, profile_sources=under("s0", "s1"), way=Chain(3)) for _ in range(2))
    for name in one.columns:
        np.testing.assert_array_equal(one[name], other[name])

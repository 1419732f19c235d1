"""Queues on board over a real sky: throughput against max-flow, deliveries against the earliest contact."""

from datetime import UTC, datetime

import networkx
import numpy as np
import pytest

from ntnsim.orbit.geometry import look
from ntnsim.protocols.rate_profile import RateProfile
from ntnsim.protocols.way_down import GROUND
from ntnsim.runs import way_of
from ntnsim.scenario.scenario import Scenario
from ntnsim.sky.space_model import ground_sites, space_model
from ntnsim.sky.space_segment import terminal_links
from ntnsim.units import SPEED_OF_LIGHT_M_S

START = datetime(2026, 6, 1, tzinfo=UTC)


def scenario(space, *, rate_per_s, duration_s, size_bits=1e6, drain=True, gateways=None, faults=()):
    gateways = gateways or [{"name": "g0", "latitude_deg": -74.0, "longitude_deg": 175.0}]
    return Scenario.model_validate(
        {
            "name": "sky",
            "seed": 5,
            "start_utc": START,
            "horizon": {"duration_s": duration_s, "drain": drain},
            "sources": [
                {
                    "name": f"c-{gateway['name']}",
                    "gateway": gateway["name"],
                    "arrivals": {"kind": "poisson", "rate_per_s": rate_per_s},
                }
                for gateway in gateways
            ],
            "gateways": [gateway | {"device": "instant", "servers": 4} for gateway in gateways],
            "data_network": {"device": "instant"},
            "space": space,
            "faults": list(faults),
            "output": {"timeline_step_s": None},
            "schemes": [{"name": "sizes", "codec": {"kind": "sizes", "size_bits": size_bits}}],
        }
    )


MESH = {
    "constellation": {"kind": "preset", "name": "iridium-66"},
    "ground_stations": [
        {"name": "svalbard", "latitude_deg": 78.23, "longitude_deg": 15.39},
        {"name": "fucino", "latitude_deg": 41.98, "longitude_deg": 13.6},
    ],
}


def mesh(route_sees):
    return MESH | {
        "payload": {"kind": "regenerative", "feeder_rate_bps": 1.5e6},
        "inter_satellite_links": {"kind": "plus_grid", "rate_bps": 1e6, "route_sees": route_sees},
    }


def overloaded(one, satellite):
    """Return rate profiles of a terminal that *satellite* serves at a rate without limit."""

    def profile(start_s):
        window = RateProfile.of_rates(start_s, 100.0, np.full(10, 1e15))
        fields = {name: getattr(window, name) for name in window.__slots__}
        return RateProfile(**fields | {"satellites": (satellite,)})

    return {gateway.name: profile for gateway in one.gateways}


def max_flow_bits(one, satellite, duration_s):
    """Return what the links can carry from *satellite* to the ground, snapshot by snapshot, without any queue."""
    model = space_model(one.space, START)
    total = 0.0
    for number in range(int(duration_s / 10.0)):
        graph = networkx.DiGraph()
        pairs, _ = model.reach.links(10.0 * number)
        for start, end in pairs.tolist():
            graph.add_edge(start, end, capacity=1e6)
            graph.add_edge(end, start, capacity=1e6)
        for moment_s in np.arange(10.0 * number, 10.0 * number + 10.0, 1.0):
            positions_m = model.orbits.positions_m(np.array([moment_s]))[:, 0]
            for station in ground_sites(one.space):
                sine, _ = look(station, positions_m)
                for above in np.flatnonzero(sine >= np.sin(np.radians(station.min_elevation_deg))).tolist():
                    graph.add_edge(above, GROUND, capacity=1.5e6)
        total += 10.0 * networkx.maximum_flow_value(graph, satellite, GROUND)
    return total


def test_throughput_stays_below_max_flow_and_routes_that_see_backlog_come_near(textbook):
    _, run_world, _, _ = textbook
    duration_s, delivered_bits = 300.0, {}
    for sees in ("propagation", "backlog"):
        one = scenario(mesh(sees), rate_per_s=2.4, duration_s=duration_s, size_bits=5e5, drain=False)
        one = one.model_copy(update={"sources": (one.sources[0].model_copy(update={"count": 5}),)})
        way = way_of(one)
        run = run_world(one, profile_sources=overloaded(one, way.names[30]), way=way)
        done = np.isfinite(run["delivered_s"])
        delivered_bits[sees] = run["link_bits"][done].sum()
        assert np.count_nonzero(~done) > 100  # there was more to carry
    bound_bits = max_flow_bits(one, 30, duration_s)
    assert bound_bits == pytest.approx(4e6 * duration_s, rel=0.3)  # four links leave the satellite
    assert delivered_bits["propagation"] < 0.7 * delivered_bits["backlog"]  # one path at a time
    assert 0.95 * bound_bits < delivered_bits["backlog"] <= bound_bits


def test_stored_images_come_down_at_the_first_contact(textbook):
    """Nearly idle feeder: each image leaves when its satellite, searched second by second, first sees the station."""
    _, run_world, _, _ = textbook
    space = {
        "constellation": {
            "kind": "walker",
            "shells": [
                {
                    "altitude_m": 550e3,
                    "inclination_deg": 97.6,
                    "satellites": 9,
                    "planes": 3,
                    "pattern": "star",
                }
            ],
        },
        "payload": {"kind": "regenerative", "store_and_forward": True},
        "ground_stations": [{"name": "svalbard", "latitude_deg": 78.23, "longitude_deg": 15.39}],
    }
    one = scenario(space, rate_per_s=0.01, duration_s=7200.0, size_bits=1e4)
    way = way_of(one)
    run = run_world(one, profile_sources=terminal_links(one), way=way)
    orbits, [station] = space_model(one.space, START).orbits, ground_sites(one.space)
    assert len(run["state"]) > 40
    waited = 0
    for row in range(len(run["state"])):
        at_s = run["link_end_s"][row]
        satellite = way.names.index(run["satellite"][row])
        times_s = at_s + np.arange(0.0, 30_000.0, 1.0)
        positions_m = orbits.positions_of_m(np.full(len(times_s), satellite), times_s)
        sine, range_m = look(station, positions_m)
        first = int(np.argmax(sine >= np.sin(np.radians(5.0))))
        arrival_s = times_s[first] + range_m[first] / SPEED_OF_LIGHT_M_S
        assert run["at_data_network_s"][row] == pytest.approx(arrival_s, abs=1.0)
        assert run["ground_station"][row] == "svalbard"
        waited += first > 0
    assert waited > 30


def test_two_sites_share_one_satellites_feeder(textbook):
    """Both at one place: whatever the gateway, images leave the satellite in the order in which they came."""
    _, run_world, _, _ = textbook
    gateways = [{"name": f"g{k}", "latitude_deg": 50.0, "longitude_deg": 10.0} for k in range(2)]
    space = MESH | {"payload": {"kind": "regenerative", "feeder_rate_bps": 2e5}}
    one = scenario(space, rate_per_s=0.09, duration_s=3600.0, gateways=gateways)
    run = run_world(one, profile_sources=terminal_links(one), way=way_of(one))
    for name in set(run["last_satellite"]):
        own = run["last_satellite"] == name
        order = np.argsort(run["link_end_s"][own])
        left_s = run["at_data_network_s"][own][order]
        assert np.all(np.diff(left_s) > 5.0 - 0.01)  # a transmission of 5 s each
    both = {
        name
        for name in set(run["last_satellite"])
        if len(set(run["gateway"][run["last_satellite"] == name])) > 1
    }
    assert both


def test_a_cut_feeder_of_a_mesh_sends_images_another_way(textbook):
    _, run_world, _, _ = textbook
    plain = scenario(mesh("propagation"), rate_per_s=1.0, duration_s=300.0, size_bits=1e5)
    way = way_of(plain)
    usual = run_world(plain, profile_sources=overloaded(plain, way.names[30]), way=way)
    down = usual["last_satellite"][usual["created_s"] < 100][0]
    fault = {
        "name": "dark",
        "kind": "satellite_feeder",
        "target": down,
        "outages": [{"start_s": 100.0, "duration_s": 1e4}],
    }
    cut = scenario(mesh("propagation"), rate_per_s=1.0, duration_s=300.0, size_bits=1e5, faults=[fault])
    run = run_world(cut, profile_sources=overloaded(cut, way.names[30]), way=way_of(cut))
    assert np.all(np.isfinite(run["delivered_s"]))
    late = run["created_s"] > 101.0
    assert down not in run["last_satellite"][late]
    np.testing.assert_array_equal(run["last_satellite"][run["created_s"] < 99], down)

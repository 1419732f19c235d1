"""Ways down from satellites that queue on board, against searches by brute force over the same sky."""

from datetime import UTC, datetime
from itertools import pairwise

import networkx
import numpy as np
import pytest

from ntnsim.chance.step_path import StepPath
from ntnsim.errors import ScenarioError
from ntnsim.orbit.geometry import look
from ntnsim.protocols.way_down import GROUND, Waiting
from ntnsim.runs import way_of
from ntnsim.scenario.scenario import Scenario
from ntnsim.sky.feeder_windows import Cut
from ntnsim.sky.space_model import ground_sites, space_model
from ntnsim.sky.way_down import way_down
from ntnsim.units import SPEED_OF_LIGHT_M_S

START = datetime(2026, 6, 1, tzinfo=UTC)
STATIONS = (
    {"name": "svalbard", "latitude_deg": 78.23, "longitude_deg": 15.39},
    {"name": "fucino", "latitude_deg": 41.98, "longitude_deg": 13.6},
)


def scenario(stations=STATIONS[:1], links=None, shell=None, faults=(), **payload):
    walker = {"altitude_m": 550e3, "inclination_deg": 97.6, "satellites": 9, "planes": 3, "pattern": "star"}
    return Scenario.model_validate(
        {
            "name": "way",
            "start_utc": START,
            "horizon": {"duration_s": 3600},
            "sources": [{"name": "c", "arrivals": {"kind": "poisson", "rate_per_s": 0.1}}],
            "gateways": [{"name": "g"}],
            "schemes": [{"name": "sizes", "codec": {"kind": "sizes", "size_bits": 1e6}}],
            "faults": list(faults),
            "space": {
                "constellation": {"kind": "walker", "shells": [walker | (shell or {})]},
                "ground_stations": list(stations),
                "payload": {"kind": "regenerative", "store_and_forward": True, **payload},
                "inter_satellite_links": links or {"kind": "none"},
            },
        }
    )


def in_view(space, times_s):
    """Return [satellite, time]: whether any station sees it, straight from positions."""
    orbits = space_model(space, START).orbits
    positions_m = orbits.positions_m(times_s)
    seen = np.zeros(positions_m.shape[:2], dtype=bool)
    for station in ground_sites(space):
        sine, _ = look(station, positions_m)
        seen |= sine >= np.sin(np.radians(station.min_elevation_deg))
    return seen


def test_feeder_contacts_are_when_a_station_sees_the_satellite():
    one = scenario(STATIONS)
    way = way_of(one)
    times_s = np.arange(0.5, 6 * 3600.0, 1.0)
    seen = in_view(one.space, times_s)
    for satellite in range(9):
        steps = []
        for time_s, value in way.up_steps(satellite, GROUND):
            if time_s > times_s[-1]:
                break
            steps.append((time_s, value))
        path = StepPath(steps)
        np.testing.assert_array_equal(path.sample(times_s) > 0, seen[satellite])
    assert 0.05 < seen.mean() < 0.5


def test_the_nearest_station_receives():
    one = scenario(STATIONS)
    way = way_of(one)
    times_s = np.arange(10.0, 6 * 3600.0, 60.0)
    positions_m = space_model(one.space, START).orbits.positions_m(times_s)
    checked = set()
    for satellite, column in zip(*np.nonzero(in_view(one.space, times_s)), strict=True):
        ranges_m = {}
        for station in ground_sites(one.space):
            sine, range_m = look(station, positions_m[satellite, column])
            if sine >= np.sin(np.radians(5.0)):
                ranges_m[station.name] = range_m
        name = min(ranges_m, key=ranges_m.get)
        time_s = float(times_s[column])
        assert way.station(satellite, time_s) == name
        assert way.hop_s(satellite, GROUND, time_s) == pytest.approx(ranges_m[name] / SPEED_OF_LIGHT_M_S)
        checked.add(name)
    assert checked == {"svalbard", "fucino"}


# Links that come and go: planes of a star whose side links are too long except near the poles.
SPARSE = {
    "links": {"kind": "plus_grid", "max_range_m": 3_000e3, "update_interval_s": 20.0},
    "shell": {"satellites": 16, "planes": 4, "inclination_deg": 88.0, "altitude_m": 700e3},
}


def time_expanded_arrival_s(one, satellite, start_s, until_s, step_s):
    """Return when the ground is reached first, by a shortest path over (satellite, time) nodes of a fixed grid."""
    model = space_model(one.space, START)
    times_s = np.arange(start_s, until_s, step_s)
    seen = in_view(one.space, times_s + step_s / 2)
    graph = networkx.DiGraph()
    interval_s = one.space.inter_satellite_links.update_interval_s
    for column, time_s in enumerate(times_s):
        for node in range(len(model.orbits)):
            graph.add_edge((node, column), (node, column + 1), weight=step_s)
            if seen[node, column]:
                graph.add_edge((node, column), "ground", weight=0.0)
        pairs, _ = model.reach.links(float(time_s // interval_s * interval_s))
        for one_end, other in pairs:
            graph.add_edge((one_end, column), (other, column), weight=1e-6)
            graph.add_edge((other, column), (one_end, column), weight=1e-6)
    return start_s + networkx.dijkstra_path_length(graph, (satellite, 0), "ground")


@pytest.mark.parametrize("start_s", [0.0, 1700.0, 5230.0])
def test_plans_arrive_as_early_as_a_time_expanded_dijkstra(start_s):
    one = scenario(**SPARSE)
    way = way_of(one)
    waits = 0
    for satellite in range(16):
        hops = way.plan(satellite, start_s)
        assert hops[-1].to == GROUND
        assert [hop.not_before_s for hop in hops] == sorted(hop.not_before_s for hop in hops)
        expected_s = time_expanded_arrival_s(one, satellite, start_s, start_s + 7200.0, 10.0)
        assert hops[-1].not_before_s == pytest.approx(expected_s, abs=10.0)
        waits += hops[-1].not_before_s > start_s
    assert waits >= 4  # the plan had to look ahead


def test_each_hop_of_a_plan_exists_when_it_is_taken():
    one = scenario(**SPARSE)
    way = way_of(one)
    moved = 0
    for satellite in range(16):
        node = satellite
        for hop in way.plan(satellite, 0.0):
            assert way.hop_s(node, hop.to, hop.not_before_s) > 0
            moved += hop.to != GROUND
            node = hop.to
    assert moved


MESH = {
    "links": {"kind": "plus_grid", "rate_bps": 1e6, "hop_processing_s": 0.001},
    "shell": {"satellites": 66, "planes": 6, "inclination_deg": 86.4, "altitude_m": 780e3, "phasing": 3},
}


def graph_of(one, time_s):
    """Return the graph at *time_s*, with delays as weights, built from positions."""
    model = space_model(one.space, START)
    positions_m = model.orbits.positions_m(np.array([time_s]))[:, 0]
    graph = networkx.DiGraph()
    pairs, length_m = model.reach.links(time_s)
    for (start, end), apart_m in zip(pairs.tolist(), length_m, strict=True):
        graph.add_edge(start, end, weight=apart_m / SPEED_OF_LIGHT_M_S + 0.001)
        graph.add_edge(end, start, weight=apart_m / SPEED_OF_LIGHT_M_S + 0.001)
    for station in ground_sites(one.space):
        sine, range_m = look(station, positions_m)
        for above in np.flatnonzero(sine >= np.sin(np.radians(5.0))).tolist():
            delay_s = float(range_m[above]) / SPEED_OF_LIGHT_M_S
            before_s = graph.get_edge_data(above, GROUND, {"weight": np.inf})["weight"]
            graph.add_edge(above, GROUND, weight=min(delay_s, before_s))
    return graph


def cost_s(graph, start, hops):
    nodes = [start, *(hop.to for hop in hops)]
    return sum(graph.edges[edge]["weight"] for edge in pairwise(nodes))


def test_routes_are_the_shortest_of_networkx():
    one = scenario(STATIONS, **MESH)
    way = way_of(one)
    for time_s in (0.0, 600.0, 1800.0):
        graph = graph_of(one, time_s)
        for satellite in range(66):
            shortest_s = networkx.dijkstra_path_length(graph, satellite, GROUND)
            assert cost_s(graph, satellite, way.plan(satellite, time_s)) == pytest.approx(
                shortest_s, rel=1e-9
            )


def test_routes_that_see_backlog_are_the_shortest_of_networkx_with_it():
    one = scenario(STATIONS, **MESH)
    way = way_of(one)
    graph = graph_of(one, 0.0)
    hops = way.plan(30, 0.0)
    nodes = [30, *(hop.to for hop in hops)]
    behind_s = {(nodes[0], nodes[1]): 0.5, (nodes[-2], GROUND): 0.25}
    around = way.plan(30, 0.0, Waiting(0.01, 0.02, behind_s))
    for (start, end), data in graph.edges.items():
        data["weight"] += 0.02 if end == GROUND else 0.01
        data["weight"] += behind_s.get((start, end), 0.0)
    assert around != hops
    assert cost_s(graph, 30, around) == pytest.approx(networkx.dijkstra_path_length(graph, 30, GROUND))


def test_cut_links_stations_and_satellites_are_gone_around():
    one = scenario(STATIONS, **MESH)
    names = space_model(one.space, START).orbits.names
    whole = way_of(one).plan(30, 0.0)
    first, last = whole[0].to, whole[-2].to
    link = {"name": "x", "kind": "inter_satellite_link", "target": f"{names[first]}--{names[30]}"}
    outage = {"outages": [{"start_s": 0.0, "duration_s": 100.0}]}
    for fault, gone in (
        (link, (30, first)),
        ({"name": "x", "kind": "satellite_feeder", "target": names[last]}, (last, GROUND)),
    ):
        way = way_of(scenario(STATIONS, faults=[fault | outage], **MESH))
        hops = way.plan(30, 0.0)
        nodes = [30, *(hop.to for hop in hops)]
        assert gone not in list(pairwise(nodes))
        assert way.plan(30, 100.0) == way_of(one).plan(30, 100.0)
    way = way_of(
        scenario(
            STATIONS,
            faults=[{"name": "x", "kind": "receiving_station", "target": "fucino"} | outage],
            **MESH,
        )
    )
    ends = {
        way.station(way.plan(satellite, 0.0)[-2].to, 0.0)
        for satellite in range(66)
        if len(way.plan(satellite, 0.0)) > 1
    }
    assert ends == {"svalbard"}


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "satellite_feeder", "target": "nobody"}, "'nobody' is none of shell-00-00 … shell-02-02"),
        ({"kind": "receiving_station", "target": "rome"}, "'rome' is none of svalbard"),
        ({"kind": "inter_satellite_link", "target": "*"}, "is none of"),
    ],
)
def test_faults_of_what_does_not_exist_are_refused(fault, says):
    outage = {"name": "x", "outages": [{"start_s": 0.0, "duration_s": 100.0}]}
    with pytest.raises(ScenarioError, match=says):
        way_of(scenario(faults=[fault | outage]))


def test_faults_of_the_way_down_need_satellites_that_queue():
    fault = {"name": "x", "kind": "satellite_feeder", "outages": [{"start_s": 0.0, "duration_s": 100.0}]}
    with pytest.raises(ScenarioError, match=r"needs satellites that queue on board: give space\.payload"):
        way_of(scenario(faults=[fault], store_and_forward=False))
    assert way_down(scenario(store_and_forward=False), ()) is None


def test_a_cut_satellite_neither_feeds_nor_links():
    one = scenario(STATIONS, **MESH)
    names = space_model(one.space, START).orbits.names
    middle = way_of(one).plan(30, 0.0)[0].to
    way = way_down(one, [Cut("satellite", names[middle], StepPath([(0.0, 0.0), (50.0, 1.0)]))])
    assert all(hop.to != middle for hop in way.plan(30, 0.0))
    assert middle in [hop.to for hop in way.plan(30, 50.0)] or way.plan(30, 50.0) == way_of(one).plan(
        30, 50.0
    )

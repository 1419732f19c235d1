"""Inter-satellite links: who is linked with whom, and the routes over them."""

import networkx
import numpy as np
import pytest
from sgp4.api import WGS72, Satrec

from ntnsim.orbit.constellation import Shell, walker_orbits
from ntnsim.orbit.earth import EARTH_MODELS, EARTH_MU_M3_S2, Site
from ntnsim.orbit.element_sets import ElementSets
from ntnsim.orbit.geometry import look
from ntnsim.orbit.ground import StationsInView
from ntnsim.orbit.plus_grid import element_set_planes, nearest_offset_rad, plus_grid_pairs, walker_planes
from ntnsim.orbit.routes import PlusGridRoutes
from ntnsim.units import SPEED_OF_LIGHT_M_S

WGS = EARTH_MODELS["wgs84"]
ORBITS = walker_orbits([Shell("s", "delta", 550e3, 53.0, 400, 20, 3)], WGS)
STATION = Site("far", -35.0, 149.0, 0.0, 10.0)
IRIDIUM = walker_orbits([Shell("i", "star", 780e3, 86.4, 66, 6, 3)], WGS)


def routes(stations, orbits=ORBITS, **changes):
    settings = {
        "max_range_m": 5_016e3,
        "clearance_m": 80e3,
        "hop_processing_s": 0.0,
        "seam": False,
        "update_interval_s": 10.0,
    }
    return PlusGridRoutes(orbits, stations, WGS, **{**settings, **changes})


def side_lengths_m(orbits, pairs, times_s):
    aside = orbits.plane[pairs[:, 0]] != orbits.plane[pairs[:, 1]]
    positions_m = orbits.positions_m(times_s)
    return np.linalg.norm(positions_m[pairs[aside, 0]] - positions_m[pairs[aside, 1]], axis=2)


@pytest.mark.parametrize("side_links", ["nearest", "level"])
def test_plus_grid_gives_every_satellite_of_a_delta_four_links(side_links):
    pairs = plus_grid_pairs(walker_planes(ORBITS), side_links)
    assert len(pairs) == 2 * len(ORBITS)
    assert np.bincount(pairs.ravel(), minlength=len(ORBITS)).tolist() == [4] * len(ORBITS)


@pytest.mark.parametrize("phasing", [0, 17, 36, 39, 71])
def test_side_links_go_to_the_nearest_satellite_of_the_next_plane(phasing):
    orbits = walker_orbits([Shell("s", "delta", 550e3, 53.0, 1584, 72, phasing)], WGS)
    pairs = plus_grid_pairs(walker_planes(orbits), "nearest")
    times_s = np.linspace(0.0, float(orbits.period_s[0]), 24, endpoint=False)
    mean_m = side_lengths_m(orbits, pairs, times_s).mean(axis=1)
    # By brute force: mean distance over an orbit from plane 0 to every satellite of plane 1.
    here, there = (
        orbits.positions_m(times_s)[orbits.plane == 0],
        orbits.positions_m(times_s)[orbits.plane == 1],
    )
    apart_m = np.linalg.norm(here[:, np.newaxis] - there[np.newaxis, :], axis=3).mean(axis=2)
    assert mean_m == pytest.approx(np.full(len(mean_m), apart_m.min(axis=1).mean()), rel=1e-3)


def test_half_a_slot_of_phasing_makes_level_links_longer_than_nearest_ones():
    orbits = walker_orbits([Shell("s", "delta", 550e3, 53.0, 1584, 72, 36)], WGS)
    times_s = np.linspace(0.0, float(orbits.period_s[0]), 24, endpoint=False)
    nearest, level = (
        side_lengths_m(orbits, plus_grid_pairs(walker_planes(orbits), links), times_s).mean()
        for links in ("nearest", "level")
    )
    # Along the orbit 8.18 - 3.01 degrees for the nearest; level links take 8.18 + 3.01 in every second plane.
    assert level / nearest == pytest.approx((1 + 1.96) / 2, rel=0.02)


@pytest.mark.parametrize("inclination_deg", [0.0, 53.0, 86.4, 98.98])
def test_nearest_place_beside_agrees_with_a_search(inclination_deg):
    inclination, apart = np.radians(inclination_deg), np.radians(13.0)
    along = np.linspace(0, 2 * np.pi, 721)

    def place(node, argument):
        level = np.sin(argument) * np.cos(inclination)
        return np.stack(
            [
                np.cos(argument) * np.cos(node) - level * np.sin(node),
                np.cos(argument) * np.sin(node) + level * np.cos(node),
                np.sin(argument) * np.sin(inclination),
            ]
        )

    offsets = np.linspace(-0.5, 0.5, 2001)
    mean_cosine = [
        np.einsum("xu,xu->u", place(0.0, along[:-1]), place(apart, along[:-1] + one)).mean()
        for one in offsets
    ]
    assert nearest_offset_rad(inclination, apart) == pytest.approx(offsets[np.argmax(mean_cosine)], abs=5e-4)


def test_star_leaves_its_seam_open_unless_asked():
    open_seam, _ = routes([STATION], IRIDIUM).links(0.0)
    closed, _ = routes([STATION], IRIDIUM, seam=True).links(0.0)
    assert len(open_seam) == 66 + 55
    assert 66 + 55 < len(closed) <= 66 + 66
    planes = IRIDIUM.plane[open_seam]
    assert np.abs(planes[:, 0] - planes[:, 1]).max() == 1
    # Half-slot stagger ties between two neighbours, yet nobody has two links into one plane.
    degree = np.bincount(open_seam.ravel(), minlength=66)
    inner = (IRIDIUM.plane > 0) & (IRIDIUM.plane < 5)
    assert set(degree[inner].tolist()) == {4} and set(degree[~inner].tolist()) == {3}


def test_links_across_the_seam_follow_the_satellites_that_pass_each_other():
    net = routes([STATION], IRIDIUM, seam=True, max_range_m=1e9, clearance_m=-1e9)
    partners = []
    for time_s in np.linspace(0.0, float(IRIDIUM.period_s[0]), 13):
        pairs, length_m = net.links(time_s)
        across = np.abs(IRIDIUM.plane[pairs[:, 0]] - IRIDIUM.plane[pairs[:, 1]]) == 5
        assert across.sum() == 11
        assert len(set(pairs[across].ravel().tolist())) == 22  # one link each
        # The planes are 30 degrees apart at the equator: a partner within half a slot is never further than this.
        assert length_m[across].max() < 2 * (WGS.equatorial_radius_m + 780e3) * np.sin(np.radians(36.0 / 2))
        partners.append(dict(pairs[across].tolist()))
    assert len({tuple(sorted(one.items())) for one in partners}) > 3


@pytest.mark.parametrize(
    ("shell", "seam"),
    [
        (Shell("s", "delta", 550e3, 53.0, 400, 20, 3), False),
        (Shell("i", "star", 780e3, 86.4, 66, 6, 3), True),
        (Shell("k", "delta", 630e3, 51.9, 1156, 34, 17), False),
    ],
)
def test_routes_equal_those_of_networkx(shell, seam):
    orbits = walker_orbits([shell], WGS)
    net = routes([STATION, Site("b", 45.0, 10.0, 0.0, 5.0)], orbits, seam=seam, hop_processing_s=0.5e-3)
    for number in (0, 7):
        time_s = number * 10.0
        pairs, length_m = net.links(time_s)
        graph = networkx.Graph()
        graph.add_nodes_from(range(len(orbits)))
        for (one, other), length in zip(pairs.tolist(), length_m, strict=True):
            graph.add_edge(one, other, weight=length / SPEED_OF_LIGHT_M_S + 0.5e-3)
        positions_m = orbits.positions_m(np.array([time_s]))[:, 0]
        for station in net.stations:
            sine, range_m = look(station, positions_m)
            for one in np.flatnonzero(sine >= np.sin(np.radians(station.min_elevation_deg))):
                way = graph.get_edge_data(int(one), "ground", {"weight": np.inf})["weight"]
                graph.add_edge(int(one), "ground", weight=min(way, range_m[one] / SPEED_OF_LIGHT_M_S))
        expected = networkx.single_source_dijkstra_path_length(graph, "ground")
        snapshot = net.snapshot(number)
        assert snapshot.delay_s == pytest.approx(
            [expected.get(one, np.nan) for one in range(len(orbits))], nan_ok=True
        )
        # The last hop is the way down of the shortest path's last satellite.
        ways = networkx.single_source_dijkstra_path(graph, "ground")
        for satellite in np.flatnonzero(np.isfinite(snapshot.delay_s))[::17].tolist():
            down_s = graph[ways[satellite][1]]["ground"]["weight"]
            assert snapshot.range_m[satellite] == pytest.approx(down_s * SPEED_OF_LIGHT_M_S)


def test_each_hop_costs_its_processing():
    plain, slow = (routes([STATION], hop_processing_s=hop_s).snapshot(0).delay_s for hop_s in (0.0, 1.0))
    hops = slow - plain
    assert hops.min() < 0.5  # satellites above the station need no hop
    assert hops.max() > 3.0
    assert np.all(np.isfinite(slow))


def test_earth_and_range_limits_cut_links():
    everything = len(routes([STATION]).links(0.0)[0])
    assert len(routes([STATION], max_range_m=1_000e3).links(0.0)[0]) < everything
    # No chord between neighbours 18° apart at 550 km stays 500 km up.
    assert len(routes([STATION], clearance_m=500e3).links(0.0)[0]) < everything


def test_without_links_only_satellites_in_view_reach_the_ground():
    net = routes([STATION], max_range_m=1.0)
    delay_s = net.snapshot(0).delay_s
    seen = StationsInView(ORBITS, [STATION]).reachable(np.arange(len(ORBITS)), np.array([0.0]))[:, 0]
    assert np.array_equal(np.isfinite(delay_s), seen)
    path = net.path(int(np.flatnonzero(~seen)[0]), np.array([0.0, 5.0]))
    assert np.all(np.isnan(path.delay_s))


def as_element_sets(shell, stagger_rad=0.0):
    """The satellites of a shell as element sets of 1 January 2026, in a shuffled order; *stagger_rad* disturbs each."""
    orbits = walker_orbits([shell], WGS)
    rng = np.random.default_rng(3)
    order = rng.permutation(len(orbits))
    radius_m = WGS.equatorial_radius_m + shell.altitude_m
    motion_rad_min = 60 * np.sqrt(EARTH_MU_M3_S2 / radius_m**3)
    records = []
    for number in order:
        record = Satrec()
        argument = orbits.argument_rad[number] + stagger_rad * rng.uniform(-1, 1)
        record.sgp4init(
            WGS72,
            "i",
            int(number) + 1,
            27_759.0,  # days from 1949-12-31 to 2026-01-01
            0.0,
            0.0,
            0.0,
            1e-5,
            0.0,
            np.radians(shell.inclination_deg),
            float(argument % (2 * np.pi)),
            motion_rad_min,
            float(orbits.node_rad[number] % (2 * np.pi)),
        )
        records.append(record)
    sets = ElementSets(tuple(f"s{number}" for number in order), tuple(records), (2_461_041.5, 0.0))
    return orbits, order, sets


@pytest.mark.parametrize(
    ("shell", "stagger_rad"),
    [
        (Shell("s", "delta", 550e3, 53.0, 400, 20, 3), 0.0),
        (Shell("s", "delta", 550e3, 53.0, 400, 20, 3), 0.01),
        (Shell("i", "star", 780e3, 86.4, 66, 6, 3), 0.01),
        (Shell("p", "delta", 1_015e3, 98.98, 351, 27, 13), 0.0),
    ],
)
def test_planes_of_element_sets_are_found_and_linked_like_the_shell_that_they_fly(shell, stagger_rad):
    orbits, order, sets = as_element_sets(shell, stagger_rad)
    expected = {tuple(pair) for pair in plus_grid_pairs(walker_planes(orbits)).tolist()}
    found = {
        tuple(sorted(order[list(pair)].tolist()))
        for pair in plus_grid_pairs(element_set_planes(sets)).tolist()
    }
    assert found == expected


def test_a_satellite_that_is_being_raised_is_linked_with_nobody():
    shell = Shell("s", "delta", 550e3, 53.0, 400, 20, 3)
    _, _, sets = as_element_sets(shell)
    _, _, stray = as_element_sets(Shell("r", "delta", 450e3, 53.0, 1, 1, 0))
    pairs = plus_grid_pairs(
        element_set_planes(ElementSets((*sets.names, "r"), (*sets.records, *stray.records), sets.start))
    )
    assert len(pairs) == 800 and pairs.max() < 400

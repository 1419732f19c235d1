"""Routes of images between linked satellites and down: the shortest now, or the earliest when the graph allows.

The graph of inter-satellite links and open feeders is constant between *epochs*: the snapshots of the links, and the
moments at which a feeder contact or a fault begins or ends. Within an epoch a route is a shortest path; without one,
an image waits or moves to where, in a later epoch, a route begins (earliest arrival over the contact plan).
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from ntnsim.arrays import FloatArray, IntArray
from ntnsim.orbit.geometry import look
from ntnsim.orbit.routes import PlusGridRoutes
from ntnsim.protocols.way_down import GROUND, Hop, Waiting
from ntnsim.scenario.fault_target import means
from ntnsim.sky.feeder_windows import Cut, CutPath, FeederWindows, cut_masks
from ntnsim.units import SPEED_OF_LIGHT_M_S

KEPT_EPOCHS = (
    256  # or as many as hold KEPT_SATELLITES together: a plan of a small constellation looks hours ahead
)
KEPT_SATELLITES = 400_000
KEPT_PLANS = 4096
LOOK_AHEAD_S = 86_400.0  # nobody plans further ahead at once


@dataclass(frozen=True)
class Links:
    """The inter-satellite links of one snapshot: pairs [e, 2] and how long a bit takes over each [e]."""

    pairs: IntArray
    delay_s: FloatArray
    place: dict[tuple[int, int], int]


@dataclass(frozen=True)
class Epoch:
    """The graph while it does not change. Node n is the ground.

    start, end [e]: directed edges, delay_s [e] over them. ground_s [n + 1]: shortest delay from each node to the
    ground; toward [n + 1]: the next node on that way. island [n + 1]: which satellites reach each other.
    """

    start_s: float
    end_s: float
    start: IntArray
    end: IntArray
    delay_s: FloatArray
    ground_s: FloatArray
    toward: IntArray
    island: IntArray

    def to_ground(self, extra_s: FloatArray | None = None) -> tuple[FloatArray, IntArray]:
        """Return delay to the ground and next node [n + 1], with *extra_s* [e] on top of the edges' delays."""
        return _to_ground(self.start, self.end, self.delay_s + (0.0 if extra_s is None else extra_s))


def _to_ground(start: IntArray, end: IntArray, delay_s: FloatArray) -> tuple[FloatArray, IntArray]:
    ground = int(end.max())  # the last node
    graph = csr_array((delay_s, (end, start)), shape=(ground + 1, ground + 1))
    cost_s, toward = dijkstra(graph, indices=np.array(ground), return_predecessors=True)
    return cost_s, toward.astype(np.int64)


class ContactGraph:
    """Plans over the graph."""

    def __init__(
        self,
        routes: PlusGridRoutes,
        feeders: FeederWindows,
        cuts: Sequence[Cut],
        *,
        hop_processing_s: float,
        update_interval_s: float,
    ) -> None:
        self._routes = routes
        self._feeders = feeders
        self._interval_s = update_interval_s
        self._hop_processing_s = hop_processing_s
        self._names = feeders.orbits.names
        self._out = cut_masks(self._names, cuts, "satellite")
        self._link_cuts = [cut for cut in cuts if cut.kind == "inter_satellite_link"]
        self._cut_paths: dict[tuple[int, int], list[CutPath]] = {}
        self._kept = max(KEPT_EPOCHS, KEPT_SATELLITES // len(self._names))
        self._plans: OrderedDict[tuple[int, float], tuple[Hop, ...]] = OrderedDict()
        self._links: OrderedDict[int, Links] = OrderedDict()
        self._epochs: OrderedDict[tuple[int, int], Epoch] = OrderedDict()
        self._bounds: OrderedDict[int, list[float]] = OrderedDict()

    def plan(self, satellite: int, time_s: float, waiting: Waiting | None = None) -> tuple[Hop, ...]:
        """Return the hops to the ground, those of one epoch by the shortest way; () if none within the look-ahead."""
        epoch = self.epoch_at(time_s)
        if np.isfinite(epoch.ground_s[satellite]):
            toward = epoch.toward if waiting is None else epoch.to_ground(self._extra_s(epoch, waiting))[1]
            return self._along(satellite, toward, time_s)
        key = (satellite, epoch.start_s)
        if key not in self._plans:
            self._plans[key] = self._earliest(satellite, epoch.start_s, epoch)
            while len(self._plans) > KEPT_PLANS:
                self._plans.popitem(last=False)
        return tuple(Hop(hop.to, max(hop.not_before_s, time_s)) for hop in self._plans[key])

    def _along(self, satellite: int, toward: IntArray, time_s: float) -> tuple[Hop, ...]:
        hops = []
        ground = len(self._names)
        node = satellite
        while node != ground:
            node = int(toward[node])
            hops.append(Hop(GROUND if node == ground else node, time_s))
        return tuple(hops)

    def _extra_s(self, epoch: Epoch, waiting: Waiting) -> FloatArray:
        ground = len(self._names)
        extra_s = np.where(epoch.end == ground, waiting.feeder_s, waiting.link_s)
        for (start, end), behind_s in waiting.behind_s.items():
            extra_s[(epoch.start == start) & (epoch.end == (ground if end == GROUND else end))] += behind_s
        return extra_s

    def _earliest(self, satellite: int, time_s: float, epoch: Epoch) -> tuple[Hop, ...]:
        """Return the plan that arrives earliest: move as the islands of satellites allow, until one has a feeder."""
        ground = len(self._names)
        reached = np.zeros(ground + 1, dtype=np.bool_)
        reached[satellite] = True
        came: dict[int, tuple[int, float]] = {}  # from which satellite, from when on
        while epoch.start_s <= time_s + LOOK_AHEAD_S:
            since_s = max(epoch.start_s, time_s)
            if np.isfinite(epoch.ground_s[reached]).any():
                last = int(np.argmin(np.where(reached, epoch.ground_s, np.inf)))
                down = self._along(last, epoch.toward, since_s)
                way: list[Hop] = []
                while last != satellite:
                    before, from_s = came[last]
                    way.append(Hop(last, from_s))
                    last = before
                return (*reversed(way), *down)
            near = np.isin(epoch.island, epoch.island[reached])
            near[ground] = False
            if (near & ~reached).any():
                between = epoch.end != ground
                graph = csr_array(
                    (epoch.delay_s[between], (epoch.start[between], epoch.end[between])),
                    shape=(ground + 1, ground + 1),
                )
                _, before_of, _ = dijkstra(
                    graph, indices=np.flatnonzero(reached), return_predecessors=True, min_only=True
                )
                for new in np.flatnonzero(near & ~reached):
                    came[int(new)] = (int(before_of[new]), since_s)
                reached |= near
            epoch = self.epoch_at(epoch.end_s)
        return ()

    def epoch_at(self, time_s: float) -> Epoch:
        """Return the epoch that holds *time_s*."""
        number = int(time_s // self._interval_s)
        if (number + 1) * self._interval_s <= time_s:
            number += 1  # the quotient was rounded down
        if number not in self._bounds:
            self._bounds[number] = self._bounds_of(number)
            while len(self._bounds) > self._kept:
                self._bounds.popitem(last=False)
        bounds = self._bounds[number]
        part = max(bisect_right(bounds, time_s) - 1, 0)
        if (number, part) not in self._epochs:
            self._epochs[number, part] = self._solve(number, bounds[part], bounds[part + 1])
            while len(self._epochs) > self._kept:
                self._epochs.popitem(last=False)
        return self._epochs[number, part]

    def _bounds_of(self, number: int) -> list[float]:
        start_s, end_s = number * self._interval_s, (number + 1) * self._interval_s
        edges = set(self._feeders.edges_s(start_s, end_s))
        for path in (*(path for _, path in self._out), *(cut.path for cut in self._link_cuts)):
            edges.update(path.change_times_s(start_s, end_s))
        return [start_s, *sorted(edge_s for edge_s in edges if start_s < edge_s < end_s), end_s]

    def links(self, number: int) -> Links:
        """Return the inter-satellite links of a snapshot, faults not counted."""
        if number not in self._links:
            pairs, length_m = self._routes.links(number * self._interval_s)
            delay_s = length_m / SPEED_OF_LIGHT_M_S + self._hop_processing_s
            place = {(int(a), int(b)): k for k, (a, b) in enumerate(pairs)}
            self._links[number] = Links(pairs, delay_s, place)
            while len(self._links) > self._kept:
                self._links.popitem(last=False)
        return self._links[number]

    def cut_paths(self, start: int, end: int) -> list[CutPath]:
        """Return the paths of the faults that cut the link between two satellites."""
        pair = (min(start, end), max(start, end))
        if pair not in self._cut_paths:
            one, other = (self._names[satellite] for satellite in pair)
            names = (f"{one}--{other}", f"{other}--{one}", one, other)
            self._cut_paths[pair] = [
                *(cut.path for cut in self._link_cuts if any(means(cut.target, name) for name in names)),
                *(path for mask, path in self._out if mask[list(pair)].any()),
            ]
        return self._cut_paths[pair]

    def _solve(self, number: int, start_s: float, end_s: float) -> Epoch:
        links = self.links(number)
        pairs, delay_s = links.pairs, links.delay_s
        if self._link_cuts or self._out:
            whole = np.array(
                [all(path.at(start_s) > 0 for path in self.cut_paths(int(a), int(b))) for a, b in pairs],
                dtype=np.bool_,
            )
            pairs, delay_s = pairs[whole], delay_s[whole]
        ground = len(self._names)
        down_s: dict[int, float] = {}
        open_now = self._feeders.open_at(start_s)
        if open_now:
            satellites = np.array([contact.satellite for contact in open_now])
            positions_m = self._feeders.orbits.positions_of_m(satellites, np.full(len(satellites), start_s))
            for contact, position_m in zip(open_now, positions_m, strict=True):
                range_m = float(look(self._feeders.stations[contact.station], position_m)[1])
                before_s = down_s.get(contact.satellite, np.inf)
                down_s[contact.satellite] = min(range_m / SPEED_OF_LIGHT_M_S, before_s)
        above = np.array(sorted(down_s), dtype=np.int64)
        start = np.concatenate([pairs[:, 0], pairs[:, 1], above, [ground]])
        end = np.concatenate([pairs[:, 1], pairs[:, 0], np.full(len(above), ground), [ground]])
        all_s = np.concatenate([delay_s, delay_s, [down_s[int(one)] for one in above], [0.0]])
        among = csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(ground + 1, ground + 1))
        _, island = connected_components(among, directed=False)
        ground_s, toward = _to_ground(start, end, all_s)
        return Epoch(start_s, end_s, start, end, all_s, ground_s, toward, island.astype(np.int64))

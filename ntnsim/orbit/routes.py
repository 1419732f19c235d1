"""Routes from a satellite to the ground over inter-satellite links: the shortest delay, in snapshots of the sky."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from ntnsim.arrays import BoolArray, FloatArray, IntArray
from ntnsim.orbit.constellation import CircularOrbits
from ntnsim.orbit.earth import EarthModel, Site
from ntnsim.orbit.element_sets import ElementSets
from ntnsim.orbit.ground import GroundPath, nearest_in_view
from ntnsim.orbit.plus_grid import (
    SideLinks,
    element_set_planes,
    plus_grid_pairs,
    seam_pairs,
    walker_planes,
)
from ntnsim.units import SPEED_OF_LIGHT_M_S

KEPT_SNAPSHOTS = 512


@dataclass(frozen=True)
class Snapshot:
    """All routes at one time, per satellite [n]; nan where there is none.

    delay_s: to the ground, all hops. range_m, elevation_deg: of the last hop, between station and satellite.
    """

    delay_s: FloatArray
    range_m: FloatArray
    elevation_deg: FloatArray


class PlusGridRoutes:
    """Shortest-delay routes over a +grid to any station in view, in snapshots of a fixed interval.

    A link is up while it is short enough and its line of sight clears the Earth by a margin.
    """

    def __init__(
        self,
        orbits: CircularOrbits | ElementSets,
        stations: Sequence[Site],
        earth: EarthModel,
        *,
        max_range_m: float,
        clearance_m: float,
        hop_processing_s: float,
        seam: bool,
        update_interval_s: float,
        side_links: SideLinks = "nearest",
    ) -> None:
        self.orbits = orbits
        self.stations = stations
        self._shells = (
            walker_planes(orbits) if isinstance(orbits, CircularOrbits) else element_set_planes(orbits)
        )
        self.pairs = plus_grid_pairs(self._shells, side_links)
        self._seam = seam
        self._earth_radius_m = earth.equatorial_radius_m
        self._max_range_m = max_range_m
        self._clearance_m = clearance_m
        self._hop_processing_s = hop_processing_s
        self._interval_s = update_interval_s
        self._snapshots: OrderedDict[int, Snapshot] = OrderedDict()

    def snapshot(self, number: int) -> Snapshot:
        """Return the routes of one interval, as they are at its begin."""
        if number not in self._snapshots:
            self._snapshots[number] = self._solve(number * self._interval_s)
            while len(self._snapshots) > KEPT_SNAPSHOTS:
                self._snapshots.popitem(last=False)
        return self._snapshots[number]

    def links(self, time_s: float) -> tuple[IntArray, FloatArray]:
        """Return the inter-satellite links [e, 2] that are up at *time_s*, and their lengths in metres [e]."""
        return self._links(self.orbits.positions_m(np.array([time_s]))[:, 0])

    def _links(self, positions_m: FloatArray) -> tuple[IntArray, FloatArray]:
        pairs = self.pairs
        if self._seam:
            pairs = np.concatenate([pairs, seam_pairs(self._shells, positions_m)])
        start_m, end_m = positions_m[pairs[:, 0]], positions_m[pairs[:, 1]]
        across = end_m - start_m
        length_m = np.linalg.norm(across, axis=1)
        # Lowest point of the segment: where the line comes closest to the centre, if that lies between the ends.
        share = np.clip(-np.einsum("ex,ex->e", start_m, across) / np.maximum(length_m, 1.0) ** 2, 0.0, 1.0)
        lowest_m = np.linalg.norm(start_m + share[:, np.newaxis] * across, axis=1)
        up = (length_m <= self._max_range_m) & (lowest_m >= self._earth_radius_m + self._clearance_m)
        return pairs[up], length_m[up]

    def _solve(self, time_s: float) -> Snapshot:
        count = len(self.orbits)
        positions_m = self.orbits.positions_m(np.array([time_s]))[:, 0]
        pairs, length_m = self._links(positions_m)
        nearest_m, elevation_deg = nearest_in_view(self.stations, positions_m)
        above = np.flatnonzero(np.isfinite(nearest_m))
        ground = count  # one node for all stations: the data network behind them is one
        rows = np.concatenate([pairs[:, 0], np.full(len(above), ground)])
        columns = np.concatenate([pairs[:, 1], above])
        weight = np.concatenate(
            [length_m / SPEED_OF_LIGHT_M_S + self._hop_processing_s, nearest_m[above] / SPEED_OF_LIGHT_M_S]
        )
        graph = csr_array((weight, (rows, columns)), shape=(count + 1, count + 1))
        delay_s, before = dijkstra(graph, directed=False, indices=np.array(ground), return_predecessors=True)
        # Walk each tree towards the ground at once: the satellite before the ground is the last hop.
        toward = np.where((before < 0) | (before == ground), np.arange(count + 1), before)
        last = np.arange(count + 1)
        while True:
            further = toward[last]
            if np.array_equal(further, last):
                break
            last = further
        delay_s = np.where(np.isfinite(delay_s), delay_s, np.nan)[:count]
        last = last[:count]
        reached = np.isfinite(delay_s)
        return Snapshot(
            delay_s,
            np.where(reached, nearest_m[last], np.nan),
            np.where(reached, elevation_deg[last], np.nan),
        )

    def _by_snapshot(self, times_s: FloatArray) -> tuple[list[Snapshot], IntArray]:
        """Return the snapshots that *times_s* [t] fall in, and which of them each time does [t]."""
        numbers = np.floor_divide(times_s, self._interval_s).astype(np.int64)
        present, inverse = np.unique(numbers, return_inverse=True)
        return [self.snapshot(int(number)) for number in present], inverse

    def path(self, satellite: int, times_s: FloatArray) -> GroundPath:
        """Return the route of the snapshot that each time falls in."""
        snapshots, inverse = self._by_snapshot(times_s)
        rows = np.array(
            [
                [snapshot.delay_s[satellite], snapshot.range_m[satellite], snapshot.elevation_deg[satellite]]
                for snapshot in snapshots
            ]
        )
        return GroundPath(*rows.T[:, inverse])

    def delays_s(self, satellites: IntArray, times_s: FloatArray) -> FloatArray:
        """Return the delay of the snapshot's routes."""
        snapshots, inverse = self._by_snapshot(times_s)
        known: FloatArray = np.array([snapshot.delay_s[satellites] for snapshot in snapshots])[inverse].T
        return known

    def reachable(self, satellites: IntArray, times_s: FloatArray) -> BoolArray:
        """Return whether the snapshot has a route."""
        return np.isfinite(self.delays_s(satellites, times_s))

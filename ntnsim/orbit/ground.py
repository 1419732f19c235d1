"""How a satellite's traffic reaches the ground: an assumed station, real stations in view, or inter-satellite links."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from ntnsim.arrays import BoolArray, FloatArray, IntArray
from ntnsim.orbit.constellation import CircularOrbits
from ntnsim.orbit.earth import EarthModel, Site
from ntnsim.orbit.geometry import look, slant_range_m
from ntnsim.orbit.passes import Orbits
from ntnsim.units import SPEED_OF_LIGHT_M_S

KEPT_SNAPSHOTS = 512


@dataclass(frozen=True, slots=True)
class GroundPath:
    """From one satellite down to the data network, per time [n]; nan where there is no way.

    delay_s: all hops. range_m, elevation_deg: of the last hop, between station and the satellite above it.
    """

    delay_s: FloatArray
    range_m: FloatArray
    elevation_deg: FloatArray


class GroundReach(Protocol):
    """What a satellite needs below or beside it to be of use."""

    def path(self, satellite: int, times_s: FloatArray) -> GroundPath:
        """Return the way down from *satellite* at *times_s* [n]."""
        ...

    def reachable(self, satellites: IntArray, times_s: FloatArray) -> BoolArray:
        """Return [c, t]: whether there is a way down from each of *satellites* [c] at *times_s* [t]."""
        ...


@dataclass(frozen=True)
class AssumedStation:
    """A station that every satellite always sees at one elevation, as in the delay tables of TR 38.821."""

    orbits: Orbits
    earth: EarthModel
    elevation_deg: float

    def path(self, satellite: int, times_s: FloatArray) -> GroundPath:
        """Return the range that the elevation gives at the satellite's height."""
        positions_m = self.orbits.positions_of_m(np.full(len(times_s), satellite), times_s)
        altitude_m = np.sqrt(np.einsum("tx,tx->t", positions_m, positions_m)) - self.earth.equatorial_radius_m
        range_m = slant_range_m(altitude_m, self.elevation_deg, earth_radius_m=self.earth.equatorial_radius_m)
        return GroundPath(range_m / SPEED_OF_LIGHT_M_S, range_m, np.full(len(times_s), self.elevation_deg))

    def reachable(self, satellites: IntArray, times_s: FloatArray) -> BoolArray:
        """Return True throughout."""
        return np.ones((len(satellites), len(times_s)), dtype=np.bool_)


@dataclass(frozen=True)
class SiteIsTheEnd:
    """No further way: the terminal itself is where the satellite's traffic ends."""

    def path(self, satellite: int, times_s: FloatArray) -> GroundPath:
        """Return a way of no length."""
        nothing = np.zeros(len(times_s))
        return GroundPath(nothing, nothing, nothing)

    def reachable(self, satellites: IntArray, times_s: FloatArray) -> BoolArray:
        """Return True throughout."""
        return np.ones((len(satellites), len(times_s)), dtype=np.bool_)


@dataclass(frozen=True)
class StationsInView:
    """The nearest of the stations that see the satellite above their own masks."""

    orbits: Orbits
    stations: Sequence[Site]

    def path(self, satellite: int, times_s: FloatArray) -> GroundPath:
        """Return the way through the nearest station in view."""
        positions_m = self.orbits.positions_of_m(np.full(len(times_s), satellite), times_s)
        nearest_m = np.full(len(times_s), np.nan)
        elevation_deg = np.full(len(times_s), np.nan)
        for station in self.stations:
            sine, range_m = look(station, positions_m)
            better = (sine >= np.sin(np.radians(station.min_elevation_deg))) & ~(range_m >= nearest_m)
            nearest_m = np.where(better, range_m, nearest_m)
            elevation_deg = np.where(better, np.degrees(np.arcsin(np.clip(sine, -1, 1))), elevation_deg)
        return GroundPath(nearest_m / SPEED_OF_LIGHT_M_S, nearest_m, elevation_deg)

    def reachable(self, satellites: IntArray, times_s: FloatArray) -> BoolArray:
        """Return whether any station sees the satellite."""
        shape = (len(satellites), len(times_s))
        index = np.broadcast_to(np.asarray(satellites)[:, np.newaxis], shape)
        positions_m = self.orbits.positions_of_m(index, np.broadcast_to(times_s, shape))
        seen = np.zeros(shape, dtype=np.bool_)
        for station in self.stations:
            seen |= look(station, positions_m)[0] >= np.sin(np.radians(station.min_elevation_deg))
        return seen


def plus_grid_pairs(orbits: CircularOrbits, *, seam: bool) -> IntArray:
    """Return the satellite pairs [e, 2] of a +grid, per shell.

    In each plane the neighbours along the orbit; between neighbouring planes of the same shell the satellite nearest in
    argument of latitude. Star patterns leave out the seam between the last and the first plane, which fly against each
    other, unless *seam*.
    """
    pairs: set[tuple[int, int]] = set()
    for shell, (planes, per_plane, pattern) in enumerate(orbits.shell_slots):
        members = np.flatnonzero(orbits.shell == shell)
        grid = np.empty((planes, per_plane), dtype=np.int64)
        grid[orbits.plane[members], orbits.slot[members]] = members
        argument = orbits.argument_rad[grid]
        for plane in range(planes):
            for slot in range(per_plane):
                own = int(grid[plane, slot])
                if per_plane > 1:
                    pairs.add(_ordered(own, int(grid[plane, (slot + 1) % per_plane])))
                if planes == 1 or (plane == planes - 1 and pattern == "star" and not seam):
                    continue
                aside = (plane + 1) % planes
                target = argument[plane, slot]
                if plane == planes - 1 and pattern == "star":
                    target = np.pi - target  # across the seam the other plane flies the other way
                ahead = (argument[aside] - target + np.pi) % (2 * np.pi) - np.pi
                # Staggered planes tie between ahead and behind: everybody takes the one ahead.
                gap = np.abs(ahead) - 1e-9 * (ahead > 0)
                if aside != plane:
                    pairs.add(_ordered(own, int(grid[aside, int(np.argmin(gap))])))
    return np.array(sorted(pair for pair in pairs if pair[0] != pair[1]), dtype=np.int64).reshape(-1, 2)


def _ordered(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)


class PlusGridRoutes:
    """Shortest-delay routes over a +grid to any station in view, in snapshots of a fixed interval.

    A link is up while it is short enough and its line of sight clears the Earth by a margin.
    """

    def __init__(
        self,
        orbits: CircularOrbits,
        stations: Sequence[Site],
        earth: EarthModel,
        *,
        max_range_m: float,
        clearance_m: float,
        hop_processing_s: float,
        seam: bool,
        update_interval_s: float,
    ) -> None:
        self.orbits = orbits
        self.stations = stations
        self.pairs = plus_grid_pairs(orbits, seam=seam)
        self._earth_radius_m = earth.equatorial_radius_m
        self._max_range_m = max_range_m
        self._clearance_m = clearance_m
        self._hop_processing_s = hop_processing_s
        self._interval_s = update_interval_s
        self._snapshots: OrderedDict[int, tuple[FloatArray, FloatArray, FloatArray]] = OrderedDict()

    def snapshot(self, number: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return delay [n] from each satellite to the ground, and range and elevation [n] of its route's last hop."""
        if number not in self._snapshots:
            self._snapshots[number] = self._solve(number * self._interval_s)
            while len(self._snapshots) > KEPT_SNAPSHOTS:
                self._snapshots.popitem(last=False)
        return self._snapshots[number]

    def links(self, time_s: float) -> tuple[IntArray, FloatArray]:
        """Return the inter-satellite links [e, 2] that are up at *time_s*, and their lengths in metres [e]."""
        positions_m = self.orbits.positions_m(np.array([time_s]))[:, 0]
        one, other = positions_m[self.pairs[:, 0]], positions_m[self.pairs[:, 1]]
        across = other - one
        length_m = np.linalg.norm(across, axis=1)
        # Lowest point of the segment: where the line comes closest to the centre, if that lies between the ends.
        share = np.clip(-np.einsum("ex,ex->e", one, across) / np.maximum(length_m, 1.0) ** 2, 0.0, 1.0)
        lowest_m = np.linalg.norm(one + share[:, np.newaxis] * across, axis=1)
        up = (length_m <= self._max_range_m) & (lowest_m >= self._earth_radius_m + self._clearance_m)
        return self.pairs[up], length_m[up]

    def _solve(self, time_s: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        count = len(self.orbits)
        pairs, length_m = self.links(time_s)
        positions_m = self.orbits.positions_m(np.array([time_s]))[:, 0]
        down = StationsInView(self.orbits, self.stations)
        nearest_m = np.full(count, np.inf)
        elevation_deg = np.full(count, np.nan)
        for station in down.stations:
            sine, range_m = look(station, positions_m)
            better = (sine >= np.sin(np.radians(station.min_elevation_deg))) & (range_m < nearest_m)
            nearest_m = np.where(better, range_m, nearest_m)
            elevation_deg = np.where(better, np.degrees(np.arcsin(np.clip(sine, -1, 1))), elevation_deg)
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
        last = np.arange(count + 1)
        toward = np.where((before < 0) | (before == ground), np.arange(count + 1), before)
        while True:
            further = toward[last]
            if np.array_equal(further, last):
                break
            last = further
        delay_s = np.where(np.isfinite(delay_s), delay_s, np.nan)[:count]
        last = last[:count]
        reached = np.isfinite(delay_s)
        range_m = np.where(reached, np.where(np.isfinite(nearest_m), nearest_m, np.nan)[last], np.nan)
        return delay_s, range_m, np.where(reached, elevation_deg[last], np.nan)

    def path(self, satellite: int, times_s: FloatArray) -> GroundPath:
        """Return the route of the snapshot that each time falls in."""
        numbers = np.floor_divide(times_s, self._interval_s).astype(np.int64)
        present, inverse = np.unique(numbers, return_inverse=True)
        rows = np.array([[column[satellite] for column in self.snapshot(int(number))] for number in present])
        return GroundPath(*rows.T[:, inverse])

    def reachable(self, satellites: IntArray, times_s: FloatArray) -> BoolArray:
        """Return whether the snapshot has a route."""
        numbers = np.floor_divide(times_s, self._interval_s).astype(np.int64)
        present, inverse = np.unique(numbers, return_inverse=True)
        known = np.array([np.isfinite(self.snapshot(int(number))[0][satellites]) for number in present])
        return known[inverse].T

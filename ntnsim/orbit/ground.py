"""How a satellite's traffic reaches the ground without others: an assumed station, or real stations in view.

Routes over inter-satellite links are in routes.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ntnsim.arrays import BoolArray, FloatArray, IntArray
from ntnsim.orbit.earth import EarthModel, Site
from ntnsim.orbit.geometry import look, slant_range_m
from ntnsim.orbit.passes import Orbits
from ntnsim.orbit.surroundings import clear
from ntnsim.units import SPEED_OF_LIGHT_M_S

WAITED_FOR_S = 1e3  # longer than any way that exists


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

    def delays_s(self, satellites: IntArray, times_s: FloatArray) -> FloatArray:
        """Return [c, t]: delay of the way down from each of *satellites* [c] at *times_s* [t]; nan where none is."""
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
        range_m = self._ranges_m(self.orbits.positions_of_m(np.full(len(times_s), satellite), times_s))
        return GroundPath(range_m / SPEED_OF_LIGHT_M_S, range_m, np.full(len(times_s), self.elevation_deg))

    def delays_s(self, satellites: IntArray, times_s: FloatArray) -> FloatArray:
        """Return the delay that the elevation gives at each satellite's height."""
        ranges_m = self._ranges_m(_positions_m(self.orbits, satellites, times_s))
        return ranges_m / SPEED_OF_LIGHT_M_S

    def _ranges_m(self, positions_m: FloatArray) -> FloatArray:
        """Return the range [...] that the elevation gives at the height of *positions_m* [..., 3]."""
        altitude_m = (
            np.sqrt(np.einsum("...x,...x->...", positions_m, positions_m)) - self.earth.equatorial_radius_m
        )
        flying = altitude_m > 0
        range_m = slant_range_m(
            np.where(flying, altitude_m, 1.0),
            self.elevation_deg,
            earth_radius_m=self.earth.equatorial_radius_m,
        )
        return np.where(flying, range_m, np.nan)

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

    def delays_s(self, satellites: IntArray, times_s: FloatArray) -> FloatArray:
        """Return zeros."""
        return np.zeros((len(satellites), len(times_s)))

    def reachable(self, satellites: IntArray, times_s: FloatArray) -> BoolArray:
        """Return True throughout."""
        return np.ones((len(satellites), len(times_s)), dtype=np.bool_)


@dataclass(frozen=True)
class OnBoard:
    """The terminal's own way ends at the satellite, which queues what it receives; from there on others count.

    keeps: whether a satellite takes images without a way to the ground; otherwise it serves only with one.
    """

    further: GroundReach
    keeps: bool

    def path(self, satellite: int, times_s: FloatArray) -> GroundPath:
        """Return a way of no length where the satellite serves."""
        nothing = np.zeros(len(times_s))
        if not self.keeps:
            nothing = np.where(np.isnan(self.further.path(satellite, times_s).delay_s), np.nan, nothing)
        return GroundPath(nothing, nothing, nothing)

    def delays_s(self, satellites: IntArray, times_s: FloatArray) -> FloatArray:
        """Return the delay of the further way, for the choice of the satellite; very long where one must wait."""
        delays_s = self.further.delays_s(satellites, times_s)
        return np.where(np.isnan(delays_s), WAITED_FOR_S, delays_s) if self.keeps else delays_s

    def reachable(self, satellites: IntArray, times_s: FloatArray) -> BoolArray:
        """Return whether each satellite serves."""
        if self.keeps:
            return np.ones((len(satellites), len(times_s)), dtype=np.bool_)
        return self.further.reachable(satellites, times_s)


@dataclass(frozen=True)
class StationsInView:
    """The nearest of the stations that see the satellite above their own masks."""

    orbits: Orbits
    stations: Sequence[Site]

    def path(self, satellite: int, times_s: FloatArray) -> GroundPath:
        """Return the way through the nearest station in view."""
        positions_m = self.orbits.positions_of_m(np.full(len(times_s), satellite), times_s)
        nearest_m, elevation_deg = nearest_in_view(self.stations, positions_m)
        return GroundPath(nearest_m / SPEED_OF_LIGHT_M_S, nearest_m, elevation_deg)

    def station_at(self, satellite: int, times_s: FloatArray) -> IntArray:
        """Return the number [t] of the station that *path* leads through; -1 where none is in view."""
        positions_m = self.orbits.positions_of_m(np.full(len(times_s), satellite), times_s)
        ranges_m = np.stack([nearest_in_view([station], positions_m)[0] for station in self.stations])
        nearest = np.argmin(np.where(np.isnan(ranges_m), np.inf, ranges_m), axis=0)
        return np.where(np.isnan(ranges_m).all(axis=0), -1, nearest)

    def delays_s(self, satellites: IntArray, times_s: FloatArray) -> FloatArray:
        """Return the delay to the nearest station in view."""
        nearest_m, _ = nearest_in_view(self.stations, _positions_m(self.orbits, satellites, times_s))
        return nearest_m / SPEED_OF_LIGHT_M_S

    def reachable(self, satellites: IntArray, times_s: FloatArray) -> BoolArray:
        """Return whether any station sees the satellite."""
        return np.isfinite(self.delays_s(satellites, times_s))


def _positions_m(orbits: Orbits, satellites: IntArray, times_s: FloatArray) -> FloatArray:
    """Return [c, t, 3]: positions of *satellites* [c] at *times_s* [t]."""
    shape = (len(satellites), len(times_s))
    index = np.broadcast_to(np.asarray(satellites)[:, np.newaxis], shape)
    return orbits.positions_of_m(index, np.broadcast_to(times_s, shape))


def nearest_in_view(stations: Sequence[Site], positions_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return range and elevation [...] of the nearest station that sees each of *positions_m* [..., 3]; nan if none."""
    nearest_m = np.full(positions_m.shape[:-1], np.nan)
    elevation_deg = np.full(positions_m.shape[:-1], np.nan)
    for station in stations:
        sine, range_m = look(station, positions_m)
        better = (sine >= np.sin(np.radians(station.min_elevation_deg))) & ~(range_m >= nearest_m)
        if station.surroundings:
            better &= clear(station, positions_m, sine)
        nearest_m = np.where(better, range_m, nearest_m)
        elevation_deg = np.where(better, np.degrees(np.arcsin(np.clip(sine, -1, 1))), elevation_deg)
    return nearest_m, elevation_deg

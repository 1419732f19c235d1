"""A site that moves: a ship's or an aircraft's way over the Earth, point by point along great circles."""

from dataclasses import dataclass

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.orbit.earth import Site, Spot, spot_at


@dataclass(frozen=True)
class Waypoint:
    """Where a moving site is at one time."""

    time_s: float
    latitude_deg: float
    longitude_deg: float
    altitude_m: float = 0.0


@dataclass(frozen=True)
class MovingSite(Site):
    """A site with a track; latitude, longitude and altitude are those of its first point.

    Between two points it follows the great circle of their verticals at constant speed, its altitude changing evenly.
    Before the first point it waits there, after the last one it stays.
    """

    track: tuple[Waypoint, ...] = ()

    @property
    def moves(self) -> bool:
        """True: the search for passes has to follow."""
        return True

    def at(self, times_s: FloatArray) -> Spot:
        """Return position [..., 3] and vertical [..., 3] at *times_s* [...]."""
        known_s = np.array([waypoint.time_s for waypoint in self.track])
        times = np.clip(np.asarray(times_s, dtype=float), known_s[0], known_s[-1])
        leg = np.clip(np.searchsorted(known_s, times, side="right") - 1, 0, len(known_s) - 2)
        share = (times - known_s[leg]) / (known_s[leg + 1] - known_s[leg])
        ups = np.array([_up(waypoint) for waypoint in self.track])
        altitude_m = np.array([waypoint.altitude_m for waypoint in self.track])
        before, after = ups[leg], ups[leg + 1]
        angle = np.arctan2(
            np.linalg.norm(np.cross(before, after), axis=-1), np.einsum("...x,...x->...", before, after)
        )
        # Along the great circle; legs of no length have no direction to turn in.
        sine = np.where(angle > 0, np.sin(angle), 1.0)
        first = np.where(angle > 0, np.sin((1 - share) * angle) / sine, 1.0)
        second = np.where(angle > 0, np.sin(share * angle) / sine, 0.0)
        up = first[..., np.newaxis] * before + second[..., np.newaxis] * after
        return spot_at(up, altitude_m[leg] + share * (altitude_m[leg + 1] - altitude_m[leg]), self.earth)


def _up(point: Waypoint) -> FloatArray:
    latitude, longitude = np.radians(point.latitude_deg), np.radians(point.longitude_deg)
    return np.array(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )

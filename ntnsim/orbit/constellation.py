"""Satellites on circular orbits in Walker shells, propagated with the secular effect of J2.

A Walker shell i:T/P/F holds T satellites in P planes of inclination i; neighbouring planes are shifted by F·360°/T
along the orbit. Node and argument of latitude move linearly in time, so the position of every satellite at every time
is a closed form, and the coarse visibility search becomes one matrix product (see visibility.py). In LEO it stays
within 20 km of SGP4 without drag over a day, of which 10 to 17 km are the short-period terms that it leaves out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ntnsim.arrays import FloatArray, IntArray
from ntnsim.orbit.earth import (
    EARTH_J2,
    EARTH_MU_M3_S2,
    EARTH_ROTATION_RAD_S,
    J2_REFERENCE_RADIUS_M,
    EarthModel,
)


@dataclass(frozen=True, slots=True)
class Shell:
    """Walker shell i:T/P/F; *pattern* delta spreads the nodes over 360°, star over 180°."""

    name: str
    pattern: str
    altitude_m: float
    inclination_deg: float
    satellites: int
    planes: int
    phasing: int
    first_node_deg: float = 0.0


def secular_rates_rad_s(radius_m: FloatArray, inclination_rad: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the rates of node and argument of latitude of circular orbits under J2 (first order, Brouwer's mean).

    Node: −3/2 n J2 (R/a)² cos i. Argument of latitude: n + dM/dt + dω/dt = n (1 + 3/2 J2 (R/a)² (3 − 4 sin² i)).
    """
    mean_motion = np.sqrt(EARTH_MU_M3_S2 / radius_m**3)
    strength = 1.5 * EARTH_J2 * (J2_REFERENCE_RADIUS_M / radius_m) ** 2
    node_rate = -mean_motion * strength * np.cos(inclination_rad)
    argument_rate = mean_motion * (1 + strength * (3 - 4 * np.sin(inclination_rad) ** 2))
    return node_rate, argument_rate


@dataclass(frozen=True)
class CircularOrbits:
    """n satellites on circular orbits. Angles hold at time 0; the node is measured from Greenwich at time 0.

    shell, plane, slot: [n] place of each satellite in its shell, for inter-satellite links.
    shell_slots: per shell, (planes, satellites per plane, pattern).
    """

    names: tuple[str, ...]
    radius_m: FloatArray
    inclination_rad: FloatArray
    node_rad: FloatArray
    argument_rad: FloatArray
    node_rate_rad_s: FloatArray  # relative to the turning Earth
    argument_rate_rad_s: FloatArray
    shell: IntArray
    plane: IntArray
    slot: IntArray
    shell_slots: tuple[tuple[int, int, str], ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def period_s(self) -> FloatArray:
        """Nodal period [n]."""
        return 2 * np.pi / self.argument_rate_rad_s

    @cached_property
    def _tilt(self) -> tuple[FloatArray, FloatArray]:
        """Cosine and sine of the inclinations [n]."""
        return np.cos(self.inclination_rad), np.sin(self.inclination_rad)

    @cached_property
    def rate_groups(self) -> list[IntArray]:
        """The satellites [m] that share radius and inclination, and so their angular rates, group by group."""
        keys = np.stack([self.radius_m, self.inclination_rad], axis=1)
        _, group = np.unique(keys, axis=0, return_inverse=True)
        return [np.flatnonzero(group == index) for index in range(int(group.max()) + 1)]

    def lost_s(self, until_s: float) -> FloatArray:
        """Return when each satellite is lost [n]: never."""
        return np.full(len(self), np.inf)

    def positions_of_m(self, satellite: IntArray, time_s: FloatArray) -> FloatArray:
        """Return Earth-fixed positions [k, 3] of satellites [k] at times [k] (or shapes that broadcast)."""
        node = self.node_rad[satellite] + self.node_rate_rad_s[satellite] * time_s
        argument = self.argument_rad[satellite] + self.argument_rate_rad_s[satellite] * time_s
        tilt, lean = self._tilt
        cos_node, sin_node = np.cos(node), np.sin(node)
        along, across = np.cos(argument), np.sin(argument)
        level = across * tilt[satellite]
        position = np.empty((*np.shape(along), 3))
        position[..., 0] = along * cos_node - level * sin_node
        position[..., 1] = along * sin_node + level * cos_node
        position[..., 2] = across * lean[satellite]
        position *= np.asarray(self.radius_m[satellite])[..., np.newaxis]
        return position

    def positions_m(self, times_s: FloatArray) -> FloatArray:
        """Return Earth-fixed positions [n, t, 3] of all satellites at *times_s* [t]."""
        return self.positions_of_m(np.arange(len(self))[:, np.newaxis], np.asarray(times_s)[np.newaxis, :])


def walker_orbits(
    shells: Sequence[Shell], earth: EarthModel, greenwich_at_start_rad: float = 0.0
) -> CircularOrbits:
    """Return the satellites of *shells*; the count is audited.

    greenwich_at_start_rad: sidereal angle of Greenwich at time 0; nodes of the shells are right ascensions.
    """
    names: list[str] = []
    columns: list[FloatArray] = []
    shell_slots: list[tuple[int, int, str]] = []
    for index, shell in enumerate(shells):
        if shell.satellites % shell.planes:
            raise ValueError(f"planes must divide satellites, got {shell.satellites}/{shell.planes}")
        per_plane = shell.satellites // shell.planes
        plane = np.repeat(np.arange(shell.planes), per_plane)
        slot = np.tile(np.arange(per_plane), shell.planes)
        spread = {"delta": 2 * np.pi, "star": np.pi}[shell.pattern]
        node = np.radians(shell.first_node_deg) + spread * plane / shell.planes - greenwich_at_start_rad
        argument = 2 * np.pi * (slot / per_plane + shell.phasing * plane / shell.satellites)
        radius_m = np.full(shell.satellites, earth.equatorial_radius_m + shell.altitude_m)
        inclination = np.full(shell.satellites, np.radians(shell.inclination_deg))
        shell_index = np.full(shell.satellites, index)
        columns.append(np.stack([radius_m, inclination, node, argument, shell_index, plane, slot]))
        shell_slots.append((shell.planes, per_plane, shell.pattern))
        names += [f"{shell.name}-{p:02d}-{s:02d}" for p, s in zip(plane, slot, strict=True)]
    radius_m, inclination, node, argument, shell_index, plane, slot = np.concatenate(columns, axis=1)
    expected = sum(shell.satellites for shell in shells)
    if not len(names) == len(set(names)) == len(radius_m) == expected:
        raise ValueError(
            f"count audit: {expected} satellites asked for, {len(set(names))} distinct ones made"
        )
    node_rate, argument_rate = secular_rates_rad_s(radius_m, inclination)
    return CircularOrbits(
        names=tuple(names),
        radius_m=radius_m,
        inclination_rad=inclination,
        node_rad=node,
        argument_rad=argument,
        node_rate_rad_s=node_rate - EARTH_ROTATION_RAD_S,
        argument_rate_rad_s=argument_rate,
        shell=shell_index.astype(np.int64),
        plane=plane.astype(np.int64),
        slot=slot.astype(np.int64),
        shell_slots=tuple(shell_slots),
    )

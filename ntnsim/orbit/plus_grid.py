"""Which satellites of a constellation are linked in a +grid: two neighbours in the plane, one in each plane beside it.

Between planes that fly side by side the pairs stay for ever: within a shell all satellites drift alike. At the seam of
a star the first and the last plane fly against each other, and who is nearest changes from minute to minute.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from ntnsim.arrays import FloatArray, IntArray
from ntnsim.orbit.constellation import CircularOrbits
from ntnsim.orbit.element_sets import ElementSets

SideLinks = Literal["nearest", "level"]
TIE_RAD = 1e-9  # staggered planes tie to within rounding between the satellite ahead and the one behind

# Orbits of element sets are in one plane if their normals are this close, in one shell if their heights are. Shells
# of one operator lie 5 km and more apart; satellites kept in place stay within about a kilometre and 0.1 degrees.
SAME_PLANE_RAD = np.radians(0.5)
SAME_SHELL_M = 4e3
SAME_INCLINATION_RAD = np.radians(0.15)
OPPOSED_RAD = np.pi / 2  # nodes further apart: the planes fly against each other


@dataclass(frozen=True)
class Plane:
    """Satellites [s] of one plane in order along the orbit, with their arguments of latitude [s] at time 0."""

    members: IntArray
    argument_rad: FloatArray
    node_rad: float
    inclination_rad: float


@dataclass(frozen=True)
class ShellPlanes:
    """The planes of one shell in order of their nodes. *opposed*: the last flies against the first (a star's seam)."""

    planes: tuple[Plane, ...]
    opposed: bool


def walker_planes(orbits: CircularOrbits) -> list[ShellPlanes]:
    """Return the planes of Walker shells."""
    shells = []
    for shell, (planes, _, pattern) in enumerate(orbits.shell_slots):
        own = []
        for number in range(planes):
            members = np.flatnonzero((orbits.shell == shell) & (orbits.plane == number))
            first = members[0]
            own.append(
                Plane(
                    members,
                    orbits.argument_rad[members],
                    float(orbits.node_rad[first]),
                    float(orbits.inclination_rad[first]),
                )
            )
        shells.append(ShellPlanes(tuple(own), pattern == "star"))
    return shells


def element_set_planes(orbits: ElementSets) -> list[ShellPlanes]:
    """Return the planes that published satellites fly in at time 0, found from their positions and velocities.

    A satellite that flies alone, such as one that is being raised, makes a plane and shell of its own.
    """
    normal, node_rad, inclination_rad, argument_rad, mean_radius_m = orbits.places(0.0)
    remaining = np.flatnonzero(np.isfinite(mean_radius_m))
    shells = []
    while len(remaining):
        height = mean_radius_m[remaining]
        # The commonest height and inclination first, so that strays do not tear a shell apart.
        close = np.abs(height[:, np.newaxis] - height) <= SAME_SHELL_M
        tilt = inclination_rad[remaining]
        close &= np.abs(tilt[:, np.newaxis] - tilt) <= SAME_INCLINATION_RAD
        shell = close[int(np.argmax(close.sum(axis=1)))]
        members, remaining = remaining[shell], remaining[~shell]
        planes = []
        while len(members):
            together = normal[members] @ normal[members].T >= np.cos(SAME_PLANE_RAD)
            plane = together[int(np.argmax(together.sum(axis=1)))]
            own, members = members[plane], members[~plane]
            own = own[np.argsort(argument_rad[own])]
            # Of angles: the mean of directions.
            node = float(np.angle(np.exp(1j * node_rad[own]).mean()))
            planes.append(Plane(own, argument_rad[own], node, float(inclination_rad[own].mean())))
        planes.sort(key=lambda plane: plane.node_rad)
        # The widest gap in node comes last, where a seam would be.
        nodes = np.array([plane.node_rad for plane in planes])
        gaps = np.diff(nodes, append=nodes[0] + 2 * np.pi)
        widest = int(np.argmax(gaps))
        planes = planes[widest + 1 :] + planes[: widest + 1]
        shells.append(ShellPlanes(tuple(planes), bool(gaps[widest] > OPPOSED_RAD)))
    return shells


def plus_grid_pairs(shells: Sequence[ShellPlanes], side_links: SideLinks = "nearest") -> IntArray:
    """Return the satellite pairs [e, 2] of a +grid that never change; a star's seam is left out.

    side_links: *nearest* links each satellite with the one of the next plane that is nearest in space, over an orbit;
        *level* with the one nearest in argument of latitude, so that links run along the parallels, in turn ahead
        and behind where planes are staggered by half a slot (the wiring that Hypatia's published routes have).
    """
    pairs: set[tuple[int, int]] = set()
    for shell in shells:
        for number, plane in enumerate(shell.planes):
            count = len(plane.members)
            for slot in range(count if count > 2 else count - 1):
                pairs.add(_ordered(int(plane.members[slot]), int(plane.members[(slot + 1) % count])))
            aside = (number + 1) % len(shell.planes)
            last = number == len(shell.planes) - 1
            if aside == number or (last and (shell.opposed or number == 1)):
                continue
            pairs.update(_side_pairs(plane, shell.planes[aside], side_links, ahead=number % 2 == 0))
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def nearest_offset_rad(inclination_rad: float, node_apart_rad: float) -> float:
    """Return by how much more argument of latitude the nearest place of a plane has, over an orbit.

    Both planes have one inclination i; their nodes are Δ apart. The mean over an orbit of the cosine between places at
    u and u + δ is ½ [cos δ (cos Δ (1 + cos² i) + sin² i) − 2 sin δ sin Δ cos i]; it is largest at the angle returned.
    """
    cosine, sine = np.cos(node_apart_rad), np.sin(node_apart_rad)
    tilt = np.cos(inclination_rad)
    return float(np.arctan2(-2 * sine * tilt, cosine * (1 + tilt**2) + 1 - tilt**2))


def _side_pairs(plane: Plane, aside: Plane, side_links: SideLinks, *, ahead: bool) -> list[tuple[int, int]]:
    """Return pairs between two planes, closest first; nobody is in two of them."""
    offset_rad = 0.0
    if side_links == "nearest":
        tilt = (plane.inclination_rad + aside.inclination_rad) / 2
        offset_rad = nearest_offset_rad(tilt, aside.node_rad - plane.node_rad)
    target = plane.argument_rad + offset_rad
    way = (aside.argument_rad[np.newaxis, :] - target[:, np.newaxis] + np.pi) % (2 * np.pi) - np.pi
    preferred = way > 0 if ahead else way < 0
    gap = np.abs(way) - TIE_RAD * preferred
    found: list[tuple[int, int]] = []
    free_here, free_there = np.ones(gap.shape[0], dtype=bool), np.ones(gap.shape[1], dtype=bool)
    # Gaps that differ by rounding alone count as one, so that a tie falls the same way all along the plane.
    for cell in np.argsort(np.round(gap, 11), axis=None, kind="stable"):
        here, there = divmod(int(cell), gap.shape[1])
        if free_here[here] and free_there[there]:
            free_here[here] = free_there[there] = False
            found.append(_ordered(int(plane.members[here]), int(aside.members[there])))
    return found


def seam_pairs(shells: Sequence[ShellPlanes], positions_m: FloatArray) -> IntArray:
    """Return the pairs [e, 2] across the seams of stars at one time: those whose links are shortest together.

    positions_m: [n, 3] of all satellites.
    """
    pairs = []
    for shell in shells:
        if not shell.opposed or len(shell.planes) < 2:
            continue
        last, first = shell.planes[-1].members, shell.planes[0].members
        apart_m = np.linalg.norm(positions_m[last][:, np.newaxis] - positions_m[first][np.newaxis, :], axis=2)
        here, there = linear_sum_assignment(apart_m)
        pairs.append(np.sort(np.stack([last[here], first[there]], axis=1), axis=1))
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)


def _ordered(first: int, other: int) -> tuple[int, int]:
    return (first, other) if first < other else (other, first)

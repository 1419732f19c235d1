"""Which satellites a site sees on a uniform time grid, without ever forming a [satellite × time × 3] array.

For circular orbits the cosine of the angle at the Earth's centre between a direction and a satellite is a sum of three
cosines, in u + Ω, u − Ω and u, each linear in time. A [satellites × 6] times [6 × times] product therefore gives
it for a whole constellation and day, and visibility is one comparison. Elevation above a mask is a circle around the
site on the orbit's sphere: exactly so on a spherical Earth, to better than 0.01° of elevation on the ellipsoid.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ntnsim.arrays import BoolArray, Float32Array, FloatArray, IntArray
from ntnsim.orbit.constellation import CircularOrbits
from ntnsim.orbit.earth import Site

CHUNK_ELEMENTS = 1_500_000  # of a mask at a time
# A product of at most 2^18 multiplications stays on one thread in OpenBLAS. On two busy cores, two threads made
# the same work cost 20 times the processor time, spent waiting.
PRODUCT_ELEMENTS = 2**18 // 6


@dataclass(frozen=True, slots=True)
class VisibilityCircle:
    """Directions r̂ on the sphere of radius r with centre·r̂ ≥ cosine are above the mask.

    deviation: largest error of the cosine, from the ellipsoid's vertical not passing through the centre.
    """

    centre: FloatArray
    cosine: float
    deviation: float


def visibility_circle(site: Site, radius_m: float) -> VisibilityCircle:
    """Return the circle on the sphere of *radius_m* from which *site* is seen above its mask."""
    mask = np.radians(site.min_elevation_deg)
    east = np.array([-np.sin(np.radians(site.longitude_deg)), np.cos(np.radians(site.longitude_deg)), 0.0])
    north = np.cross(site.up, east)
    edge = []
    for level in (north, -north, east):
        direction = np.cos(mask) * level + np.sin(mask) * site.up
        along_m = float(site.position_m @ direction)
        below_squared = radius_m**2 - float(site.position_m @ site.position_m)
        if below_squared <= 0:
            raise ValueError(f"site {site.name} is not below the orbit radius {radius_m!r} m")
        reach_m = -along_m + np.sqrt(along_m**2 + below_squared)
        edge.append((site.position_m + reach_m * direction) / radius_m)
    centre = edge[0] + edge[1]
    centre /= np.linalg.norm(centre)
    cosine = float(centre @ edge[0])
    return VisibilityCircle(centre, cosine, abs(float(centre @ edge[2]) - cosine))


def _coefficients(orbits: CircularOrbits, members: IntArray, centre: FloatArray) -> Float32Array:
    """Return [m, 6]: the satellites' part of the separable cosine with *centre* (unit vector, Earth-fixed)."""
    level = np.hypot(centre[0], centre[1])
    longitude = np.arctan2(centre[1], centre[0])
    node = orbits.node_rad[members] - longitude
    argument = orbits.argument_rad[members]
    inclination = orbits.inclination_rad[members]
    with_turn = level * (1 + np.cos(inclination)) / 2
    against_turn = level * (1 - np.cos(inclination)) / 2
    pole = centre[2] * np.sin(inclination)
    return np.stack(
        [
            with_turn * np.cos(argument + node),
            -with_turn * np.sin(argument + node),
            against_turn * np.cos(argument - node),
            -against_turn * np.sin(argument - node),
            pole * np.sin(argument),
            pole * np.cos(argument),
        ],
        axis=1,
    ).astype(np.float32)


def time_basis(orbits: CircularOrbits, member: int, times_s: FloatArray) -> Float32Array:
    """Return [6, t]: the times' part of the separable cosine for the satellites that share *member*'s rates."""
    node_rate = orbits.node_rate_rad_s[member]
    argument_rate = orbits.argument_rate_rad_s[member]
    rows = []
    for rate in (argument_rate + node_rate, argument_rate - node_rate, argument_rate):
        angle = rate * times_s
        rows += [np.cos(angle), np.sin(angle)]
    return np.stack(rows).astype(np.float32)


def masks_by_chunk(
    orbits: CircularOrbits, members: IntArray, basis: Float32Array, circle: VisibilityCircle, margin: float
) -> Iterator[tuple[int, BoolArray]]:
    """Yield (index of the chunk's first member, mask [m, t + 1]) with the threshold lowered by *margin*.

    The last column is always False, so that runs of one satellite never touch the next one's. Each mask is valid until
    the next is asked for.
    """
    coefficients = _coefficients(orbits, members, circle.centre)
    n_times = basis.shape[1]
    rows = max(1, CHUNK_ELEMENTS // n_times)
    threshold = np.float32(circle.cosine - margin)
    part_rows = max(1, min(rows, PRODUCT_ELEMENTS // n_times))
    cosine = np.empty((part_rows, n_times), dtype=np.float32)
    mask = np.zeros((rows, n_times + 1), dtype=np.bool_)
    for first in range(0, len(members), rows):
        size = min(rows, len(members) - first)
        for begin in range(0, size, part_rows):
            part = coefficients[first + begin : first + min(begin + part_rows, size)]
            product = cosine[: len(part)]
            np.matmul(part, basis, out=product)
            np.greater_equal(product, threshold, out=mask[begin : begin + len(part), :-1])
        yield first, mask[:size]


def visibility_mask(orbits: CircularOrbits, site: Site, times_s: FloatArray) -> BoolArray:
    """Return [n, t]: whether each satellite stands above the mask of *site* at each of *times_s*."""
    visible = np.empty((len(orbits), len(times_s)), dtype=np.bool_)
    for members in orbits.rate_groups:
        circle = visibility_circle(site, float(orbits.radius_m[members[0]]))
        basis = time_basis(orbits, int(members[0]), times_s)
        for first, mask in masks_by_chunk(orbits, members, basis, circle, 0.0):
            own = members[first : first + len(mask)]
            # A shell is a run of indices: a slice copies faster than a list of them.
            whole = own[-1] - own[0] == len(own) - 1
            visible[slice(own[0], own[-1] + 1) if whole else own] = mask[:, :-1]
    return visible

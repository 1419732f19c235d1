"""Range and elevation of a satellite: from vectors, and from altitude and elevation on a sphere."""

from typing import Any

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.orbit.earth import Site, Spot
from ntnsim.units import EARTH_RADIUS_SPHERE_M


def slant_range_m(
    altitude_m: Any, elevation_deg: Any, *, earth_radius_m: float = EARTH_RADIUS_SPHERE_M
) -> Any:
    """Return the distance from a ground terminal to a satellite (3GPP TR 38.811, eq. 6.6-3); spherical Earth.

    altitude_m: satellite height above the sphere, > 0.
    elevation_deg: angle above the horizon, in [0, 90]; scalar or array.
    """
    if not np.all(np.asarray(altitude_m) > 0):
        raise ValueError(f"altitude_m must be > 0, got {altitude_m!r}")
    elevation = np.asarray(elevation_deg, dtype=float)
    if not np.all((elevation >= 0) & (elevation <= 90)):
        raise ValueError(f"elevation_deg must be in [0, 90], got {elevation_deg!r}")
    # Law of cosines at the terminal; the other root lies behind it.
    up_m = earth_radius_m * np.sin(np.radians(elevation))
    distance_m = np.sqrt(up_m**2 + altitude_m**2 + 2 * altitude_m * earth_radius_m) - up_m
    return float(distance_m) if distance_m.ndim == 0 else distance_m


def look(site: Site | Spot, positions_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return sin(elevation) [...] and range in metres [...] of Earth-fixed *positions_m* [..., 3] from *site*.

    Of a site that moves, give its spots at the times of the positions.
    """
    x_m = positions_m[..., 0] - site.position_m[..., 0]
    y_m = positions_m[..., 1] - site.position_m[..., 1]
    z_m = positions_m[..., 2] - site.position_m[..., 2]
    range_m = np.sqrt(x_m * x_m + y_m * y_m + z_m * z_m)
    up = site.up
    return (up[..., 0] * x_m + up[..., 1] * y_m + up[..., 2] * z_m) / range_m, range_m


def azimuth_deg(site: Site | Spot, positions_m: FloatArray) -> FloatArray:
    """Return the direction [...] in which *site* sees Earth-fixed *positions_m* [..., 3]: 0 north, 90 east, < 360."""
    up = site.up
    level = np.maximum(np.hypot(up[..., 0], up[..., 1]), 1e-300)  # at a pole, every direction is east
    east = np.stack([-up[..., 1] / level, up[..., 0] / level, np.zeros(np.shape(level))], axis=-1)
    north = np.cross(up, east)
    from_site_m = positions_m - site.position_m
    eastward, northward = np.sum(from_site_m * east, axis=-1), np.sum(from_site_m * north, axis=-1)
    angle_deg: FloatArray = np.degrees(np.arctan2(eastward, northward)) % 360.0
    return angle_deg


def lengths(vectors: FloatArray) -> FloatArray:
    """Return the lengths [n] of *vectors* [n, 3]; less than half the time of NumPy's norm."""
    squares: FloatArray = np.einsum("nx,nx->n", vectors, vectors)
    return np.sqrt(squares)


def satellite_view_uv(site: Site | Spot, positions_m: FloatArray) -> FloatArray:
    """Return the direction of *site* in a satellite's UV plane [n, 2] along its Earth-fixed positions [n, 3].

    The plane is normal to nadir; u points along the motion over the ground, v to its right. (u, v) = sin(nadir
    angle) times the unit vector towards the site in that plane.
    """
    down = -positions_m / lengths(positions_m)[:, np.newaxis]
    motion = np.gradient(positions_m, axis=0)
    motion -= np.einsum("nx,nx->n", motion, down)[:, np.newaxis] * down
    forward = motion / lengths(motion)[:, np.newaxis]
    to_site = site.position_m - positions_m
    to_site /= lengths(to_site)[:, np.newaxis]
    right = np.cross(down, forward)
    return np.stack([np.einsum("nx,nx->n", to_site, forward), np.einsum("nx,nx->n", to_site, right)], axis=1)

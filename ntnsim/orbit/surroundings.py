"""Directions above its lowest elevation that a site cannot use: below the skyline, or near the GSO arc."""

import numpy as np

from ntnsim.arrays import BoolArray, FloatArray
from ntnsim.orbit.earth import Site, Surroundings
from ntnsim.orbit.geometry import azimuth_deg

GSO_RADIUS_M = 42_164.2e3  # one turn in a sidereal day
ARC_STEP_DEG = 0.5  # of longitude between points of the arc: the nearest one is at most 0.3 degrees aside
ARC_REACH_DEG = 81.5  # further along the equator, geostationary satellites are below everybody's horizon
LOT = 20_000  # directions compared with the arc at a time


def skyline_deg(surroundings: Surroundings, azimuths_deg: FloatArray) -> FloatArray:
    """Return the elevation of the skyline [...] at *azimuths_deg* [...]."""
    azimuth, elevation = np.array(surroundings.horizon_deg).T
    return np.interp(azimuths_deg, azimuth, elevation, period=360.0)


def gso_arc(site: Site) -> FloatArray:
    """Return unit vectors [m, 3], Earth-fixed, from *site* to geostationary places above its horizon."""
    reach = np.arange(-ARC_REACH_DEG, ARC_REACH_DEG + ARC_STEP_DEG / 2, ARC_STEP_DEG)
    longitude = np.radians(site.longitude_deg + reach)
    places_m = GSO_RADIUS_M * np.stack(
        [np.cos(longitude), np.sin(longitude), np.zeros(len(longitude))], axis=1
    )
    away = places_m - site.position_m
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    arc: FloatArray = away[away @ site.up > 0]
    return arc


def from_gso_arc_deg(site: Site, positions_m: FloatArray) -> FloatArray:
    """Return the least angle [n] at *site* between Earth-fixed *positions_m* [n, 3] and the arc; inf if it is down."""
    arc = gso_arc(site)
    angle_deg = np.full(len(positions_m), np.inf)
    if not len(arc):
        return angle_deg
    for first in range(0, len(positions_m), LOT):
        away = positions_m[first : first + LOT] - site.position_m
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        nearest = (away @ arc.T).max(axis=1)
        angle_deg[first : first + LOT] = np.degrees(np.arccos(np.clip(nearest, -1.0, 1.0)))
    return angle_deg


def clear(site: Site, positions_m: FloatArray, sine: FloatArray) -> BoolArray:
    """Return whether *site* may use satellites at *positions_m* [..., 3], whose elevations have the *sine* [...]."""
    usable = np.ones(sine.shape, dtype=np.bool_)
    surroundings = site.surroundings
    if surroundings.horizon_deg:
        skyline = skyline_deg(surroundings, azimuth_deg(site, positions_m))
        usable &= sine >= np.sin(np.radians(skyline))
    if surroundings.gso_exclusion_deg > 0:
        angle_deg = from_gso_arc_deg(site, positions_m.reshape(-1, 3)).reshape(sine.shape)
        usable &= angle_deg >= surroundings.gso_exclusion_deg
    return usable

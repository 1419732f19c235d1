"""The Earth: its shape, its rotation, and a site on it.

The Earth-fixed frame turns with Greenwich mean sidereal time (IAU 1982) about the pole of the orbit frame. Polar
motion and UT1 − UTC (< 0.9 s) are left out: they move a site by less than 0.45 km as seen from the orbit. A rise moves
by 0.1 s in LEO, and by up to 2 s where a satellite near the synchronous orbit crosses the mask slowly.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from math import cos, radians, sin
from typing import Any

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.units import EARTH_RADIUS_SPHERE_M

EARTH_MU_M3_S2 = 3.986004418e14  # WGS84
EARTH_J2 = 1.08262668e-3  # EGM96
J2_REFERENCE_RADIUS_M = 6_378_137.0  # radius that J2 refers to, whatever shape the scenario gives the ground
EARTH_ROTATION_RAD_S = 7.292115855306589e-5  # rate of GMST 1982: one turn in 86,164.0905 s
J2000_JD = 2_451_545.0


@dataclass(frozen=True, slots=True)
class EarthModel:
    """Shape of the ground: a sphere, or an ellipsoid of revolution."""

    name: str
    equatorial_radius_m: float
    flattening: float = 0.0


EARTH_MODELS = {
    model.name: model
    for model in (
        EarthModel("wgs84", 6_378_137.0, 1 / 298.257223563),
        EarthModel("sphere_6371", EARTH_RADIUS_SPHERE_M),  # reproduces the ranges of TR 38.821, Table 4.2-2
        EarthModel("sphere_6378", 6_378_000.0),  # reproduces the delays of TR 38.811, Table 5.3.4.1-1
    )
}


def earth_model(name: str) -> EarthModel:
    """Return the Earth model called *name*."""
    if name not in EARTH_MODELS:
        raise ValueError(f"earth must be one of {sorted(EARTH_MODELS)}, got {name!r}")
    return EARTH_MODELS[name]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What keeps a site from satellites above its lowest elevation; see surroundings.py.

    horizon_deg: (azimuth, elevation) of the skyline, in order; empty for none.
    gso_exclusion_deg: least angle from the arc of geostationary satellites; 0 for none.
    """

    horizon_deg: tuple[tuple[float, float], ...] = ()
    gso_exclusion_deg: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.horizon_deg) or self.gso_exclusion_deg > 0


@dataclass(frozen=True)
class Site:
    """A place on the ground and the lowest elevation at which it can use a satellite.

    Latitude is geodetic; on a sphere that is the geocentric one.
    """

    name: str
    latitude_deg: float
    longitude_deg: float
    altitude_m: float = 0.0
    min_elevation_deg: float = 10.0
    earth: EarthModel = EARTH_MODELS["wgs84"]
    surroundings: Surroundings = Surroundings()

    @cached_property
    def up(self) -> FloatArray:
        """Unit vector [3] along the local vertical, Earth-fixed."""
        latitude, longitude = radians(self.latitude_deg), radians(self.longitude_deg)
        return np.array([cos(latitude) * cos(longitude), cos(latitude) * sin(longitude), sin(latitude)])

    @cached_property
    def position_m(self) -> FloatArray:
        """Earth-fixed position [3]."""
        return spot_at(self.up, np.array(self.altitude_m), self.earth).position_m

    @property
    def moves(self) -> bool:
        """Whether the site is elsewhere at other times."""
        return False

    def at(self, times_s: FloatArray) -> "Spot":
        """Return position and vertical at *times_s* [...]: [3], the same at all times."""
        return Spot(self.position_m, self.up)


@dataclass(frozen=True, slots=True)
class Spot:
    """Earth-fixed position [..., 3] and vertical [..., 3] of a site at some times."""

    position_m: FloatArray
    up: FloatArray


def spot_at(up: FloatArray, altitude_m: FloatArray, earth: EarthModel) -> Spot:
    """Return the places [..., 3] whose verticals are *up* [..., 3], at altitudes [...]."""
    eccentricity_squared = earth.flattening * (2 - earth.flattening)
    # Radius of curvature in the prime vertical; up's last part is the sine of the latitude.
    normal_m = earth.equatorial_radius_m / np.sqrt(1 - eccentricity_squared * up[..., 2] ** 2)
    scale_m = np.stack([normal_m, normal_m, normal_m * (1 - eccentricity_squared)], axis=-1)
    return Spot(up * (scale_m + np.asarray(altitude_m)[..., np.newaxis]), up)


def julian_date(moment: datetime) -> tuple[float, float]:
    """Return the Julian date of *moment* (UTC if it carries no zone) as whole day and fraction."""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    # proleptic ordinal 1 is 0001-01-01, whose midnight is JD 1721425.5
    return midnight.toordinal() + 1_721_424.5, (moment - midnight).total_seconds() / 86_400.0


def greenwich_sidereal_angle_rad(julian_day: Any, fraction: Any) -> Any:
    """Return Greenwich mean sidereal time, IAU 1982, in [0, 2π); UT1 is taken as UTC.

    julian_day, fraction: the date in two parts (scalars or arrays), so that no digits are lost.
    """
    days = (julian_day - J2000_JD) + fraction
    centuries = days / 36_525.0
    seconds = 67_310.54841 + centuries * (8_640_184.812866 + centuries * (0.093104 - 6.2e-6 * centuries))
    # The 876,600 h per century are whole turns per day: take them from the day's fraction alone.
    turns = (seconds / 86_400.0 + (days % 1.0)) % 1.0
    return 2 * np.pi * turns

"""The way of a gateway that moves: waypoints written down, or a CSV file of them."""

from collections.abc import Sequence
from itertools import pairwise
from math import asin, cos, pi, radians, sin, sqrt
from typing import Self

from pydantic import Field, model_validator

from ntnsim.csv_rows import read_rows
from ntnsim.errors import ScenarioError
from ntnsim.scenario.entity import Entity
from ntnsim.scenario.path import ScenarioPath
from ntnsim.units import EARTH_RADIUS_SPHERE_M

COLUMNS = ("time_s", "latitude_deg", "longitude_deg", "altitude_m")
FASTEST_M_S = 1000.0  # as `terminal_speed_m_s`: faster than any aircraft
ANTIPODES_RAD = 1e-4  # 600 m


class WaypointSpec(Entity):
    """Where the gateway is at one time."""

    time_s: float
    """Seconds from the start of the run."""
    latitude_deg: float = Field(ge=-90, le=90)
    """North positive."""
    longitude_deg: float = Field(ge=-180, le=180)
    """East positive."""
    altitude_m: float = Field(default=0.0, ge=-500, le=20_000)
    """Height above the ellipsoid."""


class TrackSpec(Entity):
    """A ship's or an aircraft's way: two waypoints or more, or a CSV file with one per line.

    Between two points the gateway follows the great circle at constant speed, 1,000 m/s at most; before the first and
    after the last one it stays where it is. What the place decides once (gas, rain, scintillation) is that of the first
    point.
    """

    waypoints: tuple[WaypointSpec, ...] = ()
    """The points, in order of time."""
    path: ScenarioPath | None = None
    """CSV with a header line: time_s, latitude_deg, longitude_deg and, if wanted, altitude_m."""

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if (self.path is None) == (not self.waypoints):
            raise ValueError("track: give either waypoints or path")
        if self.waypoints:
            check_track(self.waypoints, "track.waypoints")
        return self

    def points(self) -> tuple[WaypointSpec, ...]:
        """Return the waypoints, read from the file where they are in one."""
        if self.path is None:
            return self.waypoints
        location = self.path.location
        columns, rows = read_rows(location, COLUMNS[:3])
        unknown = [name for name in columns if name not in COLUMNS]
        if unknown:
            raise ScenarioError(f"{location}: unknown column {unknown[0]!r}; known are {', '.join(COLUMNS)}")
        points = []
        for row in rows:
            try:
                points.append(WaypointSpec(**{name: row.number(name) for name in columns}))
            except ValueError as error:
                raise row.error(_problem(error)) from None
        try:
            check_track(points, str(location))
        except ValueError as error:
            raise ScenarioError(str(error)) from None
        return tuple(points)


def check_track(points: Sequence[WaypointSpec], where: str) -> None:
    """Refuse fewer than two points, times that do not increase, and ways that nothing on Earth flies or knows."""
    if len(points) < 2:
        raise ValueError(f"{where}: needs two points or more, got {len(points)}")
    for before, after in pairwise(points):
        if not after.time_s > before.time_s:
            raise ValueError(f"{where}: time_s must increase, got {after.time_s:g} after {before.time_s:g}")
        turn_rad = _turn_rad(before, after)
        if pi - turn_rad < ANTIPODES_RAD:
            raise ValueError(
                f"{where}: the points at {before.time_s:g} and {after.time_s:g} s lie on opposite sides of the Earth, "
                "where every direction is a great circle; put one between them"
            )
        speed_m_s = turn_rad * EARTH_RADIUS_SPHERE_M / (after.time_s - before.time_s)
        if speed_m_s > FASTEST_M_S:
            raise ValueError(
                f"{where}: from {before.time_s:g} to {after.time_s:g} s the gateway moves at {speed_m_s:,.0f} m/s; "
                f"allowed are {FASTEST_M_S:,.0f} m/s (are the times in seconds?)"
            )


def _turn_rad(before: WaypointSpec, after: WaypointSpec) -> float:
    """Return the angle between two places at the Earth's centre (haversine)."""
    first_rad, last_rad = radians(before.latitude_deg), radians(after.latitude_deg)
    longitude_rad = radians(after.longitude_deg - before.longitude_deg)
    haversine = (
        sin((last_rad - first_rad) / 2) ** 2 + cos(first_rad) * cos(last_rad) * sin(longitude_rad / 2) ** 2
    )
    return 2 * asin(min(sqrt(haversine), 1.0))


def _problem(error: ValueError) -> str:
    details = error.errors()[0] if hasattr(error, "errors") else {"loc": (), "msg": str(error), "input": ""}
    return f"{'.'.join(map(str, details['loc']))}: {details['msg']}, got {details['input']!r}"

"""The way of a gateway that moves: waypoints written down, or a CSV file of them."""

from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from ntnsim.csv_rows import read_rows
from ntnsim.errors import ScenarioError
from ntnsim.scenario.entity import Entity
from ntnsim.scenario.path import ScenarioPath

COLUMNS = ("time_s", "latitude_deg", "longitude_deg", "altitude_m")


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

    Between two points the gateway follows the great circle at constant speed; before the first and after the last one
    it stays where it is. What the place decides once (gas, rain, scintillation) is that of the first point.
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


def check_track(points: "tuple[WaypointSpec, ...] | list[WaypointSpec]", where: str) -> None:
    """Refuse fewer than two points, and times that do not increase."""
    if len(points) < 2:
        raise ValueError(f"{where}: needs two points or more, got {len(points)}")
    for before, after in pairwise(points):
        if not after.time_s > before.time_s:
            raise ValueError(f"{where}: time_s must increase, got {after.time_s:g} after {before.time_s:g}")


def _problem(error: ValueError) -> str:
    details = error.errors()[0] if hasattr(error, "errors") else {"loc": (), "msg": str(error), "input": ""}
    return f"{'.'.join(map(str, details['loc']))}: {details['msg']}, got {details['input']!r}"

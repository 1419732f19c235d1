"""What a satellite does with traffic, and what it passes it on with: payload, feeder link, links between satellites."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from ntnsim.scenario.entity import Entity

SideLinks = Literal["nearest", "level"]


class FeederLinkSpec(Entity):
    """Radio between satellite and ground station.

    The TRs leave it open. The satellite's figures are those of the LEO-600 Ka service link, set 1 (TR 38.821, Table
    6.1.1.1-1); the station's are estimates for a 3.5 m dish and give about 20 dB at 10 degrees.
    """

    satellite_eirp_density_dbw_per_mhz: float = 4.0
    """Power per MHz that the satellite radiates to the station."""
    satellite_g_over_t_db_k: float = 13.0
    """Figure of merit of its receiver."""
    band: Literal["ka", "qv"] = "ka"
    """Default carriers: ka, 20 GHz down and 30 GHz up; qv, 40 GHz down (Q) and 50 GHz up (V), where rain takes more and
    there is more bandwidth."""
    down_carrier_hz: float | None = Field(default=None, ge=1e9, le=52e9)
    """Carrier to the station. Default: the band's."""
    up_carrier_hz: float | None = Field(default=None, ge=1e9, le=52e9)
    """Carrier from the station. Default: the band's."""
    station_aperture_m: float = Field(default=3.5, gt=0)
    """Diameter of the station's dish."""
    station_aperture_efficiency: float = Field(default=0.65, gt=0, le=1)
    """Share of the dish that counts."""
    station_antenna_temperature_k: float = Field(default=150.0, gt=0)  # VSAT of TR 38.821, Table 6.1.1.1-3
    """Noise that the dish picks up."""
    station_noise_figure_db: float = Field(default=1.2, ge=0)  # VSAT of TR 38.821, Table 6.1.1.1-3
    """Noise that the receiver adds."""
    station_power_density_dbw_per_mhz: float = -15.0
    """Transmitted power per MHz, before the dish's gain."""

    @property
    def carriers_hz(self) -> tuple[float, float]:
        """Carriers in force, down and up."""
        down_hz, up_hz = {"ka": (20e9, 30e9), "qv": (40e9, 50e9)}[self.band]
        return self.down_carrier_hz or down_hz, self.up_carrier_hz or up_hz

    channels: PositiveFloat | None = None
    """Service channels that one satellite's feeder carries at once; more terminals that send share them, and less than
    1 slows even one. Unlimited if not given."""


class TransparentPayloadSpec(Entity):
    """A bent pipe: service and feeder link share one budget, their noise adds."""

    kind: Literal["transparent"]
    feeder: FeederLinkSpec = FeederLinkSpec()
    """The link between satellite and ground station."""
    service_beams: int | None = Field(default=None, ge=1)
    """As in the regenerative payload."""


class RegenerativePayloadSpec(Entity):
    """The satellite decodes: the service link sets the terminals' rate. The feeder link is dimensioned not to limit it,
    unless *feeder_rate_bps* says otherwise; an image then waits on board until the feeder is free."""

    kind: Literal["regenerative"] = "regenerative"
    processing_s: float = Field(default=0.0, ge=0)
    """On-board time from the last received to the first forwarded bit."""
    service_beams: int | None = Field(default=None, ge=1)
    """Beams that one satellite has at once: as many terminals as that send at their full rate, more of them share the
    beams' time, whatever their gateways. Not given, each gateway has a beam of its own (see `beam`)."""
    feeder_rate_bps: PositiveFloat | None = None
    """What one satellite's feeder link carries to the ground, for all its terminals together, one image after the
    other. Unlimited if not given."""
    store_and_forward: bool = False
    """Serve terminals without a ground station in reach: the satellite keeps the images and delivers them when it (or
    one that it is linked to) sees a station. Rel-19's store and forward operation (TR 22.865)."""
    buffer_bits: PositiveFloat | None = None
    """What one satellite can keep; an image that does not fit when it arrives is dropped. Unlimited if not given."""


PayloadSpec = Annotated[TransparentPayloadSpec | RegenerativePayloadSpec, Field(discriminator="kind")]


class NoInterSatelliteLinksSpec(Entity):
    """Each satellite reaches the ground only through stations that it sees itself."""

    kind: Literal["none"] = "none"


class PlusGridLinksSpec(Entity):
    """Links to both neighbours in the plane and to one in each neighbouring plane of the same shell (+grid).

    The planes of element sets are found from where the satellites are at the scenario's start.
    """

    kind: Literal["plus_grid"]
    max_range_m: float = Field(default=5_016e3, gt=0)
    """Longest link. 5,016 km: two satellites at 550 km whose line of sight clears 80 km of atmosphere."""
    clearance_m: float = Field(default=80e3, ge=0)
    """The line of sight stays this high above the Earth."""
    hop_processing_s: float = Field(default=0.0, ge=0)
    """Time on board at each hop."""
    rate_bps: PositiveFloat | None = None
    """What each link carries in each direction, one image after the other; every hop receives an image whole before it
    sends it on. Unlimited if not given."""
    route_sees: Literal["propagation", "backlog"] = "propagation"
    """What the shortest route counts: propagation and processing alone, or also what waits at each link and the
    image's own time on it. Matters where a rate on the way is given."""
    side_links: SideLinks | None = None
    """To which satellite of the next plane: nearest in space, or level, nearest in argument of latitude (in turn the
    one ahead and the one behind where planes are staggered). Default: level for the presets kuiper-630 and
    telesat-1015, as their published delays were computed; else nearest."""
    seam: bool = False
    """Whether the first and last plane of a star, which fly in opposite directions, are linked; who is linked with whom
    changes as they pass each other."""
    update_interval_s: float = Field(default=10.0, gt=0)
    """How often routes are found anew."""


InterSatelliteLinksSpec = Annotated[
    NoInterSatelliteLinksSpec | PlusGridLinksSpec, Field(discriminator="kind")
]

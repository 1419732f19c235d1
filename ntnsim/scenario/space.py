"""The space segment as the user wrote it: constellation, ground stations, handover.

Payload, feeder and inter-satellite links are in payload.py.
"""

from collections.abc import Sequence
from statistics import median_low
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ntnsim.scenario.entity import Entity, Name
from ntnsim.scenario.path import ScenarioPath
from ntnsim.scenario.payload import (
    InterSatelliteLinksSpec,
    NoInterSatelliteLinksSpec,
    PayloadSpec,
    RegenerativePayloadSpec,
    SideLinks,
)
from ntnsim.scenario.surroundings import SurroundingsSpec

EarthName = Literal["wgs84", "sphere_6371", "sphere_6378"]
PresetName = Literal[
    "iridium-66", "oneweb-648", "starlink-shell1-1584", "kuiper-630", "telesat-1015", "leo-600", "leo-1200"
]
HandoverPolicy = Literal["max_elevation", "longest_remaining", "best_sinr", "shortest_delay"]


class WalkerShellSpec(Entity):
    """One Walker shell i:T/P/F of circular orbits."""

    name: Name = "shell"
    """Satellites are called name-plane-place."""
    pattern: Literal["delta", "star"] = "delta"
    """delta spreads the planes over 360 degrees of node, star over 180."""
    altitude_m: float = Field(gt=100e3, le=50_000e3)
    """Height above the Earth model's equatorial radius."""
    inclination_deg: float = Field(ge=0, le=180)
    """Inclination of the orbits; over 90 they are retrograde."""
    satellites: int = Field(ge=1, le=100_000)
    """T, all planes together."""
    planes: int = Field(ge=1)
    """P; must divide T."""
    phasing: int = Field(default=0, ge=0)
    """F: neighbouring planes are shifted by F·360/T degrees along the orbit."""
    first_node_deg: float = Field(default=0.0, ge=-360, le=360)
    """Right ascension of the first plane's ascending node at the scenario's start."""

    @model_validator(mode="after")
    def _planes_divide_satellites(self) -> Self:
        if self.satellites % self.planes:
            raise ValueError(f"planes: {self.planes} does not divide satellites: {self.satellites}")
        if self.phasing >= self.planes:
            raise ValueError(f"phasing: {self.phasing} is not < planes: {self.planes}")
        return self


def shells_altitude_m(shells: Sequence[WalkerShellSpec]) -> float:
    """Return the altitude that most satellites of *shells* have in common: their median."""
    return median_low(shell.altitude_m for shell in shells for _ in range(shell.satellites))


PRESET_SHELLS: dict[PresetName, tuple[WalkerShellSpec, ...]] = {
    # Maine et al., "Overview of the IRIDIUM satellite network", WESCON 1995: 11 satellites in each of 6 near-polar
    # planes at 780 km and 86.4 degrees, neighbouring planes staggered by half a slot (F = 3). The real planes are
    # 31.6 degrees apart and meet at a 22 degree seam; a Walker star has 30 everywhere.
    "iridium-66": (
        WalkerShellSpec(
            name="iridium",
            pattern="star",
            altitude_m=780e3,
            inclination_deg=86.4,
            satellites=66,
            planes=6,
            phasing=3,
        ),
    ),
    # OneWeb, FCC SAT-LOI-20160428-00041 as launched: 18 planes at 1,200 km and 87.9 degrees, 36 satellites each,
    # staggered by half a slot (F = 9).
    "oneweb-648": (
        WalkerShellSpec(
            name="oneweb",
            pattern="star",
            altitude_m=1_200e3,
            inclination_deg=87.9,
            satellites=648,
            planes=18,
            phasing=9,
        ),
    ),
    # SpaceX, FCC SAT-MOD-20190830-00087: 72 planes of 22 at 550 km and 53 degrees. The filing gives no phasing; 39
    # keeps satellites of crossing planes 55 km apart (a test recomputes it); 0 would make them meet.
    "starlink-shell1-1584": (
        WalkerShellSpec(
            name="starlink",
            pattern="delta",
            altitude_m=550e3,
            inclination_deg=53.0,
            satellites=1584,
            planes=72,
            phasing=39,
        ),
    ),
    # Kuiper's first shell, FCC SAT-LOA-20190704-00057: 34 planes of 34 at 630 km and 51.9 degrees. Phasing of half a
    # slot, and links between satellites of one slot number, as in Hypatia (Kassing et al., IMC 2020), whose published
    # delays a test recomputes.
    "kuiper-630": (
        WalkerShellSpec(
            name="kuiper",
            pattern="delta",
            altitude_m=630e3,
            inclination_deg=51.9,
            satellites=1156,
            planes=34,
            phasing=17,
        ),
    ),
    # Telesat's polar shell, FCC SAT-MPL-20200526-00053: 27 planes of 13 at 1,015 km and 98.98 degrees, nodes all
    # around as in Hypatia. Half a slot of phasing does not close over an odd number of planes; F = 13 comes nearest.
    "telesat-1015": (
        WalkerShellSpec(
            name="telesat",
            pattern="delta",
            altitude_m=1_015e3,
            inclination_deg=98.98,
            satellites=351,
            planes=27,
            phasing=13,
        ),
    ),
    # Altitudes of 3GPP TR 38.821, Table 4.2-2. The TR fixes no constellation: these polar stars are sized by streets
    # of coverage so that every place sees a satellite above 10 degrees.
    "leo-600": (
        WalkerShellSpec(
            name="leo600",
            pattern="star",
            altitude_m=600e3,
            inclination_deg=87.0,
            satellites=160,
            planes=8,
            phasing=4,
        ),
    ),
    "leo-1200": (
        WalkerShellSpec(
            name="leo1200",
            pattern="star",
            altitude_m=1_200e3,
            inclination_deg=87.0,
            satellites=78,
            planes=6,
            phasing=3,
        ),
    ),
}


PUBLISHED_LEVEL: tuple[PresetName, ...] = ("kuiper-630", "telesat-1015")  # published with level side links


class PresetConstellationSpec(Entity):
    """A constellation known by name."""

    kind: Literal["preset"] = "preset"
    name: PresetName = "leo-600"
    """Which one; its source is in `ntnsim/scenario/space.py`."""

    @property
    def shells(self) -> tuple[WalkerShellSpec, ...]:
        """The Walker shells that the name stands for."""
        return PRESET_SHELLS[self.name]


class WalkerConstellationSpec(Entity):
    """One or several Walker shells, propagated with J2's secular terms."""

    kind: Literal["walker"]
    shells: tuple[WalkerShellSpec, ...] = Field(min_length=1)
    """The shells; all are served from."""

    @model_validator(mode="after")
    def _shell_names_differ(self) -> Self:
        names = [shell.name for shell in self.shells]
        if len(set(names)) != len(names):
            raise ValueError(f"shells: names must differ, got {names}")
        return self


class ElementSetConstellationSpec(Entity):
    """Published element sets, propagated with SGP4."""

    kind: Literal["element_sets"]
    path: ScenarioPath
    """TLE file (two or three lines per satellite) or CCSDS OMM (XML, JSON, CSV, KVN), relative to the scenario file."""
    format: Literal["auto", "tle", "omm-xml", "omm-json", "omm-csv", "omm-kvn"] = "auto"
    """auto goes by the file's suffix: .xml, .json, .csv, .kvn, anything else is TLE."""
    expected_satellites: int | None = Field(default=None, ge=1)
    """If given, another count in the file is an error."""
    skip_bad: bool = False
    """Leave out element sets that are not sound, with a warning that counts them; otherwise one refuses the file."""


ConstellationSpec = Annotated[
    PresetConstellationSpec | WalkerConstellationSpec | ElementSetConstellationSpec,
    Field(discriminator="kind"),
]


class GroundStationSpec(Entity):
    """A place where the satellite's traffic comes down to the data network."""

    name: Name
    """What records and faults call it."""
    latitude_deg: float = Field(ge=-90, le=90)
    """North positive."""
    longitude_deg: float = Field(ge=-180, le=180)
    """East positive."""
    altitude_m: float = Field(default=0.0, ge=-500, le=9000)
    """Height above the ellipsoid."""
    min_elevation_deg: float = Field(default=5.0, ge=0, lt=90)  # gateway of TR 38.811, Table 5.3.4.1-1
    """Satellites below it are not received."""
    surroundings: SurroundingsSpec = SurroundingsSpec()
    """Skyline and protected directions, beyond *min_elevation_deg*."""


class HandoverSpec(Entity):
    """Which satellite serves, and what a change costs. Every 30 days of simulated time service is acquired anew, so
    that a time decades ahead is not worked out from the start."""

    policy: HandoverPolicy | None = None
    """shortest_delay: least delay from terminal to data network, the route between satellites included.
    longest_remaining looks an hour ahead, which LEO passes never last. Default: shortest_delay with inter-satellite
    links, else max_elevation."""
    hysteresis_deg: float = Field(default=5.0, ge=0)
    """max_elevation: another satellite must stand this much higher."""
    hysteresis_db: float = Field(default=2.0, ge=0)
    """best_sinr: another satellite must be this much better."""
    hysteresis_s: float = Field(default=0.2e-3, ge=0)
    """shortest_delay: the way over another satellite must be this much shorter. 0.2 ms: 60 km."""
    min_dwell_s: float = Field(default=15.0, ge=0)
    """No handover earlier, unless the serving satellite is lost."""
    decision_interval_s: float = Field(default=1.0, gt=0, le=60)
    """How often the serving satellite is thought over."""
    interruption_rtt: float | None = Field(default=None, ge=0)
    """Interruption in round trips. Default: 1.5 up, 2 down (TR 38.821, 7.3.2)."""
    access_rtt: float = Field(default=2.0, ge=0)
    """Round trips from the first sight of a satellite after a gap to the first bit (scheduling request, grant)."""
    interruption_s: float = Field(default=0.0, ge=0)
    """Added to the round trips: synchronisation, beam acquisition."""
    procedure: Literal["conditional", "commanded"] = "conditional"
    """conditional (TS 38.300, 9.2.3.4): the next satellite is prepared ahead, so that the terminal also changes when
    its own is lost before it sets. commanded: such a loss is a radio link failure."""
    failure_s: float = Field(default=1.0, ge=0, le=60)
    """commanded: from a radio link failure to the search of another cell (timer T310 of TS 38.331); then access_rtt."""


class SoftFeederSwitchSpec(Entity):
    """The satellite holds both feeder links while it changes stations: nothing is lost."""

    kind: Literal["soft"] = "soft"


class HardFeederSwitchSpec(Entity):
    """The satellite lets go of one station before it finds the next."""

    kind: Literal["hard"]
    interruption_s: float = Field(ge=0, le=600)
    """Without feeder link. Terminals of a transparent payload then change cells, which takes a handover's round trips
    more."""


FeederSwitchSpec = Annotated[SoftFeederSwitchSpec | HardFeederSwitchSpec, Field(discriminator="kind")]


class SpaceSegmentSpec(Entity):
    """Everything above the horizon, and where it comes down."""

    earth: EarthName = "wgs84"
    """wgs84: ellipsoid; sphere_6371 reproduces TR 38.821's ranges, sphere_6378 (6,378 km) the delays of TR 38.811."""
    constellation: ConstellationSpec = PresetConstellationSpec()
    """Where satellites are."""
    payload: PayloadSpec = RegenerativePayloadSpec()
    """What a satellite does with what it receives."""
    ground_stations: tuple[GroundStationSpec, ...] = ()
    """None: every satellite is taken to reach the ground at once, at *feeder_elevation_deg*."""
    feeder_elevation_deg: float = Field(default=10.0, gt=0, le=90)
    """Elevation of the satellite at the assumed ground station (TR 38.821, Table 4.2-2); only without stations."""
    inter_satellite_links: InterSatelliteLinksSpec = NoInterSatelliteLinksSpec()
    """How satellites pass traffic on among themselves."""
    handover: HandoverSpec = HandoverSpec()
    """Which satellite serves a gateway."""
    feeder_switch: FeederSwitchSpec = SoftFeederSwitchSpec()
    """From one ground station to the next, without inter-satellite links."""
    search_step_s: float = Field(default=60.0, ge=1, le=300)
    """Step of the coarse pass search; edges are refined to a millisecond whatever it is."""

    @property
    def handover_policy(self) -> HandoverPolicy:
        """The policy in force."""
        if self.handover.policy is not None:
            return self.handover.policy
        return "max_elevation" if self.inter_satellite_links.kind == "none" else "shortest_delay"

    @property
    def carries(self) -> bool:
        """Whether images wait on board: a rate on the way down is given, or a satellite may keep them for a station."""
        if self.payload.kind == "transparent":
            return False
        limited = self.payload.feeder_rate_bps is not None or self.payload.store_and_forward
        links = self.inter_satellite_links
        return limited or (links.kind == "plus_grid" and links.rate_bps is not None)

    @property
    def shared_channels(self) -> float | None:
        """Terminals that one satellite serves at full rate at once; None if each gateway has a beam of its own."""
        payload = self.payload
        feeder = payload.feeder.channels if payload.kind == "transparent" else None
        limits = [float(limit) for limit in (payload.service_beams, feeder) if limit is not None]
        return min(limits) if limits else None

    @property
    def side_links(self) -> SideLinks:
        """How neighbouring planes are linked, where satellites are."""
        links, constellation = self.inter_satellite_links, self.constellation
        if links.kind == "plus_grid" and links.side_links is not None:
            return links.side_links
        published = constellation.kind == "preset" and constellation.name in PUBLISHED_LEVEL
        return "level" if published else "nearest"

    @model_validator(mode="after")
    def _feeder_has_stations(self) -> Self:
        if self.feeder_switch.kind == "hard" and len(self.ground_stations) < 2:
            raise ValueError(
                f"feeder_switch: hard needs two ground_stations to switch between, got {len(self.ground_stations)}"
            )
        if self.feeder_switch.kind == "hard" and self.inter_satellite_links.kind != "none":
            raise ValueError(
                "feeder_switch: hard needs inter_satellite_links: none, as routes change stations otherwise, "
                f"got {self.inter_satellite_links.kind}"
            )
        return self

    @model_validator(mode="after")
    def _links_fit(self) -> Self:
        if self.inter_satellite_links.kind == "plus_grid":
            if not self.ground_stations:
                raise ValueError(
                    "inter_satellite_links: plus_grid needs ground_stations to route to, got none"
                )
            if self.payload.kind == "transparent":
                raise ValueError(
                    "inter_satellite_links: plus_grid needs a regenerative payload, got transparent"
                )
        if self.payload.kind == "regenerative":
            if self.payload.store_and_forward and not self.ground_stations:
                raise ValueError(
                    "payload.store_and_forward: needs ground_stations to deliver to, got none: "
                    "without any, every satellite reaches the ground at all times"
                )
            if self.payload.buffer_bits is not None and not self.carries:
                raise ValueError(
                    "payload.buffer_bits: nothing waits on board without feeder_rate_bps, store_and_forward or "
                    "inter_satellite_links.rate_bps"
                )
        names = [station.name for station in self.ground_stations]
        if len(set(names)) != len(names):
            raise ValueError(f"ground_stations: names must differ, got {names}")
        return self

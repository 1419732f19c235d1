"""What stands on the ground (or, for the gateway, on the satellite): links, gateways, the data network."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, model_validator

from ntnsim.scenario.compute import DataNetworkStage, DeviceProfileSpec, GatewayStage
from ntnsim.scenario.distribution import DistributionSpec
from ntnsim.scenario.entity import Entity, Name
from ntnsim.scenario.path import ScenarioPath
from ntnsim.scenario.steps import RecordedRate
from ntnsim.scenario.surroundings import SurroundingsSpec
from ntnsim.scenario.track import TrackSpec

Discipline = Literal["fifo", "priority", "edf"]


class ConstantRateSpec(Entity):
    """A fixed rate."""

    kind: Literal["constant"] = "constant"
    bps: PositiveFloat
    """Rate in bits per second."""


class GaussMarkovRateSpec(Entity):
    """A rate that wanders: a first-order Gauss–Markov process held over steps, clipped from below at *floor_bps*."""

    kind: Literal["gauss_markov"]
    mean_bps: PositiveFloat
    """Mean, in bits per second."""
    std_bps: NonNegativeFloat
    """Standard deviation before the clipping."""
    correlation_time_s: PositiveFloat
    """After it the correlation has fallen to 1/e."""
    step_s: PositiveFloat = 1.0
    """How long each value is held."""
    floor_bps: PositiveFloat = 1e3
    """The rate never falls below it."""


class TraceRateSpec(RecordedRate):
    """A measured rate: *bps* holds from each of *times_s* on. Starts at 0 s; repeats every *period_s* if given."""

    kind: Literal["trace"]

    def check(self, times_s: tuple[float, ...], bps: tuple[float, ...]) -> None:
        """Raise ValueError where *bps* from *times_s* on is no rate for this link."""
        super().check(times_s, bps)
        if not max(bps) > 0 or (self.period_s is None and not bps[-1] > 0):
            raise ValueError("bps must not stay at 0 for ever: no transfer would end")


def _constant_from_number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"kind": "constant", "bps": value}
    return value


RateKind = Annotated[
    ConstantRateSpec | GaussMarkovRateSpec | TraceRateSpec,
    Field(discriminator="kind"),
]
RateSpec = Annotated[
    RateKind,
    BeforeValidator(_constant_from_number, json_schema_input_type=PositiveFloat | RateKind),
]
"""A link's rate in bits per second; a bare number is constant."""


class QueueSpec(Entity):
    """Where jobs wait for a server."""

    discipline: Discipline = "fifo"
    """fifo; priority (larger first, FIFO within, never preempting); edf (earliest deadline first)."""
    buffer: int | None = Field(default=None, ge=0)
    """Jobs that may wait, those in service not counted; unlimited if not given. On a link that all transfers share at
    once: transfers beside the first, so that the link holds as many images as one that serves them in turn."""
    when_full: Literal["drop_new", "drop_oldest", "drop_worst"] = "drop_new"
    """Who leaves when the buffer is full: the newcomer, who waited longest, or who would be served last."""
    patience_s: DistributionSpec | None = None
    """How long each image waits in this line at most: it is dropped if its turn has not come by then (reneging). Time
    in service does not count."""


class TerrestrialLinkSpec(Entity):
    """A link on the ground: source to gateway, or data network to user."""

    rate: RateSpec | None = None
    """Bits per second; without it a transfer takes no time."""
    sharing: Literal["fifo", "processor_sharing", "dedicated"] = "fifo"
    """One transfer after the other, all at once with equal shares, or each as if it were alone."""
    propagation_s: NonNegativeFloat = 0.0
    """Time from sent to received."""
    loss_probability: float = Field(default=0.0, ge=0, lt=1)
    """Chance that a transfer is lost as a whole and must be sent again."""
    max_attempts: int = Field(default=8, ge=1)
    """After so many losses the image is dropped."""
    after_loss: Literal["at_once", "end_of_line"] = "at_once"
    """at_once: a lost transfer holds the link until it is repeated. end_of_line: the sender learns of the loss two
    propagations later, and the image waits for its turn again behind all others (feedback); a drawn service_s is drawn
    anew."""
    service_s: DistributionSpec | None = None
    """Transfer times drawn from a distribution instead of size/rate (textbook queues)."""
    queue: QueueSpec = QueueSpec()
    """Who waits, and in which order."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.rate is not None and self.service_s is not None:
            raise ValueError("give either rate or service_s, not both")
        if self.sharing == "processor_sharing" and self.service_s is not None:
            raise ValueError("processor_sharing needs a rate: with service_s there is nothing to share")
        queue = self.queue
        if self.sharing != "fifo" and queue.patience_s is not None:
            raise ValueError(f"queue.patience_s: nobody waits for a turn under {self.sharing}")
        if self.sharing == "dedicated" and queue.buffer is not None:
            raise ValueError(f"queue.buffer: nobody waits on a dedicated link, got {queue.buffer}")
        if self.sharing != "fifo" and queue.discipline != "fifo":
            raise ValueError(
                f"queue.discipline: nobody waits for a turn under {self.sharing}, got {queue.discipline}"
            )
        if self.sharing != "fifo" and queue.when_full != "drop_new":
            raise ValueError(
                f"queue.when_full: under {self.sharing} only a newcomer can be turned away, got {queue.when_full}"
            )
        return self


class ObservationSpec(Entity):
    """How a gateway learns of the network beyond itself: Ω_t as observed.

    Without *report_period_s* it sees the true state at the moment of the decision. With it, the satellite link and
    the data network report every period, and a report is known *delay_s* after it was made.
    """

    report_period_s: PositiveFloat | None = None
    """Time between reports; null: the true state, at once."""
    delay_s: NonNegativeFloat = 0.0
    """Time until a report is known."""
    noise_cv: NonNegativeFloat = 0.0
    """Coefficient of variation of a log-normal factor on every rate, backlog and amount of work that is reported."""

    @model_validator(mode="after")
    def _reported(self) -> Self:
        if self.delay_s > 0 and self.report_period_s is None:
            raise ValueError("delay_s needs report_period_s: reports are what is delayed")
        return self


class GatewaySpec(Entity):
    """Where images are segmented, encoded and sent up: a ground station or, with ``on_satellite``, a satellite."""

    name: Name
    """What sources, faults and records call it."""
    count: int = Field(default=1, ge=1, le=10_000)
    """Copies of this gateway at one site, in one beam; they are called name-0, name-1 … when there are several."""
    latitude_deg: float = Field(default=0.0, ge=-90, le=90)
    """North positive."""
    longitude_deg: float = Field(default=0.0, ge=-180, le=180)
    """East positive."""
    altitude_m: float = Field(default=0.0, ge=-500, le=20_000)
    """Height above the ellipsoid."""
    min_elevation_deg: float = Field(default=10.0, ge=0, lt=90)  # TR 38.821, Table 4.2-2
    """Satellites below it are not used."""
    track: TrackSpec | None = None
    """The way of a gateway that moves, in place of latitude, longitude and altitude."""
    surroundings: SurroundingsSpec = SurroundingsSpec()
    """Skyline and protected directions, beyond *min_elevation_deg*; of a gateway that does not move."""
    on_satellite: bool = False
    """Topology `satellite_source`: images are born and encoded on board, the coordinates are those of the ground
    station that receives them, and the satellite link is the downlink of its passes."""
    beam: str | None = None
    """Gateways that name the same beam share its time resources, as if one satellite served them all; copies of a
    gateway do so anyway, and others have a beam of their own if none is named."""
    rate_factor: PositiveFloat = 1.0
    """Scales this gateway's satellite rate: terminals of one beam with better or worse antennas than the scenario's."""
    servers: int = Field(default=2, ge=1, le=100_000)  # the paper's gateway has 2 vCPU (Sec. VII)
    """Processors: images that are worked on at once."""
    device: ScenarioPath | DeviceProfileSpec = Field(default="xeon-2vcpu", validate_default=True)
    """Name of a device profile, or one written in place."""
    service_s: dict[GatewayStage, DistributionSpec] = Field(default_factory=dict)
    """Times per image that replace the device profile's, by stage."""
    queue: QueueSpec = QueueSpec()
    """Images that wait for a processor."""
    access: TerrestrialLinkSpec = TerrestrialLinkSpec()
    """The medium that this gateway's sources share, unless a source brings a link of its own."""
    observation: ObservationSpec = ObservationSpec()
    """What the policy knows of the network, and when."""
    of_sites: bool = False
    """Made by `sites`; not for writing."""

    @model_validator(mode="after")
    def _track_fits(self) -> Self:
        if self.track is not None and self.on_satellite:
            raise ValueError("track: the ground station of a gateway on a satellite does not move")
        if self.track is not None and self.surroundings != SurroundingsSpec():
            raise ValueError(
                "surroundings: a gateway with a track has no fixed skyline; leave one of them out"
            )
        if self.track is not None:
            for name in ("latitude_deg", "longitude_deg", "altitude_m"):
                if (value := getattr(self, name)) != 0:  # a resolved scenario writes the default
                    raise ValueError(
                        f"{name}: {value:g} beside a track, which has its own; leave one of them out"
                    )
        return self


class BatchingSpec(Entity):
    """How a GPU collects images: it starts when *min_size* wait, or when the first has waited *max_wait_s*, and takes
    up to *max_size* of those that wait."""

    max_size: int = Field(default=1, ge=1)
    """Images at once at most."""
    max_wait_s: NonNegativeFloat = 0.0
    """How long the first waits for company."""
    min_size: int | None = Field(default=None, ge=1)
    """Images that are enough to start; null waits for *max_size* of them. Needs a *max_wait_s*, or nothing waits."""

    @model_validator(mode="after")
    def _least_counts(self) -> Self:
        if self.min_size is None:
            return self
        if self.min_size > self.max_size:
            raise ValueError(f"min_size {self.min_size} is above max_size {self.max_size}")
        if self.min_size > 1 and self.max_wait_s == 0:
            raise ValueError(
                f"min_size {self.min_size} needs max_wait_s > 0: at 0 the first image starts at once"
            )
        return self


class DataNetworkSpec(Entity):
    """The servers that reconstruct images."""

    gpus: int = Field(default=1, ge=1, le=100_000)
    """GPUs: batches that are worked on at once."""
    device: ScenarioPath | DeviceProfileSpec = Field(default="tesla-t4", validate_default=True)
    """Name of a device profile, or one written in place."""
    service_s: dict[DataNetworkStage, DistributionSpec] = Field(default_factory=dict)
    """Times per batch of one that replace the device profile's, by stage."""
    batching: BatchingSpec = BatchingSpec()
    """How a GPU collects images."""
    queue: QueueSpec = QueueSpec()
    """Images that wait for a GPU."""

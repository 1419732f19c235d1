"""Faults: what breaks, when, and what becomes of the work in progress."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from ntnsim.scenario.distribution import DistributionSpec, check_not_always_zero
from ntnsim.scenario.entity import Entity, Name

WorkInProgress = Literal["resume", "restart", "drop"]


class OutageSpec(Entity):
    """One interval of failure."""

    start_s: NonNegativeFloat
    """Beginning, in seconds from the start of the run."""
    duration_s: PositiveFloat
    """Length."""


class _Fault(Entity):
    name: Name
    """Names its random stream and its rows in the timeline."""
    outages: tuple[OutageSpec, ...] = ()
    """Scheduled intervals."""
    time_to_failure_s: DistributionSpec | None = None
    """Random instead: time from a repair to the next failure (its mean is the MTBF) …"""
    time_to_repair_s: DistributionSpec | None = None
    """… and time that the repair takes (its mean is the MTTR)."""
    work_in_progress: WorkInProgress = "resume"
    """resume: what was done counts. restart: it begins again after the repair, whatever was done before. drop:
    the image is lost, with this fault as the reason."""

    @model_validator(mode="after")
    def _either(self) -> Self:
        random = (self.time_to_failure_s is not None, self.time_to_repair_s is not None)
        if random[0] != random[1]:
            raise ValueError("time_to_failure_s and time_to_repair_s belong together")
        if random[0] == bool(self.outages):
            raise ValueError("give either outages, or time_to_failure_s and time_to_repair_s")
        if self.time_to_failure_s is not None and self.time_to_repair_s is not None:
            check_not_always_zero(
                time_to_failure_s=self.time_to_failure_s, time_to_repair_s=self.time_to_repair_s
            )
        ends = sorted((o.start_s, o.start_s + o.duration_s) for o in self.outages)
        if any(later[0] < earlier[1] for earlier, later in pairwise(ends)):
            raise ValueError("outages must not overlap; write two faults instead")
        return self


class ServerFaultSpec(_Fault):
    """Processors of a gateway, or GPUs of the data network, stop."""

    kind: Literal["gateway", "gpu"]
    """gateway: processors of gateways. gpu: the data network's."""
    target: str = "*"
    """Gateways by name; * is all, and a replicated gateway's name is all its copies."""
    servers: int | None = Field(default=None, ge=1)
    """How many fail at once; all if not given. Each fault has servers of its own: those next after the ones of the
    faults written before it, from the first again when every server has a fault."""


class LinkFaultSpec(_Fault):
    """The satellite path is cut: the satellite itself, the ground station at its far end, or the feeder link."""

    kind: Literal["satellite", "ground_station", "feeder"]
    """Which part is cut."""
    target: str = "*"
    """For `satellite`: names of satellites, * is any (`sat-1-*`; * and ? are the only wildcards, brackets are a name's
    own). Else: gateways whose path is cut."""


class RelayFaultSpec(_Fault):
    """A part of the way down from satellites that queue on board is cut; routes go around it where they can."""

    kind: Literal["satellite_feeder", "inter_satellite_link", "receiving_station"]
    """Which part is cut."""
    target: str = "*"
    """Names; * and ? are wildcards. Of satellites whose feeder link is cut; of links as two satellites in either order,
    `sat-1-2--sat-1-3`, or as one whose links are all cut; of ground stations that receive nothing."""


class RainFadeSpec(_Fault):
    """Rain over gateways: the link loses signal, or keeps only a share of its rate."""

    kind: Literal["rain"]
    target: str = "*"
    """Gateways under the rain cell."""
    attenuation_db: PositiveFloat | None = None
    """Taken off the SINR, and through link adaptation off the rate (links of `kind: orbit`)."""
    rate_factor: float | None = Field(default=None, ge=0, lt=1)
    """Share of the rate that is left (any link)."""

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.attenuation_db is None) == (self.rate_factor is None):
            raise ValueError("give either attenuation_db or rate_factor")
        return self


class AccessFaultSpec(_Fault):
    """The access medium of a gateway, or the delivery link, is cut."""

    kind: Literal["access", "delivery"]
    """access: from sources to a gateway. delivery: from the data network to users."""
    target: str = "*"
    """Gateways whose medium is cut; * is all. The delivery link is one for all."""


FaultSpec = Annotated[
    ServerFaultSpec | LinkFaultSpec | RelayFaultSpec | RainFadeSpec | AccessFaultSpec,
    Field(discriminator="kind"),
]

"""How bits cross the satellite link: the channel's kind, and how those who share a beam take turns.

``kind: orbit`` takes rates from the scenario's ``space`` and ``radio`` sections. The other kinds replace them by rates
written down, for textbook models and for quick studies without orbits.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from ntnsim.scenario.entity import Entity
from ntnsim.scenario.own_part import OwnPartSpec
from ntnsim.scenario.steps import RecordedRate
from ntnsim.scenario.terrestrial import Discipline


class _Transport(Entity):
    sharing: Literal["equal", "strict_priority"] = "equal"
    """equal: all terminals of a beam that have something to send get the same share of its time. strict_priority:
    only those whose image has the highest priority do; the others' transfers pause and resume."""
    discipline: Discipline = "fifo"
    """Order of a terminal's own images; a transfer under way is not preempted by the terminal's next one."""
    per_image_flows: bool = False
    """Let a terminal send all its waiting images at once, each with a share of its own."""
    overhead_fraction: NonNegativeFloat = 0.0
    """Protocol headers, as a share of the coded bits, that the link carries besides them."""
    overhead_bits: NonNegativeFloat = 0.0
    """Protocol headers per image."""
    buffer_bits: PositiveFloat | None = None
    """What a terminal can store; an image that does not fit is dropped. Unlimited if not given."""
    in_order: bool = True
    """Deliver a terminal's images in the order sent, although a handover may shorten the path; up to the satellite
    where satellites queue on board, whose ways down may overtake each other."""
    return_delay_s: NonNegativeFloat = 0.0
    """Time from delivery until the gateway's policy learns of it."""

    @model_validator(mode="after")
    def _somebody_waits_for_a_turn(self) -> Self:
        if self.per_image_flows and self.discipline != "fifo":
            raise ValueError(
                f"discipline: nobody waits for a turn with per_image_flows, got {self.discipline}"
            )
        return self


class OrbitLinkSpec(_Transport):
    """Rates from the orbit and the radio of the scenario."""

    kind: Literal["orbit"] = "orbit"


class ConstantLinkSpec(_Transport):
    """Always in contact, always the same rate."""

    kind: Literal["constant"]
    rate_bps: PositiveFloat
    """Rate of the beam, in bits per second."""
    propagation_s: NonNegativeFloat = 0.0
    """Time from sent to received."""


class WindowsLinkSpec(_Transport):
    """Contact windows that repeat: *contact_s* long, one every *period_s*, the first from *offset_s* on."""

    kind: Literal["windows"]
    rate_bps: PositiveFloat
    """Rate of the beam in contact, in bits per second."""
    propagation_s: NonNegativeFloat = 0.0
    """Time from sent to received."""
    period_s: PositiveFloat
    """From the beginning of one window to that of the next."""
    contact_s: PositiveFloat
    """Length of a window."""
    offset_s: NonNegativeFloat = 0.0
    """When the first window begins."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.contact_s > self.period_s:
            raise ValueError(f"contact_s must be <= period_s = {self.period_s!r}, got {self.contact_s!r}")
        return self


class TraceLinkSpec(RecordedRate, _Transport):
    """A measured rate: *bps* holds from each of *times_s* on, from 0 s; repeats every *period_s* if given."""

    kind: Literal["trace"]
    propagation_s: NonNegativeFloat = 0.0
    """Time from sent to received."""


class CustomLinkSpec(OwnPartSpec, _Transport):
    """A channel of the user's own, by name or by class."""


SatelliteLinkSpec = Annotated[
    OrbitLinkSpec | ConstantLinkSpec | WindowsLinkSpec | TraceLinkSpec | CustomLinkSpec,
    Field(discriminator="kind"),
]

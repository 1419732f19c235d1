"""How fast and how deep the power fades around its local mean, as the user wrote it."""

from typing import Annotated, Literal

from pydantic import Field

from ntnsim.scenario.entity import Entity


class NoFadingSpec(Entity):
    """None: the local mean holds all the time, as behind a dish that sees no surroundings."""

    kind: Literal["none"] = "none"


class RicianFadingSpec(Entity):
    """Flat fading: scattered waves from all around, and in line of sight a direct path."""

    kind: Literal["rician"] = "rician"
    k_db: float | None = Field(default=None, ge=-10, le=40)
    """Direct over scattered power in line of sight. Default: drawn from TR 38.811, Tables 6.7.2-1a to -7b, by
    surroundings, band and elevation; it persists as line of sight does."""


class TappedDelayFadingSpec(Entity):
    """Frequency-selective fading: the tapped delay lines of TR 38.811, 6.9.2."""

    kind: Literal["ntn_tdl"]
    line_of_sight: Literal["C", "D"] = "C"
    line_of_sight_delay_spread_s: float = Field(default=5e-9, ge=0, le=1e-5)
    """Default: that of NTN-TDLC5 (TS 38.101-5)."""
    no_line_of_sight: Literal["A", "B"] = "A"
    no_line_of_sight_delay_spread_s: float = Field(default=100e-9, ge=0, le=1e-5)
    """Default: that of NTN-TDLA100 (TS 38.101-5)."""


FadingSpec = Annotated[
    NoFadingSpec | RicianFadingSpec | TappedDelayFadingSpec,
    Field(discriminator="kind"),
]

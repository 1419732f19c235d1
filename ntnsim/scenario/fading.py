"""How fast and how deep the power fades around its local mean, as the user wrote it."""

from math import exp
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

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
    """Profile in line of sight, NTN-TDL-C or -D."""
    line_of_sight_delay_spread_s: float = Field(default=5e-9, ge=0, le=1e-5)
    """Default: that of NTN-TDLC5 (TS 38.101-5)."""
    no_line_of_sight: Literal["A", "B"] = "A"
    """Profile without line of sight, NTN-TDL-A or -B."""
    no_line_of_sight_delay_spread_s: float = Field(default=100e-9, ge=0, le=1e-5)
    """Default: that of NTN-TDLA100 (TS 38.101-5)."""


class LooFadingSpec(Entity):
    """Loo's distribution: a log-normal direct path and scattered waves, in dB over the direct path in free space.

    Like two_state, it takes the place of the TR's line of sight, shadowing and clutter.
    """

    kind: Literal["loo"]
    direct_mean_db: float = Field(default=-1.8, ge=-60, le=20)
    """Mean of the direct path's power in dB."""
    direct_std_db: float = Field(default=1.2, ge=0, le=30)
    """Its standard deviation in dB."""
    scattered_db: float = Field(default=-14.7, ge=-80, le=20)
    """Defaults: the good state of two_state."""
    correlation_m: float = Field(default=1.791, gt=0, le=1e4)
    """Way after which the direct path's correlation has fallen to 1/e."""


class MobileStateSpec(Entity):
    """One state of ITU-R P.681's two; powers are in dB over the direct path in free space."""

    log_length_mean: float = Field(ge=-5, le=10)
    """Of the natural logarithm of a stretch's length in metres (dur, μ)."""
    log_length_std: float = Field(gt=0, le=5)
    """Standard deviation of that logarithm (dur, σ)."""
    shortest_m: float = Field(ge=0)
    """No stretch is shorter (dur_min)."""
    direct_mean_db: float = Field(ge=-60, le=20)
    """Normal law from which each stretch draws its mean M of the direct path (μ and σ of M_A)."""
    direct_std_db: float = Field(ge=0, le=30)
    """Standard deviation of that law."""
    tail: float = Field(ge=0, lt=0.5)
    """Share of that law which is cut off at either end (p_min)."""
    std_slope: float = Field(ge=-10, le=10)
    """Spread of the direct path within a stretch: slope · M + offset, at least 0 (g1, g2)."""
    std_offset_db: float = Field(ge=-60, le=60)
    """Offset of that line (g2)."""
    scattered_slope: float = Field(ge=-10, le=10)
    """Scattered power: slope · M + offset (h1, h2)."""
    scattered_offset_db: float = Field(ge=-80, le=60)
    """Offset of that line (h2)."""
    correlation_m: float = Field(gt=0, le=1e4)
    """Way after which the direct path's correlation has fallen to 1/e (L_corr)."""

    @model_validator(mode="after")
    def _stretches_are_long_enough(self) -> Self:
        longest_m = exp(self.log_length_mean + 4 * self.log_length_std)
        if self.shortest_m > longest_m:
            raise ValueError(
                f"shortest_m must be <= {longest_m:.3g}, which stretches of this law hardly ever reach, "
                f"got {self.shortest_m:g}"
            )
        return self


class TwoStateFadingSpec(Entity):
    """The two-state model of ITU-R P.681-11, Annex 2, in place of the TR's line of sight, shadowing and clutter.

    Defaults: its urban row of 45 degrees (S band), for all elevations; other rows of its tables can be written here.
    """

    kind: Literal["two_state"]
    good: MobileStateSpec = MobileStateSpec(
        log_length_mean=3.0639,
        log_length_std=1.6980,
        shortest_m=10.0,
        direct_mean_db=-1.8225,
        direct_std_db=1.1317,
        tail=0.05,
        std_slope=-0.4643,
        std_offset_db=0.3334,
        scattered_slope=-0.0481,
        scattered_offset_db=-14.7450,
        correlation_m=1.7910,
    )
    """Line of sight, or light shadow."""
    bad: MobileStateSpec = MobileStateSpec(
        log_length_mean=2.9108,
        log_length_std=1.2602,
        shortest_m=6.0,
        direct_mean_db=-15.4844,
        direct_std_db=3.3245,
        tail=0.1,
        std_slope=-0.0798,
        std_offset_db=2.8101,
        scattered_slope=0.9434,
        scattered_offset_db=-1.7555,
        correlation_m=1.7910,
    )
    """Heavy shadow."""
    ramp_slope: float = Field(default=0.0744, ge=-10, le=10)
    """Way from one state to the next: slope · |change of M| + offset, in metres (f1, f2)."""
    ramp_offset_m: float = Field(default=2.1423, ge=0, le=1e4)
    """Offset of that line (f2)."""


FadingSpec = Annotated[
    NoFadingSpec | RicianFadingSpec | TappedDelayFadingSpec | LooFadingSpec | TwoStateFadingSpec,
    Field(discriminator="kind"),
]

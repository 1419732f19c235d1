"""Sources: who sends images, and when."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator

from ntnsim.scenario.distribution import DistributionSpec, check_not_always_zero
from ntnsim.scenario.entity import Entity, Name
from ntnsim.scenario.path import ScenarioPath
from ntnsim.scenario.terrestrial import TerrestrialLinkSpec

LATEST_ARRIVAL_S = 1e9  # 31 years: beyond it, times are surely counted from 1970


def too_late(time_s: float) -> str:
    """Return what is wrong with an arrival at *time_s*, later than LATEST_ARRIVAL_S."""
    return (
        f"{time_s:.0f} is {time_s / 31_557_600:.0f} years after start_utc, from which times count; Unix time?"
    )


class PeriodicSpec(Entity):
    """One image every *period_s*, the first at *offset_s*."""

    kind: Literal["periodic"]
    period_s: PositiveFloat
    """Time between two images."""
    offset_s: NonNegativeFloat | Literal["random"] = 0.0
    """``random`` draws it uniformly from the period, so that copies of a source do not send together."""
    jitter_s: DistributionSpec | None = None
    """Added to each image's own time; the order of a source's images is kept."""


class PoissonSpec(Entity):
    """Images at random: exponential gaps."""

    kind: Literal["poisson"]
    rate_per_s: PositiveFloat
    """Images per second in the mean."""


class DailySpec(Entity):
    """Images at random, more at some hours than at others: a Poisson process whose rate repeats every day."""

    kind: Literal["daily"]
    rate_per_s: PositiveFloat
    """On the mean of a period."""
    activity: tuple[NonNegativeFloat, ...] = Field(min_length=1, max_length=1440)
    """How active each part of the period is, in any unit; equal parts."""
    period_s: PositiveFloat = 86_400.0
    """Length of the period; a day by default."""
    offset_s: NonNegativeFloat = 0.0
    """How far into the period the simulation starts, for example the local time of day."""

    @model_validator(mode="after")
    def _active(self) -> Self:
        if not max(self.activity) > 0:
            raise ValueError("activity must have one entry > 0")
        return self


class RenewalSpec(Entity):
    """Independent gaps from any distribution."""

    kind: Literal["renewal"]
    interval_s: DistributionSpec
    """Time between two images."""

    @model_validator(mode="after")
    def _goes_on(self) -> Self:
        check_not_always_zero(interval_s=self.interval_s)
        return self


class MmppSpec(Entity):
    """Markov-modulated Poisson process: the rate jumps between levels, staying in each an exponential time.

    With two levels it alternates; with more, the next level is drawn uniformly from the others unless *transitions*
    gives the probabilities [level][next].
    """

    kind: Literal["mmpp"]
    rates_per_s: tuple[NonNegativeFloat, ...] = Field(min_length=2)
    """Images per second at each level."""
    mean_stays_s: tuple[PositiveFloat, ...] = Field(min_length=2)
    """Mean time at each level."""
    transitions: tuple[tuple[NonNegativeFloat, ...], ...] | None = None
    """Probabilities of the next level, one row per level."""

    @model_validator(mode="after")
    def _matched(self) -> Self:
        n = len(self.rates_per_s)
        if len(self.mean_stays_s) != n:
            raise ValueError(f"mean_stays_s must have as many entries as rates_per_s ({n})")
        if not max(self.rates_per_s) > 0:
            raise ValueError("rates_per_s must have one entry > 0")
        if self.transitions is not None:
            for row, level in enumerate(self.transitions):
                if len(level) != n or abs(sum(level) - 1) > 1e-9:
                    raise ValueError(
                        f"transitions[{row}] must have {n} entries that sum to 1, got {list(level)}"
                    )
            if len(self.transitions) != n:
                raise ValueError(f"transitions must have {n} rows, got {len(self.transitions)}")
            self._goes_on(self.transitions)
        return self

    def _goes_on(self, transitions: tuple[tuple[float, ...], ...]) -> None:
        """Refuse levels from which none with a rate is ever reached: the source would fall silent, and never end."""
        speaks = {level for level, rate_per_s in enumerate(self.rates_per_s) if rate_per_s > 0}
        for _ in self.rates_per_s:
            speaks |= {
                level
                for level, row in enumerate(transitions)
                if any(row[following] > 0 for following in speaks)
            }
        if silent := sorted(set(range(len(self.rates_per_s))) - speaks):
            raise ValueError(f"transitions: no image ever comes again after level {silent[0]}")


class BatchSpec(Entity):
    """Several images at once, *interval_s* after the last lot; *size* is rounded to a whole number ≥ 1."""

    kind: Literal["batch"]
    interval_s: DistributionSpec
    """Time between two lots."""
    size: DistributionSpec
    """Images of a lot."""

    @model_validator(mode="after")
    def _goes_on(self) -> Self:
        check_not_always_zero(interval_s=self.interval_s)
        return self


class ClosedSpec(Entity):
    """A closed source: its next image is taken *think_s* after the last one came back, delivered or dropped.

    *count* copies of the source are a closed population (machine repair model).
    """

    kind: Literal["closed"]
    think_s: DistributionSpec
    """From an image's end to the next image; from start_s to the first."""


class TraceSpec(Entity):
    """Recorded times: listed here, or in a CSV file with a column ``time_s`` and optionally ``image``."""

    kind: Literal["trace"]
    times_s: tuple[NonNegativeFloat, ...] | None = None
    """When images are taken, in order."""
    path: ScenarioPath | None = None
    """CSV file, relative to the scenario file. ``image`` holds the index of the image in the source's dataset."""

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.times_s is None) == (self.path is None):
            raise ValueError("give either times_s or path")
        if self.times_s is not None and list(self.times_s) != sorted(self.times_s):
            raise ValueError("times_s must not decrease")
        if self.times_s and self.times_s[-1] > LATEST_ARRIVAL_S:
            raise ValueError(f"times_s: {too_late(self.times_s[-1])}")
        return self


ArrivalsSpec = Annotated[
    PeriodicSpec | PoissonSpec | DailySpec | RenewalSpec | MmppSpec | BatchSpec | ClosedSpec | TraceSpec,
    Field(discriminator="kind"),
]


def images_per_s(arrivals: ArrivalsSpec) -> float:
    """Return the mean number of images per second, at the busiest level; 0 where none is stated."""
    match arrivals:
        case PeriodicSpec():
            return 1 / arrivals.period_s
        case PoissonSpec() | DailySpec():
            return arrivals.rate_per_s
        case MmppSpec():
            return max(arrivals.rates_per_s)
    return 0.0


def first_image_s(arrivals: ArrivalsSpec) -> float:
    """Return when the first image is taken, in seconds after a source begins, as far as it is written; else 0."""
    if isinstance(arrivals, PeriodicSpec) and arrivals.offset_s != "random":
        return arrivals.offset_s
    if isinstance(arrivals, TraceSpec) and arrivals.times_s:
        return arrivals.times_s[0]
    return 0.0


class SourceSpec(Entity):
    """A camera, or *count* alike ones, behind one gateway."""

    name: Name
    """What records and overrides call it."""
    gateway: str | None = None
    """Name of its gateway; may be left out when the scenario has only one. Copies of a source are dealt out over the
    copies of a replicated gateway."""
    arrivals: ArrivalsSpec
    """When it takes images."""
    count: int = Field(default=1, ge=1, le=10_000)
    """Copies of this source; they are called name-0, name-1 … when there are several."""
    images: str | None = None
    """Name of the dataset it photographs from; may be left out when the scenario has only one."""
    priority: NonNegativeInt = 0
    """Larger is more urgent; matters where a queue or the beam works by priority."""
    deadline_s: PositiveFloat | None = None
    """d_max of this source's images, where it differs from the requirement's."""
    start_s: NonNegativeFloat = 0.0
    """When it begins."""
    stop_s: PositiveFloat | None = None
    """When it falls silent; null: with the horizon."""
    n_jobs: int | None = Field(default=None, ge=1)
    """Images that each copy sends at most."""
    access: TerrestrialLinkSpec | None = None
    """A link of its own to the gateway; without it the source shares the gateway's."""
    of_sites: bool = False
    """Made by `sites`; not for writing."""

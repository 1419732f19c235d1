"""Load that others put on the satellite beam: ρ(t), the share of its resources that is not ours.

This is the *constellation load* that sweeps vary. While the load is ρ, our terminals get the share 1 − ρ.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, model_validator

from ntnsim.scenario.distribution import DistributionSpec, check_not_always_zero
from ntnsim.scenario.entity import Entity
from ntnsim.scenario.steps import check_steps

Load = Annotated[float, Field(ge=0, le=1)]


class ConstantLoadSpec(Entity):
    """The same *load* for ever."""

    kind: Literal["constant"] = "constant"
    load: Annotated[float, Field(ge=0, lt=1)]
    """Share of the beam that others take."""


class DailyLoadSpec(Entity):
    """Loads that repeat every *period_s*, each held for an equal part of it: 24 entries are the hours of a day."""

    kind: Literal["daily"]
    loads: tuple[Load, ...] = Field(min_length=1)
    """Shares of the beam that others take, one after the other."""
    period_s: PositiveFloat = 86_400.0
    """Time until they begin again; a day by default."""
    offset_s: NonNegativeFloat = 0.0
    """Position in the period at which the simulation begins."""


class OnOffLoadSpec(Entity):
    """A load that alternates at random between two levels."""

    kind: Literal["on_off"]
    on_load: Load
    """Share that others take while they are active."""
    off_load: Load = 0.0
    """Share that they take while they are not."""
    on_s: DistributionSpec
    """Time that an active spell takes."""
    off_s: DistributionSpec
    """Time that a quiet spell takes."""

    @model_validator(mode="after")
    def _alternates(self) -> Self:
        check_not_always_zero(on_s=self.on_s, off_s=self.off_s)
        return self


class TraceLoadSpec(Entity):
    """Loads that hold from each of *times_s* on; before the first the load is 0."""

    kind: Literal["trace"]
    times_s: tuple[NonNegativeFloat, ...] = Field(min_length=1)
    """From when on each load holds, in order."""
    loads: tuple[Load, ...] = Field(min_length=1)
    """Shares of the beam that others take."""

    @model_validator(mode="after")
    def _matched(self) -> Self:
        check_steps(self.times_s, self.loads, "loads")
        return self


def _constant_from_number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"kind": "constant", "load": value}
    return value


BackgroundKind = Annotated[
    ConstantLoadSpec | DailyLoadSpec | OnOffLoadSpec | TraceLoadSpec,
    Field(discriminator="kind"),
]
BackgroundSpec = Annotated[
    BackgroundKind,
    BeforeValidator(_constant_from_number, json_schema_input_type=Load | BackgroundKind),
]
"""ρ(t); a bare number is a constant load."""


def mean_load(load: BackgroundKind, until_s: float | None) -> float:
    """Return the mean of ρ(t), of a trace from 0 to *until_s* (None: to its last change)."""
    match load:
        case ConstantLoadSpec():
            return load.load
        case DailyLoadSpec():
            return sum(load.loads) / len(load.loads)
        case OnOffLoadSpec():
            on_s, off_s = load.on_s.mean, load.off_s.mean
            return (on_s * load.on_load + off_s * load.off_load) / (on_s + off_s)
        case TraceLoadSpec():
            end_s = load.times_s[-1] if until_s is None else until_s
            if end_s <= load.times_s[0]:
                return load.loads[0] if load.times_s[0] == 0 else 0.0
            edges_s = [*(min(time_s, end_s) for time_s in load.times_s), end_s]
            held_s = [later - earlier for earlier, later in pairwise(edges_s)]
            return sum(value * length_s for value, length_s in zip(load.loads, held_s, strict=True)) / end_s

"""Probability distributions as a scenario states them: inter-arrival times, service times, sizes.

Every distribution is described by its mean wherever it has one, in the unit of the field that uses it
(``interval_s`` in seconds, ``size_bits`` in bits). A bare number is the constant distribution. Drawing is
elsewhere (world/sampling.py): a scenario imports no numerical library.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, model_validator

from ntnsim.scenario.entity import Entity

_SUM_TOLERANCE = 1e-9  # probabilities written in decimal do not sum to one exactly


class ConstantSpec(Entity):
    """Always *value*."""

    kind: Literal["constant"] = "constant"
    value: NonNegativeFloat
    """The value, in the unit of the key that holds it."""

    @property
    def mean(self) -> float:
        """Expected value."""
        return self.value


class ExponentialSpec(Entity):
    """Memoryless, with the given *mean*."""

    kind: Literal["exponential"]
    mean: PositiveFloat
    """Mean, in the unit of the key that holds it."""


class ErlangSpec(Entity):
    """Sum of *shape* exponentials: squared coefficient of variation 1/shape."""

    kind: Literal["erlang"]
    shape: int = Field(ge=1, le=1_000_000)
    """Number of exponentials that are added up."""
    mean: PositiveFloat
    """Mean of the sum, in the unit of the key that holds it."""


class GammaSpec(Entity):
    """Gamma with the given *mean* and coefficient of variation *cv* (Erlang with a real shape)."""

    kind: Literal["gamma"]
    mean: PositiveFloat
    """Mean, in the unit of the key that holds it."""
    cv: float = Field(ge=1e-6, le=1e3)
    """Coefficient of variation: standard deviation over mean."""


class LogNormalSpec(Entity):
    """Log-normal with the given *mean* and coefficient of variation *cv* of the variable itself, not of its log."""

    kind: Literal["lognormal"]
    mean: PositiveFloat
    """Mean, in the unit of the key that holds it."""
    cv: NonNegativeFloat
    """Coefficient of variation: standard deviation over mean."""


class UniformSpec(Entity):
    """Uniform between *low* and *high*."""

    kind: Literal["uniform"]
    low: NonNegativeFloat
    """Least value, in the unit of the key that holds it."""
    high: NonNegativeFloat
    """Largest value."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"high must be >= low = {self.low!r}, got {self.high!r}")
        return self

    @property
    def mean(self) -> float:
        """Expected value."""
        return (self.low + self.high) / 2


class TwoPointSpec(Entity):
    """*low* with probability *low_probability*, else *high*."""

    kind: Literal["two_point"]
    low: NonNegativeFloat
    """Lower value, in the unit of the key that holds it."""
    high: NonNegativeFloat
    """Upper value."""
    low_probability: float = Field(default=0.5, ge=0, le=1)
    """Chance of the lower value."""

    @property
    def mean(self) -> float:
        """Expected value."""
        return self.low * self.low_probability + self.high * (1 - self.low_probability)


class HyperExponentialSpec(Entity):
    """Exponential whose mean is drawn first: burstier than memoryless (cv > 1)."""

    kind: Literal["hyperexponential"]
    means: tuple[PositiveFloat, ...] = Field(min_length=1)
    """Means to choose from, in the unit of the key that holds them."""
    probabilities: tuple[NonNegativeFloat, ...] = Field(min_length=1)
    """Chance of each mean; together 1."""

    @model_validator(mode="after")
    def _matched(self) -> Self:
        _check_probabilities(self.probabilities, len(self.means), "means")
        return self

    @property
    def mean(self) -> float:
        """Expected value."""
        return sum(m * p for m, p in zip(self.means, self.probabilities, strict=True))


class WeibullSpec(Entity):
    """Weibull with the given *mean*; *shape* below one is heavy-tailed, one is exponential."""

    kind: Literal["weibull"]
    mean: PositiveFloat
    """Mean, in the unit of the key that holds it."""
    shape: float = Field(ge=0.01, le=1e4)
    """Exponent: below 1 long times are common, 1 is memoryless."""


class ParetoSpec(Entity):
    """Pareto of the first kind with the given *mean*; *shape* (> 1) is the tail's exponent."""

    kind: Literal["pareto"]
    mean: PositiveFloat
    """Mean, in the unit of the key that holds it."""
    shape: float = Field(gt=1)
    """Exponent of the tail; up to 2 the variance is infinite."""


class EmpiricalSpec(Entity):
    """One of *values*, with *probabilities* (equal ones if not given)."""

    kind: Literal["empirical"]
    values: tuple[NonNegativeFloat, ...] = Field(min_length=1)
    """Values to choose from, in the unit of the key that holds them."""
    probabilities: tuple[NonNegativeFloat, ...] | None = None
    """Chance of each value; together 1."""

    @model_validator(mode="after")
    def _matched(self) -> Self:
        if self.probabilities is not None:
            _check_probabilities(self.probabilities, len(self.values), "values")
        return self

    @property
    def mean(self) -> float:
        """Expected value."""
        if self.probabilities is None:
            return math.fsum(self.values) / len(self.values)
        return math.fsum(v * p for v, p in zip(self.values, self.probabilities, strict=True))


def check_not_always_zero(**distributions: "DistributionSpec") -> None:
    """Refuse times that are all 0: whatever repeats after such a time would do so for ever at one instant."""
    for name, distribution in distributions.items():
        if not distribution.mean > 0:
            raise ValueError(f"{name} must have a mean > 0, got {distribution.mean:g}")


def _check_probabilities(probabilities: tuple[float, ...], count: int, of: str) -> None:
    if len(probabilities) != count:
        raise ValueError(
            f"probabilities must have as many entries as {of} ({count}), got {len(probabilities)}"
        )
    if abs(math.fsum(probabilities) - 1) > _SUM_TOLERANCE:
        raise ValueError(f"probabilities must sum to 1, got {math.fsum(probabilities)!r}")


def _constant_from_number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"kind": "constant", "value": value}
    return value


DistributionKind = Annotated[
    ConstantSpec
    | ExponentialSpec
    | ErlangSpec
    | GammaSpec
    | LogNormalSpec
    | UniformSpec
    | TwoPointSpec
    | HyperExponentialSpec
    | WeibullSpec
    | ParetoSpec
    | EmpiricalSpec,
    Field(discriminator="kind"),
]
DistributionSpec = Annotated[
    DistributionKind,
    BeforeValidator(_constant_from_number, json_schema_input_type=NonNegativeFloat | DistributionKind),
]
"""Any of the above; a bare number is constant."""

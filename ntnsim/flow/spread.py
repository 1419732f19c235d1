"""Moments and quantiles of a scenario's distributions: what queueing formulas ask of a size or a time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gamma as gamma_function

from ntnsim.arrays import FloatArray
from ntnsim.errors import ScenarioError
from ntnsim.scenario import distribution as laws

_QUANTILE_POINTS = 4096


@dataclass(frozen=True)
class Spread:
    """A positive random quantity: its first three raw moments, and its quantiles at (k + ½)/n, ascending [n]."""

    moments: tuple[float, float, float]
    sorted_values: FloatArray

    @property
    def mean(self) -> float:
        """Expected value."""
        return self.moments[0]

    @property
    def scv(self) -> float:
        """Squared coefficient of variation; 0 for a quantity that is always 0."""
        mean, second, _ = self.moments
        return second / mean**2 - 1 if mean > 0 else 0.0

    @property
    def residual(self) -> float:
        """Mean of what is left of a quantity that is cut at a random point of it: E[X²] / 2 E[X]."""
        return self.moments[1] / (2 * self.mean) if self.mean > 0 else 0.0

    def quantiles(self, shares: FloatArray) -> FloatArray:
        """Return the quantiles [...] at *shares* [...] in [0, 1), to the nearest of the points that are kept."""
        return self.sorted_values[(shares * len(self.sorted_values)).astype(np.int64)]

    def scaled(self, factor: float) -> "Spread":
        """Return the spread of *factor* times the quantity."""
        first, second, third = self.moments
        return Spread((factor * first, factor**2 * second, factor**3 * third), factor * self.sorted_values)


def spread(distribution: laws.DistributionSpec, where: str) -> Spread:
    """Return moments and quantiles of *distribution*.

    where: the key, for the error: queueing formulas need three moments, which a Pareto tail of exponent ≤ 3 has not.
    """
    shares = (np.arange(_QUANTILE_POINTS) + 0.5) / _QUANTILE_POINTS
    match distribution:
        case laws.ConstantSpec(value=value):
            return of_values(np.array([value]))
        case laws.EmpiricalSpec(values=values, probabilities=probabilities):
            return of_values(np.asarray(values), None if probabilities is None else np.asarray(probabilities))
        case laws.TwoPointSpec(low=low, high=high, low_probability=share):
            return of_values(np.array([low, high]), np.array([share, 1 - share]))
        case laws.HyperExponentialSpec(means=means, probabilities=probabilities):
            scale, weight = np.asarray(means), np.asarray(probabilities)
            raw = tuple(float(weight @ scale**k) * factor for k, factor in ((1, 1.0), (2, 2.0), (3, 6.0)))
            return Spread((raw[0], raw[1], raw[2]), _hyperexponential_quantiles(scale, weight, shares))
        case laws.ParetoSpec(shape=shape) if shape <= 3:
            raise ScenarioError(
                f"{where}: fidelity fluid needs a third moment, which a Pareto tail has above exponent 3;"
                f" got shape {shape}"
            )
        case _:
            law = _law(distribution)
            return Spread(tuple(float(law.moment(k)) for k in (1, 2, 3)), np.asarray(law.ppf(shares)))  # type: ignore[arg-type]


def of_values(values: FloatArray, probabilities: FloatArray | None = None) -> Spread:
    """Return moments and quantiles of a quantity that takes *values* [n] with *probabilities* [n], or equal ones."""
    weight = np.full(len(values), 1 / len(values)) if probabilities is None else probabilities
    order = np.argsort(values, kind="stable")
    edges = np.cumsum(weight[order])
    shares = (np.arange(_QUANTILE_POINTS) + 0.5) / _QUANTILE_POINTS
    place = np.minimum(np.searchsorted(edges, shares), len(values) - 1)
    first, second, third = (float(weight @ values**k) for k in (1, 2, 3))
    return Spread((first, second, third), values[order][place].astype(np.float64))


def total(parts: list[Spread]) -> Spread:
    """Return the spread of a sum of independent quantities; its quantiles by drawing them apart, evenly."""
    if not parts:
        return of_values(np.zeros(1))
    mean = sum(part.mean for part in parts)
    variance = sum(part.moments[1] - part.mean**2 for part in parts)
    third_central = sum(
        part.moments[2] - 3 * part.mean * part.moments[1] + 2 * part.mean**3 for part in parts
    )
    moments = (mean, variance + mean**2, third_central + 3 * mean * variance + mean**3)
    rng = np.random.default_rng(0)  # shuffles the points of each part, so that they are paired at random
    values = sum(rng.permutation(part.sorted_values) for part in parts)
    return Spread(moments, np.sort(np.asarray(values)))


def _law(distribution: laws.DistributionSpec) -> Any:
    from scipy import stats  # half a second, which only fluid worlds need

    match distribution:
        case laws.ExponentialSpec(mean=mean):
            return stats.expon(scale=mean)
        case laws.ErlangSpec(shape=shape, mean=mean):
            return stats.gamma(shape, scale=mean / shape)
        case laws.GammaSpec(mean=mean, cv=cv):
            return stats.gamma(cv**-2, scale=mean * cv**2)
        case laws.LogNormalSpec(mean=mean, cv=cv):
            sigma = float(np.sqrt(np.log1p(cv**2)))
            return stats.lognorm(max(sigma, 1e-9), scale=mean * np.exp(-(sigma**2) / 2))
        case laws.UniformSpec(low=low, high=high):
            return stats.uniform(low, high - low)
        case laws.WeibullSpec(mean=mean, shape=shape):
            return stats.weibull_min(shape, scale=mean / gamma_function(1 + 1 / shape))
        case laws.ParetoSpec(mean=mean, shape=shape):
            return stats.pareto(shape, scale=mean * (shape - 1) / shape)
    raise TypeError(f"no moments for {distribution!r}")


def _hyperexponential_quantiles(scale: FloatArray, weight: FloatArray, shares: FloatArray) -> FloatArray:
    values = np.concatenate(([0.0], np.geomspace(1e-6 * scale.min(), 60 * scale.max(), 20_000)))
    below = 1 - np.exp(-values[:, np.newaxis] / scale) @ weight
    return np.interp(shares, below, values)

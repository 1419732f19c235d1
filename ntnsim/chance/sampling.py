"""Draws from a scenario's distributions, in blocks, each from a stream of its own.

A block holds what as many single draws would have given, so that its size shows only in the speed.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import gamma as gamma_function

from ntnsim.scenario.distribution import (
    ConstantSpec,
    DistributionSpec,
    EmpiricalSpec,
    ErlangSpec,
    ExponentialSpec,
    GammaSpec,
    HyperExponentialSpec,
    LogNormalSpec,
    ParetoSpec,
    TwoPointSpec,
    UniformSpec,
    WeibullSpec,
)
from ntnsim.streams import stream

Sampler = Callable[[], float]

_FIRST_BLOCK, _LARGEST_BLOCK = 8, 1024  # small at first: thousands of sources may send only a few images each


class Streams:
    """The random streams of one entity: made by name when first needed."""

    __slots__ = ("_path", "_seed")

    def __init__(self, seed: int, *path: str) -> None:
        self._seed = seed
        self._path = path

    def generator(self, *name: str) -> np.random.Generator:
        """Return the stream *name* of this entity, from its beginning."""
        return stream(self._seed, *self._path, *name)


def sampler(distribution: DistributionSpec, streams: Streams, name: str) -> Sampler:
    """Return a function whose calls give successive draws of *distribution* from the stream *name*."""
    if isinstance(distribution, ConstantSpec):
        value = distribution.value
        return lambda: value
    return block_sampler(block_draw(distribution), lambda: streams.generator(name))


def block_sampler(
    draw: Callable[[np.random.Generator, int], np.ndarray], generator: Callable[[], np.random.Generator]
) -> Sampler:
    """Return a function whose calls give the successive values of *draw*; the generator is made at the first."""
    block: list[float] = []
    rng: np.random.Generator | None = None
    size = _FIRST_BLOCK // 2

    def next_value() -> float:
        nonlocal block, rng, size
        if not block:
            rng = generator() if rng is None else rng
            size = min(2 * size, _LARGEST_BLOCK)
            block = draw(rng, size)[::-1].tolist()
        return block.pop()

    return next_value


def block_draw(distribution: DistributionSpec) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Return the function (generator, n) → n draws of *distribution*."""
    match distribution:
        case ConstantSpec(value=value):
            return lambda rng, n: np.full(n, value)
        case ExponentialSpec(mean=mean):
            return lambda rng, n: rng.exponential(mean, n)
        case ErlangSpec(shape=shape, mean=mean):
            return lambda rng, n: rng.gamma(shape, mean / shape, n)
        case GammaSpec(mean=mean, cv=cv):
            return lambda rng, n: rng.gamma(cv**-2, mean * cv**2, n)
        case LogNormalSpec(mean=mean, cv=cv):
            sigma = float(np.sqrt(np.log1p(cv**2)))
            return lambda rng, n: mean * rng.lognormal(-(sigma**2) / 2, sigma, n)
        case UniformSpec(low=low, high=high):
            return lambda rng, n: rng.uniform(low, high, n)
        case TwoPointSpec(low=low, high=high, low_probability=share):
            return lambda rng, n: np.where(rng.random(n) < share, low, high)
        case HyperExponentialSpec(means=means, probabilities=probabilities):
            edges, levels = np.cumsum(probabilities), np.asarray(means)
            # Two uniforms per value, drawn as rows, so that a block is what single draws would give.
            return lambda rng, n: _hyperexponential(rng.random((n, 2)), edges, levels)
        case WeibullSpec(mean=mean, shape=shape):
            scale = mean / gamma_function(1 + 1 / shape)
            return lambda rng, n: scale * rng.weibull(shape, n)
        case ParetoSpec(mean=mean, shape=shape):
            least = mean * (shape - 1) / shape
            return lambda rng, n: least * (1 + rng.pareto(shape, n))
        case EmpiricalSpec(values=values, probabilities=None):
            return lambda rng, n: np.asarray(values)[rng.integers(len(values), size=n)]
        case EmpiricalSpec(values=values, probabilities=probabilities):
            edges = np.cumsum(probabilities or ())
            return lambda rng, n: _choose(rng.random(n), edges, np.asarray(values))
    raise TypeError(f"no sampler for {distribution!r}")


def _choose(uniforms: np.ndarray, edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    index = np.searchsorted(edges, uniforms, side="right")
    return values[np.minimum(index, len(values) - 1)]  # the last edge may fall short of 1 by rounding


def _hyperexponential(uniforms: np.ndarray, edges: np.ndarray, means: np.ndarray) -> np.ndarray:
    return -np.log1p(-uniforms[:, 1]) * _choose(uniforms[:, 0], edges, means)

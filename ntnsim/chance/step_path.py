"""A quantity that changes in steps over unbounded time: background load, faults, a wandering rate.

A path is made as far as somebody looks ahead and forgotten behind them, so that memory stays flat. Two readers each
take a path of their own from the same stream: the values are the same, their places differ.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import count, cycle
from math import exp, inf, sqrt
from pathlib import Path

import numpy as np

from ntnsim.chance.sampling import Sampler, Streams, block_sampler, sampler
from ntnsim.csv_rows import read_rows
from ntnsim.errors import ScenarioError
from ntnsim.scenario.background import (
    BackgroundSpec,
    ConstantLoadSpec,
    DailyLoadSpec,
    OnOffLoadSpec,
    TraceLoadSpec,
)
from ntnsim.scenario.steps import RecordedRate
from ntnsim.scenario.terrestrial import ConstantRateSpec, GaussMarkovRateSpec, RateSpec, TraceRateSpec

Step = tuple[float, float]  # from this time on, this value


class StepPath:
    """Steps in increasing time, the first at 0 or before; the last holds for ever if the steps end."""

    __slots__ = ("_ended", "_steps", "_times_s", "_values")

    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps = iter(steps)
        first_s, value = next(self._steps)
        if first_s > 0:
            raise ValueError(f"a path must start at 0 s or before, got {first_s!r}")
        self._times_s, self._values = [first_s], [value]
        self._ended = False  # whether all steps are known

    def _extend(self, until_s: float) -> None:
        """Know the path to just beyond *until_s*."""
        while self._times_s[-1] <= until_s:
            step = next(self._steps, None)
            if step is None:
                self._ended = True
                return
            if step[0] == self._times_s[-1]:
                self._values[-1] = step[1]
            else:
                self._times_s.append(step[0])
                self._values.append(step[1])

    def steps(self) -> Iterator[Step]:
        """Yield all steps; the path itself is of no use afterwards."""
        yield from zip(self._times_s, self._values, strict=True)
        yield from self._steps

    def at(self, time_s: float) -> float:
        """Return the value at *time_s*, which must not be earlier than what was forgotten."""
        if self._ended and time_s >= self._times_s[-1]:
            return self._values[-1]
        self._extend(time_s)
        return self._values[bisect_right(self._times_s, time_s) - 1]

    def change_times_s(self, start_s: float, end_s: float) -> list[float]:
        """Return the times in (start_s, end_s) at which the value changes."""
        if self._ended and start_s >= self._times_s[-1]:
            return []
        self._extend(end_s)
        first = bisect_right(self._times_s, start_s)
        last = bisect_right(self._times_s, end_s)
        return [time_s for time_s in self._times_s[first:last] if time_s < end_s]

    def sample(self, times_s: np.ndarray) -> np.ndarray:
        """Return the values [n] at *times_s* [n]."""
        self._extend(float(times_s.max()))
        places = np.searchsorted(self._times_s, times_s, side="right") - 1
        return np.asarray(self._values)[places]

    def next_change_s(self, time_s: float) -> float:
        """Return the first change after *time_s*; inf if there is none."""
        if self._ended and time_s >= self._times_s[-1]:
            return inf
        self._extend(time_s)
        place = bisect_right(self._times_s, time_s)
        return self._times_s[place] if place < len(self._times_s) else inf

    def forget_before(self, time_s: float) -> None:
        """Drop what is not needed for *time_s* and later."""
        if len(self._times_s) < 64:
            return  # in lots, so that forgetting is cheap
        place = bisect_right(self._times_s, time_s) - 1
        if place > 32:
            del self._times_s[:place], self._values[:place]


def constant(value: float) -> StepPath:
    """Return the path that never changes."""
    return StepPath([(0.0, value)])


def complement(path: StepPath) -> StepPath:
    """Return 1 − *path*, which it takes over."""
    return StepPath((time_s, 1.0 - value) for time_s, value in path.steps())


def background_load(load: BackgroundSpec, streams: Streams) -> StepPath:
    """Return ρ(t) as a scenario describes it."""
    match load:
        case ConstantLoadSpec(load=value):
            return constant(value)
        case DailyLoadSpec(loads=loads, period_s=period_s, offset_s=offset_s):
            return StepPath(
                _periodic([k * period_s / len(loads) for k in range(len(loads))], loads, period_s, offset_s)
            )
        case OnOffLoadSpec():
            stay = (sampler(load.off_s, streams, "off_s"), sampler(load.on_s, streams, "on_s"))
            return StepPath(_alternating((load.off_load, load.on_load), stay))
        case TraceLoadSpec(times_s=times_s, loads=loads):
            steps = list(zip(times_s, loads, strict=True))
            return StepPath(steps if times_s[0] == 0 else [(0.0, 0.0), *steps])
    raise TypeError(f"no path for {load!r}")


def rate(entity: RateSpec, streams: Streams) -> StepPath:
    """Return a terrestrial link's rate in bits per second."""
    match entity:
        case ConstantRateSpec(bps=bps):
            return constant(bps)
        case TraceRateSpec():
            return recorded(entity)
        case GaussMarkovRateSpec():
            return StepPath(_gauss_markov(entity, streams))
    raise TypeError(f"no path for {entity!r}")


def recorded(entity: RecordedRate) -> StepPath:
    """Return the path of a rate as it was measured. Raises ScenarioError where its file holds none."""
    if entity.path is None:
        assert entity.times_s is not None and entity.bps is not None
        return trace(entity.times_s, entity.bps, entity.period_s)
    location = entity.path.location
    times_s, bps = read_rates(location)
    try:
        entity.check(times_s, bps)
    except ValueError as error:
        raise ScenarioError(f"{location}: {error}") from None
    return trace(times_s, bps, entity.period_s)


def read_rates(path: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the times in seconds and the rates in bits per second of a CSV file."""
    _, rows = read_rows(path, ("time_s", "bps"))
    if not rows:
        raise ScenarioError(
            f"{path}: holds no rates; a header line time_s,bps and one line per rate is needed"
        )
    return tuple(row.number("time_s", 0) for row in rows), tuple(row.number("bps", 0) for row in rows)


def trace(times_s: tuple[float, ...], values: tuple[float, ...], period_s: float | None) -> StepPath:
    """Return the path of a recorded step function, repeated every *period_s* if given."""
    if period_s is None:
        return StepPath(list(zip(times_s, values, strict=True)))
    return StepPath(_periodic(times_s, values, period_s, 0.0))


def windows(period_s: float, contact_s: float, offset_s: float, value: float) -> StepPath:
    """Return *value* in contact and 0 between, the first contact from *offset_s* on."""
    return StepPath(_windows(period_s, contact_s, offset_s, value))


def _windows(period_s: float, contact_s: float, offset_s: float, value: float) -> Iterator[Step]:
    if offset_s > 0:
        yield 0.0, 0.0
    for number in count():
        yield offset_s + number * period_s, value
        if contact_s < period_s:
            yield offset_s + number * period_s + contact_s, 0.0


def _periodic(
    times_s: Iterable[float], values: Iterable[float], period_s: float, offset_s: float
) -> Iterator[Step]:
    steps = list(zip(times_s, values, strict=True))
    for number in count():
        start_s = number * period_s - offset_s % period_s
        for time_s, value in steps:
            yield start_s + time_s, value


def _alternating(values: tuple[float, float], stays: tuple[Sampler, Sampler]) -> Iterator[Step]:
    time_s = 0.0
    for place in cycle((0, 1)):
        yield time_s, values[place]
        time_s += stays[place]()


def _gauss_markov(entity: GaussMarkovRateSpec, streams: Streams) -> Iterator[Step]:
    """x_{k+1} = m + a (x_k − m) + s √(1 − a²) w_k with a = exp(−Δt/τ), started in its stationary law."""
    draw = block_sampler(np.random.Generator.standard_normal, lambda: streams.generator("gauss_markov"))
    memory = exp(-entity.step_s / entity.correlation_time_s)
    innovation = entity.std_bps * sqrt(1 - memory**2)
    deviation = entity.std_bps * draw()
    for step in count():
        yield step * entity.step_s, max(entity.mean_bps + deviation, entity.floor_bps)
        deviation = memory * deviation + innovation * draw()

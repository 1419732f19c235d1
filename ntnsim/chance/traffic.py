"""When sources take images: each arrival process as an iterator of times."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np

from ntnsim.chance.sampling import Streams, block_sampler, sampler
from ntnsim.csv_rows import read_rows
from ntnsim.errors import ScenarioError
from ntnsim.scenario.distribution import ExponentialSpec
from ntnsim.scenario.path import ScenarioPath
from ntnsim.scenario.traffic import (
    LATEST_ARRIVAL_S,
    ArrivalsSpec,
    BatchSpec,
    ClosedSpec,
    DailySpec,
    MmppSpec,
    PeriodicSpec,
    PoissonSpec,
    RenewalSpec,
    TraceSpec,
    too_late,
)

MOST_IMAGES = 1_000_000_000  # of a data set


def arrival_times_s(arrivals: ArrivalsSpec, streams: Streams) -> Iterator[float]:
    """Yield the times of successive images, from 0 s on, for ever or until a trace ends.

    Of a closed source: the times between an image's end and the next.
    """
    match arrivals:
        case PeriodicSpec():
            return _periodic(arrivals, streams)
        case PoissonSpec(rate_per_s=rate_per_s):
            return _renewal(
                sampler(ExponentialSpec(kind="exponential", mean=1 / rate_per_s), streams, "interval")
            )
        case DailySpec():
            return _daily(arrivals, streams)
        case RenewalSpec(interval_s=interval_s):
            return _renewal(sampler(interval_s, streams, "interval"))
        case MmppSpec():
            return _mmpp(arrivals, streams)
        case BatchSpec():
            return _batch(arrivals, streams)
        case ClosedSpec(think_s=think_s):
            draw_s = sampler(think_s, streams, "think")
            return (draw_s() for _ in count())
        case TraceSpec(path=ScenarioPath() as path):
            return iter(read_trace(path.location)[0])
        case TraceSpec(times_s=times_s):
            return iter(times_s or ())
    raise TypeError(f"no arrivals for {arrivals!r}")


def _periodic(arrivals: PeriodicSpec, streams: Streams) -> Iterator[float]:
    if arrivals.offset_s == "random":
        offset_s = float(streams.generator("offset").uniform(0, arrivals.period_s))
    else:
        offset_s = arrivals.offset_s
    jitter = sampler(arrivals.jitter_s, streams, "jitter") if arrivals.jitter_s is not None else None
    last_s = 0.0
    for number in count():
        time_s = offset_s + number * arrivals.period_s
        if jitter is not None:
            time_s = max(time_s + jitter(), last_s)
        yield time_s
        last_s = time_s


def _renewal(interval_s: Callable[[], float]) -> Iterator[float]:
    time_s = 0.0
    while True:
        time_s += interval_s()
        yield time_s


def _daily(arrivals: DailySpec, streams: Streams) -> Iterator[float]:
    """Λ(t_k) = E_1 + … + E_k with unit exponentials: each image comes when the rate has added up to the next sum."""
    draw = sampler(ExponentialSpec(kind="exponential", mean=1.0), streams, "interval")
    parts = len(arrivals.activity)
    mean = sum(arrivals.activity) / parts
    rates_per_s = [arrivals.rate_per_s * activity / mean for activity in arrivals.activity]
    part_s = arrivals.period_s / parts
    whole, into_s = divmod(arrivals.offset_s % arrivals.period_s, part_s)
    part = int(whole) % parts
    begin_s, left = -into_s, draw()
    time_s = 0.0
    for number in count():
        rate_per_s, end_s = rates_per_s[(part + number) % parts], begin_s + (number + 1) * part_s
        while rate_per_s > 0 and left <= rate_per_s * (end_s - time_s):
            time_s += left / rate_per_s
            yield time_s
            left = draw()
        left -= rate_per_s * (end_s - time_s)
        time_s = end_s


def _mmpp(arrivals: MmppSpec, streams: Streams) -> Iterator[float]:
    """Exponential gaps are memoryless, so a fresh one is drawn in each level: none outlives its level."""
    exponential = block_sampler(
        np.random.Generator.standard_exponential, lambda: streams.generator("interval")
    )
    stay = block_sampler(np.random.Generator.standard_exponential, lambda: streams.generator("stay"))
    choice = block_sampler(np.random.Generator.random, lambda: streams.generator("level"))
    levels = len(arrivals.rates_per_s)
    transitions = arrivals.transitions or [
        [0.0 if level == other else 1 / (levels - 1) for other in range(levels)] for level in range(levels)
    ]
    edges = np.cumsum(transitions, axis=1)
    time_s, level = 0.0, 0
    while True:
        rate_per_s = arrivals.rates_per_s[level]
        end_s = time_s + stay() * arrivals.mean_stays_s[level]
        while rate_per_s > 0:
            next_s = time_s + exponential() / rate_per_s
            if next_s >= end_s:
                break
            time_s = next_s
            yield time_s
        time_s = end_s
        level = min(int(np.searchsorted(edges[level], choice(), side="right")), levels - 1)


def _batch(arrivals: BatchSpec, streams: Streams) -> Iterator[float]:
    size = sampler(arrivals.size, streams, "size")
    for time_s in _renewal(sampler(arrivals.interval_s, streams, "interval")):
        for _ in range(max(1, round(size()))):
            yield time_s


def read_trace(path: Path) -> tuple[list[float], list[int] | None]:
    """Return the times in a CSV file, and the images' indices if it has them."""
    columns, rows = read_rows(path, ("time_s",))
    times_s: list[float] = []
    for row in rows:
        times_s.append(row.number("time_s"))
        if not times_s[-1] >= (times_s[-2] if len(times_s) > 1 else 0.0):
            raise row.error(f"time_s must be >= 0 and not decrease, got {times_s[-1]!r}")
        if times_s[-1] > LATEST_ARRIVAL_S:
            raise row.error(f"time_s: {too_late(times_s[-1])}")
    if not times_s:
        raise ScenarioError(
            f"{path}: holds no arrivals; a header line with time_s and one line per image is needed"
        )
    return times_s, [row.whole("image", 0, MOST_IMAGES) for row in rows] if "image" in columns else None

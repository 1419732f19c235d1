"""What steps on with the clock while nothing happens: refused where it would take more steps than anybody waits for.

An image decades after the start, such as Unix time in a trace, costs orbits, faults and queues nothing. A timeline, a
report every period and a rate that wanders do walk through all that time.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol

from ntnsim.scenario.background import BackgroundSpec, DailyLoadSpec, OnOffLoadSpec
from ntnsim.scenario.satellite_link import SatelliteLinkSpec, WindowsLinkSpec
from ntnsim.scenario.terrestrial import GatewaySpec, GaussMarkovRateSpec, TerrestrialLinkSpec, TraceRateSpec
from ntnsim.scenario.traffic import SourceSpec, TraceSpec, first_image_s

MOST_SAMPLES = 1e6  # of a timeline, or reports: 116 days at 10 s
MOST_STEPS = 1e7  # of a rate or a load


class Idle(Protocol):
    """What of a scenario may step through its idle time."""

    sources: tuple[SourceSpec, ...]
    gateways: tuple[GatewaySpec, ...]
    satellite_link: SatelliteLinkSpec
    background: BackgroundSpec
    delivery: TerrestrialLinkSpec


def check_idle_time(scenario: Idle, timeline_step_s: float | None) -> None:
    """Raise ValueError for the first part of *scenario*, or its timeline, that would step through an idle time too
    often."""
    first_s = min(
        (source.start_s + first_image_s(source.arrivals) for source in scenario.sources), default=0.0
    )
    longest_s = first_s
    if len(scenario.sources) == 1:
        longest_s = max(first_s, _longest_gap_s(scenario.sources[0]))
    if timeline_step_s is not None and first_s > MOST_SAMPLES * timeline_step_s:
        raise ValueError(
            f"output.timeline_step_s: {first_s / timeline_step_s:.3g} samples before the first image at "
            f"{first_s:.6g} s; allowed are {MOST_SAMPLES:g}: move start_utc nearer to it, or give null, got "
            f"{timeline_step_s:g}"
        )
    for index, gateway in enumerate(scenario.gateways):
        period_s = gateway.observation.report_period_s
        if period_s is not None and first_s > MOST_SAMPLES * period_s:
            raise ValueError(
                f"gateways[{index}].observation.report_period_s: {first_s / period_s:.3g} reports before the first "
                f"image at {first_s:.6g} s; allowed are {MOST_SAMPLES:g}: move the images nearer, got {period_s:g}"
            )
    for where, step_s in _steps(scenario):
        if step_s > 0 and longest_s > MOST_STEPS * step_s:
            raise ValueError(
                f"{where}: {longest_s / step_s:.3g} changes in {longest_s:.6g} s without an image; allowed are "
                f"{MOST_STEPS:g}: move the images nearer, or let it change less often than every {step_s:g} s"
            )


def _longest_gap_s(source: SourceSpec) -> float:
    """Return the longest time between two images of a written trace; 0 for other arrivals."""
    times_s = source.arrivals.times_s if isinstance(source.arrivals, TraceSpec) else None
    return max((later - earlier for earlier, later in pairwise(times_s or ())), default=0.0)


def _steps(scenario: Idle) -> Iterator[tuple[str, float]]:
    """Yield the keys of what changes with the clock, each with the mean time between its changes."""
    link, load = scenario.satellite_link, scenario.background
    if isinstance(link, WindowsLinkSpec):
        yield "satellite_link.period_s", link.period_s / 2
    if isinstance(load, OnOffLoadSpec):
        yield "background", (load.on_s.mean + load.off_s.mean) / 2
    if isinstance(load, DailyLoadSpec):
        yield "background.period_s", load.period_s / len(load.loads)
    for index, gateway in enumerate(scenario.gateways):
        yield f"gateways[{index}].access.rate", _rate_step_s(gateway.access)
    for index, source in enumerate(scenario.sources):
        if source.access is not None:
            yield f"sources[{index}].access.rate", _rate_step_s(source.access)
    yield "delivery.rate", _rate_step_s(scenario.delivery)


def _rate_step_s(link: TerrestrialLinkSpec) -> float:
    """Return the time between changes of *link*'s rate; 0 where it does not change for ever."""
    if isinstance(link.rate, GaussMarkovRateSpec):
        return link.rate.step_s
    if isinstance(link.rate, TraceRateSpec) and link.rate.period_s is not None:
        return link.rate.period_s / len(link.rate.times_s or (0.0,))
    return 0.0

"""Faults as paths (1 while all is well, 0 while it is broken) and as processes that break and mend."""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from math import inf
from typing import cast

import numpy as np
import numpy.typing as npt
import simpy

from ntnsim.chance.sampling import Streams, sampler
from ntnsim.chance.step_path import Step, StepPath
from ntnsim.scenario.fault_target import means
from ntnsim.scenario.faults import FaultSpec, RelayFaultSpec

# Whether a satellite, by name, is out of service [t] at times in seconds [t].
SatelliteOutage = Callable[[str, npt.NDArray[np.float64]], npt.NDArray[np.bool_]]


def outage_path(fault: FaultSpec, streams: Streams, broken: float = 0.0, well: float = 1.0) -> StepPath:
    """Return the path of *fault*: *well* between outages, *broken* in them. Every call gives the same path anew."""
    return StepPath(_steps(fault, streams, broken, well))


def _steps(fault: FaultSpec, streams: Streams, broken: float, well: float) -> Iterator[Step]:
    yield 0.0, well
    if fault.time_to_failure_s is None or fault.time_to_repair_s is None:
        for outage in sorted(fault.outages, key=lambda outage: outage.start_s):
            yield outage.start_s, broken
            yield outage.start_s + outage.duration_s, well
        return
    up = sampler(fault.time_to_failure_s, streams, "time_to_failure")
    down = sampler(fault.time_to_repair_s, streams, "time_to_repair")
    time_s = 0.0
    for stay, value in cycle(((up, broken), (down, well))):
        time_s += stay()
        yield time_s, value


def satellite_outages(faults: Sequence[FaultSpec], seed: int) -> SatelliteOutage | None:
    """Return when satellites are out of service, for the choice of the serving one; None if no fault concerns them."""
    broken = [
        (fault.target, outage_path(fault, Streams(seed, "fault", fault.name)))
        for fault in faults
        if fault.kind == "satellite"
    ]
    if not broken:
        return None

    def out_of_service(satellite: str, times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        out = np.zeros(len(times_s), dtype=np.bool_)
        for pattern, path in broken:
            if len(times_s) and means(pattern, satellite):
                out |= path.sample(times_s) == 0
        return out

    return out_of_service


def way_cuts(faults: Sequence[FaultSpec], seed: int) -> list[tuple[str, str, StepPath]]:
    """Return kind, target and path of the faults that cut the way down from satellites that queue on board."""
    return [
        (fault.kind, fault.target, outage_path(fault, Streams(seed, "fault", fault.name)))
        for fault in faults
        if fault.kind == "satellite" or isinstance(fault, RelayFaultSpec)
    ]


class FaultProcess:
    """Calls *begin* and *end* at the outages of one fault."""

    def __init__(
        self, env: simpy.Environment, path: StepPath, begin: Callable[[], None], end: Callable[[], None]
    ) -> None:
        self._env = env
        self._path = path
        self._begin, self._end = begin, end
        self._broken = False

    def start(self) -> None:
        """Plan the first outage."""
        if self._path.at(self._env.now) == 0:
            self._change(None)
        else:
            self._plan(self._env.now)

    def _plan(self, after_s: float) -> None:
        change_s = self._path.next_change_s(after_s)
        if change_s < inf:
            self._env.timeout(max(change_s - self._env.now, 0.0), change_s).callbacks.append(self._change)

    def _change(self, event: simpy.Event | None) -> None:
        # From the path's own time, not the clock's, which may have been rounded to just before it.
        change_s = self._env.now if event is None else cast(float, event.value)
        self._path.forget_before(change_s)
        if (self._path.at(change_s) == 0) != self._broken:
            self._broken = not self._broken
            (self._begin if self._broken else self._end)()
        self._plan(change_s)

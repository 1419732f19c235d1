"""When a run stops: at the end of the horizon, or when the last job has ended and no source will take another."""

from collections.abc import Callable, Collection, Sequence
from math import inf
from time import monotonic

import simpy

from ntnsim.scenario.scenario import HorizonSpec
from ntnsim.world.job import Job
from ntnsim.world.source import SourceProcess

TOLD_EVERY_S = 0.2  # of this host's clock, between two calls of *progress*


class RunControl:
    """Counts sources and jobs, and stops the simulation.

    progress: called with the number of jobs ended and the simulated time: at the start, at the end, and in between when
        a job ends, five times a second at most.
    stop_s: when the run ends at the latest, in place of the horizon's limits: of a part of a world.
    until_s: the run ends by then, whatever happens; inf if the scenario sets no such time.
    """

    def __init__(
        self,
        env: simpy.Environment,
        horizon: HorizonSpec,
        progress: Callable[[int, float], None] | None,
        stop_s: float | None = None,
    ) -> None:
        self._env = env
        self._horizon = horizon
        self._progress = progress
        self._tell_at = 0.0
        self._stop = env.event()
        self._working = 0  # sources that may still take images
        self._ended = 0
        self._on_the_way: Collection[Job] = ()
        duration_s = inf if self._horizon.duration_s is None else self._horizon.duration_s
        self._stop_s = stop_s
        self.until_s = duration_s + (self._horizon.drain_limit_s if self._horizon.drain else 0.0)

    def go(self, sources: Sequence[SourceProcess], on_the_way: Collection[Job]) -> None:
        """Start *sources* and run to the end; *on_the_way* always holds the jobs that have not ended."""
        self._working = len(sources)
        self._on_the_way = on_the_way
        for source in sources:
            source.start()
        ends_s = None if self._horizon.drain else self._horizon.duration_s
        if (stop_s := self._stop_s if ends_s is None else ends_s) is not None:
            self._env.timeout(stop_s).callbacks.append(self._time_is_up)
        if self._progress is not None:
            self._progress(0, self._env.now)
        self._env.run(until=self._stop)
        if self._progress is not None:
            self._progress(self._ended, self._env.now)

    def job_ended(self) -> None:
        """Stop if that was the last."""
        self._ended += 1
        if self._progress is not None and monotonic() >= self._tell_at:
            self._tell_at = monotonic() + TOLD_EVERY_S
            self._progress(self._ended, self._env.now)
        if not self._working:
            self._stop_if_done()

    def source_exhausted(self) -> None:
        """Stop if that was the last and all is delivered; else wait for what is on its way, but not for ever."""
        self._working -= 1
        if not self._working and self._horizon.drain:
            if self._stop_s is None:
                self._env.timeout(self._horizon.drain_limit_s).callbacks.append(self._time_is_up)
            self._stop_if_done()

    def _stop_if_done(self) -> None:
        if self._horizon.drain and not self._on_the_way and not self._stop.triggered:
            self._stop.succeed()

    def _time_is_up(self, event: simpy.Event) -> None:
        if not self._stop.triggered:
            self._stop.succeed()

"""Where jobs wait: first come first served, by priority or by deadline; bounded if the scenario says so."""

from collections import deque
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import NamedTuple, cast

import simpy

from ntnsim.scenario.terrestrial import QueueSpec
from ntnsim.world.job import Job

Key = Callable[[Job], float]


def _most_urgent(job: Job) -> float:
    return -job.priority


def _earliest_due(job: Job) -> float:
    return job.due_s


class Reneging(NamedTuple):
    """How jobs leave a line that they are tired of. place: of the line. gave_up: called for each that has left."""

    env: simpy.Environment
    place: str
    gave_up: Callable[[Job], None]


class WaitingLine:
    """A queue of jobs. Those with equal keys leave in the order of arrival.

    reneging: needed where *spec* has a patience; each job has drawn its own.
    count: jobs waiting.
    """

    __slots__ = (
        "_arrivals",
        "_capacity",
        "_fifo",
        "_heap",
        "_key",
        "_limits",
        "_reneging",
        "_when_full",
        "count",
    )

    def __init__(self, spec: QueueSpec, reneging: Reneging | None = None) -> None:
        self._reneging = None if spec.patience_s is None else reneging
        self._limits: dict[Job, simpy.Event] = {}  # when the patience of each ends
        self._capacity = spec.buffer
        self._when_full = spec.when_full
        self._key: Key | None = {"fifo": None, "priority": _most_urgent, "edf": _earliest_due}[
            spec.discipline
        ]
        self._fifo: deque[Job] = deque()
        self._heap: list[tuple[float, int, Job]] = []
        self._arrivals = 0
        self.count = 0

    def __iter__(self) -> Iterator[Job]:
        return iter(self._fifo) if self._key is None else (entry[2] for entry in self._heap)

    def oldest(self) -> Job:
        """Return the job that has waited longest."""
        return self._fifo[0] if self._key is None else min(self._heap, key=lambda entry: entry[1])[2]

    def admit(self, job: Job) -> Job | None:
        """Let *job* wait. Return the job that must leave because the line was full, which may be *job* itself."""
        if self._capacity is None or self.count < self._capacity:
            self._push(job)
            return None
        if self._when_full == "drop_new" or self._capacity == 0:
            return job
        self._push(job)
        self.count -= 1
        loser = self._remove_oldest() if self._when_full == "drop_oldest" else self._remove_worst()
        self._limits.pop(loser, None)
        return loser

    def pop(self) -> Job:
        """Take out the job whose turn it is."""
        self.count -= 1
        job = self._fifo.popleft() if self._key is None else heappop(self._heap)[2]
        if self._limits:
            self._limits.pop(job, None)
        return job

    def _push(self, job: Job) -> None:
        self.count += 1
        if self._reneging is not None:
            patience_s = job.patience_s[self._reneging.place]
            self._limits[job] = limit = self._reneging.env.timeout(patience_s, job)
            limit.callbacks.append(self._renege)
        if self._key is None:
            self._fifo.append(job)
        else:
            self._arrivals += 1
            heappush(self._heap, (self._key(job), self._arrivals, job))

    def _renege(self, limit: simpy.Event) -> None:
        job = cast(Job, limit.value)
        if self._limits.get(job) is not limit:
            return  # its turn came
        assert self._reneging is not None
        del self._limits[job]
        self.count -= 1
        if self._key is None:
            self._fifo.remove(job)
        else:
            self._take(next(entry for entry in self._heap if entry[2] is job))
        self._reneging.gave_up(job)

    def _remove_oldest(self) -> Job:
        if self._key is None:
            return self._fifo.popleft()
        return self._take(min(self._heap, key=lambda entry: entry[1]))

    def _remove_worst(self) -> Job:
        if self._key is None:
            return self._fifo.pop()
        return self._take(max(self._heap))

    def _take(self, entry: tuple[float, int, Job]) -> Job:
        # Rare (only in a full bounded line), so linear time is fine.
        self._heap.remove(entry)
        heapify(self._heap)
        return entry[2]

"""Alike servers that work off units, and that may fail: processors of a gateway, GPUs.

One SimPy timeout per stretch of work and no process per job: a handshake of Resource or Store events would cost
several times as much. Work that takes no time costs no event.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Generic, NamedTuple, TypeVar, cast

import simpy

Unit = TypeVar("Unit")


class _Service(NamedTuple):
    end: simpy.Event
    server: int
    end_s: float
    whole_s: float  # the stretch from its beginning, with what was done before an interruption


class ServerPool(Generic[Unit]):
    """*servers* servers, each with one unit at a time.

    take: gives the next waiting unit, or None.
    begin: called when a server takes a unit up; returns how long it works.
    proceed: called when that time is over; returns how long it goes on working, or None when the unit is done.
    interrupted, dropped: called for a unit whose server failed, and for one that is lost by it.
    """

    def __init__(
        self,
        env: simpy.Environment,
        servers: int,
        *,
        take: Callable[[], Unit | None],
        begin: Callable[[Unit], float],
        proceed: Callable[[Unit], float | None],
        interrupted: Callable[[Unit], None],
        dropped: Callable[[Unit, str], None],
    ) -> None:
        self._env = env
        self.servers = servers
        self._idle = list(range(servers - 1, -1, -1))
        self._failures = [0] * servers  # faults that now hold each server down
        self._serving: dict[Unit, _Service] = {}
        # Unit, what it has left to work, and the whole stretch; taken up again before those that wait.
        self._interrupted: deque[tuple[Unit, float, float]] = deque()
        self._take, self._begin, self._proceed = take, begin, proceed
        self._note_interruption, self._drop = interrupted, dropped

    @property
    def idle(self) -> int:
        """Servers that are up and free."""
        return len(self._idle)

    @property
    def busy(self) -> int:
        """Servers at work."""
        return len(self._serving)

    def held(self) -> Collection[Unit]:
        """Return the units in service and those interrupted."""
        if self._interrupted:
            return [*self._serving, *(unit for unit, _, _ in self._interrupted)]
        return self._serving.keys()

    def pull(self) -> None:
        """Let free servers take up work until there is none."""
        while self._idle:
            if self._interrupted:
                unit, remaining_s, whole_s = self._interrupted.popleft()
                self._work(unit, self._idle.pop(), remaining_s, whole_s)
                continue
            waiting = self._take()
            if waiting is None:
                return
            self._work(waiting, self._idle.pop(), self._begin(waiting))

    def start(self, unit: Unit) -> None:
        """Put *unit* on a free server at once; there must be one, and nobody waiting."""
        self._work(unit, self._idle.pop(), self._begin(unit))

    def _work(self, unit: Unit, server: int, length_s: float | None, whole_s: float | None = None) -> None:
        """Let *server* work *length_s* on *unit*; *whole_s* is the stretch that this is the rest of, if it is one."""
        while length_s is not None and length_s <= 0.0:
            length_s, whole_s = self._proceed(unit), None
        if length_s is None:
            self._idle.append(server)
            return
        end = self._env.timeout(length_s, unit)
        end.callbacks.append(self._end)
        self._serving[unit] = _Service(
            end, server, self._env.now + length_s, length_s if whole_s is None else whole_s
        )

    def _end(self, event: simpy.Event) -> None:
        unit = cast(Unit, event.value)
        service = self._serving.get(unit)
        if service is None or service.end is not event:
            return  # interrupted meanwhile
        del self._serving[unit]
        self._work(unit, service.server, self._proceed(unit))
        if self._idle:
            self.pull()

    def fail(self, servers: Iterable[int], work_in_progress: str, reason: str) -> None:
        """Take *servers*, by number, out of work; see `WorkInProgress` for what they held."""
        for server in servers:
            self._failures[server] += 1
            if self._failures[server] > 1:
                continue
            if server in self._idle:
                self._idle.remove(server)
            else:
                unit = next(unit for unit, service in self._serving.items() if service.server == server)
                self._interrupt(unit, work_in_progress, reason)
        self.pull()  # a server that is still up may take over

    def repair(self, servers: Iterable[int]) -> None:
        """Bring the *servers* that :meth:`fail` took out back to work."""
        for server in servers:
            self._failures[server] -= 1
            if self._failures[server] == 0:
                self._idle.append(server)
        self.pull()

    def _interrupt(self, unit: Unit, work_in_progress: str, reason: str) -> None:
        service = self._serving.pop(unit)
        self._note_interruption(unit)
        if work_in_progress == "resume":
            self._interrupted.append((unit, max(service.end_s - self._env.now, 0.0), service.whole_s))
        elif work_in_progress == "restart":
            self._interrupted.append((unit, service.whole_s, service.whole_s))
        else:
            self._drop(unit, reason)

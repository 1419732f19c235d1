"""A medium on which urgent transfers make the others wait."""

from collections.abc import Callable
from typing import Any

import simpy

from ntnsim.world.shared_medium import Clock, SharedMedium, Transfer


class PriorityMedium:
    """A medium that the most urgent transfers have to themselves, sharing it equally; the others pause."""

    def __init__(self, env: simpy.Environment, finished: Callable[[Transfer], None]) -> None:
        self._env = env
        self._finished = finished
        self._levels: dict[int, SharedMedium] = {}
        self._current: SharedMedium | None = None
        self.channels = 1.0

    @property
    def count(self) -> int:
        """Transfers under way or paused."""
        return sum(level.count for level in self._levels.values())

    def start(self, clock: Clock, bits: float, payload: Any, priority: int = 0) -> Transfer:
        """Begin a transfer of *bits* at the rate of *clock*; larger *priority* goes first."""
        level = self._levels.get(priority)
        if level is None:
            level = self._levels[priority] = SharedMedium(self._env, self._end)
            level.pause()
        transfer = level.start(clock, bits, payload)
        self._choose()
        return transfer

    def stop(self, transfer: Transfer) -> None:
        """Take *transfer* off the medium before its end."""
        transfer.medium.stop(transfer)
        self._choose()

    def _end(self, transfer: Transfer) -> None:
        self._finished(transfer)
        self._choose()

    def _choose(self) -> None:
        """Let the most urgent level that has transfers run, and no other."""
        urgent = max((priority for priority, level in self._levels.items() if level.count), default=None)
        chosen = None if urgent is None else self._levels[urgent]
        if chosen is self._current:
            return
        if self._current is not None:
            self._current.pause()
        self._current = chosen
        if chosen is not None:
            chosen.resume()

"""Who is on the way, how many ended how, and both sides of Little's law; the checks that nothing was lost."""

from collections.abc import Callable, Collection
from typing import Generic, TypeVar

import simpy

from ntnsim.results.record import DELIVERED, DROPPED, IN_FLIGHT, LATE

_LITTLE_TOLERANCE = 1e-9

Item = TypeVar("Item")


class ConservationError(RuntimeError):
    """Jobs were lost or counted twice: a defect of ntnsim."""


class Census(Generic[Item]):
    """Counts jobs, whatever stands for one.

    alive: those on the way, in order of birth. created: jobs taken. counts: ends by end state.
    """

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self.alive: dict[Item, None] = {}
        self.created = 0
        self.counts = {DELIVERED: 0, LATE: 0, DROPPED: 0, IN_FLIGHT: 0}
        self._area = 0.0  # integral of the number on the way
        self._area_until_s = 0.0
        self._sojourn_s = 0.0  # of all jobs, as far as they got

    def born(self, item: Item) -> None:
        """Note that *item* is on its way."""
        self._integrate()
        self.created += 1
        self.alive[item] = None

    def ended(self, item: Item, state: str, created_s: float) -> None:
        """Note that *item* ended now in *state*."""
        self._integrate()
        del self.alive[item]
        self.counts[state] += 1
        self._sojourn_s += self._env.now - created_s

    def closed(self, held: Collection[Item], created_s: Callable[[Item], float]) -> None:
        """Count what is still on the way as in flight, and check that nothing was lost.

        held: what the stations say they hold.
        """
        self._integrate()
        if len(held) != len(self.alive) or any(item not in self.alive for item in held):
            raise ConservationError(f"the stations hold {len(held)} jobs, {len(self.alive)} are on the way")
        for item in self.alive:
            self.counts[IN_FLIGHT] += 1
            self._sojourn_s += self._env.now - created_s(item)
        if sum(self.counts.values()) != self.created:
            raise ConservationError(f"{self.created} jobs created, {self.counts} ended")
        if abs(self._area - self._sojourn_s) > _LITTLE_TOLERANCE * max(self._area, 1.0):
            raise ConservationError(
                f"the integral of N is {self._area} s, the sum of sojourns {self._sojourn_s} s"
            )

    def little(self) -> dict[str, float]:
        """Return both sides of Little's law, L and λW, from separate accounts: the integral of N and the sojourns."""
        duration_s = self._env.now
        if not duration_s > 0 or not self.created:
            return {"mean_in_system": 0.0, "arrival_rate_per_s": 0.0, "mean_time_s": 0.0}
        return {
            "mean_in_system": self._area / duration_s,
            "arrival_rate_per_s": self.created / duration_s,
            "mean_time_s": self._sojourn_s / self.created,
        }

    def _integrate(self) -> None:
        now = self._env.now
        self._area += len(self.alive) * (now - self._area_until_s)
        self._area_until_s = now

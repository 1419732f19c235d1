"""Jobs under way between two ends of a link: sent whole, not yet arrived."""

from collections.abc import Callable, Iterator
from typing import cast

import simpy

from ntnsim.world.job import Job


class Propagation:
    """Hands each job on with *arrived* after its delay."""

    def __init__(self, env: simpy.Environment, arrived: Callable[[Job], None]) -> None:
        self._env = env
        self._arrived = arrived
        self._jobs: dict[Job, None] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs)

    def send(self, job: Job, delay_s: float) -> None:
        """Let *job* arrive after *delay_s*; at once if that is not positive."""
        if delay_s > 0:
            self._jobs[job] = None
            self._env.timeout(delay_s, job).callbacks.append(self._landed)
        else:
            self._arrived(job)

    def _landed(self, event: simpy.Event) -> None:
        job = cast(Job, event.value)
        del self._jobs[job]
        self._arrived(job)

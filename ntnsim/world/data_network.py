"""The data network: GPUs that take waiting images in batches and reconstruct them."""

from collections.abc import Callable
from math import ulp

import simpy

from ntnsim.protocols.network_state import DataNetworkState
from ntnsim.scenario.terrestrial import DataNetworkSpec
from ntnsim.world.job import Job
from ntnsim.world.server_pool import ServerPool
from ntnsim.world.waiting_line import Reneging, WaitingLine


class Batch:
    """Images that one GPU works on together."""

    __slots__ = ("jobs", "work_s")

    def __init__(self, jobs: list[Job], work_s: float) -> None:
        self.jobs = jobs
        self.work_s = work_s


class DataNetwork:
    """The GPUs and their batching queue.

    A batch starts when a GPU is free and either *min_size* images wait (*max_size* unless given) or the oldest has
    waited *max_wait_s*; up to *max_size* go in it. It takes its first image's drawn time, and *marginal* of the
    expected time of each further one.

    reconstructed: called for each image when its batch is done. dropped: for images without room or taken by a fault.
    """

    def __init__(
        self,
        env: simpy.Environment,
        entity: DataNetworkSpec,
        marginal: float,
        *,
        reconstructed: Callable[[Job], None],
        dropped: Callable[[Job, str], None],
    ) -> None:
        self._env = env
        self._batching = entity.batching
        self._enough = entity.batching.min_size or entity.batching.max_size
        self._marginal = marginal
        self._reconstructed, self._dropped = reconstructed, dropped
        self._line = WaitingLine(entity.queue, Reneging(env, "data network", self._gave_up))
        self._waiting_work_s = 0.0
        self._closes_s = -1.0  # a timer is set for this time, when the batch is closed
        self.pool: ServerPool[Batch] = ServerPool(
            env,
            entity.gpus,
            take=self._take,
            begin=self._begin,
            proceed=self._proceed,
            interrupted=_count_interruptions,
            dropped=self._drop_batch,
        )

    @property
    def jobs(self) -> list[Job]:
        """All jobs that the data network holds."""
        return [*(job for batch in self.pool.held() for job in batch.jobs), *self._line]

    @property
    def queue(self) -> int:
        """Images waiting for a GPU."""
        return self._line.count

    def arrive(self, job: Job) -> None:
        """Take *job*."""
        job.at_data_network_s = self._env.now
        if self._batching.max_size == 1 and self.pool.idle and not self._line.count:
            self.pool.start(Batch([job], job.reconstruction_work_s))
            return
        self._waiting_work_s += job.reconstruction_mean_s
        loser = self._line.admit(job)
        if loser is not None:
            self._waiting_work_s -= loser.reconstruction_mean_s
            self._dropped(loser, "data network buffer full")
        if self.pool.idle:
            self.pool.pull()

    def _gave_up(self, job: Job) -> None:
        self._waiting_work_s = self._waiting_work_s - job.reconstruction_mean_s if self._line.count else 0.0
        self._dropped(job, "lost patience at the data network")

    def state(self, delivery_rate_bps: float) -> DataNetworkState:
        """Return ω_DN."""
        now = self._env.now
        work_s = self._waiting_work_s
        for batch in self.pool.held():
            first = batch.jobs[0]
            expected_s = self._batch_s(batch.jobs, first.reconstruction_mean_s)
            work_s += max(expected_s - (now - first.reconstruction_start_s), 0.0)
        return DataNetworkState(self._line.count, self.pool.idle, work_s, delivery_rate_bps)

    def _take(self) -> Batch | None:
        waiting = self._line.count
        if not waiting:
            return None
        if waiting < self._enough and self._batching.max_wait_s > 0:
            closes_s = self._line.oldest().at_data_network_s + self._batching.max_wait_s
            if closes_s - self._env.now > 4 * ulp(closes_s):  # the timer may ring a rounding error early
                self._set_timer(closes_s)
                return None
        jobs = [self._line.pop() for _ in range(min(waiting, self._batching.max_size))]
        taken_s = sum(job.reconstruction_mean_s for job in jobs)
        self._waiting_work_s = self._waiting_work_s - taken_s if self._line.count else 0.0
        return Batch(jobs, self._batch_s(jobs, jobs[0].reconstruction_work_s))

    def _batch_s(self, jobs: list[Job], first_s: float) -> float:
        return first_s + self._marginal * sum(job.reconstruction_mean_s for job in jobs[1:])

    def _set_timer(self, closes_s: float) -> None:
        if closes_s != self._closes_s:
            self._closes_s = closes_s
            self._env.timeout(closes_s - self._env.now).callbacks.append(lambda _: self.pool.pull())

    def _begin(self, batch: Batch) -> float:
        now = self._env.now
        for job in batch.jobs:
            job.reconstruction_start_s = now
            job.batch_size = len(batch.jobs)
        return batch.work_s

    def _proceed(self, batch: Batch) -> None:
        now = self._env.now
        share_s = batch.work_s / len(batch.jobs)
        for job in batch.jobs:
            job.reconstructed_s = now
            job.data_network_busy_s = share_s
            self._reconstructed(job)

    def _drop_batch(self, batch: Batch, reason: str) -> None:
        for job in batch.jobs:
            self._dropped(job, reason)


def _count_interruptions(batch: Batch) -> None:
    for job in batch.jobs:
        job.count_interruption()

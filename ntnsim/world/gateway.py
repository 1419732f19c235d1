"""The gateway: images wait for a processor, are segmented, the policy decides, they are encoded and go to the link."""

from collections.abc import Callable

import simpy

from ntnsim.protocols.network_state import GatewayState
from ntnsim.scenario.terrestrial import GatewaySpec
from ntnsim.world.job import Job
from ntnsim.world.server_pool import ServerPool
from ntnsim.world.waiting_line import Reneging, WaitingLine


class Gateway:
    """The processors of one gateway.

    decide: called when the work before the decision is done; returns whether the image goes on.
    encoded: called when the bitstream is ready. dropped: for images that find no room or that a fault takes.
    """

    def __init__(
        self,
        env: simpy.Environment,
        entity: GatewaySpec,
        *,
        decide: Callable[[Job], bool],
        encoded: Callable[[Job], None],
        dropped: Callable[[Job, str], None],
    ) -> None:
        self._env = env
        self._decide, self._encoded, self._dropped = decide, encoded, dropped
        self._line = WaitingLine(entity.queue, Reneging(env, "gateway", self._gave_up))
        self._waiting_work_s = 0.0
        self.pool: ServerPool[Job] = ServerPool(
            env,
            entity.servers,
            take=self._take,
            begin=self._begin,
            proceed=self._proceed,
            interrupted=Job.count_interruption,
            dropped=dropped,
        )

    @property
    def jobs(self) -> list[Job]:
        """All jobs that the gateway holds."""
        return [*self.pool.held(), *self._line]

    @property
    def queue(self) -> int:
        """Images waiting for a processor."""
        return self._line.count

    def arrive(self, job: Job) -> None:
        """Take *job*."""
        if self.pool.idle and not self._line.count:
            self.pool.start(job)
            return
        self._waiting_work_s += job.gateway_mean_s
        loser = self._line.admit(job)
        if loser is not None:
            self._waiting_work_s -= loser.gateway_mean_s
            self._dropped(loser, "gateway buffer full")

    def _gave_up(self, job: Job) -> None:
        self._waiting_work_s = self._waiting_work_s - job.gateway_mean_s if self._line.count else 0.0
        self._dropped(job, "lost patience at the gateway")

    def state(self, access_rate_bps: float, access_queue: int) -> GatewayState:
        """Return ω_GW, apart from the image that is being decided about."""
        now = self._env.now
        work_s = self._waiting_work_s
        for job in self.pool.held():
            work_s += max(job.gateway_mean_s - (now - job.gateway_start_s), 0.0)
        return GatewayState(access_rate_bps, access_queue, self._line.count, self.pool.busy, work_s)

    def _take(self) -> Job | None:
        if not self._line.count:
            return None
        job = self._line.pop()
        self._waiting_work_s = self._waiting_work_s - job.gateway_mean_s if self._line.count else 0.0
        return job

    def _begin(self, job: Job) -> float:
        job.gateway_start_s = self._env.now
        return job.before_decision_s

    def _proceed(self, job: Job) -> float | None:
        if job.encoded is None:
            if not self._decide(job):
                return None
            return job.after_decision_s
        job.encoded_s = self._env.now
        self._encoded(job)
        return None

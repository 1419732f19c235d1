"""A link on the ground: source to gateway (access), or data network to user (delivery)."""

from collections.abc import Callable
from math import inf
from typing import cast

import simpy

from ntnsim.chance import step_path
from ntnsim.chance.sampling import Streams
from ntnsim.chance.step_path import StepPath
from ntnsim.rates.product_clock import product_clock
from ntnsim.rates.rate_clock import RateClock
from ntnsim.scenario.terrestrial import TerrestrialLinkSpec
from ntnsim.world.job import Job
from ntnsim.world.propagation import Propagation
from ntnsim.world.server_pool import ServerPool
from ntnsim.world.shared_medium import SharedMedium
from ntnsim.world.solo_medium import SoloMedium
from ntnsim.world.transmitter import Transmitter, transfer_ended
from ntnsim.world.waiting_line import WaitingLine


class TerrestrialLink:
    """The link: takes jobs with :meth:`send`, hands them on with *arrived* when the far end has them whole.

    bits_of, work_s_of, attempts_of: what a job costs here: its size; its transfer time where times are drawn instead;
    how often it must be sent until it is not lost.
    factors: paths by which faults scale the rate.
    begun: called when its transfer begins.
    """

    def __init__(
        self,
        env: simpy.Environment,
        entity: TerrestrialLinkSpec,
        streams: Streams,
        *,
        name: str,
        bits_of: Callable[[Job], float],
        work_s_of: Callable[[Job], float],
        attempts_of: Callable[[Job], int],
        factors: list[StepPath],
        begun: Callable[[Job], None],
        arrived: Callable[[Job], None],
        dropped: Callable[[Job, str], None],
    ) -> None:
        self._env = env
        self._entity = entity
        self._name = name
        self._bits_of, self._work_s_of, self._attempts_of = bits_of, work_s_of, attempts_of
        self._loses = entity.loss_probability > 0
        self._propagation_s = entity.propagation_s
        self._begun, self._dropped = begun, dropped
        self._propagation = Propagation(env, arrived)
        self.clock: RateClock[None] | None = None
        self._sender: Transmitter | None = None
        self._pool: ServerPool[Job] | None = None
        self._alone: dict[Job, None] = {}  # dedicated transfers
        self._line = WaitingLine(entity.queue)
        if entity.rate is not None:
            self.clock = product_clock([step_path.rate(entity.rate, streams), *factors], None)
            if entity.sharing != "dedicated":
                medium = SoloMedium if entity.sharing == "fifo" else SharedMedium
                self._sender = Transmitter(
                    medium(env, transfer_ended),
                    self.clock,
                    self._line,
                    bits_of=self._charged_bits if self._loses else bits_of,
                    begun=begun,
                    sent=self._sent,
                    dropped=dropped,
                    full_reason=f"{name} buffer full",
                    one_at_a_time=entity.sharing == "fifo",
                )
        elif entity.service_s is not None and entity.sharing == "fifo":
            self._pool = ServerPool(
                env,
                1,
                take=lambda: self._line.pop() if self._line.count else None,
                begin=self._begin_work,
                proceed=self._sent,
                interrupted=Job.count_interruption,
                dropped=dropped,
            )

    @property
    def jobs(self) -> list[Job]:
        """All jobs that the link holds."""
        held = [*self._propagation, *self._alone]
        if self._sender is not None:
            held += self._sender.jobs
        if self._pool is not None:
            held += [*self._pool.held(), *self._line]
        return held

    @property
    def queue(self) -> int:
        """Images waiting for, or on, the link; those that only propagate are not counted."""
        if self._sender is not None:
            return self._sender.count
        if self._pool is not None:
            return self._pool.busy + self._line.count
        return len(self._alone)

    @property
    def rate_bps(self) -> float:
        """The rate now; inf where transfers take no time, or a time that no rate makes."""
        return self.clock.rate_bps(self._env.now) if self.clock is not None else inf

    def send(self, job: Job) -> None:
        """Take *job*."""
        if self._sender is not None:
            self._sender.send(job)
        elif self._pool is not None:
            if self._pool.idle and not self._line.count:
                self._pool.start(job)
            elif (loser := self._line.admit(job)) is not None:
                self._dropped(loser, f"{self._name} buffer full")
        else:
            self._begun(job)
            self._send_alone(job)

    def fail(self, work_in_progress: str, reason: str) -> None:
        """Meet a cut; a link with a rate sees it as a rate of 0 besides."""
        if self._sender is not None:
            self._sender.interrupt(work_in_progress, reason)
        elif self._pool is not None:
            self._pool.fail(range(1), work_in_progress, reason)

    def repair(self) -> None:
        """Meet the end of a cut."""
        if self._pool is not None:
            self._pool.repair(range(1))

    def _charged_bits(self, job: Job) -> float:
        return self._bits_of(job) * min(self._attempts_of(job), self._entity.max_attempts)

    def _begin_work(self, job: Job) -> float:
        self._begun(job)
        return self._work_s_of(job) * min(self._attempts_of(job), self._entity.max_attempts)

    def _send_alone(self, job: Job) -> None:
        now = self._env.now
        if self.clock is not None:
            self.clock.forget_before(now)
            length_s = self.clock.finish_s(now, self._charged_bits(job)) - now
        else:
            length_s = self._work_s_of(job) * min(self._attempts_of(job), self._entity.max_attempts)
        self._alone[job] = None
        if length_s > 0:
            self._env.timeout(length_s, job).callbacks.append(
                lambda event: self._sent(cast(Job, event.value))
            )
        else:
            self._sent(job)

    def _sent(self, job: Job) -> None:
        if self._alone:
            self._alone.pop(job, None)
        delay_s = self._propagation_s
        if self._loses:
            attempts = self._attempts_of(job)
            if attempts > self._entity.max_attempts:
                self._dropped(job, f"{self._name} lost it {self._entity.max_attempts} times")
                return
            # A lost transfer is noticed one propagation later and asked for again after another.
            delay_s *= 2 * attempts - 1
        self._propagation.send(job, delay_s)

"""A link on the ground: source to gateway (access), or data network to user (delivery)."""

from collections.abc import Callable, Sequence
from math import inf

import simpy

from ntnsim.chance import step_path
from ntnsim.chance.sampling import Streams
from ntnsim.chance.step_path import StepPath
from ntnsim.rates.product_clock import product_clock
from ntnsim.scenario.terrestrial import TerrestrialLinkSpec
from ntnsim.world.job import Job
from ntnsim.world.propagation import Propagation
from ntnsim.world.shared_medium import SharedMedium
from ntnsim.world.solo_medium import SoloMedium
from ntnsim.world.transmitter import Transmitter, transfer_ended
from ntnsim.world.waiting_line import Reneging, WaitingLine


class TerrestrialLink:
    """The link: takes jobs with :meth:`send`, hands them on with *arrived* when the far end has them whole.

    bits_of, work_s_of, attempts_of: what a job costs here: its size; its transfer time where times are drawn instead;
    how often it must be sent until it is not lost. passes_s_of: its drawn times, where each loss sends it to the end of
    the line.
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
        passes_s_of: Callable[[Job], Sequence[float]],
        factors: list[StepPath],
        begun: Callable[[Job], None],
        arrived: Callable[[Job], None],
        dropped: Callable[[Job, str], None],
    ) -> None:
        self._env = env
        self._name = name
        self._loses = entity.loss_probability > 0
        self._waits_again = self._loses and entity.after_loss == "end_of_line"
        self._lost: dict[
            Job, int
        ] = {}  # how often each was lost so far, of those that wait for their turn again
        self._returning = Propagation(env, self.send)
        self._attempts_of, self._max_attempts = attempts_of, entity.max_attempts
        self._propagation_s = entity.propagation_s
        self._begun, self._dropped = begun, dropped
        self._propagation = Propagation(env, arrived)
        self._has_rate = entity.rate is not None
        self._sender: Transmitter | None = None
        if entity.rate is None and entity.service_s is None and not factors:
            return  # takes no time, and nothing ever holds it up
        # Drawn times are sent like bits, at one a second.
        path = step_path.constant(1.0) if entity.rate is None else step_path.rate(entity.rate, streams)
        shares = entity.sharing == "processor_sharing" and entity.rate is not None
        reason = f"lost patience at the {name}"
        sender = self._sender = Transmitter(
            (SharedMedium if shares else SoloMedium)(env, transfer_ended),
            product_clock([path, *factors], None),
            WaitingLine(entity.queue, Reneging(env, name, lambda job: sender.gave_up(job, reason))),
            bits_of=self._charge(entity, bits_of, work_s_of, passes_s_of),
            begun=begun,
            sent=self._sent,
            dropped=dropped,
            full_reason=f"{name} buffer full",
            one_at_a_time=entity.sharing == "fifo",
            most_at_once=inf if entity.queue.buffer is None else entity.queue.buffer + 1,
        )

    @property
    def jobs(self) -> list[Job]:
        """All jobs that the link holds."""
        return [
            *self._propagation,
            *self._returning,
            *(self._sender.jobs if self._sender is not None else ()),
        ]

    @property
    def queue(self) -> int:
        """Images waiting for, or on, the link; those that only propagate are not counted."""
        return self._sender.count if self._sender is not None else 0

    @property
    def rate_bps(self) -> float:
        """The rate now; inf where transfers take no time, or a time that no rate makes, and the link is not cut."""
        if self._sender is None:
            return inf
        rate_bps = self._sender.clock.rate_bps(self._env.now)
        return rate_bps if self._has_rate or rate_bps == 0 else inf

    def send(self, job: Job) -> None:
        """Take *job*."""
        if self._sender is not None:
            self._sender.send(job)
        else:
            self._begun(job)
            self._sent(job)

    def interrupt(self, work_in_progress: str, reason: str) -> None:
        """Meet a cut, which the link sees as a rate of 0 besides."""
        if self._sender is not None:
            self._sender.interrupt(work_in_progress, reason)

    def _charge(
        self,
        entity: TerrestrialLinkSpec,
        bits_of: Callable[[Job], float],
        work_s_of: Callable[[Job], float],
        passes_s_of: Callable[[Job], Sequence[float]],
    ) -> Callable[[Job], float]:
        """Return what one turn of a job costs: all its attempts, or the one that it is at."""
        if self._waits_again and entity.service_s is not None:
            return lambda job: passes_s_of(job)[self._lost.get(job, 0)]
        cost_of = _cost(entity, bits_of, work_s_of)
        if self._waits_again or not self._loses:
            return cost_of
        return lambda job: cost_of(job) * min(self._attempts_of(job), self._max_attempts)

    def _sent(self, job: Job) -> None:
        delay_s = self._propagation_s
        if self._loses:
            attempts = self._attempts_of(job)
            if self._waits_again:
                lost = self._lost.pop(job, 0) + 1
                if lost < min(attempts, self._max_attempts):
                    self._lost[job] = lost
                    self._returning.send(job, 2 * delay_s)
                    return
            if attempts > self._max_attempts:
                self._dropped(job, f"{self._name} lost it {self._max_attempts} times")
                return
            if self._waits_again:
                self._propagation.send(job, delay_s)
                return
            # A lost transfer is noticed one propagation later and asked for again after another.
            delay_s *= 2 * attempts - 1
        self._propagation.send(job, delay_s)


def _cost(
    entity: TerrestrialLinkSpec, bits_of: Callable[[Job], float], work_s_of: Callable[[Job], float]
) -> Callable[[Job], float]:
    """Return what a job costs on a link: bits at its rate, a drawn time, or nothing."""
    if entity.rate is not None:
        return bits_of
    return work_s_of if entity.service_s is not None else lambda job: 0.0

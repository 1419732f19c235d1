"""One sender on a medium: its waiting line, and the transfers it has under way.

A sender sends one image at a time, in the order of its line, or (``one_at_a_time=False``) all at once, each with a
share of its own.
"""

from collections.abc import Callable, Collection
from math import inf
from typing import Any, Protocol

from ntnsim.world.job import Job
from ntnsim.world.shared_medium import Clock
from ntnsim.world.waiting_line import WaitingLine


class Transfer(Protocol):
    """A transfer under way on a medium."""

    bits: float
    payload: Any

    def remaining_bits(self) -> float:
        """Return what is left to send."""
        ...


class Medium(Protocol):
    """What transfers share: `SoloMedium`, `SharedMedium`, `PriorityMedium` or `TerminalBeams`."""

    @property
    def channels(self) -> float:
        """Transfers that go on at full rate at once."""
        ...

    @property
    def count(self) -> int:
        """Transfers under way or paused."""
        ...

    def start(
        self, clock: Clock, bits: float, payload: "tuple[Transmitter, Job]", priority: int = 0
    ) -> Transfer:
        """Begin a transfer."""
        ...

    def stop(self, transfer: Any) -> None:
        """Take a transfer off the medium before its end."""
        ...


def transfer_ended(transfer: Transfer) -> None:
    """Tell the sender of a finished *transfer*; the function that media of transmitters are made with."""
    sender, job = transfer.payload
    sender.ended(job)


class Transmitter:
    """A sender.

    clock: the rate it would have if it had the medium to itself.
    bits_of: what a job costs on this link.
    begun: called when a job comes to the head of the line. sent: called when its last bit has left.
    dropped: called with a job that does not fit, or that a fault takes, and the reason.
    most_at_once: transfers that may share the medium, of a sender that does not send one at a time.
    """

    def __init__(
        self,
        medium: Medium,
        clock: Clock,
        line: WaitingLine,
        *,
        bits_of: Callable[[Job], float],
        begun: Callable[[Job], None],
        sent: Callable[[Job], None],
        dropped: Callable[[Job, str], None],
        full_reason: str,
        one_at_a_time: bool = True,
        buffer_bits: float = inf,
        most_at_once: float = inf,
    ) -> None:
        self._medium = medium
        self.clock = clock
        self.line = line
        self._bits_of = bits_of
        self._begun, self._sent, self._dropped = begun, sent, dropped
        self._full_reason = full_reason
        self._one_at_a_time = one_at_a_time
        self._buffer_bits = buffer_bits
        self._most_at_once = most_at_once
        self._waiting_bits = 0.0
        self._under_way: dict[Job, Transfer] = {}

    @property
    def jobs(self) -> list[Job]:
        """All that is admitted and not yet sent."""
        return [*self._under_way, *self.line]

    @property
    def under_way(self) -> Collection[Job]:
        """The jobs whose transfer has begun."""
        return self._under_way.keys()

    @property
    def count(self) -> int:
        """How many jobs are admitted and not yet sent."""
        return len(self._under_way) + self.line.count

    @property
    def others(self) -> float:
        """How much more slowly than alone one more transfer would go: other senders' transfers on the medium."""
        others = self._medium.count - len(self._under_way)
        channels = self._medium.channels
        if channels == 1.0:
            return others
        slower = (others + 1) / channels
        return (slower if channels < 1.0 else max(slower, 1.0)) - 1.0

    def backlog_bits(self) -> float:
        """Return the bits admitted and not yet sent."""
        backlog = self._waiting_bits
        for transfer in self._under_way.values():
            backlog += transfer.remaining_bits()
        return backlog

    def send(self, job: Job) -> None:
        """Take *job* for sending."""
        bits = self._bits_of(job)
        if self._buffer_bits < inf and self.backlog_bits() + bits > self._buffer_bits:
            self._dropped(job, self._full_reason)
        elif self._one_at_a_time and self._under_way:
            self._waiting_bits += bits
            loser = self.line.admit(job)
            if loser is not None:
                self._waiting_bits -= self._bits_of(loser)
                self._dropped(loser, self._full_reason)
        elif len(self._under_way) >= self._most_at_once:
            self._dropped(job, self._full_reason)
        else:
            self._start(job, bits)

    def ended(self, job: Job) -> None:
        """Hand on *job*, whose last bit has left, and start the next."""
        del self._under_way[job]
        self._next()
        self._sent(job)

    def gave_up(self, job: Job, reason: str) -> None:
        """Drop *job*, which has left the line."""
        self._waiting_bits = self._waiting_bits - self._bits_of(job) if self.line.count else 0.0
        self._dropped(job, reason)

    def take_back(self) -> list[tuple[Job, float]]:
        """Give up all that was admitted and is not yet sent, in order: each job and what is left of it in bits."""
        taken = []
        for job, transfer in self._under_way.items():
            taken.append((job, transfer.remaining_bits()))
            self._medium.stop(transfer)
        self._under_way.clear()
        while self.line.count:
            job = self.line.pop()
            taken.append((job, self._bits_of(job)))
        self._waiting_bits = 0.0
        return taken

    def interrupt(self, work_in_progress: str, reason: str) -> None:
        """Meet a fault that cuts the link: the rate is 0 meanwhile; see `WorkInProgress` for what was under way."""
        for job, transfer in list(self._under_way.items()):
            job.interruptions += 1
            if work_in_progress == "resume":
                continue
            self._medium.stop(transfer)
            del self._under_way[job]
            if work_in_progress == "restart":
                self._under_way[job] = self._medium.start(
                    self.clock, transfer.bits, (self, job), job.priority
                )
            else:
                self._next()
                self._dropped(job, reason)

    def _start(self, job: Job, bits: float) -> None:
        self._begun(job)
        self._under_way[job] = self._medium.start(self.clock, bits, (self, job), job.priority)

    def _next(self) -> None:
        if self._one_at_a_time and not self._under_way and self.line.count:
            job = self.line.pop()
            bits = self._bits_of(job)
            # Without rounding's leftovers when the line runs empty.
            self._waiting_bits = self._waiting_bits - bits if self.line.count else 0.0
            self._start(job, bits)

"""A medium that is not shared: every transfer goes as if it were alone."""

from collections.abc import Callable
from math import inf
from typing import Any, cast

import simpy

from ntnsim.rates.rate_clock import RateClock

Clock = RateClock[Any]


class SoloMedium:
    """The medium of a sender that sends one image at a time, or each as if alone: B⁻¹ tells each end at once."""

    def __init__(self, env: simpy.Environment, finished: Callable[["SoloTransfer"], None]) -> None:
        self._env = env
        self._finished = finished
        self.count = 0
        self.channels = 1.0
        self._endless: dict[
            SoloTransfer, None
        ] = {}  # whose end lies further ahead than their clock looks at once

    def start(self, clock: Clock, bits: float, payload: Any, priority: int = 0) -> "SoloTransfer":
        """Begin a transfer of *bits* at the rate of *clock*."""
        now = self._env.now
        self._forget(clock, now)
        transfer = SoloTransfer(self._env, clock, bits, payload)
        self.count += 1
        self._plan(transfer)
        return transfer

    def _plan(self, transfer: "SoloTransfer") -> None:
        """Wake up at the end of *transfer*, or when its clock wants to be asked again."""
        now = self._env.now
        transfer.end_s = transfer.clock.finish_s(now, transfer.left_bits)
        if transfer.end_s < inf:
            self._env.timeout(transfer.end_s - now, transfer).callbacks.append(self._end)
            return
        self._endless[transfer] = None
        if (again_s := transfer.clock.look_again_s(now)) < inf:
            self._env.timeout(again_s - now, transfer).callbacks.append(self._look_again)

    def _look_again(self, event: simpy.Event) -> None:
        transfer = cast(SoloTransfer, event.value)
        if transfer.running:
            transfer.left_bits = transfer.remaining_bits()
            transfer.planned_s = self._env.now
            del self._endless[transfer]
            self._forget(transfer.clock, transfer.planned_s)
            self._plan(transfer)

    def _forget(self, clock: Clock, now: float) -> None:
        """Let *clock* forget what nobody here needs any more to know what is left."""
        clock.forget_before(min((transfer.planned_s for transfer in self._endless), default=now))

    def stop(self, transfer: "SoloTransfer") -> None:
        """Take *transfer* off the medium before its end."""
        transfer.running = False
        self._endless.pop(transfer, None)
        self.count -= 1

    def _end(self, event: simpy.Event) -> None:
        transfer = cast(SoloTransfer, event.value)
        if transfer.running:
            self.count -= 1
            self._finished(transfer)


class SoloTransfer:
    """One transfer of *bits* that ends at *end_s*, inf as long as that is not known; *payload* is the caller's.

    left_bits: what was left at *planned_s*, when its end was looked for last.
    """

    __slots__ = ("_env", "bits", "clock", "end_s", "left_bits", "payload", "planned_s", "running")

    def __init__(self, env: simpy.Environment, clock: Clock, bits: float, payload: Any) -> None:
        self._env = env
        self.clock = clock
        self.bits = self.left_bits = bits
        self.planned_s = env.now
        self.end_s = inf
        self.payload = payload
        self.running = True

    def remaining_bits(self) -> float:
        """Return what is left to send now."""
        now = self._env.now
        if self.end_s < inf:
            return self.clock.bits_between(now, self.end_s)
        return max(self.left_bits - self.clock.bits_between(self.planned_s, now), 0.0)

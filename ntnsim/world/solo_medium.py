"""A medium that is not shared: one sender, one image at a time."""

from collections.abc import Callable
from math import inf
from typing import Any, cast

import simpy

from ntnsim.rates.rate_clock import RateClock

Clock = RateClock[Any]


class SoloMedium:
    """The medium of a single sender that sends one image at a time: nothing to share, so B⁻¹ tells each end at once."""

    def __init__(self, env: simpy.Environment, finished: Callable[["SoloTransfer"], None]) -> None:
        self._env = env
        self._finished = finished
        self.count = 0

    def start(self, clock: Clock, bits: float, payload: Any, priority: int = 0) -> "SoloTransfer":
        """Begin a transfer of *bits* at the rate of *clock*."""
        now = self._env.now
        clock.forget_before(now)
        end_s = clock.finish_s(now, bits)
        transfer = SoloTransfer(self._env, clock, bits, end_s, payload)
        self.count += 1
        if end_s < inf:
            self._env.timeout(end_s - now, transfer).callbacks.append(self._end)
        return transfer

    def stop(self, transfer: "SoloTransfer") -> None:
        """Take *transfer* off the medium before its end."""
        transfer.running = False
        self.count -= 1

    def _end(self, event: simpy.Event) -> None:
        transfer = cast(SoloTransfer, event.value)
        if transfer.running:
            self.count -= 1
            self._finished(transfer)


class SoloTransfer:
    """One transfer of *bits* that ends at *end_s*; *payload* is the caller's."""

    __slots__ = ("_clock", "_env", "bits", "end_s", "payload", "running")

    def __init__(self, env: simpy.Environment, clock: Clock, bits: float, end_s: float, payload: Any) -> None:
        self._env = env
        self._clock = clock
        self.bits = bits
        self.end_s = end_s
        self.payload = payload
        self.running = True

    def remaining_bits(self) -> float:
        """Return what is left to send now; all of it if no contact is known in which it could end."""
        return self._clock.bits_between(self._env.now, self.end_s) if self.end_s < inf else self.bits

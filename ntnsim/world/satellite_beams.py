"""Service beams that a satellite shares among all sites it serves: whoever hands over takes the transfer along.

Each satellite has one medium with as many channels as it has beams (or as its feeder carries). A terminal's transfers
are on the medium of the satellite that serves it now; at a handover what is left of them moves. No event but that.
"""

from collections.abc import Callable
from math import inf
from typing import Any, cast

import simpy

from ntnsim.rates.link_clock import LinkClock
from ntnsim.world.priority_medium import PriorityMedium
from ntnsim.world.shared_medium import SharedMedium
from ntnsim.world.transmitter import Transfer

EDGE_S = (
    1e-6  # who serves at an edge between steps is asked just after it, where rounding cannot tell otherwise
)


class SatelliteBeams:
    """The media of all satellites, made when first used.

    channels: full rates that one satellite gives at once. strict_priority: only its most urgent transfers go on.
    finished: called with a transfer that has ended.
    """

    def __init__(
        self,
        env: simpy.Environment,
        channels: float,
        finished: Callable[[Any], None],
        *,
        strict_priority: bool = False,
    ) -> None:
        self._env = env
        self.channels = channels
        self._finished = finished
        self._strict_priority = strict_priority
        self._media: dict[str, SharedMedium | PriorityMedium] = {}

    def of(self, satellite: str) -> SharedMedium | PriorityMedium:
        """Return the medium of the satellite called *satellite*."""
        if satellite not in self._media:
            self._media[satellite] = (
                PriorityMedium(self._env, self._ended)
                if self._strict_priority
                else SharedMedium(self._env, self._ended, self.channels)
            )
        return self._media[satellite]

    def _ended(self, inner: Any) -> None:
        transfer = cast(MovingTransfer, inner.payload)
        transfer.medium.forget(transfer)
        self._finished(transfer)


class MovingTransfer:
    """A transfer of *bits* that goes along with its terminal; *inner* is it on the medium of the satellite, if any."""

    __slots__ = ("bits", "inner", "left_bits", "medium", "payload", "priority")

    def __init__(self, medium: "TerminalBeams", bits: float, payload: Any, priority: int) -> None:
        self.medium = medium
        self.bits = self.left_bits = bits
        self.payload = payload
        self.priority = priority
        self.inner: Transfer | None = None

    def remaining_bits(self) -> float:
        """Return what is left to send now."""
        return self.left_bits if self.inner is None else self.inner.remaining_bits()


class TerminalBeams:
    """The medium as one terminal knows it: the beams of whichever satellite serves it."""

    def __init__(self, env: simpy.Environment, beams: SatelliteBeams, clock: LinkClock) -> None:
        self._env = env
        self._beams = beams
        self._clock = clock
        self._own: dict[MovingTransfer, None] = {}
        self._satellite = ""  # that the transfers are with; "" without contact
        self._watching = False

    @property
    def channels(self) -> float:
        """Full rates that the satellite gives at once."""
        return self._beams.channels

    @property
    def count(self) -> int:
        """Transfers under way or paused on the serving satellite, this terminal's own included."""
        satellite = self._satellite
        if not self._own:
            satellite = self._serving(self._env.now)
        return self._beams.of(satellite).count if satellite else len(self._own)

    def start(self, clock: LinkClock, bits: float, payload: Any, priority: int = 0) -> MovingTransfer:
        """Begin a transfer of *bits*; *clock* is the terminal's own."""
        transfer = MovingTransfer(self, bits, payload, priority)
        now = self._env.now
        if not self._own:
            self._clock.forget_before(now)
            self._satellite = self._serving(now)
        self._own[transfer] = None
        self._enter(transfer)
        self._watch(now)
        return transfer

    def stop(self, transfer: MovingTransfer) -> None:
        """Take *transfer* off before its end."""
        self._leave(transfer)
        self.forget(transfer)

    def forget(self, transfer: MovingTransfer) -> None:
        """Learn that *transfer* has ended."""
        self._own.pop(transfer, None)

    def _serving(self, time_s: float) -> str:
        after_s = time_s + EDGE_S
        return self._clock.window_at(after_s).details.state(after_s).satellite

    def _enter(self, transfer: MovingTransfer) -> None:
        if self._satellite:
            medium = self._beams.of(self._satellite)
            transfer.inner = medium.start(self._clock, transfer.left_bits, transfer, transfer.priority)

    def _leave(self, transfer: MovingTransfer) -> None:
        if transfer.inner is not None:
            transfer.left_bits = transfer.inner.remaining_bits()
            self._beams.of(self._satellite).stop(cast(Any, transfer.inner))
            transfer.inner = None

    def _watch(self, time_s: float) -> None:
        """Wake up when another satellite may serve, once however many transfers there are."""
        if self._watching or not self._own:
            return
        if self._satellite:
            after_s = time_s + EDGE_S
            change_s = self._clock.window_at(after_s).details.served_until_s(after_s)
        else:
            change_s = self._clock.next_flow_s(time_s)
            if change_s == inf:
                change_s = self._clock.look_again_s(time_s)
        if change_s < inf:
            change_s = max(change_s, time_s + EDGE_S)
            self._watching = True
            self._env.timeout(max(change_s - self._env.now, 0.0), change_s).callbacks.append(self._changes)

    def _changes(self, event: simpy.Event) -> None:
        self._watching = False
        if not self._own:
            return
        time_s = max(cast(float, event.value), self._env.now)
        satellite = self._serving(time_s)
        if satellite != self._satellite:
            for transfer in self._own:
                self._leave(transfer)
            self._satellite = satellite
            for transfer in list(self._own):
                self._enter(transfer)
        self._watch(time_s)

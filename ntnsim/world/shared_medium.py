"""Processor sharing of a medium's time among transfers whose rates differ and change: exact, and cheap for thousands.

While n transfers are under way each has the share 1/n of the time and, in its share, its own rate: one that sees the
rate r_g progresses by ∫ r_g(t)/n(t) dt. Transfers that see the same rate clock form a group (terminals at one site);
they all progress alike, so a group keeps one counter of attained bits and a heap of the counts at which they end.

- One group active: n changes only when a transfer starts or ends, so the next end is B⁻¹(B(t) + n·Δ): no event between.
- Several: let V(t) = ∫ dt/n be the time that each was given. Within a run of constant rate a group's counter is linear
  in V, so its next end is a point on the V axis that no other group's coming or going moves. One heap of those points
  and one of the ends of runs make every change O(log n), however many groups there are.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf, ulp
from typing import Any

import simpy

from ntnsim.rates.rate_clock import RateClock

Clock = RateClock[Any]

_BITS_SLACK = 1e-9  # of a transfer's size: what rounding may leave of it at the moment of its end
_NONE = 0


class Transfer:
    """One transfer of *bits*, done when its group's counter reaches *target_bits*; *payload* is the caller's."""

    __slots__ = ("bits", "group", "medium", "payload", "running", "target_bits")

    def __init__(self, medium: "SharedMedium", group: "_Group", bits: float, payload: Any) -> None:
        self.medium = medium
        self.group = group
        self.bits = bits
        self.payload = payload
        self.target_bits = group.attained_bits + bits
        self.running = True

    def remaining_bits(self) -> float:
        """Return what is left to send now, without touching anything."""
        return max(self.target_bits - self.medium.attained_bits(self.group), 0.0)


class _Group:
    """The transfers that see one rate clock.

    attained_bits is right for the time settled_s and for V = settled_v. From there it grows by rate_bps per unit of V
    while several groups are active, and by the clock's bits over n while this is the only one.
    """

    __slots__ = (
        "attained_bits",
        "clock",
        "count",
        "ends",
        "plan",
        "rate_bps",
        "run",
        "settled_s",
        "settled_v",
    )

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.count = 0
        self.attained_bits = self.settled_s = self.settled_v = self.rate_bps = 0.0
        self.ends: list[
            tuple[float, int, Transfer]
        ] = []  # (target_bits, order, transfer), stopped ones included
        self.plan = self.run = _NONE  # order of its valid entry in each of the medium's heaps

    def next_end(self) -> Transfer:
        """Return the transfer that ends first."""
        while not self.ends[0][2].running:
            heappop(self.ends)
        return self.ends[0][2]


class SharedMedium:
    """Transfers start, share the medium's time equally, and end by calling *finished*.

    channels: as many transfers go on at full rate; more of them share the channels' time. Less than one slows even one.
    """

    def __init__(
        self, env: simpy.Environment, finished: Callable[[Transfer], None], channels: float = 1.0
    ) -> None:
        self._env = env
        self._finished = finished
        self.channels = channels
        self._split = (
            1.0  # n, or n over the channels where there are fewer of those: each is given 1/split of the time
        )
        self._groups: dict[Clock, _Group] = {}
        self._active: dict[_Group, None] = {}  # in order, so that ties are settled alike in every run
        self.count = 0
        self._order = _NONE
        self._settled_s = 0.0  # the time that V is right for
        self._v = 0.0
        self._v_ends: list[tuple[float, int, _Group]] = []
        self._run_ends: list[tuple[float, int, _Group]] = []
        self._alarm: simpy.Event | None = None
        self._alarm_s = inf
        self._expected: Transfer | None = None  # ends at the alarm, if nothing changes until then
        self._ringing = False
        self._paused = False

    def start(self, clock: Clock, bits: float, payload: Any, priority: int = 0) -> Transfer:
        """Begin a transfer of *bits* at the rate of *clock*; *priority* means nothing here."""
        group = self._groups.get(clock)
        if group is None:
            group = self._groups[clock] = _Group(clock)
        if self.count:
            self._advance()
        else:
            self._settled_s = self._env.now
        if group.count:
            self._settle(group)
        else:
            self._activate(group)
        transfer = Transfer(self, group, bits, payload)
        group.count += 1
        self._count(1)
        self._expected = None
        self._order += 1
        heappush(group.ends, (transfer.target_bits, self._order, transfer))
        if len(self._active) > 1:
            self._plan(group)
        self._set_alarm()
        return transfer

    def _count(self, change: int) -> None:
        self.count += change
        self._split = self.count / self.channels
        if self._split < 1.0 <= self.channels:
            self._split = 1.0

    def stop(self, transfer: Transfer) -> None:
        """Take *transfer* off the medium before its end."""
        self._advance()
        self._settle(transfer.group)
        self._release(transfer)
        self._expected = None
        self._set_alarm()

    def attained_bits(self, group: _Group) -> float:
        """Return the counter of *group* now, without touching anything."""
        if self._paused:
            return group.attained_bits
        now = self._env.now
        if len(self._active) == 1:
            return group.attained_bits + group.clock.bits_between(group.settled_s, now) / self._split
        v = self._v + (now - self._settled_s) / self._split
        return group.attained_bits + group.rate_bps * (v - group.settled_v)

    def pause(self) -> None:
        """Let nothing progress until :meth:`resume`."""
        self._advance()
        for group in self._active:
            self._settle(group)
            group.plan = group.run = _NONE
        self._paused = True
        self._alarm, self._alarm_s, self._expected = None, inf, None

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._paused = False
        self._settled_s = self._env.now
        for group in self._active:
            group.settled_s = self._settled_s
            if len(self._active) > 1:
                self._enter_run(group, self._settled_s)
        self._set_alarm()

    def _advance(self) -> None:
        """Bring V, or the counter of the only group, up to now."""
        now = self._env.now
        if self.count and not self._paused:
            if len(self._active) == 1:
                (group,) = self._active
                if now > group.settled_s:
                    group.attained_bits += group.clock.bits_between(group.settled_s, now) / self._split
                    group.settled_s = now
                    group.clock.forget_before(now)
            else:
                self._v += (now - self._settled_s) / self._split
        self._settled_s = now

    def _settle(self, group: _Group) -> None:
        """Bring the counter of one of several groups up to V."""
        if len(self._active) > 1:
            group.attained_bits += group.rate_bps * (self._v - group.settled_v)
            group.settled_v = self._v
            group.settled_s = self._settled_s

    def _activate(self, group: _Group) -> None:
        if not self._active:
            # Nobody is under way: V starts afresh, so that it keeps its precision over any horizon.
            self._v = 0.0
            self._v_ends.clear()
            self._run_ends.clear()
        elif len(self._active) == 1:
            (other,) = self._active  # it was alone and knew no runs
            self._enter_run(other, self._settled_s)
        group.attained_bits = 0.0
        group.ends.clear()
        group.settled_s = self._settled_s
        if self._active:
            self._enter_run(group, self._settled_s)
        self._active[group] = None

    def _enter_run(self, group: _Group, time_s: float) -> None:
        """Take up the rate that holds from *time_s* on, and plan with it."""
        group.settled_v = self._v
        group.run = group.plan = _NONE
        if self._paused:
            return
        group.clock.forget_before(self._settled_s)
        group.rate_bps, end_s = group.clock.run(time_s)
        if end_s < inf:
            self._order += 1
            group.run = self._order
            heappush(self._run_ends, (end_s, self._order, group))
        if group.count:
            self._plan(group)

    def _plan(self, group: _Group) -> None:
        """Put the next end of a settled group on the V axis, if it has one in its present run."""
        group.plan = _NONE
        if self._paused:
            return
        transfer = group.next_end()
        left_bits = transfer.target_bits - group.attained_bits
        if left_bits <= _BITS_SLACK * transfer.bits and (transfer.bits or group.rate_bps):
            v_end = self._v
        elif group.rate_bps > 0:
            v_end = self._v + left_bits / group.rate_bps
        else:
            return  # nothing passes, not even nothing at all
        self._order += 1
        group.plan = self._order
        heappush(self._v_ends, (v_end, self._order, group))

    def _release(self, transfer: Transfer) -> None:
        """Take *transfer* out of its settled group."""
        group = transfer.group
        transfer.running = False
        self._count(-1)
        group.count -= 1
        if group.count:
            if len(self._active) > 1:
                self._plan(group)
            return
        group.plan = group.run = _NONE
        if len(self._active) == 2:
            del self._active[group]
            (other,) = self._active  # alone from here on
            other.attained_bits += other.rate_bps * (self._v - other.settled_v)
            other.settled_s = self._settled_s
            other.plan = other.run = _NONE
        else:
            del self._active[group]

    def _set_alarm(self) -> None:
        """Wake up at the next end or change of rate. An alarm that is set too early is kept: it finds nothing due."""
        if self._ringing or self._paused or not self.count:
            return
        now = self._settled_s
        if len(self._active) == 1:
            (group,) = self._active
            first = group.next_end()
            expected: Transfer | None = first
            left_bits = first.target_bits - group.attained_bits
            if left_bits > 0 or not first.bits:  # nothing at all passes when bits next can
                alarm_s = group.clock.finish_s(now, max(left_bits, 0.0) * self._split)
            else:
                alarm_s = now
            if alarm_s == inf:
                expected, alarm_s = None, group.clock.look_again_s(now)
        else:
            expected = None
            alarm_s = self._run_end_s()
            v_end = self._v_end()
            if v_end < inf:
                alarm_s = min(alarm_s, now + (v_end - self._v) * self._split)
        if alarm_s < self._alarm_s:
            self._alarm = self._env.timeout(alarm_s - now if alarm_s > now else 0.0)
            self._alarm.callbacks.append(self._ring)
            self._alarm_s = alarm_s
        self._expected = expected if alarm_s == self._alarm_s else None

    def _run_end_s(self) -> float:
        while self._run_ends and self._run_ends[0][2].run != self._run_ends[0][1]:
            heappop(self._run_ends)
        return self._run_ends[0][0] if self._run_ends else inf

    def _v_end(self) -> float:
        while self._v_ends and self._v_ends[0][2].plan != self._v_ends[0][1]:
            heappop(self._v_ends)
        return self._v_ends[0][0] if self._v_ends else inf

    def _ring(self, event: simpy.Event) -> None:
        if event is not self._alarm:
            return
        self._alarm, self._alarm_s = None, inf
        self._ringing = True
        expected = self._expected
        if expected is not None:
            # Nothing has changed since the alarm was set for the end of this transfer: no need to work it out again.
            self._expected = None
            self._settled_s = expected.group.settled_s = self._env.now
            expected.group.clock.forget_before(self._settled_s)
            expected.group.attained_bits = expected.target_bits
            self._release(expected)
            self._finished(expected)
        else:
            self._advance()
        slack_s = 4 * ulp(self._settled_s)
        while len(self._active) > 1 and (end_s := self._run_end_s()) <= self._settled_s + slack_s:
            group = heappop(self._run_ends)[2]
            self._settle(group)
            self._enter_run(group, max(end_s, self._settled_s))
        while self.count and not self._paused:
            transfer = self._due(slack_s)
            if transfer is None:
                break
            transfer.group.attained_bits = transfer.target_bits
            self._release(transfer)
            self._finished(transfer)  # may start others
        self._ringing = False
        self._set_alarm()

    def _due(self, slack_s: float) -> Transfer | None:
        """Return a transfer that ends now, its group settled, if there is one."""
        now = self._settled_s
        if len(self._active) == 1:
            (group,) = self._active
            transfer = group.next_end()
            left_bits = transfer.target_bits - group.attained_bits
            if left_bits <= _BITS_SLACK * transfer.bits and transfer.bits:
                return transfer
            if left_bits == transfer.bits and transfer.bits:
                return None  # has only just begun
            return (
                transfer
                if group.clock.finish_s(now, max(left_bits, 0.0) * self._split) <= now + slack_s
                else None
            )
        v_end = self._v_end()
        if (v_end - self._v) * self._split > slack_s:  # inf where nothing is planned
            return None
        group = self._v_ends[0][2]
        self._settle(group)
        return group.next_end()

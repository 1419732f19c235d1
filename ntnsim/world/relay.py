"""Images on board of satellites: they queue at feeder links and at links between satellites, or wait for a contact.

Every link direction is one queue, whoever's images they are. An image that has arrived whole at a satellite is planned
(`WayDown.plan`), waits for its next link and crosses it whole. When a link between linked satellites goes down, what it
has is planned anew from there; without such links an image stays where it is until its satellite sees a station.
"""

from collections.abc import Callable, Iterator
from math import inf
from typing import cast

import simpy

from ntnsim.chance.step_path import StepPath, constant
from ntnsim.protocols.way_down import GROUND, Hop, Waiting, WayDown
from ntnsim.rates.product_clock import product_clock
from ntnsim.rates.rate_clock import RateClock
from ntnsim.scenario.fault_target import means
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.scenario.terrestrial import QueueSpec
from ntnsim.world.job import Job, WayTimes
from ntnsim.world.propagation import Propagation
from ntnsim.world.solo_medium import SoloMedium
from ntnsim.world.transmitter import Transmitter, transfer_ended
from ntnsim.world.waiting_line import WaitingLine

UNLIMITED_BPS = 1e15  # a megabit in a nanosecond
SEARCH_S = 86_400.0  # contacts are looked for a day at once
LINKED_SEARCH_S = 3600.0  # where other ways exist, nobody waits longer for one link to come back
STEPS_PER_WINDOW = 8
EDGE_S = 1e-6  # what is up at an edge is asked just after it, where rounding cannot tell otherwise


class RelayLink:
    """One direction of a link: a queue, and a rate while the link is up.

    closed: called when it goes down with something in it; None lets everything wait until it is up again.
    """

    def __init__(
        self,
        env: simpy.Environment,
        name: str,
        start: int,
        to: int,
        rate_bps: float,
        up: StepPath,
        until_s: float,
        *,
        sent: Callable[["RelayLink", Job], None],
        closed: Callable[["RelayLink", float], None] | None,
        dropped: Callable[[Job, str], None],
    ) -> None:
        self._env = env
        self.name = name
        self.start, self.to = start, to
        self.rate_bps = rate_bps
        self._closed = closed
        self._watched: Job | None = None
        self.clock: RateClock[None] = product_clock(
            [constant(rate_bps), up],
            None,
            until_s,
            STEPS_PER_WINDOW,
            SEARCH_S if closed is None else LINKED_SEARCH_S,
        )
        self.sender = Transmitter(
            SoloMedium(env, transfer_ended),
            self.clock,
            WaitingLine(QueueSpec()),
            bits_of=_left_bits,
            begun=self._begun,
            sent=lambda job: sent(self, job),
            dropped=dropped,
            full_reason="",
        )

    def waits_s(self, time_s: float) -> float:
        """Return how long an image that came at *time_s* would wait, for others and for the link to be up."""
        self.clock.forget_before(self._env.now)
        wait_s = self.clock.finish_s(time_s, self.sender.backlog_bits()) - time_s
        return min(wait_s, SEARCH_S)

    def _begun(self, job: Job) -> None:
        """Watch whether the link goes down before *job* is through."""
        if self._closed is None:
            return
        now = self._env.now + EDGE_S
        ends_s = self.clock.finish_s(now, _left_bits(job))
        closes_s = now
        while closes_s < ends_s:
            rate_bps, until_s = self.clock.run(closes_s)
            if rate_bps == 0:
                break
            closes_s = until_s
        if closes_s < ends_s:
            self._watched = job
            self._env.timeout(max(closes_s - self._env.now, 0.0), (job, closes_s)).callbacks.append(
                self._down
            )

    def _down(self, event: simpy.Event) -> None:
        job, time_s = cast(tuple[Job, float], event.value)
        if self._closed is not None and self._watched is job and job in self.sender.under_way:
            self._closed(self, max(time_s, self._env.now))


class Relay:
    """All satellites' queues.

    arrived: called when the data network has a job whole. dropped: for those that do not fit or that a fault takes.
    """

    def __init__(
        self,
        env: simpy.Environment,
        way: WayDown,
        space: SpaceSegmentSpec,
        until_s: float,
        *,
        arrived: Callable[[Job], None],
        dropped: Callable[[Job, str], None],
    ) -> None:
        payload, links = space.payload, space.inter_satellite_links
        assert payload.kind == "regenerative"
        self._env = env
        self._way = way
        self._until_s = until_s
        self._feeder_bps = payload.feeder_rate_bps or UNLIMITED_BPS
        self._link_bps = (links.rate_bps if links.kind == "plus_grid" else None) or UNLIMITED_BPS
        self._sees_backlog = links.kind == "plus_grid" and links.route_sees == "backlog"
        self._buffer_bits = payload.buffer_bits or inf
        self._numbers = {name: number for number, name in enumerate(way.names)}
        self._links: dict[tuple[int, int], RelayLink] = {}
        self._stored_bits: dict[int, float] = {}
        self._kept: dict[Job, int] = {}  # on satellites, without a link to queue at yet
        self._dropped = dropped
        self._down = Propagation(env, arrived)
        self._across: dict[Job, None] = {}  # between satellites

    def __iter__(self) -> Iterator[Job]:
        for link in self._links.values():
            yield from link.sender.jobs
        yield from self._kept
        yield from self._across
        yield from self._down

    def by_kind(self) -> dict[str, list[RelayLink]]:
        """Return the links that ever carried anything, or were thought of."""
        links = self._links.values()
        kinds = {"feeder links": [link for link in links if link.to == GROUND]}
        if self._way.linked:
            kinds["inter-satellite links"] = [link for link in links if link.to != GROUND]
        return kinds

    @property
    def kept(self) -> int:
        """Images that wait on board for a contact, at no link yet."""
        return len(self._kept)

    def stored_bits(self) -> float:
        """Return what all satellites hold."""
        return sum(self._stored_bits.values())

    def take(self, job: Job) -> None:
        """Take *job*, which its satellite has received whole."""
        now = self._env.now
        job.way = WayTimes(now, job.link_bits)
        self._hold(job, self._numbers[job.satellite])

    def outlook_s(self, satellite: str) -> float:
        """Return how long a bit that arrives at *satellite* now would take to the ground, as far as is known now."""
        now = self._env.now
        node, time_s = self._numbers[satellite], now
        hops = self._plan(node, now, 0.0)
        if not hops:
            return SEARCH_S
        for hop in hops:
            time_s = max(time_s, hop.not_before_s)
            link = self._link(node, hop.to)
            time_s += link.waits_s(time_s)
            if time_s - now >= SEARCH_S:
                return SEARCH_S
            if link.clock.rate_bps(now) > 0:  # further ahead, the light's time is nothing beside the wait
                time_s += self._way.hop_s(node, hop.to, now)
            node = hop.to
        return time_s - now

    def interrupt(self, kind: str, target: str, work_in_progress: str, reason: str) -> None:
        """Meet a fault of the way down: the links are down meanwhile; see `WorkInProgress` for what was under way."""
        for link in list(self._links.values()):
            if link.sender.under_way and self._hit(link, kind, target):
                link.sender.interrupt(work_in_progress, reason)

    def _hit(self, link: RelayLink, kind: str, target: str) -> bool:
        names = self._way.names
        if kind == "receiving_station":
            return link.to == GROUND and self._receives(link, target)
        if link.to == GROUND:
            return kind in ("satellite", "satellite_feeder") and means(target, names[link.start])
        if kind == "satellite_feeder":
            return False
        ends = names[link.start], names[link.to]
        pair = (f"{ends[0]}--{ends[1]}", f"{ends[1]}--{ends[0]}") if kind == "inter_satellite_link" else ()
        return any(means(target, name) for name in (*ends, *pair))

    def _receives(self, link: RelayLink, target: str) -> bool:
        """Return whether a station that *target* means received from *link* until this very moment."""
        now = self._env.now
        try:
            return means(target, self._way.station(link.start, now))
        except RuntimeError:  # none in view: nothing to cut
            return False

    def _link(self, start: int, to: int) -> RelayLink:
        if (start, to) not in self._links:
            self._links[start, to] = RelayLink(
                self._env,
                f"{self._way.names[start]}--{'ground' if to == GROUND else self._way.names[to]}",
                start,
                to,
                self._feeder_bps if to == GROUND else self._link_bps,
                StepPath(self._way.up_steps(start, to)),
                self._until_s,
                sent=self._sent,
                closed=self._closed if self._way.linked else None,
                dropped=self._lost,
            )
        return self._links[start, to]

    def _hold(self, job: Job, satellite: int) -> None:
        """Store *job*, which has arrived at *satellite*, if it fits, and pass it on."""
        assert job.way is not None
        held_bits = self._stored_bits.get(satellite, 0.0)
        if held_bits + job.way.left_bits > self._buffer_bits:
            job.way.last_satellite = self._way.names[satellite]
            self._dropped(job, "satellite buffer full")
            return
        self._stored_bits[satellite] = held_bits + job.way.left_bits
        job.way.stored_bits = job.way.left_bits
        job.way.queued_s = self._env.now
        job.way.last_satellite = self._way.names[satellite]
        self._pass_on(job, satellite, self._env.now)

    def _pass_on(self, job: Job, satellite: int, time_s: float) -> None:
        """Let *job* queue at its next link, or keep it until a plan begins."""
        assert job.way is not None
        hops = self._plan(satellite, time_s, job.way.left_bits)
        again_s = hops[0].not_before_s if hops else time_s + SEARCH_S
        if hops and again_s <= time_s + EDGE_S:
            self._link(satellite, hops[0].to).sender.send(job)
            return
        self._kept[job] = satellite
        if again_s < self._until_s:
            wait_s = max(again_s - self._env.now, 0.0)
            self._env.timeout(wait_s, (job, again_s)).callbacks.append(self._again)

    def _again(self, event: simpy.Event) -> None:
        job, time_s = cast(tuple[Job, float], event.value)
        self._pass_on(job, self._kept.pop(job), max(time_s, self._env.now))

    def _plan(self, satellite: int, time_s: float, bits: float) -> tuple[Hop, ...]:
        after_s = time_s + EDGE_S
        if not self._sees_backlog:
            return self._way.plan(satellite, after_s)
        behind_s = {
            place: link.sender.backlog_bits() / link.rate_bps
            for place, link in self._links.items()
            if link.sender.count
        }
        own = Waiting(bits / self._link_bps, bits / self._feeder_bps, behind_s)
        return self._way.plan(satellite, after_s, own)

    def _closed(self, link: RelayLink, time_s: float) -> None:
        """Plan anew what a link had when it went down. What the ground has got of an image counts."""
        for job, left_bits in link.sender.take_back():
            assert job.way is not None
            sent_bits = 0.0
            if link.to == GROUND:
                sent_bits = job.way.left_bits - left_bits
                job.way.left_bits = left_bits
            self._note_wait(job, link, sent_bits)
            self._pass_on(job, link.start, time_s)

    def _sent(self, link: RelayLink, job: Job) -> None:
        assert job.way is not None
        now = self._env.now
        self._note_wait(job, link, job.way.left_bits)
        self._release(job, link.start)
        delay_s = self._way.hop_s(link.start, link.to, now)
        if link.to == GROUND:
            job.way.left_s = now
            job.way.station = self._way.station(link.start, now)
            self._down.send(job, delay_s)
        else:
            job.way.hops += 1
            self._across[job] = None
            self._env.timeout(delay_s, (job, link.to)).callbacks.append(self._crossed)

    def _crossed(self, event: simpy.Event) -> None:
        job, satellite = cast(tuple[Job, int], event.value)
        del self._across[job]
        self._hold(job, satellite)

    def _note_wait(self, job: Job, link: RelayLink, sent_bits: float) -> None:
        """Count what *job* spent at *link*, beyond the transmission of *sent_bits*, as waiting."""
        assert job.way is not None
        now = self._env.now
        wait_s = max(now - job.way.queued_s - sent_bits / link.rate_bps, 0.0)
        if link.to == GROUND:
            job.way.feeder_wait_s += wait_s
        else:
            job.way.link_wait_s += wait_s
        job.way.queued_s = now

    def _release(self, job: Job, satellite: int) -> None:
        assert job.way is not None
        left_bits = self._stored_bits[satellite] - job.way.stored_bits
        self._stored_bits[satellite] = left_bits if left_bits > 1e-6 else 0.0  # rounding's leftovers
        job.way.stored_bits = 0.0

    def _lost(self, job: Job, reason: str) -> None:
        assert job.way is not None
        self._release(job, self._numbers[job.way.last_satellite])
        self._dropped(job, reason)


def _left_bits(job: Job) -> float:
    assert job.way is not None
    return job.way.left_bits

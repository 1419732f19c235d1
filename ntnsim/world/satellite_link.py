"""A gateway's end of the satellite link: its place in a beam, and the way down to the data network.

The terminals of a beam share its time (shared_medium.py); the rate that each would have alone is in link_clock.py.
"""

from collections.abc import Callable
from math import inf, isfinite, isnan, nan
from typing import cast

import simpy

from ntnsim.chance.step_path import StepPath
from ntnsim.protocols.network_state import SatelliteLinkState
from ntnsim.rates.link_clock import LinkClock
from ntnsim.scenario.satellite_link import SatelliteLinkSpec
from ntnsim.scenario.terrestrial import QueueSpec
from ntnsim.world.job import Job
from ntnsim.world.propagation import Propagation
from ntnsim.world.transmitter import Medium, Transmitter
from ntnsim.world.waiting_line import WaitingLine

_A_MOMENT_S = 1e-6


class SatelliteTerminal:
    """A gateway's end of the link: takes encoded images, hands them to the data network.

    load: the background ρ(t), for Ω_t.
    arrived: called when the far end (the data network, or a satellite that queues) has a job whole. dropped: for those
        that do not fit or that a fault takes.
    outlook_s: how long it is from a satellite that queues, by name, to the data network.
    """

    def __init__(
        self,
        env: simpy.Environment,
        entity: SatelliteLinkSpec,
        medium: Medium,
        clock: LinkClock,
        load: StepPath,
        *,
        arrived: Callable[[Job], None],
        dropped: Callable[[Job, str], None],
        outlook_s: Callable[[str], float] | None = None,
    ) -> None:
        self._env = env
        self._outlook_s = outlook_s
        self._entity = entity
        self._clock = clock
        self._load = load
        self._propagation = Propagation(env, arrived)
        self._last_arrival_s = 0.0
        self._overhead = 1.0 + entity.overhead_fraction
        self.sender = Transmitter(
            medium,
            clock,
            WaitingLine(QueueSpec(discipline=entity.discipline)),
            bits_of=_link_bits,
            begun=self._begun,
            sent=self._sent,
            dropped=dropped,
            full_reason="satellite link buffer full",
            one_at_a_time=not entity.per_image_flows,
            buffer_bits=entity.buffer_bits or inf,
        )

    @property
    def jobs(self) -> list[Job]:
        """All jobs that the link holds."""
        return [*self.sender.jobs, *self._propagation]

    def send(self, job: Job, size_bits: float) -> None:
        """Take *job*, coded in *size_bits*."""
        job.link_bits = size_bits * self._overhead + self._entity.overhead_bits
        self.sender.send(job)

    def served_by(self) -> str:
        """Return the satellite that served until this very moment; "" without contact."""
        # A fault that begins now may be when the terminal hands over to another satellite.
        now = self._env.now
        window = self._clock.window_at(now)
        return window.details.state(max(now - _A_MOMENT_S, window.edges_s[0])).satellite

    def state(self) -> SatelliteLinkState:
        """Return ω_NTN."""
        now = self._env.now
        window = self._clock.window_at(now)
        contact = window.details.state(now)
        others = self.sender.others
        taken = self._load.at(now)
        self._load.forget_before(now)
        propagation_s = contact.propagation_s
        if self._outlook_s is not None and contact.satellite:
            propagation_s += self._outlook_s(contact.satellite)
        return SatelliteLinkState(
            satellite=contact.satellite,
            elevation_deg=contact.elevation_deg,
            sinr_db=contact.sinr_db,
            rate_bps=window.rates_bps[window.run_at(now)] / (others + 1),
            backlog_bits=self.sender.backlog_bits(),
            remaining_pass_s=contact.remaining_pass_s,
            next_contact_s=contact.next_contact_s,
            load=taken + (1.0 - taken) * others / (others + 1),
            propagation_s=propagation_s,
        )

    def _begun(self, job: Job) -> None:
        job.link_head_s = self._env.now
        self._look_for_contact(job)

    def _look_for_contact(self, job: Job) -> None:
        """Note when the first bit of *job* can leave, now or when the clock wants to be asked again."""
        now = self._env.now
        job.link_start_s = self._clock.next_flow_s(now)
        if job.link_start_s == inf and (again_s := self._clock.look_again_s(now)) < inf:
            self._env.timeout(again_s - now, job).callbacks.append(self._look_again)

    def _look_again(self, event: simpy.Event) -> None:
        job = cast(Job, event.value)
        if job in self.sender.under_way and job.link_start_s == inf:
            self._look_for_contact(job)

    def _sent(self, job: Job) -> None:
        now = self._env.now
        details = self._clock.window_at(now).details
        job.link_end_s = now
        job.satellite = details.satellite(now)
        propagation_s = details.propagation_s(now)
        if isnan(propagation_s):
            raise RuntimeError(f"{job.origin.gateway}: the last bit left at {now} s without contact")
        arrival_s = now + propagation_s
        if self._entity.in_order:
            arrival_s = self._last_arrival_s = max(arrival_s, self._last_arrival_s)
        self._propagation.send(job, arrival_s - now)


def _link_bits(job: Job) -> float:
    return job.link_bits


def contact_wait_s(job: Job) -> float:
    """Return how long *job* was at the head of its queue without contact."""
    return job.link_start_s - job.link_head_s if isfinite(job.link_start_s) else nan

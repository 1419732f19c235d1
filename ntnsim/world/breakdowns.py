"""Which station each fault of a scenario breaks, and how: the wiring of faults to the world.

Links are cut by paths that scale their rate (so that transfers know their ends in advance) and learn of the cut
besides, for the work that does not simply resume. Servers only learn of it; each fault of some servers of a
pool has servers of its own there.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import simpy

from ntnsim.chance.sampling import Streams
from ntnsim.chance.step_path import StepPath
from ntnsim.errors import ScenarioError
from ntnsim.rates.link_clock import Impairments
from ntnsim.scenario.fault_target import means
from ntnsim.scenario.faults import AccessFaultSpec, FaultSpec, RainFadeSpec, RelayFaultSpec, ServerFaultSpec
from ntnsim.world.faults import FaultProcess, outage_path
from ntnsim.world.journey import Stations
from ntnsim.world.server_pool import ServerPool
from ntnsim.world.terrestrial_link import TerrestrialLink
from ntnsim.world.timeline import Timeline

Action = Callable[[], None]


class Breakdowns:
    """The faults of one run."""

    def __init__(
        self, env: simpy.Environment, faults: Sequence[FaultSpec], seed: int, timeline: Timeline
    ) -> None:
        self._env = env
        self._faults = [(fault, Streams(seed, "fault", fault.name)) for fault in faults]
        self._timeline = timeline
        self._access: list[tuple[str, TerrestrialLink]] = []  # gateway, link
        self._spoken_for: dict[ServerPool[Any], int] = {}  # servers that earlier faults of a pool break

    def link_factors(self, kind: str, gateway: str) -> list[StepPath]:
        """Return fresh paths of the faults that cut the access link of *gateway*, or the delivery link."""
        return [
            outage_path(fault, streams)
            for fault, streams in self._faults
            if fault.kind == kind and (kind == "delivery" or hits(fault.target, gateway))
        ]

    def impairments_key(self, gateway: str) -> tuple[str, ...]:
        """Return the names of the faults that scale the satellite rate of *gateway*: equal keys, equal rates."""
        return tuple(fault.name for fault, _ in self._faults if _concerns_link(fault, gateway))

    def impairments(self, gateway: str) -> Impairments:
        """Return fresh paths of those faults."""
        factors, satellites, attenuations_db = [], [], []
        for fault, streams in self._faults:
            if not _concerns_link(fault, gateway):
                continue
            if isinstance(fault, RainFadeSpec) and fault.attenuation_db is not None:
                attenuations_db.append(outage_path(fault, streams, broken=fault.attenuation_db, well=0.0))
            elif isinstance(fault, RainFadeSpec):
                factors.append(outage_path(fault, streams, broken=fault.rate_factor or 0.0))
            elif fault.kind == "satellite":
                satellites.append((fault.target, outage_path(fault, streams)))
            else:
                factors.append(outage_path(fault, streams))
        return Impairments(factors, satellites, attenuations_db)

    def watch_access(self, gateway: str, link: TerrestrialLink) -> None:
        """Remember an access link of *gateway*."""
        self._access.append((gateway, link))

    def start(self, stations: Stations, gateways: Iterable[str]) -> None:
        """Start a process for each fault. *gateways*: names of all copies, for the check of targets."""
        check_gateway_faults([fault for fault, _ in self._faults], gateways)
        for fault, streams in self._faults:
            begin, end = self._actions(fault, stations)
            FaultProcess(
                self._env,
                outage_path(fault, streams),
                self._noting(fault, "begin", begin),
                self._noting(fault, "end", end),
            ).start()

    def _noting(self, fault: FaultSpec, quantity: str, action: Action) -> Action:
        def act() -> None:
            self._timeline.add("fault", fault.name, quantity, text=fault.kind)
            action()

        return act

    def _actions(self, fault: FaultSpec, stations: Stations) -> tuple[Action, Action]:
        """Return what happens when *fault* begins and when it ends."""
        reason = f"fault {fault.name}"
        work = fault.work_in_progress
        if isinstance(fault, ServerFaultSpec):
            return _server_actions(self._broken(self._pools(fault, stations), fault.servers), work, reason)
        return lambda: self._cut(fault, stations, work, reason), lambda: None

    def _cut_way_down(self, fault: FaultSpec, stations: Stations, work: str, reason: str) -> None:
        if stations.relay is not None:
            stations.relay.interrupt(fault.kind, fault.target, work, reason)

    def _broken(
        self, pools: list[ServerPool[Any]], count: int | None
    ) -> list[tuple[ServerPool[Any], list[int]]]:
        """Return which servers of each pool a fault of *count* servers breaks; all if None.

        Those next after the ones of the faults before it, from the first again when all are spoken for: faults of
        different servers are independent, and their outages add up.
        """
        broken = []
        for pool in pools:
            if count is None or count >= pool.servers:
                broken.append((pool, list(range(pool.servers))))
                continue
            first = self._spoken_for.get(pool, 0)
            broken.append((pool, [(first + k) % pool.servers for k in range(count)]))
            self._spoken_for[pool] = first + count
        return broken

    def _pools(self, fault: ServerFaultSpec, stations: Stations) -> list[ServerPool[Any]]:
        if fault.kind == "gpu":
            return [stations.data_network.pool]
        return [site.gateway.pool for name, site in stations.sites.items() if hits(fault.target, name)]

    def _links(self, fault: AccessFaultSpec, stations: Stations) -> list[TerrestrialLink]:
        if fault.kind == "delivery":
            return [stations.delivery]
        return [link for name, link in self._access if hits(fault.target, name)]

    def _cut(self, fault: FaultSpec, stations: Stations, work: str, reason: str) -> None:
        if isinstance(fault, AccessFaultSpec):
            for link in self._links(fault, stations):
                link.interrupt(work, reason)
            return
        if isinstance(fault, RainFadeSpec) and (fault.attenuation_db is not None or fault.rate_factor):
            return  # slower, not interrupted
        if fault.kind == "satellite" or isinstance(fault, RelayFaultSpec):
            self._cut_way_down(fault, stations, work, reason)
            if fault.kind != "satellite":
                return
        for name, site in stations.sites.items():
            if fault.kind == "satellite":
                if means(fault.target, site.terminal.served_by()):
                    site.terminal.sender.interrupt(work, reason)
            elif hits(fault.target, name):
                site.terminal.sender.interrupt(work, reason)


def _server_actions(
    broken: list[tuple[ServerPool[Any], list[int]]], work: str, reason: str
) -> tuple[Action, Action]:
    def begin() -> None:
        for pool, servers in broken:
            pool.fail(servers, work, reason)

    def end() -> None:
        for pool, servers in broken:
            pool.repair(servers)

    return begin, end


def hits(target: str, gateway: str) -> bool:
    """Return whether a fault's *target* means *gateway*: by name, by wildcard, or as a copy of a replicated one."""
    entity, dash, number = gateway.rpartition("-")
    return means(target, gateway) or (bool(dash) and number.isdigit() and entity == target)


def _concerns_link(fault: FaultSpec, gateway: str) -> bool:
    if fault.kind == "satellite":
        return True
    return fault.kind in ("ground_station", "feeder", "rain") and hits(fault.target, gateway)


def check_gateway_faults(faults: Sequence[FaultSpec], gateways: Iterable[str]) -> None:
    """Raise ScenarioError for a fault that is for none of *gateways*, the names of all copies."""
    names = sorted(gateways)
    for fault in faults:
        elsewhere = fault.kind in ("gpu", "delivery", "satellite") or isinstance(fault, RelayFaultSpec)
        if not elsewhere and not any(hits(fault.target, name) for name in names):
            raise ScenarioError(
                f"fault {fault.name!r}: target {fault.target!r} is none of the gateways {', '.join(names)}"
            )

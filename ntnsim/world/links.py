"""Makes the satellite terminals of gateways: who shares a beam, and whose rates are the same."""

from collections.abc import Callable, Mapping
from typing import Any

import simpy

from ntnsim.arrays import FloatArray
from ntnsim.chance import step_path
from ntnsim.chance.sampling import Streams
from ntnsim.chance.step_path import StepPath
from ntnsim.errors import ScenarioError
from ntnsim.protocols.rate_profile import ProfileSource
from ntnsim.rates.link_clock import Impairments, LinkClock, orbit_clock, written_clock
from ntnsim.scenario.satellite_link import CustomLinkSpec, OrbitLinkSpec
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.terrestrial import GatewaySpec
from ntnsim.world.breakdowns import Breakdowns
from ntnsim.world.job import Job
from ntnsim.world.priority_medium import PriorityMedium
from ntnsim.world.relay import Relay
from ntnsim.world.satellite_beams import SatelliteBeams, TerminalBeams
from ntnsim.world.satellite_link import SatelliteTerminal
from ntnsim.world.shared_medium import SharedMedium
from ntnsim.world.solo_medium import SoloMedium
from ntnsim.world.transmitter import Medium, transfer_ended


class LinkMaker:
    """Makes terminals. Those of one beam share a medium; those with one rate share a clock: cheap sharing."""

    def __init__(
        self,
        env: simpy.Environment,
        scenario: Scenario,
        breakdowns: Breakdowns,
        profile_sources: Mapping[str, ProfileSource],
        until_s: float,
        relay: Relay | None = None,
    ) -> None:
        self._env = env
        self._scenario = scenario
        self._breakdowns = breakdowns
        self._profile_sources = profile_sources
        self._until_s = until_s
        self._relay = relay
        self._media: dict[str, Medium] = {}
        channels = scenario.space.shared_channels
        link = scenario.satellite_link
        self._beams: SatelliteBeams | None = None
        if channels is not None and link.kind == "orbit":
            self._beams = SatelliteBeams(
                env, channels, transfer_ended, strict_priority=link.sharing == "strict_priority"
            )
        self._clocks: dict[tuple[Any, ...], LinkClock] = {}

    def terminal(
        self,
        name: str,
        entity: GatewaySpec,
        *,
        arrived: Callable[[Job], None],
        dropped: Callable[[Job, str], None],
    ) -> SatelliteTerminal:
        """Return the terminal of the gateway called *name*, a copy of *entity*."""
        beam = _beam(entity)
        clock = self._clock(name, entity, beam)
        # What is born on board comes down by its own downlink.
        relay = None if entity.on_satellite else self._relay
        medium: Medium
        if self._beams is not None and not entity.on_satellite:
            medium = TerminalBeams(self._env, self._beams, clock)
        else:
            if beam not in self._media:
                self._media[beam] = self._medium(beam)
            medium = self._media[beam]
        return SatelliteTerminal(
            self._env,
            self._scenario.satellite_link,
            medium,
            clock,
            self._load(),
            arrived=arrived if relay is None else relay.take,
            dropped=dropped,
            outlook_s=None if relay is None else relay.outlook_s,
        )

    def _medium(self, beam: str) -> Medium:
        entity = self._scenario.satellite_link
        senders = sum(gateway.count for gateway in self._scenario.gateways if _beam(gateway) == beam)
        if senders == 1 and not entity.per_image_flows:
            return SoloMedium(self._env, transfer_ended)
        if entity.sharing == "strict_priority":
            return PriorityMedium(self._env, transfer_ended)
        return SharedMedium(self._env, transfer_ended)

    def _load(self) -> StepPath:
        return step_path.background_load(
            self._scenario.background, Streams(self._scenario.seed, "background")
        )

    def _clock(self, name: str, entity: GatewaySpec, beam: str) -> LinkClock:
        source = self._profile_sources.get(entity.name)
        key = (beam, id(source), entity.rate_factor, self._breakdowns.impairments_key(name))
        if key not in self._clocks:
            faults = self._breakdowns.impairments(name)
            impairments = Impairments(
                [step_path.constant(entity.rate_factor), step_path.complement(self._load()), *faults.factors],
                faults.satellites,
                faults.attenuations_db,
                _efficiency_of(source),
            )
            link = self._scenario.satellite_link
            if not isinstance(link, OrbitLinkSpec | CustomLinkSpec):
                if faults.attenuations_db:
                    raise ScenarioError(
                        "faults: attenuation_db needs satellite_link kind orbit; give rate_factor for other links"
                    )
                clock = written_clock(link, impairments, self._until_s)
            elif source is None:
                raise ScenarioError(
                    f"gateway {entity.name!r}: satellite_link kind {link.kind} has no profile for it"
                )
            else:
                clock = orbit_clock(source, impairments, self._until_s)
            self._clocks[key] = clock
        return self._clocks[key]


def _beam(gateway: GatewaySpec) -> str:
    return gateway.beam or f"beam of {gateway.name}"


def _efficiency_of(source: ProfileSource | None) -> Callable[[FloatArray], FloatArray] | None:
    """Return what *source* knows of the spectral efficiency at any SINR; written-down test profiles know nothing."""
    return getattr(source, "efficiency_at", None)

"""From a scenario to a running world: makes the stations, wires them, starts their processes, runs to the end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, nan

import simpy

from ntnsim.chance.compute import StageTimes
from ntnsim.chance.device_profiles import device_profile
from ntnsim.chance.sampling import Streams
from ntnsim.chance.traffic import arrival_times_s, read_trace
from ntnsim.protocols.imaging import Imaging
from ntnsim.protocols.policy import Policy, Requirement
from ntnsim.protocols.rate_profile import ProfileSource
from ntnsim.protocols.way_down import WayDown
from ntnsim.results.record import Column, Columns, RecordBuffer, record_columns
from ntnsim.scenario.copies import copy_names
from ntnsim.scenario.distribution import DistributionSpec
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.terrestrial import GatewaySpec, TerrestrialLinkSpec
from ntnsim.scenario.traffic import ArrivalsSpec, SourceSpec, TraceSpec
from ntnsim.world.breakdowns import Breakdowns
from ntnsim.world.data_network import DataNetwork
from ntnsim.world.gateway import Gateway
from ntnsim.world.job import Origin
from ntnsim.world.journey import Journey, Site, Stations, reconstructed_bits, source_bits
from ntnsim.world.links import LinkMaker
from ntnsim.world.observer import Observer
from ntnsim.world.recorder import Recorder
from ntnsim.world.relay import Relay
from ntnsim.world.run_control import RunControl
from ntnsim.world.source import JourneyDraws, SourceProcess
from ntnsim.world.terrestrial_link import TerrestrialLink
from ntnsim.world.timeline import Timeline


@dataclass(frozen=True)
class WorldResult:
    """What a run has to tell beside its records.

    created: jobs taken. ends: jobs by end state. little: both sides of Little's law for the whole world.
    """

    duration_s: float
    created: int
    ends: Mapping[str, int]
    little: Mapping[str, float]


class World:
    """One scheme of a scenario, wired and ready to run once."""

    # A part of a world (uplink.py) has others.
    journey_type: type[Journey] = Journey
    recorder_type: type[Recorder] = Recorder
    data_network_type: type[DataNetwork] = DataNetwork
    more_columns: tuple[Column, ...] = ()

    def __init__(
        self,
        scenario: Scenario,
        scheme: str,
        imaging: Imaging,
        policy: Policy,
        requirement: Requirement,
        write: Callable[[Columns], None],
        *,
        changes: Sequence[tuple[float, Requirement]] = (),
        profile_sources: Mapping[str, ProfileSource] | None = None,
        way: WayDown | None = None,
        n_ranks: int | None = None,
        score_names: tuple[str, ...] | None = None,
        write_timeline: Callable[[Columns], None] | None = None,
        progress: Callable[[int, float], None] | None = None,
        stop_s: float | None = None,
    ) -> None:
        """Make the stations and wire them; records go to *write* in batches of columns.

        requirement: what is asked of this scheme's images; a source's own deadline goes before it.
        changes: requirements that take its place later, with the second from which each holds; ascending.
        profile_sources: per gateway entity (its copies share one); a satellite link of kind ``orbit`` or ``custom``
            needs them.
        way: from satellites that queue on board to the ground; needed where the scenario's satellites do.
        n_ranks, score_names: of the records' columns, where several schemes write one table; the imaging's by default.
        progress: called now and then with the number of jobs ended and the time.
        stop_s: when the run ends at the latest, if the whole that this is a part of says so and not the horizon.
        """
        self._scenario = scenario
        self._imaging = imaging
        self._requirement = requirement
        self._changes = tuple(changes)
        self._env = simpy.Environment()
        self._run = RunControl(self._env, scenario.horizon, progress, stop_s)
        n_ranks = imaging.n_ranks if n_ranks is None else n_ranks
        score_names = imaging.score_names if score_names is None else score_names
        buffer = RecordBuffer((*record_columns(n_ranks, score_names), *self.more_columns), write)
        self._recorder = self.recorder_type(
            self._env, scheme, n_ranks, score_names, buffer, self._run.job_ended
        )
        self._journey = self.journey_type(
            self._env, imaging, policy, self._recorder, scenario.satellite_link.return_delay_s
        )
        self._timeline = Timeline(self._env, scheme, write_timeline)
        self._breakdowns = Breakdowns(self._env, scenario.faults, scenario.seed, self._timeline)
        self._gpu = device_profile(scenario.data_network.device)
        self._gateways = {
            name: entity for entity in scenario.gateways for name in copy_names(entity.name, entity.count)
        }
        self._shared_access = {
            name: self._access_link(entity.access, name, name) for name, entity in self._gateways.items()
        }
        delivery, data_network = self._delivery_link(), self._data_network()
        relay = self._relay(way)
        links = LinkMaker(
            self._env, scenario, self._breakdowns, profile_sources or {}, self._run.until_s, relay
        )
        self.stations = Stations(
            access=dict(self._access_of_sources()),
            sites={
                name: self._site(name, entity, links, data_network, delivery)
                for name, entity in self._gateways.items()
            },
            data_network=data_network,
            delivery=delivery,
            relay=relay,
        )
        self._journey.connect(self.stations)

    def run(self) -> WorldResult:
        """Run to the end."""
        self._breakdowns.start(self.stations, self._gateways)
        for site in self.stations.sites.values():
            site.observer.start()
        step_s = self._scenario.output.timeline_step_s
        if step_s is not None:
            self._timeline.sample_every(step_s, self.stations, self._shared_access, self._recorder)
        sources = dict(self._sources())
        self._journey.tell({name: source.came_back for name, source in sources.items() if source.closed})
        self._run.go(list(sources.values()), self._recorder.alive)
        self._recorder.close(list(self.stations.held()))
        self._timeline.flush()
        return WorldResult(
            self._env.now, self._recorder.created, self._recorder.counts, self._recorder.little()
        )

    def hand_over(self) -> None:
        """Give *write* the records that wait for their batch, of all images that have ended."""
        self._recorder.hand_over()

    def _relay(self, way: WayDown | None) -> Relay | None:
        space = self._scenario.space
        if self._scenario.satellite_link.kind != "orbit" or not space.carries:
            return None
        if way is None:
            raise TypeError("satellites that queue on board need their way down")
        return Relay(
            self._env,
            way,
            space,
            self._run.until_s,
            arrived=self._journey.at_data_network,
            dropped=self._journey.dropped,
        )

    def _delivery_link(self) -> TerrestrialLink:
        return TerrestrialLink(
            self._env,
            self._scenario.delivery,
            Streams(self._scenario.seed, "delivery"),
            name="delivery link",
            bits_of=reconstructed_bits,
            work_s_of=lambda job: job.delivery_work_s,
            attempts_of=lambda job: job.delivery_attempts,
            passes_s_of=lambda job: job.delivery_passes_s,
            factors=self._breakdowns.link_factors("delivery", "delivery"),
            begun=self._journey.delivery_begun,
            arrived=self._journey.delivered,
            dropped=self._journey.dropped,
        )

    def _data_network(self) -> DataNetwork:
        return self.data_network_type(
            self._env,
            self._scenario.data_network,
            self._gpu.batch_marginal,
            reconstructed=self._journey.reconstructed,
            dropped=self._journey.dropped,
        )

    def _access_link(self, entity: TerrestrialLinkSpec, name: str, gateway: str) -> TerrestrialLink:
        """Return the access link called *name* (its gateway's, or that of a source with its own)."""
        link = TerrestrialLink(
            self._env,
            entity,
            Streams(self._scenario.seed, "access", name),
            name="access link",
            bits_of=source_bits,
            work_s_of=lambda job: job.access_work_s,
            attempts_of=lambda job: job.access_attempts,
            passes_s_of=lambda job: job.access_passes_s,
            factors=self._breakdowns.link_factors("access", gateway),
            begun=self._journey.access_begun,
            arrived=self._journey.at_gateway,
            dropped=self._journey.dropped,
        )
        self._breakdowns.watch_access(gateway, link)
        return link

    def _site(
        self,
        name: str,
        entity: GatewaySpec,
        links: LinkMaker,
        data_network: DataNetwork,
        delivery: TerrestrialLink,
    ) -> Site:
        """Return the gateway called *name*, a copy of *entity*."""
        journey, access = self._journey, self._shared_access[name]
        gateway = Gateway(
            self._env, entity, decide=journey.decide, encoded=journey.encoded, dropped=journey.dropped
        )
        terminal = links.terminal(name, entity, arrived=journey.at_data_network, dropped=journey.dropped)
        observer = Observer(
            self._env,
            entity.observation,
            Streams(self._scenario.seed, "gateway", name, "observation"),
            gateway=lambda: gateway.state(access.rate_bps, access.queue),
            satellite_link=terminal.state,
            data_network=lambda: data_network.state(delivery.rate_bps),
        )
        return Site(gateway, terminal, observer)

    def _access_of_sources(self) -> Iterator[tuple[str, TerrestrialLink]]:
        for name, source, gateway in placed_sources(self._scenario):
            yield (
                name,
                self._shared_access[gateway]
                if source.access is None
                else self._access_link(source.access, name, gateway),
            )

    def _sources(self) -> Iterator[tuple[str, SourceProcess]]:
        """Yield the process of every source, by its name."""
        scenario, work = self._scenario, self._imaging.work
        for name, source, gateway in placed_sources(self._scenario):
            site = self._gateways[gateway]
            cpu = device_profile(site.device)
            streams = Streams(scenario.seed, "source", name)
            stop_s, n_jobs = source_limits(scenario, source)
            yield (
                name,
                SourceProcess(
                    self._env,
                    Origin(
                        source=name,
                        gateway=gateway,
                        priority=source.priority,
                        requirement=_of_source(source, self._requirement),
                        changes=tuple((from_s, _of_source(source, later)) for from_s, later in self._changes),
                        gateway_power_w=cpu.power_w or nan,
                        data_network_power_w=self._gpu.power_w or nan,
                    ),
                    arrival_times_s(source.arrivals, streams),
                    JourneyDraws(
                        streams,
                        before_decision=StageTimes(
                            cpu, site.service_s, work.before_decision, work.steps, streams
                        ),
                        after_decision=StageTimes(
                            cpu, site.service_s, work.after_decision, work.steps, streams
                        ),
                        reconstruction=StageTimes(
                            self._gpu,
                            scenario.data_network.service_s,
                            work.reconstruction,
                            work.steps,
                            streams,
                        ),
                        access_link=source.access or site.access,
                        delivery_link=scenario.delivery,
                        patience_s=_patience_s(scenario, source, site),
                    ),
                    self._imaging,
                    start_s=source.start_s,
                    stop_s=stop_s,
                    n_jobs=n_jobs,
                    image_numbers=image_numbers(source.arrivals),
                    closed=source.arrivals.kind == "closed",
                    taken=self._journey.taken,
                    exhausted=self._run.source_exhausted,
                ),
            )


def placed_sources(scenario: Scenario) -> Iterator[tuple[str, SourceSpec, str]]:
    """Yield every source by the name it has in the world, with its entity and its gateway's name."""
    gateways = {gateway.name: gateway for gateway in scenario.gateways}
    for source in scenario.sources:
        site = gateways[source.gateway] if source.gateway is not None else scenario.gateways[0]
        sites = copy_names(site.name, site.count)
        for number, name in enumerate(copy_names(source.name, source.count)):
            yield name, source, sites[number % len(sites)]


def source_limits(scenario: Scenario, source: SourceSpec) -> tuple[float, int | None]:
    """Return when *source* falls silent, in seconds, and how many images it takes at most."""
    stop_s = min(source.stop_s or inf, scenario.horizon.duration_s or inf)
    return stop_s, source.n_jobs or scenario.horizon.n_jobs


def _patience_s(scenario: Scenario, source: SourceSpec, site: GatewaySpec) -> dict[str, DistributionSpec]:
    """Return the patience of *source*'s images in each line that has one, by its place."""
    lines = {
        "access link": (source.access or site.access).queue,
        "gateway": site.queue,
        "data network": scenario.data_network.queue,
        "delivery link": scenario.delivery.queue,
    }
    return {place: line.patience_s for place, line in lines.items() if line.patience_s is not None}


def _of_source(source: SourceSpec, requirement: Requirement) -> Requirement:
    return replace(requirement, deadline_s=source.deadline_s or requirement.deadline_s)


def image_numbers(arrivals: ArrivalsSpec) -> list[int] | None:
    """Return which image of the dataset each one of a trace is; None where the running number tells."""
    if isinstance(arrivals, TraceSpec) and arrivals.path is not None:
        return read_trace(arrivals.path.location)[1]
    return None

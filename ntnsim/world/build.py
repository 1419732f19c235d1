"""From a scenario to a running world: makes the stations, wires them, starts their processes, runs to the end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, nan
from pathlib import Path

import simpy

from ntnsim.engine.policy import Policy, Requirement
from ntnsim.link.rate_profile import ProfileSource
from ntnsim.results.record import Columns, RecordBuffer, record_columns
from ntnsim.scenario import terrestrial as spec
from ntnsim.scenario import traffic as traffic_spec
from ntnsim.scenario.scenario import Scenario
from ntnsim.world.breakdowns import Breakdowns
from ntnsim.world.compute import StageTimes, device_profile
from ntnsim.world.data_network import DataNetwork
from ntnsim.world.gateway import Gateway
from ntnsim.world.imaging import Imaging
from ntnsim.world.job import Job, Origin
from ntnsim.world.journey import Journey, Site, reconstructed_bits, source_bits
from ntnsim.world.links import LinkMaker
from ntnsim.world.observer import Observer
from ntnsim.world.recorder import Recorder
from ntnsim.world.sampling import Streams
from ntnsim.world.source import Luck, SourceProcess
from ntnsim.world.terrestrial_link import TerrestrialLink
from ntnsim.world.timeline import Timeline
from ntnsim.world.traffic import arrival_times_s, read_trace


@dataclass(frozen=True)
class WorldResult:
    """What a run has to tell beside its records.

    created: jobs taken. ends: jobs by end state. little: both sides of Little's law for the whole world.
    """

    duration_s: float
    created: int
    ends: Mapping[str, int]
    little: Mapping[str, float]


def simulate(
    scenario: Scenario,
    scheme: str,
    imaging: Imaging,
    policy: Policy,
    requirement: Requirement,
    write: Callable[[Columns], None],
    *,
    profile_sources: Mapping[str, ProfileSource] | None = None,
    n_ranks: int | None = None,
    score_names: tuple[str, ...] | None = None,
    write_timeline: Callable[[Columns], None] | None = None,
    progress: Callable[[int, float], None] | None = None,
    base: Path = Path(),
) -> WorldResult:
    """Simulate one scheme of *scenario*; records go to *write* in batches of columns.

    requirement: what is asked of this scheme's images; a source's own deadline goes before it.
    profile_sources: per gateway entity (its copies share one); a satellite link of ``kind: orbit`` needs them.
    n_ranks, score_names: of the records' columns, where several schemes write one table; the imaging's by default.
    progress: called now and then with the number of jobs ended and the time.
    base: directory of the scenario file, which traces and device profiles are relative to.
    """
    env = simpy.Environment()
    seed = scenario.seed
    run = _Run(env, scenario, progress)
    n_ranks = imaging.n_ranks if n_ranks is None else n_ranks
    score_names = imaging.score_names if score_names is None else score_names
    buffer = RecordBuffer(record_columns(n_ranks, score_names), write)
    recorder = run.recorder = Recorder(env, scheme, n_ranks, score_names, buffer, run.job_ended)
    journey = Journey(env, imaging, policy, recorder, scenario.satellite_link.return_delay_s)
    timeline = Timeline(env, scheme, write_timeline)
    breakdowns = Breakdowns(env, scenario.faults, seed, timeline)

    gpu = device_profile(scenario.data_network.device, base)
    journey.delivery = TerrestrialLink(
        env,
        scenario.delivery,
        Streams(seed, "delivery"),
        name="delivery link",
        bits_of=reconstructed_bits,
        work_s_of=lambda job: job.delivery_work_s,
        attempts_of=lambda job: job.delivery_attempts,
        factors=breakdowns.link_factors("delivery", "delivery"),
        begun=journey.delivery_begun,
        arrived=journey.delivered,
        dropped=journey.dropped,
    )
    journey.data_network = DataNetwork(
        env,
        scenario.data_network,
        gpu.batch_marginal,
        reconstructed=journey.reconstructed,
        dropped=journey.dropped,
    )
    gateways = {name: entity for entity in scenario.gateways for name in copies(entity.name, entity.count)}
    links = LinkMaker(env, scenario, breakdowns, profile_sources or {}, run.until_s)
    journey.sites = {}
    shared_access = {}
    for name, entity in gateways.items():
        shared_access[name] = _access_link(env, entity.access, name, name, seed, breakdowns, journey)
        journey.sites[name] = _site(env, seed, name, entity, links, shared_access[name], journey)

    journey.access = {}
    sources = []
    for source in scenario.sources:
        sites = _gateways_of(source, scenario.gateways)
        for number, name in enumerate(copies(source.name, source.count)):
            gateway = sites[number % len(sites)]
            if source.access is None:
                journey.access[name] = shared_access[gateway]
            else:
                journey.access[name] = _access_link(
                    env, source.access, name, gateway, seed, breakdowns, journey
                )
            cpu = device_profile(gateways[gateway].device, base)
            origin = Origin(
                source=name,
                gateway=gateway,
                priority=source.priority,
                requirement=replace(requirement, deadline_s=source.deadline_s or requirement.deadline_s),
                gateway_power_w=cpu.power_w or nan,
                data_network_power_w=gpu.power_w or nan,
            )
            streams = Streams(seed, "source", name)
            work, given = imaging.work, gateways[gateway].service_s
            luck = Luck(
                streams,
                before_decision=StageTimes(cpu, given, work.before_decision, work.steps, streams),
                after_decision=StageTimes(cpu, given, work.after_decision, work.steps, streams),
                reconstruction=StageTimes(
                    gpu, scenario.data_network.service_s, work.reconstruction, work.steps, streams
                ),
                access_link=source.access or gateways[gateway].access,
                delivery_link=scenario.delivery,
            )
            sources.append(
                SourceProcess(
                    env,
                    origin,
                    arrival_times_s(source.arrivals, streams, base),
                    luck,
                    imaging,
                    start_s=source.start_s,
                    stop_s=min(source.stop_s or inf, scenario.horizon.duration_s or inf),
                    n_jobs=source.n_jobs or scenario.horizon.n_jobs,
                    image_numbers=_image_numbers(source.arrivals, base),
                    taken=journey.taken,
                    exhausted=run.source_exhausted,
                )
            )

    breakdowns.start(journey, gateways)
    for site in journey.sites.values():
        site.observer.start()
    if scenario.output.timeline_step_s is not None:
        timeline.sample_every(scenario.output.timeline_step_s, journey, shared_access, recorder)
    run.go(sources)
    recorder.close(list(_held(journey)))
    timeline.flush()
    return WorldResult(env.now, recorder.created, recorder.counts, recorder.little())


class _Run:
    """When to stop: at the end of the horizon, or when the last job has ended and no source will take another."""

    recorder: Recorder

    def __init__(
        self, env: simpy.Environment, scenario: Scenario, progress: Callable[[int, float], None] | None
    ) -> None:
        self._env = env
        self._horizon = scenario.horizon
        self._progress = progress
        self._stop = env.event()
        self._working = 0  # sources that may still take images
        self._ended = 0
        duration_s = inf if self._horizon.duration_s is None else self._horizon.duration_s
        self.until_s = duration_s + (self._horizon.drain_limit_s if self._horizon.drain else 0.0)

    def go(self, sources: Sequence[SourceProcess]) -> None:
        """Start *sources* and run to the end."""
        self._working = len(sources)
        for source in sources:
            source.start()
        if not self._horizon.drain and self._horizon.duration_s is not None:
            self._env.timeout(self._horizon.duration_s).callbacks.append(self._time_is_up)
        self._env.run(until=self._stop)

    def job_ended(self) -> None:
        """Stop if that was the last."""
        self._ended += 1
        if self._progress is not None and self._ended % 64 == 0:
            self._progress(self._ended, self._env.now)
        if not self._working:
            self._stop_if_done()

    def source_exhausted(self) -> None:
        """Stop if that was the last and all is delivered; else wait for what is on its way, but not for ever."""
        self._working -= 1
        if not self._working and self._horizon.drain:
            self._env.timeout(self._horizon.drain_limit_s).callbacks.append(self._time_is_up)
            self._stop_if_done()

    def _stop_if_done(self) -> None:
        if self._horizon.drain and not self.recorder.alive and not self._stop.triggered:
            self._stop.succeed()

    def _time_is_up(self, event: simpy.Event) -> None:
        if not self._stop.triggered:
            self._stop.succeed()


def copies(name: str, count: int) -> list[str]:
    """Return the names of *count* copies of an entity."""
    return [name] if count == 1 else [f"{name}-{number}" for number in range(count)]


def _gateways_of(source: traffic_spec.Source, gateways: Sequence[spec.Gateway]) -> list[str]:
    """Return the gateways that the copies of *source* are dealt out over."""
    entity = next(one for one in gateways if source.gateway in (None, one.name))
    return copies(entity.name, entity.count)


def _image_numbers(arrivals: traffic_spec.Arrivals, base: Path) -> list[int] | None:
    if isinstance(arrivals, traffic_spec.Trace) and arrivals.path is not None:
        return read_trace(base / arrivals.path)[1]
    return None


def _access_link(
    env: simpy.Environment,
    entity: spec.TerrestrialLink,
    name: str,
    gateway: str,
    seed: int,
    breakdowns: Breakdowns,
    journey: Journey,
) -> TerrestrialLink:
    """Return the access link called *name* (its gateway's, or that of a source with its own)."""
    link = TerrestrialLink(
        env,
        entity,
        Streams(seed, "access", name),
        name="access link",
        bits_of=source_bits,
        work_s_of=lambda job: job.access_work_s,
        attempts_of=lambda job: job.access_attempts,
        factors=breakdowns.link_factors("access", gateway),
        begun=journey.access_begun,
        arrived=journey.at_gateway,
        dropped=journey.dropped,
    )
    breakdowns.watch_access(gateway, link)
    return link


def _site(
    env: simpy.Environment,
    seed: int,
    name: str,
    entity: spec.Gateway,
    links: LinkMaker,
    access: TerrestrialLink,
    journey: Journey,
) -> Site:
    """Return the gateway called *name*, a copy of *entity*."""
    gateway = Gateway(env, entity, decide=journey.decide, encoded=journey.encoded, dropped=journey.dropped)
    terminal = links.terminal(name, entity, arrived=journey.at_data_network, dropped=journey.dropped)
    observer = Observer(
        env,
        entity.observation,
        Streams(seed, "gateway", name, "observation"),
        gateway=lambda: gateway.state(access.rate_bps, access.queue),
        satellite_link=terminal.state,
        data_network=lambda: journey.data_network.state(journey.delivery.rate_bps),
    )
    return Site(gateway, terminal, observer)


def _held(journey: Journey) -> Iterator[Job]:
    """Yield all jobs that any station says it holds."""
    for link in dict.fromkeys(journey.access.values()):
        yield from link.jobs
    for site in journey.sites.values():
        yield from site.gateway.jobs
        yield from site.terminal.jobs
    yield from journey.data_network.jobs
    yield from journey.delivery.jobs

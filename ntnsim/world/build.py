"""From a scenario to a running world: makes the stations, wires them, starts their processes, runs to the end."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf, nan

import simpy

from ntnsim.protocols.imaging import Imaging
from ntnsim.protocols.policy import Policy, Requirement
from ntnsim.protocols.rate_profile import ProfileSource
from ntnsim.results.record import Columns, RecordBuffer, record_columns
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.terrestrial import GatewaySpec, TerrestrialLinkSpec
from ntnsim.scenario.traffic import ArrivalsSpec, TraceSpec
from ntnsim.world.breakdowns import Breakdowns
from ntnsim.world.compute import StageTimes, device_profile
from ntnsim.world.data_network import DataNetwork
from ntnsim.world.gateway import Gateway
from ntnsim.world.job import Job, Origin
from ntnsim.world.journey import Journey, Site, reconstructed_bits, source_bits
from ntnsim.world.links import LinkMaker
from ntnsim.world.observer import Observer
from ntnsim.world.recorder import Recorder
from ntnsim.world.run_control import RunControl
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
) -> WorldResult:
    """Simulate one scheme of *scenario*; records go to *write* in batches of columns.

    requirement: what is asked of this scheme's images; a source's own deadline goes before it.
    profile_sources: per gateway entity (its copies share one); a satellite link of ``kind: orbit`` needs them.
    n_ranks, score_names: of the records' columns, where several schemes write one table; the imaging's by default.
    progress: called now and then with the number of jobs ended and the time.
    """
    env = simpy.Environment()
    seed = scenario.seed
    run = RunControl(env, scenario.horizon, progress)
    n_ranks = imaging.n_ranks if n_ranks is None else n_ranks
    score_names = imaging.score_names if score_names is None else score_names
    buffer = RecordBuffer(record_columns(n_ranks, score_names), write)
    recorder = run.recorder = Recorder(env, scheme, n_ranks, score_names, buffer, run.job_ended)
    journey = Journey(env, imaging, policy, recorder, scenario.satellite_link.return_delay_s)
    timeline = Timeline(env, scheme, write_timeline)
    breakdowns = Breakdowns(env, scenario.faults, seed, timeline)

    gpu = device_profile(scenario.data_network.device)
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
    sources = list(_sources(env, scenario, imaging, requirement, journey, shared_access, breakdowns, run))

    breakdowns.start(journey, gateways)
    for site in journey.sites.values():
        site.observer.start()
    if scenario.output.timeline_step_s is not None:
        timeline.sample_every(scenario.output.timeline_step_s, journey, shared_access, recorder)
    run.go(sources)
    recorder.close(list(_held(journey)))
    timeline.flush()
    return WorldResult(env.now, recorder.created, recorder.counts, recorder.little())


def copies(name: str, count: int) -> list[str]:
    """Return the names of *count* copies of an entity."""
    return [name] if count == 1 else [f"{name}-{number}" for number in range(count)]


def _sources(
    env: simpy.Environment,
    scenario: Scenario,
    imaging: Imaging,
    requirement: Requirement,
    journey: Journey,
    shared_access: Mapping[str, TerrestrialLink],
    breakdowns: Breakdowns,
    run: RunControl,
) -> Iterator[SourceProcess]:
    """Yield the process of every source, and give the journey its access link."""
    gpu = device_profile(scenario.data_network.device)
    work = imaging.work
    for source in scenario.sources:
        site = next(one for one in scenario.gateways if source.gateway in (None, one.name))
        site_names = copies(site.name, site.count)
        cpu = device_profile(site.device)
        for number, name in enumerate(copies(source.name, source.count)):
            gateway = site_names[number % len(site_names)]
            journey.access[name] = (
                shared_access[gateway]
                if source.access is None
                else _access_link(env, source.access, name, gateway, scenario.seed, breakdowns, journey)
            )
            streams = Streams(scenario.seed, "source", name)
            yield SourceProcess(
                env,
                Origin(
                    source=name,
                    gateway=gateway,
                    priority=source.priority,
                    requirement=replace(requirement, deadline_s=source.deadline_s or requirement.deadline_s),
                    gateway_power_w=cpu.power_w or nan,
                    data_network_power_w=gpu.power_w or nan,
                ),
                arrival_times_s(source.arrivals, streams),
                Luck(
                    streams,
                    before_decision=StageTimes(
                        cpu, site.service_s, work.before_decision, work.steps, streams
                    ),
                    after_decision=StageTimes(cpu, site.service_s, work.after_decision, work.steps, streams),
                    reconstruction=StageTimes(
                        gpu, scenario.data_network.service_s, work.reconstruction, work.steps, streams
                    ),
                    access_link=source.access or site.access,
                    delivery_link=scenario.delivery,
                ),
                imaging,
                start_s=source.start_s,
                stop_s=min(source.stop_s or inf, scenario.horizon.duration_s or inf),
                n_jobs=source.n_jobs or scenario.horizon.n_jobs,
                image_numbers=_image_numbers(source.arrivals),
                taken=journey.taken,
                exhausted=run.source_exhausted,
            )


def _image_numbers(arrivals: ArrivalsSpec) -> list[int] | None:
    if isinstance(arrivals, TraceSpec) and arrivals.path is not None:
        return read_trace(arrivals.path.location)[1]
    return None


def _access_link(
    env: simpy.Environment,
    entity: TerrestrialLinkSpec,
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
    entity: GatewaySpec,
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

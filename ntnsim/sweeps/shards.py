"""One run on several processes or machines: shards of its gateways, simulated apart up to the data network.

Nothing that comes after acts on a gateway unless a policy learns or looks at the network, or gateways share satellites'
beams or way down. Where none of that is so, a shard is a world of its own (`world/uplink.py`), runs on the executors of
sweeps, and its rows are merged in order (`world/downstream.py`). Finished shards stay until the run is complete, under
an address made of everything that they depend on, so that an interrupted run goes on with those that are missing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from ntnsim.engine.build import changes_from, requirement_from
from ntnsim.errors import InputError, ScenarioError
from ntnsim.results.atomic import read_json, write_json
from ntnsim.results.files import CELLS
from ntnsim.results.part_rows import PartRowsWriter
from ntnsim.results.provenance import code_digest, digest
from ntnsim.results.record import record_columns
from ntnsim.results.seal import is_whole
from ntnsim.runs import default_store, pictures_digest
from ntnsim.scenario.copies import copy_names
from ntnsim.scenario.faults import FaultSpec, RelayFaultSpec
from ntnsim.scenario.policy import FixedPolicySpec
from ntnsim.scenario.satellite_link import CustomLinkSpec
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.terrestrial import GatewaySpec
from ntnsim.scheme_worlds import SimulatedParts, part_rows_of
from ntnsim.schemes import SchemeAssembly, score_columns
from ntnsim.sky.ground_track import services_of_part
from ntnsim.sky.space_segment import terminal_links
from ntnsim.sweeps.drive import Executor
from ntnsim.sweeps.execute import remove_partial_cells
from ntnsim.world.breakdowns import hits
from ntnsim.world.downstream import is_downstream
from ntnsim.world.faults import satellite_outages
from ntnsim.world.uplink import HANDOVER_COLUMNS, UplinkWorld, last_moment_s

SERVICES = "services.json"


@dataclass(frozen=True, slots=True)
class Shard:
    """Some of a scenario's gateways, as a task of an executor.

    digest: its address. code: the digest of ntnsim's code. part: the scenario without the others. stop_s: when the
    whole run ends at the latest.
    """

    digest: str
    code: str
    label: str
    seed: int
    part: Scenario = field(repr=False)
    stop_s: float


def dealt(scenario: Scenario, count: int) -> list[list[GatewaySpec]]:
    """Return the gateways in *count* lots of alike size; those that share a beam stay together.

    Raises InputError where the scenario has fewer beams.
    """
    beams: dict[str, list[GatewaySpec]] = {}
    for gateway in scenario.gateways:
        beams.setdefault(gateway.beam or f"beam of {gateway.name}", []).append(gateway)
    if count > len(beams):
        raise InputError(
            f"--shards: must be at most the {len(beams)} beams that the scenario's gateways send in, got {count}"
        )
    lots: list[list[GatewaySpec]] = [[] for _ in range(count)]
    sizes = [0] * count
    for beam in sorted(beams.values(), key=lambda beam: -sum(gateway.count for gateway in beam)):
        smallest = sizes.index(min(sizes))
        lots[smallest] += beam
        sizes[smallest] += sum(gateway.count for gateway in beam)
    return lots


def check_apart(scenario: Scenario) -> None:
    """Raise ScenarioError with the key by which gateways depend on each other, or on what is behind them."""
    if scenario.fidelity == "fluid":
        raise ScenarioError("fidelity: fluid worlds run in one process; leave --shards out")
    if scenario.output.timeline_step_s is not None:
        raise ScenarioError(
            "output.timeline_step_s: its samples look at all stations at one moment; --shards needs null"
        )
    if isinstance(scenario.satellite_link, CustomLinkSpec):
        raise ScenarioError("satellite_link.kind: --shards knows no channel of your own")
    if scenario.satellite_link.kind == "orbit" and scenario.space.carries:
        raise ScenarioError(
            "space: images of all gateways queue on one constellation (feeder_rate_bps, rate_bps or"
            " store_and_forward); --shards needs satellites that do not queue"
        )
    if scenario.satellite_link.kind == "orbit" and scenario.space.shared_channels is not None:
        raise ScenarioError(
            "space: gateways share satellites' beams (payload.service_beams or feeder.channels); --shards needs"
            " gateways with beams of their own"
        )
    for index, source in enumerate(scenario.sources):
        if source.arrivals.kind == "closed":
            raise ScenarioError(
                f"sources[{index}].arrivals.kind: closed sources wait for what is behind gateways; no --shards"
            )
    for name, queue in (("data_network", scenario.data_network.queue), ("delivery", scenario.delivery.queue)):
        if queue.patience_s is not None:
            raise ScenarioError(
                f"{name}.queue.patience_s: --shards knows patient images only behind gateways"
            )
    if scenario.delivery.loss_probability > 0 and scenario.delivery.after_loss == "end_of_line":
        raise ScenarioError("delivery.after_loss: --shards knows at_once only")
    for index, scheme in enumerate(scenario.schemes):
        where = f"schemes[{index}].policy"
        if not isinstance(scheme.policy, FixedPolicySpec):
            raise ScenarioError(
                f"{where}.kind: {scheme.policy.kind} decides for all gateways by what it has seen or drawn; --shards"
                " needs fixed"
            )
        if scheme.policy.guard is not None:
            raise ScenarioError(
                f"{where}.guard: looks at the data network (Ω_DN) and at deliveries; --shards needs none"
            )


def _part(scenario: Scenario, gateways: Sequence[GatewaySpec]) -> Scenario:
    """Return *scenario* with these *gateways* alone, in their order, and what concerns them."""
    names = {gateway.name for gateway in gateways}
    only = next(iter(scenario.gateways)).name
    kept = [gateway for gateway in scenario.gateways if gateway.name in names]
    copies = [name for gateway in kept for name in copy_names(gateway.name, gateway.count)]
    # Checked already as a whole; a part may have no source.
    return BaseModel.model_copy(
        scenario,
        update={
            "gateways": tuple(kept),
            "sources": tuple(source for source in scenario.sources if (source.gateway or only) in names),
            "faults": tuple(fault for fault in scenario.faults if _concerns(fault, copies)),
        },
    )


def _concerns(fault: FaultSpec, gateways: Sequence[str]) -> bool:
    if fault.kind == "satellite" or isinstance(fault, RelayFaultSpec):
        return True
    return not is_downstream(fault.kind) and any(hits(fault.target, name) for name in gateways)


def simulate_shard(shard: Shard, directory: Path) -> None:
    """Simulate every scheme of a shard until the data network has its images."""
    scenario = shard.part
    assembly = SchemeAssembly(scenario, default_store(), pictures_digest())
    schemes = {scheme.name: assembly.assemble(scheme) for scheme in scenario.schemes}
    terminals = terminal_links(scenario, satellite_outages(scenario.faults, scenario.seed))
    n_ranks, score_names = score_columns(schemes.values())
    columns = (*record_columns(n_ranks, score_names), *HANDOVER_COLUMNS)
    longest_s = 0.0
    for number, entity in enumerate(scenario.schemes):
        assembled = schemes[entity.name]
        requirement = entity.requirement or scenario.requirement
        with PartRowsWriter(directory / part_rows_of(number), columns) as writer:
            world = UplinkWorld(
                scenario,
                entity.name,
                assembled.imaging,
                assembled.policy,
                requirement_from(requirement),
                writer.write,
                changes=changes_from(requirement),
                profile_sources=terminals,
                n_ranks=n_ranks,
                score_names=score_names,
                stop_s=shard.stop_s,
            ).run()
        longest_s = max(longest_s, world.duration_s)
    write_json(directory / SERVICES, services_of_part(terminals, longest_s))


def run_shards(
    scenario: Scenario, count: int, executor: Callable[[Path, int], Executor], tell: Callable[[str], None]
) -> Callable[[str, Path], SimulatedParts]:
    """Return what runs those of *count* shards that are missing, given the run's identity and a directory for them.

    executor: makes the executor for a directory and a number of processes. tell: called with what is being done.
    Raises ScenarioError with the key where gateways cannot be simulated apart.
    """
    check_apart(scenario)
    lots = dealt(scenario, count)
    stop_s, code = last_moment_s(scenario), code_digest()

    def run(identity: str, directory: Path) -> SimulatedParts:
        """Return the worlds of all shards, simulated by the executor into *directory*."""
        shards = [
            Shard(
                digest([identity, number, count]),
                code,
                f"shard {number + 1} of {count}",
                scenario.seed,
                _part(scenario, lot),
                stop_s,
            )
            for number, lot in enumerate(lots)
        ]
        places = [directory / CELLS / shard.digest for shard in shards]
        missing = [shard for shard, place in zip(shards, places, strict=True) if not is_whole(place)]
        (directory / CELLS).mkdir(parents=True, exist_ok=True)
        remove_partial_cells(directory)
        if missing:
            tell(f"{count - len(missing)} of {count} shards are done")
            with executor(directory, len(missing)) as running:
                for shard in missing:
                    running.submit(shard)
                failed = []
                for number in range(len(missing)):
                    result = running.next_result()
                    label = next(shard.label for shard in missing if shard.digest == result.digest)
                    if result.error:
                        failed.append(f"{label}: {result.error}")
                    tell(f"{count - len(missing) + number + 1} of {count} shards are done")
            if failed:
                raise InputError(
                    f"{failed[0]} (the same command with --resume keeps the shards that are done)"
                )
        services = [read_json(place / SERVICES) for place in places]
        return SimulatedParts(places, stop_s, services)

    return run

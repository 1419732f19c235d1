"""What only events can follow: refused in one line, with the key, before a fluid world is made."""

from collections.abc import Sequence

from ntnsim.errors import ScenarioError
from ntnsim.flow.stations import check_line
from ntnsim.scenario.entity import Entity
from ntnsim.scenario.policy import FixedPolicySpec
from ntnsim.scenario.satellite_link import CustomLinkSpec, OrbitLinkSpec
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.sizes import SizesCodecSpec
from ntnsim.scenario.terrestrial import BatchingSpec
from ntnsim.scenario.traffic import DailySpec, PoissonSpec

# What changes a world of images and nothing in a fluid one: each must be what it is by default.
_LINK_KEYS = ("sharing", "in_order", "return_delay_s")
_HANDOVER_KEYS = (
    "policy",
    "hysteresis_deg",
    "hysteresis_db",
    "hysteresis_s",
    "min_dwell_s",
    "decision_interval_s",
    "access_rtt",
    "procedure",
    "failure_s",
)


def check_fluid(scenario: Scenario) -> None:
    """Raise ScenarioError for the first part of *scenario* that can only be followed image by image."""
    if scenario.horizon.duration_s is None:
        raise ScenarioError("horizon.duration_s: is required by fidelity fluid")
    if scenario.horizon.n_jobs is not None:
        raise ScenarioError(
            f"horizon.n_jobs: fidelity fluid counts no images; give duration_s alone, got {scenario.horizon.n_jobs}"
        )
    if scenario.faults:
        raise ScenarioError(
            f"faults: fidelity fluid knows none, got {scenario.faults[0].name!r}; take images"
        )
    if scenario.statistics.warm_up_s != 0:
        raise ScenarioError("statistics.warm_up_s: fidelity fluid counts from the start; take 0, or images")
    for requirement in (scenario.requirement, *(scheme.requirement for scheme in scenario.schemes)):
        if requirement is not None and requirement.changes:
            raise ScenarioError("requirement.changes: fidelity fluid knows one requirement; take images")
    if scenario.space.carries or scenario.space.shared_channels is not None:
        raise ScenarioError(
            "space: fidelity fluid knows no rates on board and no shared beams (feeder_rate_bps, rate_bps,"
            " store_and_forward, service_beams, feeder.channels); take fidelity images"
        )
    for index, gateway in enumerate(scenario.gateways):
        where = f"gateways[{index}]"
        if gateway.count > 1 or gateway.beam is not None:
            raise ScenarioError(
                f"{where}: fidelity fluid knows one gateway in each beam; take fidelity images"
            )
        if gateway.track is not None or gateway.on_satellite:
            raise ScenarioError(f"{where}: fidelity fluid knows gateways that rest on the ground")
        if gateway.rate_factor != 1:
            raise ScenarioError(
                f"{where}.rate_factor: fidelity fluid knows 1 only, got {gateway.rate_factor:g}"
            )
        _check_defaults(gateway, where, ("observation",))
        check_line(gateway.queue, where)
        if gateway.device != scenario.gateways[0].device or gateway.servers != scenario.gateways[0].servers:
            raise ScenarioError(f"{where}: fidelity fluid needs alike gateways; device or servers differ")
        if (
            gateway.access != scenario.gateways[0].access
            or gateway.service_s != scenario.gateways[0].service_s
        ):
            raise ScenarioError(f"{where}: fidelity fluid needs alike gateways; access or service_s differ")
    for index, source in enumerate(scenario.sources):
        where = f"sources[{index}]"
        if not isinstance(source.arrivals, PoissonSpec | DailySpec):
            raise ScenarioError(
                f"{where}.arrivals.kind: fidelity fluid knows poisson and daily, got {source.arrivals.kind!r}"
            )
        if source.access is not None or source.start_s > 0 or source.stop_s is not None or source.n_jobs:
            raise ScenarioError(
                f"{where}: fidelity fluid knows no access, start_s, stop_s, n_jobs of a source"
            )
        _check_defaults(source, where, ("priority",))
        if source.deadline_s is not None:
            raise ScenarioError(f"{where}.deadline_s: fidelity fluid knows the requirement's deadline only")
    link = scenario.satellite_link
    if isinstance(link, CustomLinkSpec):
        raise ScenarioError(
            "satellite_link: fidelity fluid knows no channel of your own; take fidelity images"
        )
    if link.discipline != "fifo" or link.buffer_bits is not None or link.per_image_flows:
        raise ScenarioError(
            "satellite_link: fidelity fluid knows fifo without buffer_bits and per_image_flows"
        )
    _check_defaults(link, "satellite_link", _LINK_KEYS)
    if isinstance(link, OrbitLinkSpec):
        _check_defaults(scenario.space.handover, "space.handover", _HANDOVER_KEYS)
        _check_defaults(scenario.space, "space", ("feeder_switch",))
    if scenario.data_network.batching != BatchingSpec():
        raise ScenarioError(
            "data_network.batching: fidelity fluid knows batches of one; take fidelity images"
        )
    check_line(scenario.data_network.queue, "data_network")
    _check_defaults(scenario.delivery, "delivery", ("max_attempts", "after_loss"))
    for index, scheme in enumerate(scenario.schemes):
        fixed = isinstance(scheme.policy, FixedPolicySpec) or isinstance(scheme.codec, SizesCodecSpec)
        if not fixed:
            raise ScenarioError(
                f"schemes[{index}].policy: fidelity fluid knows fixed policies only, got {scheme.policy.kind!r}"
            )
        if getattr(scheme.policy, "guard", None) is not None:
            raise ScenarioError(
                f"schemes[{index}].policy.guard: fidelity fluid rejects no image; leave it out"
            )


def _check_defaults(entity: Entity, where: str, keys: Sequence[str]) -> None:
    """Raise ScenarioError where one of *keys* is not what it is by default."""
    for key in keys:
        value, default = getattr(entity, key), type(entity).model_fields[key].default
        if value != default:
            raise ScenarioError(
                f"{where}.{key}: fidelity fluid does not know it; leave it out, or take fidelity images"
            )

"""Everything that a scenario names, looked up as a run would: what is missing or unfit is told before.

Files, bundles, devices, targets of faults. Nothing is simulated, no network is loaded, and no code of the user's own
is run.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from ntnsim.chance.device_profiles import device_profile
from ntnsim.errors import ScenarioError
from ntnsim.plugins import find_parts
from ntnsim.scenario.codec import InpaintingSpec
from ntnsim.scenario.copies import copy_names
from ntnsim.scenario.dataset import SamplesDatasetSpec
from ntnsim.scenario.path import ScenarioPath
from ntnsim.scenario.policy import LearningSpec, OraclePolicySpec
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.sizes import SizesCodecSpec
from ntnsim.scenario.space import shells_altitude_m
from ntnsim.scenario.steps import RecordedRate
from ntnsim.scenario.traffic import TraceSpec


def check_files(scenario: Scenario) -> None:
    """Raise InputError for the first thing that *scenario* names and that a run could not open."""
    for gateway in scenario.gateways:
        device_profile(gateway.device)
        if gateway.track is not None:
            gateway.track.points()
    device_profile(scenario.data_network.device)
    for source in scenario.sources:
        if isinstance(source.arrivals, TraceSpec) and source.arrivals.path is not None:
            from ntnsim.chance.traffic import read_trace

            read_trace(source.arrivals.path.location)
    for rate in _recorded_rates(scenario):
        from ntnsim.chance.step_path import recorded

        recorded(rate)
    if scenario.satellite_link.kind == "orbit":
        from ntnsim.sky.service_radio import service_satellite

        service_satellite(scenario.radio, _altitude_m(scenario))
    for scheme in scenario.schemes:
        if isinstance(scheme.policy, OraclePolicySpec):
            _exists(f"scheme {scheme.name!r}: policy.table", scheme.policy.table)
        elif isinstance(scheme.policy, LearningSpec):
            _exists(f"scheme {scheme.name!r}: policy.checkpoint", scheme.policy.checkpoint)
    find_parts(scenario)
    _check_faults(scenario)
    if scenario.fidelity == "fluid":
        from ntnsim.flow.refusals import check_fluid

        check_fluid(scenario)
    if not all(isinstance(scheme.codec, SizesCodecSpec) for scheme in scenario.schemes):
        _check_pictures(scenario)


def _altitude_m(scenario: Scenario) -> float:
    """Return the constellation's altitude; its element sets are read, and Walker shells know theirs."""
    if scenario.space.constellation.kind != "element_sets":
        return shells_altitude_m(scenario.space.constellation.shells)
    from ntnsim.sky.space_model import space_model

    return space_model(scenario.space, scenario.start_utc).altitude_m


def _recorded_rates(scenario: Scenario) -> Iterator[RecordedRate]:
    """Yield the rates that a file holds."""
    access = [
        *(gateway.access for gateway in scenario.gateways),
        *(source.access for source in scenario.sources),
    ]
    rates = (link.rate for link in (*access, scenario.delivery) if link is not None)
    for rate in (scenario.satellite_link, *rates):
        if isinstance(rate, RecordedRate) and rate.path is not None:
            yield rate


def _check_faults(scenario: Scenario) -> None:
    if not scenario.faults:
        return
    from ntnsim.sky.space_segment import check_satellite_faults
    from ntnsim.sky.way_down import check_way_faults
    from ntnsim.world.breakdowns import check_gateway_faults

    check_satellite_faults(scenario)
    check_way_faults(scenario)
    names = (copy_names(gateway.name, gateway.count) for gateway in scenario.gateways)
    check_gateway_faults(scenario.faults, chain.from_iterable(names))


def _check_pictures(scenario: Scenario) -> None:
    """Open what only schemes with pictures need: photographs, networks, judges."""
    by_truth = scenario.task.segmenter == "truth"
    for name, wanted in scenario.datasets.items():
        if by_truth or not isinstance(wanted, SamplesDatasetSpec):
            from ntnsim.datasets.open_dataset import open_dataset

            if open_dataset(wanted).image(0).class_map is None and by_truth:
                raise ScenarioError(
                    f"task.segmenter: truth needs class maps, and dataset {name!r} of kind {wanted.kind} has none"
                )
    for device in {inpaint.device for inpaint in _inpainting(scenario)} - {"cpu"}:
        from ntnsim.networks.bundle import check_device

        check_device(device)
    _exists("task.lpips_trunk", scenario.task.lpips_trunk)
    _exists("task.clip", scenario.task.clip)
    from ntnsim.networks.bundle import open_bundle

    open_bundle(scenario.task.bundle.name_or_location)


def _inpainting(scenario: Scenario) -> Iterator[InpaintingSpec]:
    for scheme in scenario.schemes:
        inpaint = getattr(scheme.codec, "inpaint", None)
        if inpaint is not None and inpaint.method == "bundle":
            yield inpaint


def _exists(place: str, path: ScenarioPath | None) -> None:
    if path is not None and not Path(path.location).exists():
        raise ScenarioError(f"{place}: {path.location} does not exist")

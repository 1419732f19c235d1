"""One run of ``fidelity: fluid``, from scenario to result directory: what `runs` does for a world of images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ntnsim.arrays import FloatArray, IntArray
from ntnsim.chance.sampling import Streams
from ntnsim.chance.step_path import background_load
from ntnsim.engine.build import requirement_from
from ntnsim.errors import ScenarioError
from ntnsim.flow.links import Links, SampledSky, WrittenLinks
from ntnsim.flow.refusals import check_fluid
from ntnsim.flow.spread import Spread, of_values, spread
from ntnsim.flow.stations import Stage, compute_service, link_stage
from ntnsim.flow.tables import delay_table, satellite_table, savings_table, site_table
from ntnsim.flow.world import DELAY_EDGES_S, FluidResult, FluidScheme, FluidWorld
from ntnsim.protocols.network_state import DataNetworkState, GatewayState, NetworkState, SatelliteLinkState
from ntnsim.results.files import FLOW
from ntnsim.results.summary import QUANTILES
from ntnsim.results.writer import write_table
from ntnsim.run_progress import Progress
from ntnsim.scenario.satellite_link import CustomLinkSpec, OrbitLinkSpec
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.scheme import SchemeSpec
from ntnsim.scenario.sizes import SizesCodecSpec
from ntnsim.scenario.traffic import DailySpec, PoissonSpec
from ntnsim.schemes import Assembled
from ntnsim.sky.space_model import space_model

PHOTOGRAPHS = 64  # of a source, that a codec is tried on


def simulate_fluid(
    scenario: Scenario, schemes: dict[str, Assembled], directory: Path, progress: Progress | None
) -> dict[str, dict[str, Any]]:
    """Let every scheme of *scenario* flow, write ``flow/`` to *directory*, return each scheme's part of the summary.

    Raises ScenarioError with the key where a part of the scenario can only be followed image by image.
    """
    check_fluid(scenario)
    assert scenario.horizon.duration_s is not None
    sizes_of = {entity.name: _sizes(scenario, entity, schemes[entity.name]) for entity in scenario.schemes}
    duration_s, fluid = scenario.horizon.duration_s, scenario.fluid
    load = background_load(scenario.background, Streams(scenario.seed, "background"))
    if progress is not None:
        progress.stage("following the sky")
    world = FluidWorld(
        len(scenario.gateways),
        _rates(scenario),
        _links(scenario),
        load.at,
        duration_s=duration_s,
        drain_s=min(fluid.drain_s, scenario.horizon.drain_limit_s) if scenario.horizon.drain else 0.0,
        step_s=fluid.step_s,
    )
    entries = {}
    tables: dict[str, list[pa.Table]] = {"sites": [], "delays": [], "savings": [], "satellites": []}
    for entity in scenario.schemes:
        if progress is not None:
            progress.stage(f"{entity.name}: letting images flow")
        sizes = sizes_of[entity.name]
        requirement = entity.requirement or scenario.requirement
        result = world.run(sizes.scheme, requirement.deadline_s)
        entries[entity.name] = _summary(result, sizes)
        tables["sites"].append(site_table(entity.name, scenario.gateways, result))
        tables["delays"].append(delay_table(entity.name, result))
        tables["savings"].append(savings_table(entity.name, sizes.savings))
        tables["satellites"].append(satellite_table(entity.name, world.satellites, result, duration_s))
    (directory / FLOW).mkdir()
    for name, of_schemes in tables.items():
        write_table(pa.concat_tables(of_schemes), directory / FLOW / f"{name}.parquet")
    return entries


class _Sizes:
    """What a scheme makes of images: sizes, stages, savings and fidelity."""

    def __init__(self, scheme: FluidScheme, savings: FloatArray, original: Spread, pf: FloatArray) -> None:
        self.scheme, self.savings, self.original, self.pf = scheme, savings, original, pf


@dataclass(frozen=True)
class _DailyRates:
    """Sources [k] whose activity [k, p] repeats: gateway's number [k], mean rate [k] and place in the period [k]."""

    period_s: float
    gateway: IntArray
    mean_per_s: FloatArray
    offset_s: FloatArray
    activity: FloatArray

    def at(self, time_s: float) -> FloatArray:
        """Return the rates [k] at a time."""
        parts = self.activity.shape[1]
        part = (((time_s + self.offset_s) % self.period_s) / self.period_s * parts).astype(np.int64) % parts
        active = self.activity[np.arange(len(part)), part] / self.activity.mean(axis=1)
        rates: FloatArray = self.mean_per_s * active
        return rates


def _rates(scenario: Scenario) -> Callable[[float], FloatArray]:
    """Return the images per second [s] of every gateway at a time."""
    place = {gateway.name: number for number, gateway in enumerate(scenario.gateways)}
    steady = np.zeros(len(place))
    lots: dict[tuple[float, int], list[tuple[int, float, float, tuple[float, ...]]]] = {}
    for source in scenario.sources:
        number = place[source.gateway or scenario.gateways[0].name]
        arrivals = source.arrivals
        if isinstance(arrivals, PoissonSpec):
            steady[number] += arrivals.rate_per_s * source.count
        elif isinstance(arrivals, DailySpec):
            lot = lots.setdefault((arrivals.period_s, len(arrivals.activity)), [])
            lot.append((number, arrivals.rate_per_s * source.count, arrivals.offset_s, arrivals.activity))
    daily = [
        _DailyRates(
            period_s,
            np.array([number for number, *_ in lot]),
            np.array([mean for _, mean, *_ in lot]),
            np.array([offset_s for *_, offset_s, _ in lot]),
            np.array([activity for *_, activity in lot]),
        )
        for (period_s, _), lot in lots.items()
    ]

    def at(time_s: float) -> FloatArray:
        rates = steady.copy()
        for lot in daily:
            np.add.at(rates, lot.gateway, lot.at(time_s))
        return rates

    return at


def _links(scenario: Scenario) -> Links:
    link = scenario.satellite_link
    if isinstance(link, OrbitLinkSpec):
        if len({gateway.surroundings for gateway in scenario.gateways}) > 1 or any(
            gateway.surroundings.horizon_deg or gateway.surroundings.gso_exclusion_deg
            for gateway in scenario.gateways
        ):
            raise ScenarioError("gateways: fidelity fluid knows no surroundings; take fidelity images")
        columns = [
            (gateway.latitude_deg, gateway.longitude_deg, gateway.altitude_m, gateway.min_elevation_deg)
            for gateway in scenario.gateways
        ]
        model = space_model(scenario.space, scenario.start_utc)
        return SampledSky(model, scenario.service_radio, *np.array(columns).T)
    assert not isinstance(link, CustomLinkSpec)
    return WrittenLinks(link, len(scenario.gateways))


def _sizes(scenario: Scenario, scheme: SchemeSpec, assembled: Assembled) -> _Sizes:
    """Return what *scheme* makes of images: by its distributions, or tried on some of the source's photographs."""
    work = assembled.imaging.work
    if isinstance(scheme.codec, SizesCodecSpec):
        codec = scheme.codec
        where = f"scheme {scheme.name!r}: codec"
        coded = spread(codec.size_bits, f"{where}.size_bits")
        original = spread(codec.source_bits, f"{where}.source_bits")
        delivered = spread(codec.reconstructed_bits, f"{where}.reconstructed_bits")
        pixels = codec.width_px * codec.height_px
        rng = np.random.default_rng(0)
        shown = rng.permutation(coded.sorted_values) / np.maximum(
            rng.permutation(original.sorted_values), 1e-9
        )
        savings, pf = 1 - shown, np.empty(0)
    else:
        coded, original, delivered, savings, pf, pixels = _tried(scenario, scheme, assembled)
    link = scenario.satellite_link
    sent = coded.scaled(1 + link.overhead_fraction)
    if link.overhead_bits:
        sent = of_values(sent.sorted_values + link.overhead_bits)
    gateway, network = scenario.gateways[0], scenario.data_network
    stages = [*work.before_decision, *work.after_decision]
    return _Sizes(
        FluidScheme(
            sent,
            link_stage(gateway.access, original, "gateways[0].access"),
            Stage(
                compute_service(gateway.device, gateway.service_s, stages, pixels, work.steps, "gateways[0]"),
                gateway.servers,
            ),
            Stage(
                compute_service(
                    network.device,
                    network.service_s,
                    work.reconstruction,
                    pixels,
                    work.steps,
                    "data_network",
                ),
                network.gpus,
            ),
            link_stage(scenario.delivery, delivered, "delivery"),
        ),
        savings,
        original,
        pf,
    )


def _tried(
    scenario: Scenario, scheme: SchemeSpec, assembled: Assembled
) -> tuple[Spread, Spread, Spread, FloatArray, FloatArray, int]:
    """Return sizes sent, as captured and delivered, savings [n], PF [n] and pixels of some photographs."""
    imaging, source = assembled.imaging, scenario.sources[0].name
    nothing = NetworkState(
        0.0,
        GatewayState(np.inf, 0, 0, 0, 0.0),
        SatelliteLinkState("", np.nan, np.nan, 0.0, 0.0, 0.0, 0.0, 0.0, np.nan),
        DataNetworkState(0, 1, 0.0, np.inf),
    )
    requirement = requirement_from(scheme.requirement or scenario.requirement)
    rows = []
    pixels = []
    for index in range(PHOTOGRAPHS):
        capture = imaging.capture(source, index)
        decision = assembled.policy.choose(capture.state, nothing, requirement)
        assert decision.configuration is not None
        encoded = imaging.encode(capture.image_id, decision.configuration)
        shown = imaging.reconstruct(capture.image_id, decision.configuration)
        rows.append((encoded.size_bits, capture.source_bits, shown.file_bits, shown.scores.get("pf", np.nan)))
        pixels.append(capture.state.width_px * capture.state.height_px)
    sent, original, delivered, pf_values = np.array(rows, dtype=np.float64).T
    return (
        of_values(sent),
        of_values(original),
        of_values(delivered),
        1 - sent / original,
        pf_values,
        round(float(np.mean(pixels))),
    )


def _summary(result: FluidResult, sizes: _Sizes) -> dict[str, Any]:
    """Return a scheme's part of the summary, in the shape of a run of images; the numbers are expected ones."""
    taken, delivered = float(result.images.sum()), float(result.delays.sum())
    mean_s = float(result.delay_sum_s.sum()) / delivered if delivered > 0 else None
    shares = np.cumsum(result.delays) / max(delivered, 1e-300)
    edges_s = np.append(DELAY_EDGES_S[1:], DELAY_EDGES_S[-1])
    quantiles = {
        f"q{100 * probability:02.0f}": {
            "value": float(np.interp(probability, shares, edges_s)),
            "low": None,
            "high": None,
        }
        for probability in QUANTILES
    }
    savings = sizes.savings
    return {
        "jobs": round(taken),
        "counted_jobs": round(taken),
        "warm_up_s": 0.0,
        "states": {
            "delivered": round(float(result.in_time.sum())),
            "late": round(delivered - float(result.in_time.sum())),
            "in_flight": round(result.in_flight),
        },
        "reasons": {},
        "deadline_met": {
            "value": float(result.in_time.sum()) / max(taken, 1e-300),
            "low": None,
            "high": None,
        },
        "delay_s": {"n": round(delivered), "mean": mean_s, "low": None, "high": None, "quantiles": quantiles},
        "components_s": {
            name: {"n": round(delivered), "mean": value, "low": None, "high": None}
            for name, value in result.component_s.items()
        },
        "savings": {
            **_mean(float(savings.mean()), len(savings)),
            "quantiles": {
                f"q{100 * probability:02.0f}": {
                    "value": float(np.quantile(savings, probability)),
                    "low": None,
                    "high": None,
                }
                for probability in QUANTILES
            },
        },
        "transmitted_bits": _mean(sizes.scheme.sent_bits.mean, len(savings)),
        "original_bits": _mean(sizes.original.mean, len(savings)),
        "fidelity": {
            **(
                {"pf": _mean(float(np.nanmean(sizes.pf)), len(sizes.pf))}
                if np.isfinite(sizes.pf).any()
                else {}
            ),
            "pf_rank": [],
            "sf_rank": [],
        },
    }


def _mean(value: float, count: int) -> dict[str, Any]:
    return {"n": count, "mean": value, "low": None, "high": None}

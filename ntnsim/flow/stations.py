"""The stages of a fluid world beside the satellite link, each refused in one line where only events can follow it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntnsim.chance.device_profiles import device_profile
from ntnsim.errors import ScenarioError
from ntnsim.flow.spread import Spread, of_values, spread, total
from ntnsim.scenario.compute import DeviceProfileSpec
from ntnsim.scenario.distribution import DistributionSpec, LogNormalSpec
from ntnsim.scenario.path import ScenarioPath
from ntnsim.scenario.terrestrial import ConstantRateSpec, QueueSpec, TerrestrialLinkSpec

NOTHING = of_values(np.zeros(1))


@dataclass(frozen=True)
class Stage:
    """A stage: *service* of each image by one of *servers*, then *propagation_s*. queues: False where none waits."""

    service: Spread
    servers: int = 1
    propagation_s: float = 0.0
    queues: bool = True


def link_stage(link: TerrestrialLinkSpec, bits: Spread, where: str) -> Stage:
    """Return a link on the ground as a stage for images of *bits*."""
    if link.loss_probability > 0:
        raise ScenarioError(
            f"{where}.loss_probability: fidelity fluid loses nothing; got {link.loss_probability}"
        )
    check_line(link.queue, where)
    if link.service_s is not None:
        service = spread(link.service_s, f"{where}.service_s")
    elif link.rate is None:
        return Stage(NOTHING, propagation_s=link.propagation_s, queues=False)
    elif isinstance(link.rate, ConstantRateSpec):
        service = bits.scaled(1 / link.rate.bps)
    else:
        raise ScenarioError(f"{where}.rate: fidelity fluid knows constant rates only, got {link.rate.kind!r}")
    if link.sharing == "processor_sharing":
        raise ScenarioError(
            f"{where}.sharing: fidelity fluid knows fifo and dedicated, got 'processor_sharing'"
        )
    return Stage(service, propagation_s=link.propagation_s, queues=link.sharing == "fifo")


def compute_service(
    device: ScenarioPath | DeviceProfileSpec,
    given: Mapping[Any, DistributionSpec],
    stages: Sequence[str],
    pixels: int,
    steps: int,
    where: str,
) -> Spread:
    """Return the time that an image of *pixels* spends in *stages* on *device*; *given* times replace the device's."""
    profile = device_profile(device)
    parts: list[Spread] = []
    fixed_s = 0.0
    for name in stages:
        if name in given:
            parts.append(spread(given[name], f"{where}.service_s.{name}"))
        elif (stage := profile.stages.get(name)) is not None:
            mean_s = stage.mean_s(pixels, steps)
            if stage.spread_cv > 0 and mean_s > 0:
                law = LogNormalSpec(kind="lognormal", mean=mean_s, cv=stage.spread_cv)
                parts.append(spread(law, where))
            else:
                fixed_s += mean_s
    return total([*parts, of_values(np.array([fixed_s]))])


def check_line(queue: QueueSpec, where: str) -> None:
    """Refuse a waiting line that orders images or loses them."""
    if queue.patience_s is not None:
        raise ScenarioError(f"{where}.queue.patience_s: fidelity fluid knows patient images only")
    if queue.discipline != "fifo":
        raise ScenarioError(
            f"{where}.queue.discipline: fidelity fluid knows fifo only, got {queue.discipline!r}"
        )
    if queue.buffer is not None:
        raise ScenarioError(
            f"{where}.queue.buffer: fidelity fluid knows unlimited buffers only, got {queue.buffer}"
        )

"""Time that stages take: means from device profiles, spread or whole times drawn from each source's own streams."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ntnsim.chance.sampling import Sampler, Streams, sampler
from ntnsim.errors import ScenarioError
from ntnsim.scenario.compute import DeviceProfileSpec, StageTimeSpec
from ntnsim.scenario.distribution import DistributionSpec, LogNormalSpec
from ntnsim.scenario.path import ScenarioPath


def device_profile(device: str | ScenarioPath | DeviceProfileSpec) -> DeviceProfileSpec:
    """Return the profile that a scenario names.

    device: a shipped profile's name, or ``FILE.yaml`` or ``FILE.yaml#NAME``, or the profile itself.
    """
    if isinstance(device, DeviceProfileSpec):
        return device
    if isinstance(device, str):
        device = ScenarioPath(device)
    file, _, name = device.written.partition("#")
    if file.endswith((".yaml", ".yml")):
        path = ScenarioPath(file, device.directory).location
        profiles = _profiles(path.read_text() if path.is_file() else None, str(path))
        if not name and len(profiles) == 1:
            return next(iter(profiles.values()))
    else:
        profiles, name = shipped_profiles(), device.written
    if name not in profiles:
        raise ScenarioError(
            f"device {device.written!r}: no such profile; there is {', '.join(sorted(profiles))}"
        )
    return profiles[name]


@cache
def shipped_profiles() -> dict[str, DeviceProfileSpec]:
    """Return the profiles in scenario/presets/devices.yaml by name."""
    resource = files("ntnsim.scenario") / "presets" / "devices.yaml"
    return _profiles(resource.read_text(), "devices.yaml")


def _profiles(text: str | None, where: str) -> dict[str, DeviceProfileSpec]:
    if text is None:
        raise ScenarioError(f"device profiles {where}: no such file")
    try:
        entries: Mapping[str, Any] = YAML(typ="safe").load(text) or {}
        return {name: DeviceProfileSpec.model_validate(entry) for name, entry in entries.items()}
    except (YAMLError, ValidationError, AttributeError) as error:
        raise ScenarioError(f"device profiles {where}: {' '.join(str(error).split())}") from None


class StageTimes:
    """The time that images of one source spend in a sequence of stages on one device.

    stages: names in order. given: distributions that replace the device's times, by stage.
    """

    def __init__(
        self,
        device: DeviceProfileSpec,
        given: Mapping[Any, DistributionSpec],
        stages: tuple[str, ...],
        steps: int,
        streams: Streams,
    ) -> None:
        self._steps = steps
        self._fixed: list[StageTimeSpec] = []
        self._spread: list[tuple[StageTimeSpec, Sampler]] = []
        self._drawn: list[Sampler] = []
        self._drawn_mean_s = 0.0
        self._means: dict[int, tuple[float, list[tuple[float, Sampler]], float]] = {}
        for name in stages:
            distribution, stage = given.get(name), device.stages.get(name)
            if distribution is not None:
                self._drawn.append(sampler(distribution, streams, name))
                self._drawn_mean_s += distribution.mean
            elif stage is not None and stage.spread_cv > 0:
                spread = LogNormalSpec(kind="lognormal", mean=1.0, cv=stage.spread_cv)
                self._spread.append((stage, sampler(spread, streams, name)))
            elif stage is not None:
                self._fixed.append(stage)

    def mean_s(self, pixels: int) -> float:
        """Return the expected time for an image of *pixels*."""
        return self._for(pixels)[2]

    def draw_s(self, pixels: int) -> float:
        """Return the next image's time."""
        total_s, spread, _ = self._for(pixels)
        for mean_s, factor in spread:
            total_s += mean_s * factor()
        for draw in self._drawn:
            total_s += draw()
        return total_s

    def _for(self, pixels: int) -> tuple[float, list[tuple[float, Sampler]], float]:
        """Return, kept per image size: what has no spread, the means of what has, and the mean of all."""
        known = self._means.get(pixels)
        if known is None:
            fixed_s = sum(stage.mean_s(pixels, self._steps) for stage in self._fixed)
            spread = [(stage.mean_s(pixels, self._steps), factor) for stage, factor in self._spread]
            mean_s = fixed_s + sum(mean for mean, _ in spread) + self._drawn_mean_s
            known = self._means[pixels] = (fixed_s, spread, mean_s)
        return known

"""Time that stages take: means from device profiles, spread or whole times drawn from each source's own streams."""

from collections.abc import Mapping
from typing import Any

from ntnsim.chance.sampling import Sampler, Streams, sampler
from ntnsim.scenario.compute import DeviceProfileSpec, StageTimeSpec
from ntnsim.scenario.distribution import DistributionSpec, LogNormalSpec


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

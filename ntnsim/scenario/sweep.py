"""The scenario's ``sweep:`` section: which values to try, how often, and when to stop repeating.

    sweep:
      design:
        - kind: grid
          parameters:
            satellite_link.background_load: [0.2, 0.5, 0.8]
      replications: 5

Each block of the design yields points; several blocks are multiplied with each other, so that a grid over one
parameter can be crossed with a zip over two others. A path is written as for ``--set``.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ntnsim.scenario.entity import Entity
from ntnsim.scenario.override import parse_path

ValueLists = Annotated[dict[str, Annotated[list[Any], Field(min_length=1)]], Field(min_length=1)]
Labels = dict[str, list[str]]


def _check_labels(labels: Labels, parameters: dict[str, list[Any]]) -> None:
    for path, texts in labels.items():
        if path not in parameters:
            raise ValueError(f"labels: {path!r} is none of the parameters {', '.join(parameters)}")
        if len(texts) != len(parameters[path]):
            raise ValueError(f"labels: {path!r} has {len(parameters[path])} values, got {len(texts)} labels")


class GridSpec(Entity):
    """Every combination of the listed values."""

    kind: Literal["grid"]
    parameters: ValueLists
    """Path → values; the last path varies fastest."""
    labels: Labels = Field(default_factory=dict)
    """Path → what figures and tables call each of its values; otherwise the values themselves, or where they differ."""

    @model_validator(mode="after")
    def _one_label_per_value(self) -> Self:
        _check_labels(self.labels, self.parameters)
        return self


class ZipSpec(Entity):
    """The listed values side by side: first with first, second with second."""

    kind: Literal["zip"]
    parameters: ValueLists
    """Path → values; all lists have one length."""
    labels: Labels = Field(default_factory=dict)
    """Path → what figures and tables call each of its values; otherwise the values themselves, or where they differ."""

    @model_validator(mode="after")
    def _lists_have_one_length(self) -> Self:
        lengths = {path: len(values) for path, values in self.parameters.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the lists of a zip must have one length, got {lengths}")
        _check_labels(self.labels, self.parameters)
        return self


class PointListSpec(Entity):
    """Points written out one by one."""

    kind: Literal["list"]
    points: Annotated[list[Annotated[dict[str, Any], Field(min_length=1)]], Field(min_length=1)]
    """Each point: path → value; and, if wanted, ``label``: what figures and tables call the point."""

    @model_validator(mode="after")
    def _labels_are_texts(self) -> Self:
        for point in self.points:
            if not isinstance(point.get("label", ""), str):
                raise ValueError(f"label: must be a text, got {point['label']!r}")
            if set(point) == {"label"}:
                raise ValueError(f"the point {point['label']!r} sets no value")
        return self


class RangeSpec(Entity):
    """Where a sampled parameter's values come from: an interval, or a list of choices."""

    low: float | None = None
    """Lower end of the interval."""
    high: float | None = None
    """Upper end of the interval."""
    scale: Literal["linear", "log"] = "linear"
    """``log`` spreads the values evenly over orders of magnitude."""
    integer: bool = False
    """Round to whole numbers; *low* and *high* are both reached."""
    choices: list[Any] | None = None
    """Values to draw from, each as often, in place of an interval."""

    @model_validator(mode="after")
    def _interval_or_choices(self) -> Self:
        if self.choices is not None:
            if self.low is not None or self.high is not None or not self.choices:
                raise ValueError("give either low and high, or a list of choices that is not empty")
            return self
        if self.low is None or self.high is None or not self.low < self.high:
            raise ValueError(f"needs low < high (or choices), got low={self.low}, high={self.high}")
        if self.scale == "log" and not self.low > 0:
            raise ValueError(f"a log scale needs low > 0, got {self.low}")
        if self.integer and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"an integer range needs whole limits, got low={self.low}, high={self.high}")
        return self


class SampledSpec(Entity):
    """Points drawn from ranges; the sweep's own seed decides, so a sweep always has the same points."""

    n_points: int = Field(gt=0, le=100_000)
    """Points to draw."""
    parameters: Annotated[dict[str, RangeSpec], Field(min_length=1)]
    """Path → range of its values."""
    seed: int = Field(0, ge=0)
    """Decides the points, whatever the scenario's seed."""


class RandomSpec(SampledSpec):
    """Independent draws."""

    kind: Literal["random"]


class LatinHypercubeSpec(SampledSpec):
    """Draws that fall once in each of *n_points* equal slices of every parameter's range."""

    kind: Literal["latin_hypercube"]


BlockSpec = Annotated[
    GridSpec | ZipSpec | PointListSpec | RandomSpec | LatinHypercubeSpec, Field(discriminator="kind")
]


MOST_CELLS = 100_000  # points × replications; each is a run with files of its own


def _n_points(block: BlockSpec) -> int:
    """Return how many points *block* stands for, without making them."""
    if isinstance(block, GridSpec):
        return math.prod(map(len, block.parameters.values()))
    if isinstance(block, ZipSpec):
        return len(next(iter(block.parameters.values())))
    return len(block.points) if isinstance(block, PointListSpec) else block.n_points


def _first_key(path: str) -> str:
    keys, _ = parse_path(path)
    return keys[0].text if keys else ""


class AdaptiveSpec(Entity):
    """Repeat a point until its interval over replications is narrow enough."""

    metric: str = "delay_s.mean"
    """A figure of the run's summary, as a path inside one scheme's entry."""
    schemes: list[str] | None = None
    """Schemes whose interval must be narrow enough; all of them unless given."""
    relative_half_width: float | None = Field(None, gt=0)
    """Wanted half-width as a share of the mean's magnitude."""
    half_width: float | None = Field(None, gt=0)
    """Wanted half-width in the metric's own unit."""
    confidence: float = Field(0.95, gt=0, lt=1)
    """Of the interval over replications."""
    max_replications: int = Field(30, ge=2, le=10_000)
    """Runs per point at most, however wide the interval still is."""

    @model_validator(mode="after")
    def _one_width(self) -> Self:
        if (self.relative_half_width is None) == (self.half_width is None):
            raise ValueError("give one of relative_half_width and half_width")
        return self


class SweepSpec(Entity):
    """Points × replications of a scenario."""

    design: list[BlockSpec] = Field(default_factory=list)
    """Blocks of points, multiplied with each other; none means the scenario as it stands, repeated."""
    replications: int = Field(1, ge=1, le=10_000)
    """Runs per point; with ``adaptive``, the first number of runs."""
    common_random_numbers: bool = True
    """Replication r uses the same seed at every point, so that differences between points are not noise."""
    adaptive: AdaptiveSpec | None = None
    """When to stop repeating a point; null repeats each as often."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        cells = self.replications * math.prod(_n_points(block) for block in self.design)
        if cells > MOST_CELLS:
            raise ValueError(f"{cells:,} runs; a sweep has at most {MOST_CELLS:,}")
        seen: set[str] = set()
        for block in self.design:
            paths = (
                {path for point in block.points for path in point if path != "label"}
                if isinstance(block, PointListSpec)
                else set(block.parameters)
            )
            if repeated := sorted(seen & paths):
                raise ValueError(f"{', '.join(repeated)}: varied by two blocks of the design")
            if taken := sorted(path for path in paths if _first_key(path) in ("seed", "sweep")):
                raise ValueError(f"{', '.join(taken)}: the sweep sets seeds itself; vary something else")
            seen |= paths
        if self.adaptive is not None:
            if self.replications < 2:
                raise ValueError(f"adaptive needs replications >= 2 to start with, got {self.replications}")
            if self.adaptive.max_replications < self.replications:
                raise ValueError(
                    f"adaptive.max_replications is {self.adaptive.max_replications}, "
                    f"less than replications ({self.replications})"
                )
        return self

"""The points of a sweep: which value each varied path takes."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from ntnsim.scenario.sweep import (
    BlockSpec,
    GridSpec,
    LatinHypercubeSpec,
    PointListSpec,
    RandomSpec,
    RangeSpec,
    ZipSpec,
)
from ntnsim.streams import stream

PointValues = dict[str, Any]  # path → value


def points_of_design(design: Sequence[BlockSpec]) -> list[PointValues]:
    """Return the product of the blocks' points, the last block varying fastest; one empty point without blocks."""
    points: list[PointValues] = []
    for combination in product(*(block_points(block) for block in design)):
        merged: PointValues = {}
        for part in combination:
            merged |= part
        points.append(merged)
    return points


def block_points(block: BlockSpec) -> list[PointValues]:
    """Return the points of one block of the design."""
    match block:
        case GridSpec():
            paths = list(block.parameters)
            return [dict(zip(paths, values, strict=True)) for values in product(*block.parameters.values())]
        case ZipSpec():
            paths = list(block.parameters)
            return [
                dict(zip(paths, values, strict=True))
                for values in zip(*block.parameters.values(), strict=True)
            ]
        case PointListSpec():
            return [
                {path: value for path, value in point.items() if path != "label"} for point in block.points
            ]
        case RandomSpec() | LatinHypercubeSpec():
            return _sampled_points(block)


def labels_of(point: PointValues, design: Sequence[BlockSpec]) -> dict[str, str]:
    """Return path → label of those values of *point* that have one; "" for those that another's label covers."""
    labels: dict[str, str] = {}
    for block in design:
        if isinstance(block, GridSpec | ZipSpec):
            for path, texts in block.labels.items():
                labels[path] = texts[block.parameters[path].index(point[path])]
        elif isinstance(block, PointListSpec):
            values = next(
                listed
                for listed in block.points
                if all(point.get(path) == value for path, value in listed.items() if path != "label")
            )
            if "label" in values:
                first, *others = (path for path in values if path != "label")
                labels |= {first: values["label"], **dict.fromkeys(others, "")}
    return labels


def _sampled_points(block: RandomSpec | LatinHypercubeSpec) -> list[PointValues]:
    """Draw each parameter from its own stream, so that adding a parameter leaves the others' values alone."""
    columns = {}
    for path, interval in block.parameters.items():
        rng = stream(block.seed, "sweep", block.kind, path)
        shares = rng.random(block.n_points)
        if isinstance(block, LatinHypercubeSpec):
            shares = (rng.permutation(block.n_points) + shares) / block.n_points
        columns[path] = [value_at(interval, float(share)) for share in shares]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def value_at(interval: RangeSpec, share: float) -> Any:
    """Return the value at *share*, in [0, 1), of the way through a range.

    Each choice, and on a linear scale each whole number, gets an equal part of the way.
    """
    if interval.choices is not None:
        return interval.choices[int(share * len(interval.choices))]
    assert interval.low is not None
    assert interval.high is not None
    low, high = interval.low, interval.high
    if interval.integer and interval.scale == "linear":
        return int(low) + int(share * (int(high) - int(low) + 1))
    value = float(low * (high / low) ** share) if interval.scale == "log" else low + share * (high - low)
    return int(np.clip(round(value), low, high)) if interval.integer else value

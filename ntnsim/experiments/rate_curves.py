"""The curves of bits against distance that ``rate`` and ``layers`` compare, and what they say for a target."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ntnsim.experiments.rate_points import MIDDLE_COARSE, RANKS

RESAMPLES = 200
FINE_CROPS, FINE_LAYERS = 151, 151  # among which SPIFF's best point is sought

Values = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Curve:
    """One series: settings [S], bits [images, S], and each judge's distance on each rank [images, S]."""

    settings: Values
    bits: Values
    distance: dict[str, Values]  # "JUDGE_RANK"


def curves_of(points: pd.DataFrame, judges: Sequence[str], ranks: Sequence[str] = RANKS) -> dict[str, Curve]:
    """Return the curves of a table of points in which every photograph has every setting."""
    curves = {}
    for series, group in points.groupby("series", sort=False):
        columns = ["bits", *(f"{judge}_{rank}" for judge in judges for rank in ranks)]
        columns = [name for name in columns if group[name].notna().all()]
        table = group.pivot_table(index="image", columns="setting", values=columns)
        distance = {name: np.maximum(table[name].to_numpy(float), 1e-9) for name in columns[1:]}
        curves[str(series)] = Curve(
            table["bits"].columns.to_numpy(float), table["bits"].to_numpy(float), distance
        )
    return curves


def bits_for(bits: Values, distance: Values, wanted: float) -> float:
    """Return the bits at which a mean curve reaches the *wanted* distance.

    Its fewest where it starts below; NaN where it never comes there.
    """
    falling = np.minimum.accumulate(distance)
    if falling[0] <= wanted:
        return float(bits[0])
    if wanted < falling[-1]:
        return float("nan")
    return float(np.exp(np.interp(-np.log(wanted), -np.log(falling), np.log(bits))))


@dataclass(frozen=True)
class Target:
    """What one judge demands of both ranks: distances that may not be exceeded."""

    judge: str
    top: float
    low: float

    def of(self, rank: str) -> float:
        """Return the distance demanded of *rank*."""
        return self.top if rank == "top" else self.low


def whole_image_bits(curve: Curve, target: Target, rows: Rows) -> float:
    """Return the mean bits that one file for everything needs, on the photographs *rows*."""
    return float(np.max([half_bits(curve, target, rank, rows) for rank in RANKS]))  # NaN if either is


def half_bits(curve: Curve, target: Target, rank: str, rows: Rows) -> float:
    """Return the mean bits at which *curve* gives one rank what is demanded."""
    distance = curve.distance[f"{target.judge}_{rank}"][rows].mean(axis=0)
    return bits_for(curve.bits[rows].mean(axis=0), distance, target.of(rank))


def pair_bits(curves: dict[str, Curve], target: Target, rows: Rows) -> float:
    """Return the mean bits of two files, one for each rank."""
    return sum(half_bits(curves[f"pair, {rank}"], target, rank, rows) for rank in RANKS)


def spiff_point(
    crop: Curve, layer: Curve, own: Curve, target: Target, rows: Rows
) -> tuple[float, float, float]:
    """Return the fewest mean bits at which SPIFF's two parts meet both targets, with crop quality and q; or NaN.

    own: the layers as the crop's curve has them, whose middle both curves share.
    """
    crops = np.linspace(crop.settings[0], crop.settings[-1], FINE_CROPS)
    layers = np.linspace(layer.settings[0], layer.settings[-1], FINE_LAYERS)

    def along(values: Values, axis: Values, fine: Values) -> Values:
        return np.exp(np.interp(fine, axis, np.log(values[rows].mean(axis=0))))

    def middle(values: Values) -> float:
        return float(values[rows].mean(axis=0)[np.isclose(own.settings, MIDDLE_COARSE)][0])

    bits = along(crop.bits, crop.settings, crops)[:, None] + along(layer.bits, layer.settings, layers)
    bits -= middle(own.bits)
    meets = np.ones(bits.shape, bool)
    for rank in RANKS:
        name = f"{target.judge}_{rank}"
        of_crop = along(crop.distance[name], crop.settings, crops)
        of_layer = along(layer.distance[name], layer.settings, layers)
        meets &= of_crop[:, None] + of_layer - middle(own.distance[name]) <= target.of(rank)
    if not meets.any():
        return float("nan"), float("nan"), float("nan")
    best = np.unravel_index(np.argmin(np.where(meets, bits, np.inf)), bits.shape)
    return float(bits[best]), float(crops[best[0]]), float(layers[best[1]])


@dataclass(frozen=True)
class Series:
    """The series that one way to decode SPIFF's streams consists of."""

    crop: str
    layer: str
    one_file: str


AS_IT_COMES = Series("spiff crop", "spiff layer", "spiff, one file")
NO_NETWORK = replace(AS_IT_COMES, layer="spiff layer, no network")
BARE_LAYER = replace(AS_IT_COMES, layer="spiff layer, bare")
RESTORED_CROP = Series("spiff crop, restored", "spiff layer", "spiff, one file restored")


def spiff_bits(curves: dict[str, Curve], series: Series, target: Target, rows: Rows) -> float:
    """Return the mean bits of SPIFF: of its two parts, or of one file where that is less."""
    own = curves.get(AS_IT_COMES.layer, curves[NO_NETWORK.layer])
    parts = spiff_point(curves[series.crop], curves[series.layer], own, target, rows)[0]
    return float(np.nanmin([parts, whole_image_bits(curves[series.one_file], target, rows)]))


def best_bits(curves: dict[str, Curve], series: Sequence[str], target: Target, rows: Rows) -> float:
    """Return the mean bits of the best of *series* for one file."""
    return float(np.nanmin([whole_image_bits(curves[name], target, rows) for name in series]))


def with_interval(
    statistic: Callable[[Rows], float], n_images: int, seed: int = 0
) -> tuple[float, float, float]:
    """Return the statistic on all photographs and its 95 % bootstrap interval."""
    rng = np.random.default_rng(seed)
    resampled = [statistic(rng.integers(0, n_images, n_images)) for _ in range(RESAMPLES)]
    low, high = (
        np.nanquantile(resampled, [0.025, 0.975]) if not np.isnan(resampled).all() else (np.nan, np.nan)
    )
    return statistic(np.arange(n_images)), float(low), float(high)

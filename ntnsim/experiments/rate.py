"""Bits against fidelity per rank: SPIFF, part by part, against whole-image codecs over their whole quality range.

    ntnsim experiment rate --data PERSONS --out results/rate

At equal top-rank PF and for each lower-rank target, calibrated as in `targets.py`, how many bits does each codec need?
Curves are means over the photographs, interpolated in the logarithms of bits and distance; a SPIFF operating point
combines a crop quality and a coarse layer, whose bits add exactly and whose effects on each other's rank are added too.
The chosen points are then measured directly (strict ones). Intervals are bootstraps over photographs (95 %).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ntnsim.datasets.dataset import Dataset, DatasetImage
from ntnsim.datasets.persons import PersonsDataset
from ntnsim.experiments.arguments import add_persons_argument, experiment_parser
from ntnsim.experiments.codec_study import new_figure, save_noted
from ntnsim.experiments.rate_points import (
    LIBRARY_SPEED,
    MIDDLE_COARSE,
    MIDDLE_CROP,
    Setting,
    measure,
    rate_settings,
    spiff_setting,
)
from ntnsim.fidelity.metrics import scorer_named
from ntnsim.networks.bundle import open_bundle
from ntnsim.networks.load import inpainter_named
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.inpainter import Inpainter
from ntnsim.report.style import STYLES, journal
from ntnsim.results.own_files import own_path
from ntnsim.spiff.baselines import PAPER_JPEG_QUALITY, WholeImageCodec
from ntnsim.spiff.classical import ClassicalInpainter
from ntnsim.spiff.components import Component

TOP_TARGETS = (0.99, 0.98, 0.95)
AS_THEY_COME = ("jpeg", "webp", "avif")
WHOLE_IMAGE = (*AS_THEY_COME, "avif-tuned", "avif-tuned, speed 6")
JPEG_KEEPS_PF = 0.83  # paper, Table IV, Strict
RESAMPLES = 400
# Points along crop quality and q among which SPIFF's best is sought.
FINE_CROPS, FINE_LAYERS = 271, 191
# SPIFF's series of coarse layers, each with the series of crops that goes with it.
CROPS_OF = {
    "spiff coarse": "spiff crop",
    "spiff coarse, diffusion": "spiff crop",
    "spiff coarse, speed 6": "spiff crop, speed 6",
}
PARTS = (  # what a series shows beside "spiff coarse"
    ("mask shape", "spiff, box instead of mask"),
    ("cells on the block grid", "spiff, cells of 4 px"),
    ("AVIF for parts", "spiff, AVIF as it comes"),
    ("AVIF at speed 8", "spiff, AVIF speed 9"),
    ("AVIF at speed 8", "spiff coarse, speed 6"),
    ("grain", "spiff coarse, no grain"),
    ("patches", "spiff, with patches"),
    ("diffusion", "spiff coarse, diffusion"),
    ("diffusion without grain", "spiff coarse, diffusion, no grain"),
    ("coarse layer", "spiff-paper, nearest"),
    ("coarse layer", "spiff-paper, diffusion"),
)

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """The points as arrays [images, settings], per series, in the order of the settings."""

    settings: dict[str, Values]
    bits: dict[str, Values]
    top: dict[str, Values]  # distance 1 − PF of rank 1
    low: dict[str, Values]

    @property
    def n_images(self) -> int:
        """Number of photographs."""
        return len(next(iter(self.bits.values())))


def curves_of(points: pd.DataFrame) -> Curves:
    """Return the curves of a table of points in which every photograph has every setting."""
    curves = Curves({}, {}, {}, {})
    for series, group in points.groupby("series", sort=False):
        name = str(series)
        table = group.pivot_table(index="image", columns="setting", values=["bits", "pf_top", "pf_low"])
        curves.settings[name] = table["bits"].columns.to_numpy(float)
        curves.bits[name] = table["bits"].to_numpy(float)
        curves.top[name] = 1 - table["pf_top"].to_numpy(float)
        curves.low[name] = 1 - table["pf_low"].to_numpy(float)
    return curves


def bits_for(bits: Values, distance: Values, wanted: float) -> float:
    """Return the bits at which a mean curve reaches the *wanted* distance; NaN outside its range."""
    falling = np.minimum.accumulate(distance)
    if wanted > falling[0] or wanted < falling[-1]:
        return float("nan")
    return float(np.exp(np.interp(-np.log(wanted), -np.log(falling), np.log(bits))))


def whole_image_bits(curves: Curves, series: str, top: float, low: float, rows: NDArray[np.int64]) -> float:
    """Return the mean bits a whole-image codec needs for both distances, on the photographs *rows*."""
    bits = curves.bits[series][rows].mean(axis=0)
    needs = [
        bits_for(bits, distance[series][rows].mean(axis=0), wanted)
        for distance, wanted in ((curves.top, top), (curves.low, low))
    ]
    # A curve that starts below the wanted distance meets it with its fewest bits.
    starts = [curves.top[series][rows].mean(axis=0)[0] < top, curves.low[series][rows].mean(axis=0)[0] < low]
    needs = [bits[0] if start else need for start, need in zip(starts, needs, strict=True)]
    return float("nan") if np.isnan(needs).any() else max(needs)


def spiff_point(
    curves: Curves, coarse_series: str, top: float, low: float, rows: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Return the fewest mean bits at which SPIFF meets both distances, with crop quality and q; NaN if none does."""
    crop_series = CROPS_OF[coarse_series]
    crops, layers = curves.settings[crop_series], curves.settings[coarse_series]
    middle = int(np.flatnonzero(np.isclose(layers, MIDDLE_COARSE))[0])
    fine_crops, fine_layers = (
        np.linspace(axis[0], axis[-1], count) for axis, count in ((crops, FINE_CROPS), (layers, FINE_LAYERS))
    )

    def along(values: Values, axis: Values, fine: Values) -> Values:
        return np.exp(np.interp(fine, axis, np.log(values[rows].mean(axis=0))))

    crop_bits = along(curves.bits[crop_series], crops, fine_crops)
    layer_bits = along(curves.bits[coarse_series], layers, fine_layers)
    middle_bits = curves.bits[coarse_series][rows].mean(axis=0)[middle]
    bits = crop_bits[:, None] + layer_bits[None, :] - middle_bits

    def combined(distance: dict[str, Values]) -> Values:
        of_crop = along(distance[crop_series], crops, fine_crops)
        of_layer = along(distance[coarse_series], layers, fine_layers)
        reference = np.interp(MIDDLE_CROP, fine_crops, of_crop)
        return of_layer[None, :] + of_crop[:, None] - reference

    meets = (combined(curves.top) <= top) & (combined(curves.low) <= low)
    if not meets.any():
        return float("nan"), float("nan"), float("nan")
    best = np.unravel_index(np.argmin(np.where(meets, bits, np.inf)), bits.shape)
    return float(bits[best]), float(fine_crops[best[0]]), float(fine_layers[best[1]])


def with_interval(
    statistic: Callable[[NDArray[np.int64]], float], n_images: int, seed: int = 0
) -> tuple[float, float, float]:
    """Return the statistic on all photographs and its 95 % bootstrap interval."""
    rng = np.random.default_rng(seed)
    resampled = [statistic(rng.integers(0, n_images, n_images)) for _ in range(RESAMPLES)]
    low, high = (
        np.nanquantile(resampled, [0.025, 0.975]) if not np.isnan(resampled).all() else (np.nan, np.nan)
    )
    return statistic(np.arange(n_images)), float(low), float(high)


def comparison(curves: Curves, strict: float, coarse_series: Sequence[str]) -> pd.DataFrame:
    """Return bits of every codec and SPIFF's saving, per top target and lower-rank target.

    strict: the strict distance of the lower rank; intermediate and lenient are two and three times that.
    """
    rows = []
    for top_pf in TOP_TARGETS:
        for name, multiple in (("strict", 1), ("intermediate", 2), ("lenient", 3)):
            top, low = 1 - top_pf, multiple * strict
            everyone = np.arange(curves.n_images)
            needs = {series: whole_image_bits(curves, series, top, low, everyone) for series in WHOLE_IMAGE}
            for series in coarse_series:
                bits, crop, q = spiff_point(curves, series, top, low, everyone)
                row: dict[str, float | str] = {
                    "pf_top": top_pf,
                    "lower target": name,
                    "pf_low": round(1 - low, 4),
                    "spiff": series,
                    "crop quality": round(crop, 1),
                    "q": round(q, 3),
                    "spiff kB": round(bits / 8000, 2),
                }
                row |= {f"{codec} kB": round(need / 8000, 2) for codec, need in needs.items()}
                for label, rivals in (("best as it comes", AS_THEY_COME), ("best at all", WHOLE_IMAGE)):

                    def saving(
                        index: NDArray[np.int64],
                        rivals: Sequence[str] = rivals,
                        series: str = series,
                        top: float = top,
                        low: float = low,
                    ) -> float:
                        best = np.nanmin(
                            [whole_image_bits(curves, rival, top, low, index) for rival in rivals]
                        )
                        return float(1 - spiff_point(curves, series, top, low, index)[0] / best)

                    value, lowest, highest = with_interval(saving, curves.n_images)
                    row[f"saving vs {label}"] = round(value, 3)
                    row[f"interval vs {label}"] = f"{lowest:.2f} to {highest:.2f}"
                rows.append(row)
    return pd.DataFrame(rows)


def contributions(curves: Curves, coarse_series: str = "spiff coarse") -> pd.DataFrame:
    """Return what leaving out or adding one part does at the middle point: bits, both PFs, and a price.

    The price is the part's mean bits beyond those that SPIFF without diffusion, its coarse layer's q moved, needs for
    the same PF of the lower rank; positive where the variant is the worse bargain. Beyond that curve there is none.
    """
    reference_bits = curves.bits[coarse_series].mean(axis=0)
    reference_low = curves.low[coarse_series].mean(axis=0)
    rows = []
    for part, series in PARTS:
        for column, setting in enumerate(curves.settings.get(series, [])):
            bits = curves.bits[series].mean(axis=0)[column]
            low = curves.low[series].mean(axis=0)[column]
            rows.append(
                {
                    "part": part,
                    "series": series,
                    "setting": setting,
                    "kB": round(bits / 8000, 2),
                    "pf_top": round(1 - curves.top[series].mean(axis=0)[column], 4),
                    "pf_low": round(1 - low, 4),
                    "bits at equal pf_low": round(bits / bits_for(reference_bits, reference_low, low) - 1, 3),
                }
            )
    return pd.DataFrame(rows)


def strict_distance(dataset: Dataset, path: Path) -> float:
    """Return the lower rank's distance that JPEG q45 meets on 83 % of the photographs of *dataset*."""
    codec = WholeImageCodec(Component("jpeg", PAPER_JPEG_QUALITY), n_ranks=2)
    setting = Setting("calibration", PAPER_JPEG_QUALITY, codec, Configuration(0.0, (0.0,)))
    points = measure(dataset, [setting], scorer_named(), path)
    return float(np.quantile([1 - point.pf_low for point in points], JPEG_KEEPS_PF))


class Thinned:
    """A dataset thinned out: its photographs 0, stride, 2·stride …, *count* of them at most."""

    def __init__(self, whole: Dataset, stride: int, count: int) -> None:
        self.name = whole.name
        self._whole = whole
        self._indices = range(0, len(whole), stride)[:count]

    def __len__(self) -> int:
        return len(self._indices)

    def image(self, index: int) -> DatasetImage:
        """Return photograph *index* of the thinned set."""
        return self._whole.image(self._indices[index])


def drawn(curves: Curves, strict: float, coarse_series: Sequence[str], out: Path, note: str) -> None:
    """Draw bits against the lower rank's PF at each top target, and against the top rank's PF."""
    everyone = np.arange(curves.n_images)
    with journal():
        figure, axes = new_figure(len(TOP_TARGETS), height_in=2.9)
        for axis, top_pf in zip(axes, TOP_TARGETS, strict=True):
            lows = np.linspace(strict * 0.6, strict * 4, 60)
            names = [*WHOLE_IMAGE, *coarse_series]
            for style, series in zip(STYLES, names, strict=False):
                if series in WHOLE_IMAGE:
                    kilobytes = [
                        whole_image_bits(curves, series, 1 - top_pf, low, everyone) / 8000 for low in lows
                    ]
                else:
                    kilobytes = [
                        spiff_point(curves, series, 1 - top_pf, low, everyone)[0] / 8000 for low in lows
                    ]
                axis.plot(1 - lows, kilobytes, color=style.colour, dashes=style.dash or (1, 0), label=series)
            for multiple in (1, 2, 3):
                axis.axvline(1 - multiple * strict, color="#999999", linewidth=0.5)
            axis.set(xlabel="PF of the lower rank", title=f"top rank's PF = {top_pf}")
            axis.set_ylim(bottom=0)
        axes[0].set_ylabel("kB per photograph")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4)
        save_noted(figure, out, "rate_fidelity", note)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    parser = experiment_parser(__name__, __doc__)
    add_persons_argument(parser)
    parser.add_argument(
        "--images", type=int, default=36, help="photographs of the validation part: 25 CPU seconds each"
    )
    parser.add_argument("--stride", type=int, default=1, help="take every so many-th of them")
    parser.add_argument(
        "--calibration", type=int, default=20, help="training photographs that set the targets"
    )
    parser.add_argument(
        "--bundle", default="tiny", help="model bundle of the diffusion; 'none' leaves it out"
    )
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    validation = PersonsDataset(given.data, "val", only_coco=True)
    photographs = Thinned(validation, given.stride, given.images)
    training = Thinned(PersonsDataset(given.data, "train", only_coco=True), 8, given.calibration)
    diffusion: Inpainter | None = None
    if given.bundle != "none":
        diffusion = inpainter_named("bundle", open_bundle(given.bundle))
    scorer = scorer_named()
    path = given.out / "rate_points.csv"
    points = pd.DataFrame(measure(photographs, rate_settings(diffusion), scorer, path))
    strict = strict_distance(training, given.out / "calibration_points.csv")
    curves = curves_of(points)
    series = [name for name in CROPS_OF if name in curves.bits]
    table = comparison(curves, strict, series)
    with own_path(given.out / "rate_comparison.csv") as file:
        table.to_csv(file, index=False, lineterminator="\n")

    plain = ClassicalInpainter("nearest")
    checks = []
    for _, row in table[(table["lower target"] == "strict") & table["spiff kB"].notna()].iterrows():
        restoring = diffusion if diffusion is not None and "diffusion" in row["spiff"] else plain
        name = f"{row['spiff']}: check at {row['pf_top']}, strict"
        speed = LIBRARY_SPEED if row["spiff"].endswith("speed 6") else None
        checks.append(spiff_setting(name, round(row["crop quality"]), row["q"], restoring, speed))
    measured = pd.DataFrame(measure(photographs, checks, scorer, path))
    verified = measured.groupby("series", sort=False)[["bits", "pf_top", "pf_low"]].mean()
    with own_path(given.out / "rate_checks.csv") as file:
        verified.to_csv(file, lineterminator="\n")
    means = points.groupby(["series", "setting"], sort=False)[
        ["bits", "pf", "pf_top", "pf_low", "sf_low"]
    ].mean()
    with own_path(given.out / "rate_means.csv") as file:
        means.round(4).to_csv(file, lineterminator="\n")
    parts = contributions(curves)
    with own_path(given.out / "rate_parts.csv") as file:
        parts.to_csv(file, index=False, lineterminator="\n")
    restored = f"; diffusion: bundle {given.bundle}" if diffusion is not None else ""
    note = (
        f"{len(photographs)} photographs of {photographs.name} (COCO, validation); PF = 1 − ST-LPIPS; grey lines: "
        f"strict, intermediate and lenient targets from JPEG q45 on {len(training)} training photographs{restored}"
    )
    drawn(curves, strict, series, given.out, note)
    print(f"strict lower-rank PF {1 - strict:.4f}")
    print(table.to_string(index=False))
    print(verified.round(4).to_string())
    print(parts.to_string(index=False))

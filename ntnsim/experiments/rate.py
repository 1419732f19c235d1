"""Bits against fidelity per rank, by a panel of judges: SPIFF against whole-image codecs and against a pair of files.

    ntnsim experiment rate --data PERSONS --out results/rate

A contrast is a pair of qualities of the stock AVIF: what it shows of people at the one and of the rest at the other is
what every judge demands. The qualities are those at which ST-LPIPS sees the top rank at PF 0.99, 0.98 or 0.95, and the
lower rank at the strict, intermediate or lenient target of ``targets.py``. The claim is the bits where both targets are
met, not bits at equal fidelity of both ranks: a whole-image codec must give both the better one's quality.

Rivals: JPEG, WebP, JPEG XL (effort 7) and AVIF (speeds 6 and 4, and tuned as SPIFF's parts are), each over its range;
and the pair that anyone can make, one stock AVIF of the people and one of the rest, each with the other blanked out,
and a mask.
SPIFF is the better of its two parts and of one file (β = 1), which an engine chooses where the ranks are close.

Beside the panel stands ``kid``, the kernel distance of the patches within each photograph, a mean over them.

Curves are means over the photographs, interpolated in the logarithms of bits and distance; crop and layer are swept one
at a time, their bits and their effects on each other's rank added. Some chosen points are then measured directly.
Intervals are bootstraps over photographs (95 %).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ntnsim.datasets.dataset import Dataset, DatasetImage
from ntnsim.datasets.persons import PersonsDataset
from ntnsim.experiments.arguments import add_persons_argument, experiment_parser
from ntnsim.experiments.codec_study import new_figure, save_noted
from ntnsim.experiments.rate_points import (
    AS_THEY_COME,
    MIDDLE_COARSE,
    MIDDLE_CROP,
    PATCHES,
    RANKS,
    REFERENCE,
    WHOLE_IMAGE,
    Setting,
    coded_whole,
    measure,
    rate_settings,
    spiff_setting,
)
from ntnsim.experiments.targets import JPEG_KEEPS_PF
from ntnsim.fidelity.panel import JUDGES, available_judges
from ntnsim.report.style import STYLES, journal
from ntnsim.results.own_files import own_path
from ntnsim.spiff.baselines import PAPER_JPEG_QUALITY
from ntnsim.spiff.components import Component

TOP_TARGETS = (0.99, 0.98, 0.95)
LOWER_TARGETS = {"strict": 1, "intermediate": 2, "lenient": 3}
SCALE_JUDGE = "alex"  # on whose scale the contrasts are named
RESAMPLES = 200
FINE_CROPS, FINE_LAYERS = 151, 151  # among which SPIFF's best point is sought

Values = NDArray[np.float64]
Rows = NDArray[np.int64]
# That it writes besides its table and figure.
MORE_FILES = (
    "rate_comparison.csv",
    "rate_checks.csv",
    "rate_parts.csv",
    "rate_seconds.csv",
    "rate_points.csv",
    "calibration_points.csv",
    "rate_savings.pdf",
    "rate_savings.png",
)


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


def spiff_bits(curves: dict[str, Curve], layers: str, target: Target, rows: Rows) -> float:
    """Return the mean bits of SPIFF: of its two parts, or of one file where that is less."""
    own = curves.get("spiff layer", curves["spiff layer, no network"])
    parts = spiff_point(curves["spiff crop"], curves[layers], own, target, rows)[0]
    return float(np.nanmin([parts, whole_image_bits(curves["spiff, one file"], target, rows)]))


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


def targets_of(
    reference: Curve, judges: Sequence[str], strict: float
) -> dict[tuple[float, str], list[Target]]:
    """Return what each judge demands at each contrast: what it sees of the *reference* at the contrast's qualities."""

    def mean(judge: str, rank: str) -> Values:
        return np.minimum.accumulate(reference.distance[f"{judge}_{rank}"].mean(axis=0))

    def at(judge: str, rank: str, wanted: float) -> float:
        scale = -np.log(mean(SCALE_JUDGE, rank))
        return float(np.exp(np.interp(-np.log(wanted), scale, np.log(mean(judge, rank)))))

    return {
        (top_pf, name): [
            Target(judge, at(judge, "top", 1 - top_pf), at(judge, "low", multiple * strict))
            for judge in judges
        ]
        for top_pf in TOP_TARGETS
        for name, multiple in LOWER_TARGETS.items()
    }


def comparison(curves: dict[str, Curve], judges: Sequence[str], strict: float) -> pd.DataFrame:
    """Return, per contrast and judge, everyone's bits and SPIFF's savings: positive where SPIFF needs fewer."""
    everyone = np.arange(len(curves[REFERENCE].bits))
    layers = "spiff layer" if "spiff layer" in curves else "spiff layer, no network"
    own = curves[layers]
    rows = []
    for (top_pf, name), targets in targets_of(curves[REFERENCE], judges, strict).items():
        for target in targets:
            needs = {series: whole_image_bits(curves[series], target, everyone) for series in WHOLE_IMAGE}
            parts, crop, q = spiff_point(curves["spiff crop"], own, own, target, everyone)
            bits = spiff_bits(curves, layers, target, everyone)
            row: dict[str, float | str | bool] = {
                "pf_top": top_pf,
                "lower target": name,
                "judge": target.judge,
                "spiff kB": bits / 8000,
                "crop quality": crop,
                "q": q,
                "one file": bool(not parts <= bits),
                "pair kB": pair_bits(curves, target, everyone) / 8000,
            }
            row |= {f"{series} kB": need / 8000 for series, need in needs.items()}
            rivals: dict[str, Callable[[Rows], float]] = {
                "whole image as it comes": partial(best_bits, curves, AS_THEY_COME, target),
                "whole image at all": partial(best_bits, curves, tuple(WHOLE_IMAGE), target),
                "pair": partial(pair_bits, curves, target),
                "no network": partial(spiff_bits, curves, "spiff layer, no network", target),
                "bare layer": partial(spiff_bits, curves, "spiff layer, bare", target),
            }
            for label, rival in rivals.items():

                def saving(
                    index: Rows, rival: Callable[[Rows], float] = rival, target: Target = target
                ) -> float:
                    return 1 - spiff_bits(curves, layers, target, index) / rival(index)

                value, low, high = with_interval(saving, len(everyone))
                row |= {f"saving vs {label}": value, f"low vs {label}": low, f"high vs {label}": high}
            rows.append(row)
    return pd.DataFrame(rows).round(3)


def parts_table(points: pd.DataFrame, judges: Sequence[str]) -> pd.DataFrame:
    """Return what changing one part does at the middle point: ratios of mean bits and distances to those with it."""
    columns = ["bits", *(f"{judge}_{rank}" for rank in RANKS for judge in judges)]
    middle = points[(points["series"] == "spiff crop") & (points["setting"] == MIDDLE_CROP)][columns].mean()
    changed = points[points["series"].str.startswith("part: ")]
    return (changed.groupby("series", sort=False)[columns].mean() / middle).round(3)


def strict_distance(dataset: Dataset, path: Path, jobs: int) -> float:
    """Return the lower rank's ST-LPIPS that JPEG q45 meets on 83 % of the photographs of *dataset*."""
    component = Component("jpeg", PAPER_JPEG_QUALITY)
    setting = Setting("calibration", PAPER_JPEG_QUALITY, partial(coded_whole, component), ("low",))
    points = measure(dataset, [setting], (SCALE_JUDGE,), path, jobs=jobs)
    return float(points[f"{SCALE_JUDGE}_low"].quantile(JPEG_KEEPS_PF))


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


def drawn(table: pd.DataFrame, out: Path, note: str) -> None:
    """Draw SPIFF's saving against each rival, one line per judge over the nine contrasts."""
    rivals = ("whole image at all", "pair", "no network")
    with journal():
        figure, axes = new_figure(len(rivals), height_in=3.1)
        for axis, rival in zip(axes, rivals, strict=True):
            for style, (judge, rows) in zip(STYLES, table.groupby("judge", sort=False), strict=False):
                values = 100 * rows[f"saving vs {rival}"].to_numpy()
                axis.plot(values, color=style.colour, dashes=style.dash or (1, 0), label=judge, marker=".")
            labels = [
                f"{top}\n{name[:3]}."
                for top, name in table[["pf_top", "lower target"]].drop_duplicates().to_numpy()
            ]
            axis.set_xticks(range(len(labels)), labels, fontsize=6)
            axis.axhline(0, color="#999999", linewidth=0.5)
            axis.set(title=f"against: {rival}", xlabel="contrast: top PF, lower target")
        axes[0].set_ylabel("bits saved by spiff (%)")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=6)
        save_noted(figure, out, "rate_savings", note)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    parser = experiment_parser(__name__, __doc__)
    add_persons_argument(parser)
    parser.add_argument(
        "--images", type=int, default=14, help="photographs of the validation part: 3 CPU minutes each"
    )
    parser.add_argument("--stride", type=int, default=3, help="take every so many-th of them")
    parser.add_argument(
        "--calibration", type=int, default=20, help="training photographs that set the targets"
    )
    parser.add_argument(
        "--bundle", default="tiny", help="model bundle of the diffusion; 'none' leaves it out"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    validation = PersonsDataset(given.data, "val", only_coco=True)
    photographs = Thinned(validation, given.stride, given.images)
    training = Thinned(PersonsDataset(given.data, "train", only_coco=True), 8, given.calibration)
    bundle = None if given.bundle == "none" else str(given.bundle)
    available = available_judges()
    absent = [judge for judge in JUDGES if judge not in available]
    if absent:
        print(f"judges that are not installed here: {', '.join(absent)}")
    path = given.out / "rate_points.csv"
    points = measure(photographs, rate_settings(bundle), available, path, jobs=given.jobs)
    judges = (*available, PATCHES)
    strict = strict_distance(training, given.out / "calibration_points.csv", given.jobs)
    curves = curves_of(points, judges)
    table = comparison(curves, judges, strict)
    with own_path(given.out / "rate_comparison.csv") as file:
        table.to_csv(file, index=False, lineterminator="\n")
    chosen = table[(table["judge"] == SCALE_JUDGE) & ~table["one file"] & table["q"].notna()]
    checks = [
        spiff_setting(
            f"check: {row['pf_top']}, {row['lower target']}", round(row["crop quality"]), row["q"], bundle
        )
        for _, row in chosen.iterrows()
    ]
    columns = ["bits", *(f"{judge}_{rank}" for rank in RANKS for judge in judges)]
    verified = measure(photographs, checks, available, path, jobs=given.jobs)
    means = verified.groupby("series", sort=False)[columns].mean()
    with own_path(given.out / "rate_checks.csv") as file:
        means.to_csv(file, lineterminator="\n")
    parts = parts_table(points, judges)
    with own_path(given.out / "rate_parts.csv") as file:
        parts.to_csv(file, lineterminator="\n")
    times = points.groupby("series", sort=False)[["wall_s", "cpu_s"]].median()
    with own_path(given.out / "rate_seconds.csv") as file:
        times.to_csv(file, lineterminator="\n")
    note = (
        f"{len(photographs)} photographs of {photographs.name} (COCO, validation); targets: what AVIF at speed 6 shows "
        f"where ST-LPIPS sees PF 0.99, 0.98, 0.95 and the targets of JPEG q45 on {len(training)} training photographs"
    )
    drawn(table, given.out, note)
    print(f"strict lower-rank PF {1 - strict:.4f}")
    for rival in ("whole image as it comes", "whole image at all", "pair", "no network", "bare layer"):
        print(f"saving against: {rival}")
        shown = table.pivot_table(
            index="judge", columns=["pf_top", "lower target"], values=f"saving vs {rival}", sort=False
        )
        print((100 * shown).round(0).to_string())
    print(parts.to_string())
    print(times.to_string())

"""Bits against fidelity per rank, by a panel of judges: SPIFF against whole-image codecs and against a pair of files.

    ntnsim experiment rate --data PERSONS --out results/rate

A contrast is a pair of qualities of the stock AVIF: what it shows of people at the one and of the rest at the other is
what every judge demands. The qualities are those at which ST-LPIPS sees the top rank at PF 0.99, 0.98 or 0.95, and the
lower rank at the strict, intermediate or lenient target of ``targets.py``. The claim is the bits where both targets are
met, not bits at equal fidelity of both ranks: a whole-image codec must give both the better one's quality.

Rivals: JPEG, WebP, JPEG XL (effort 7) and AVIF (speeds 6 and 4, and tuned as SPIFF's parts are), each over its range;
and the pair that anyone can make, one stock AVIF of the people and one of the rest, each with the other blanked out,
and a mask.
SPIFF is the better of its two parts and of one file (β = 1), which an engine chooses where the ranks are close. With
``restores_crop`` the decoder's network restores crop and file too; beside it stands what that saves or costs.
"Whole image as fast" leaves out AVIF at speed 4, for the parts are coded at speed 6.

Beside the panel stands ``kid``, the kernel distance of the patches within each photograph, a mean over them.

Curves are means over the photographs, interpolated in the logarithms of bits and distance; crop and layer are swept one
at a time, their bits and their effects on each other's rank added. Some chosen points are then measured directly.
Intervals are bootstraps over photographs (95 %).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ntnsim.datasets.dataset import Dataset, DatasetImage
from ntnsim.datasets.persons import PersonsDataset
from ntnsim.experiments.arguments import add_persons_argument, experiment_parser
from ntnsim.experiments.codec_study import new_figure, save_noted
from ntnsim.experiments.rate_curves import (
    AS_IT_COMES,
    BARE_LAYER,
    NO_NETWORK,
    RESTORED_CROP,
    Curve,
    Rows,
    Target,
    Values,
    best_bits,
    curves_of,
    pair_bits,
    spiff_bits,
    spiff_point,
    whole_image_bits,
    with_interval,
)
from ntnsim.experiments.rate_points import (
    AS_FAST,
    AS_THEY_COME,
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
from ntnsim.report.style import STYLES, journal, legend_above
from ntnsim.results.own_files import own_path
from ntnsim.spiff.baselines import PAPER_JPEG_QUALITY
from ntnsim.spiff.components import Component

TOP_TARGETS = (0.99, 0.98, 0.95)
LOWER_TARGETS = {"strict": 1, "intermediate": 2, "lenient": 3}
SCALE_JUDGE = "alex"  # on whose scale the contrasts are named

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


def savings(
    own: Callable[[Rows], float], rivals: Mapping[str, Callable[[Rows], float]], n: int
) -> dict[str, float]:
    """Return what *own* saves against each of *rivals*, with limits, of *n* photographs.

    own, rivals: each gives its mean bits on some of them.
    """
    found: dict[str, float] = {}
    for label, rival in rivals.items():

        def saving(index: Rows, rival: Callable[[Rows], float] = rival) -> float:
            return 1 - own(index) / rival(index)

        value, low, high = with_interval(saving, n)
        found |= {f"saving vs {label}": value, f"low vs {label}": low, f"high vs {label}": high}
    return found


def comparison(curves: dict[str, Curve], judges: Sequence[str], strict: float) -> pd.DataFrame:
    """Return, per contrast and judge, everyone's bits and SPIFF's savings: positive where SPIFF needs fewer."""
    everyone = np.arange(len(curves[REFERENCE].bits))
    with_network = AS_IT_COMES.layer in curves
    series = AS_IT_COMES if with_network else NO_NETWORK
    own = curves[series.layer]
    rows = []
    for (top_pf, name), targets in targets_of(curves[REFERENCE], judges, strict).items():
        for target in targets:
            needs = {rival: whole_image_bits(curves[rival], target, everyone) for rival in WHOLE_IMAGE}
            parts, crop, q = spiff_point(curves[series.crop], own, own, target, everyone)
            bits = spiff_bits(curves, series, target, everyone)
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
            row |= {f"{rival} kB": need / 8000 for rival, need in needs.items()}
            rivals: dict[str, Callable[[Rows], float]] = {
                "whole image as it comes": partial(best_bits, curves, AS_THEY_COME, target),
                "whole image as fast": partial(best_bits, curves, AS_FAST, target),
                "whole image at all": partial(best_bits, curves, tuple(WHOLE_IMAGE), target),
                "pair": partial(pair_bits, curves, target),
            }
            of_spiff = partial(spiff_bits, curves, series, target)
            without = {
                "no network": partial(spiff_bits, curves, NO_NETWORK, target),
                "bare layer": partial(spiff_bits, curves, BARE_LAYER, target),
            }
            row |= savings(of_spiff, rivals | without, len(everyone))
            if with_network:
                restored = partial(spiff_bits, curves, RESTORED_CROP, target)
                of_restored = savings(restored, {"exact crop": of_spiff} | rivals, len(everyone))
                row |= {"restored crop kB": restored(everyone) / 8000}
                row |= {f"restored crop: {name}": value for name, value in of_restored.items()}
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
    columns = {
        f"against: {rival}": f"saving vs {rival}" for rival in ("whole image at all", "pair", "no network")
    }
    if "restored crop kB" in table:
        columns["crop restored or not"] = "restored crop: saving vs exact crop"
    with journal():
        figure, axes = new_figure(len(columns), height_in=3.1)
        for axis, (title, column) in zip(axes, columns.items(), strict=True):
            for style, (judge, rows) in zip(STYLES, table.groupby("judge", sort=False), strict=False):
                values = 100 * rows[column].to_numpy()
                axis.plot(values, color=style.colour, dashes=style.dash or (1, 0), label=judge, marker=".")
            contrasts = table[["pf_top", "lower target"]].drop_duplicates()
            # The top rank's target is written once, in the middle of its group.
            in_group = contrasts.groupby("pf_top").cumcount()
            labels = [
                f"{name[:3]}.\n{top if place == 1 else ''}"
                for (top, name), place in zip(contrasts.to_numpy(), in_group, strict=True)
            ]
            axis.set_xticks(range(len(labels)), labels, fontsize=6)
            for start in np.flatnonzero(in_group == 0)[1:]:
                axis.axvline(start - 0.5, color="#999999", linewidth=0.5)
            axis.axhline(0, color="#999999", linewidth=0.5)
            axis.set(title=title, xlabel="lower target, top PF")
        axes[0].set_ylabel("bits saved by spiff (%)")
        handles, labels = axes[0].get_legend_handles_labels()
        legend_above(figure, handles, labels, most=len(handles))
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
    for column in (name for name in table.columns if "saving vs" in str(name)):
        print(column)
        shown = table.pivot_table(
            index="judge", columns=["pf_top", "lower target"], values=column, sort=False
        )
        print((100 * shown).round(0).to_string())
    print(parts.to_string())
    print(times.to_string())

"""Which codec for the coarse layer: its bits where the restored rest of the image looks as far away, by each judge.

    ntnsim experiment layers --data PERSONS --out results/layers

Only training photographs are used, so that a codec may be chosen here. Each photograph's low rank travels as a coarse
layer alone (a tight box, no tiles) by AVIF as ``spiff`` codes it, AVIF at half and three quarters of its sides, JPEG XL
and WebP, each over its range, and is restored by the bundle's network. A learned layer stands beside them: the latents
of the bundle's VAE, quantised, at half and a quarter of the sides, by their entropy (``latent_layer.py``).
The bits are the layer's, its texture strengths included. Levels are the distances that the AVIF layer has at q = 0.18,
0.3 and 0.5; means over the photographs are interpolated as in ``rate``. Intervals are bootstraps over photographs, at
95 %.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ntnsim.arrays import BoolMask, UInt8Image
from ntnsim.datasets.persons import PersonsDataset
from ntnsim.experiments.arguments import add_persons_argument, experiment_parser
from ntnsim.experiments.latent_layer import coded_latents
from ntnsim.experiments.rate import Thinned
from ntnsim.experiments.rate_curves import Curve, Rows, Target, curves_of, half_bits, with_interval
from ntnsim.experiments.rate_points import PATCHES, Setting, coding_with, measure
from ntnsim.fidelity.panel import available_judges
from ntnsim.protocols.configuration import Configuration
from ntnsim.results.own_files import own_path
from ntnsim.spiff.components import Component
from ntnsim.spiff.settings import SPIFF, SpiffSettings

REFERENCE = "avif"
LAYERS: dict[str, tuple[SpiffSettings, tuple[float, ...]]] = {
    REFERENCE: (replace(SPIFF, small_below=0.0), (0.1, 0.18, 0.3, 0.5, 0.75)),
    "avif, three quarters": (replace(SPIFF, coarse_scale=12), (0.15, 0.3, 0.5, 0.75, 1.0)),
    "avif, half scale": (replace(SPIFF, coarse_scale=8), (0.3, 0.5, 0.75, 1.0)),
    "jxl": (replace(SPIFF, coarse=Component("jxl", effort=7)), (0.15, 0.3, 0.5, 0.7, 0.9)),
    "webp": (replace(SPIFF, coarse=Component("webp")), (0.05, 0.15, 0.3, 0.5, 0.8)),
}
# Sixteenths of the sides, and the quantiser's steps; a curve's settings ascend with its bits.
LATENTS: dict[str, tuple[int, tuple[float, ...]]] = {
    "latents, half scale": (8, (2.0, 1.0, 0.5, 0.25)),
    "latents, quarter scale": (4, (1.0, 0.5, 0.25, 0.12)),
}
LEVELS = (0.18, 0.3, 0.5)  # q of the reference
STRIDE = 8  # every so many-th training photograph
MORE_FILES = ("layers_points.csv",)  # that it writes besides its table and figure


def layer_settings(bundle: str | None) -> list[Setting]:
    """Return every layer at every q. bundle: whose network restores; None leaves it out."""
    found = [
        Setting(name, q, partial(coded_layer, settings, q, bundle), ("low",))
        for name, (settings, qualities) in LAYERS.items()
        for q in qualities
    ]
    if bundle is not None:
        found += [
            Setting(name, -step, partial(coded_latents, scale, step, bundle), ("low",))
            for name, (scale, steps) in LATENTS.items()
            for step in steps
        ]
    return found


def coded_layer(
    settings: SpiffSettings, q: float, bundle: str | None, pixels: UInt8Image, top: BoolMask
) -> tuple[int, UInt8Image]:
    """Return the bits of the low rank's coarse layer, and the restored picture [H, W, 3]."""
    codec = coding_with(settings, bundle)
    coded = codec.encode(pixels, top.astype(np.uint8), Configuration(0.0, (0.0,), q), 1)
    return coded.bits_per_rank[0], codec.decode([coded.payload], [1])[0]


def ratios(curves: dict[str, Curve], judges: Sequence[str]) -> pd.DataFrame:
    """Return, per judge, level and layer, the layer's bits over those of AVIF at the same distance, with limits.

    NaN where a layer never comes so near.
    """
    reference = curves[REFERENCE]
    everyone = np.arange(len(reference.bits))
    rows = []
    for judge in judges:
        falling = np.minimum.accumulate(reference.distance[f"{judge}_low"].mean(axis=0))
        for level in LEVELS:
            wanted = float(falling[np.isclose(reference.settings, level)][0])
            target = Target(judge, np.inf, wanted)
            for name, curve in curves.items():

                def ratio(index: Rows, curve: Curve = curve, target: Target = target) -> float:
                    return half_bits(curve, target, "low", index) / half_bits(reference, target, "low", index)

                value, low, high = with_interval(ratio, len(everyone))
                rows.append(
                    {"judge": judge, "level q": level, "layer": name, "distance": wanted, "ratio": value}
                    | {"low": low, "high": high}
                )
    return pd.DataFrame(rows).round(4)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    parser = experiment_parser(__name__, __doc__)
    add_persons_argument(parser)
    parser.add_argument("--images", type=int, default=8, help="training photographs, 1.5 CPU minutes each")
    parser.add_argument(
        "--bundle", default="tiny", help="whose network restores; 'none' shows the bare layers"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, required=True, help="directory of points and table")
    given = parser.parse_args(arguments)
    photographs = Thinned(PersonsDataset(given.data, "train", only_coco=True), STRIDE, given.images)
    judges = available_judges()
    settings = layer_settings(None if given.bundle == "none" else given.bundle)
    points = measure(photographs, settings, judges, given.out / "layers_points.csv", jobs=given.jobs)
    judges = (*judges, PATCHES)
    table = ratios(curves_of(points, judges, ranks=("low",)), judges)
    with own_path(given.out / "layers.csv") as file:
        table.to_csv(file, index=False, lineterminator="\n")
    print(f"bits of the layer over AVIF's at the same distance, {len(photographs)} training photographs")
    print(
        table.pivot_table(index=["layer", "level q"], columns="judge", values="ratio", sort=False).to_string()
    )

"""Fig. 10: whole-image PF, SF and caption SF against savings: SPIFF over p and β, JPEG, SC, and modern codecs.

ntnsim experiment fig10 --out results/fig10 --data PERSONS --images 20
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ntnsim.errors import BundleError
from ntnsim.experiments.codec_study import CodecStudy, new_figure, study_from, study_parser
from ntnsim.protocols.configuration import Configuration
from ntnsim.report.style import STYLES, journal

GROUPS = {
    "p = 0, β = 0": (0.0, (0.0,)),
    "p = 0, β > 0": (0.0, (0.15, 0.4, 0.8)),
    "p > 0, β = 0": ((0.1, 0.25, 0.5, 1.0), (0.0,)),
    "p > 0, β > 0": ((0.1, 0.25, 0.5, 1.0), (0.15, 0.4)),
}
QUALITIES = {"jpeg": (10, 20, 45, 75, 90), "webp": (10, 45, 75, 90), "avif": (25, 45, 62, 80)}
COARSE = (0.15, 0.3, 0.5, 0.7)


def codec_points(study: CodecStudy) -> pd.DataFrame:
    """Return the points of figures 10 and 11: every photograph under every codec's settings."""
    rows: list[dict[str, Any]] = []
    codec = study.spiff_codec()
    for group, (fractions, betas) in GROUPS.items():
        listed = fractions if isinstance(fractions, tuple) else (fractions,)
        grid = [Configuration(beta, (fraction,)) for fraction in listed for beta in betas]
        rows += study.outcomes(codec, grid, series=f"{study.spiff}, {group}")
    if codec.space.has_coarse_layer:
        grid = [Configuration(0.0, (0.0,), q) for q in COARSE]
        rows += study.outcomes(codec, grid, series=f"{study.spiff}, coarse layer")
    for name, qualities in QUALITIES.items():
        for quality in qualities:
            whole = study.whole_image_codec(name, quality)
            rows += study.outcomes(whole, [Configuration(0.0, (0.0,))], series=name, quality=quality)
    try:
        rows += study.outcomes(study.caption_codec(), [Configuration(0.0, (0.0,))], series="sc")
    except BundleError as error:
        print(f"sc is left out: {error}")
    return pd.DataFrame(rows)


def drawn(study: CodecStudy, table: pd.DataFrame, columns: dict[str, str], name: str) -> pd.DataFrame:
    """Draw one panel per column, fidelity against savings, a point per photograph and setting; write both files."""
    shown = {column: label for column, label in columns.items() if table[column].notna().any()}
    with journal():
        figure, axes = new_figure(len(shown), height_in=2.6)
        for axis, (column, label) in zip(axes, shown.items(), strict=True):
            for style, (series, points) in zip(STYLES * 2, table.groupby("series", sort=False), strict=False):
                axis.scatter(
                    100 * points["savings"],
                    points[column],
                    s=5,
                    marker=style.marker,
                    color=style.colour,
                    alpha=0.5,
                    linewidths=0,
                    label=str(series),
                )
            axis.set(xlabel="bandwidth savings (%)", ylabel=label)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4, markerscale=2)
        return study.write(name, table, figure)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    study = study_from(study_parser(__name__, __doc__, images=20).parse_args(arguments))
    columns = {"pf": "PF, whole image", "sf": "SF, whole image", "caption_sf": "SF, caption"}
    table = drawn(study, codec_points(study), columns, "fig10")
    print(table.groupby("series", sort=False)[["savings", "pf", "sf"]].mean().to_string())

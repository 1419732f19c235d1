"""Fig. 10: whole-image PF, SF and caption SF against savings: SPIFF over p and β, JPEG, SC, and modern codecs.

ntnsim experiment fig10 --out results/fig10 --data PERSONS --images 20
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from ntnsim.errors import BundleError
from ntnsim.experiments.broken_axis import broken_panels
from ntnsim.experiments.codec_study import BOTH, CodecStudy, study_from, study_parser
from ntnsim.protocols.configuration import Configuration
from ntnsim.report.style import DOUBLE_COLUMN_IN, STYLES, journal

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

GROUPS = {
    "p = 0, β = 0": (0.0, (0.0,)),
    "p = 0, β > 0": (0.0, (0.15, 0.4, 0.8)),
    "p > 0, β = 0": ((0.1, 0.25, 0.5, 1.0), (0.0,)),
    "p > 0, β > 0": ((0.1, 0.25, 0.5, 1.0), (0.15, 0.4)),
}
QUALITIES = {"jpeg": (10, 20, 45, 75, 90), "webp": (10, 45, 75, 90), "avif": (25, 45, 62, 80)}
COARSE = (0.15, 0.3, 0.5, 0.7)
LOOKS = (*GROUPS, "coarse layer", *QUALITIES, "sc")


def codec_points(study: CodecStudy) -> pd.DataFrame:
    """Return the points of figures 10 and 11: every photograph under every codec's settings."""
    rows: list[dict[str, Any]] = []
    for spiff in study.spiff.split(" and "):
        rows += _spiff_points(replace(study, spiff=spiff))
    for name, qualities in QUALITIES.items():
        for quality in qualities:
            whole = study.whole_image_codec(name, quality)
            rows += study.outcomes(whole, [Configuration(0.0, (0.0,))], series=name, quality=quality)
    try:
        rows += study.outcomes(study.caption_codec(), [Configuration(0.0, (0.0,))], series="sc")
    except BundleError as error:
        print(f"sc is left out: {error}")
    return pd.DataFrame(rows)


def _spiff_points(study: CodecStudy) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    codec = study.spiff_codec()
    for group, (fractions, betas) in GROUPS.items():
        listed = fractions if isinstance(fractions, tuple) else (fractions,)
        grid = [Configuration(beta, (fraction,)) for fraction in listed for beta in betas]
        rows += study.outcomes(codec, grid, series=f"{study.spiff}, {group}")
    if codec.space.has_coarse_layer:
        grid = [Configuration(0.0, (0.0,), q) for q in COARSE]
        rows += study.outcomes(codec, grid, series=f"{study.spiff}, coarse layer")
    return rows


def drawn(study: CodecStudy, table: pd.DataFrame, columns: dict[str, str], name: str) -> pd.DataFrame:
    """Draw one panel per column, fidelity against savings, a point per photograph and setting; write both files."""
    from matplotlib.figure import Figure

    shown = {column: label for column, label in columns.items() if table[column].notna().any()}
    captions = table["series"] == "sc"
    with journal():
        figure = Figure(figsize=(DOUBLE_COLUMN_IN, 3.4))
        panels = broken_panels(
            figure, [(table.loc[~captions, column], table.loc[captions, column]) for column in shown]
        )
        for axes, (column, label) in zip(panels, shown.items(), strict=True):
            for axis in axes:  # above and below the break, where there is one
                for series, points in table.groupby("series", sort=False):
                    _scatter(axis, 100 * points["savings"], points[column], str(series))
            axes[0].set_ylabel(label)
            axes[-1].set_xlabel("bandwidth savings (%)")
        handles, n_columns = _legend_columns(panels[0][0])
        figure.legend(handles=handles, loc="outside upper center", ncols=n_columns, markerscale=2)
        return study.write(name, table, figure)


def _legend_columns(axis: "Axes") -> tuple[list["Artist"], int]:
    """Return the legend's handles with a column for each SPIFF codec and one for all others, and their number.

    A legend fills one column after the other, so that short ones end in handles that show nothing.
    """
    from matplotlib.lines import Line2D

    columns: dict[str, list[Artist]] = {}
    for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
        codec, comma, _ = label.partition(", ")
        columns.setdefault(codec if comma else "", []).append(handle)
    n_rows = max(map(len, columns.values()))
    nothing = [Line2D([], [], linestyle="none", label=" ") for _ in range(n_rows)]
    return [handle for column in columns.values() for handle in (column + nothing)[:n_rows]], len(columns)


def _scatter(axis: "Axes", savings: pd.Series, fidelity: pd.Series, series: str) -> None:
    """Draw the points of *series*: each group of settings has its look, hollow for the paper's codec."""
    codec, _, group = series.partition(", ")
    style = STYLES[LOOKS.index(group or codec)]
    filled = codec != "spiff-paper"
    axis.scatter(
        savings,
        fidelity,
        s=7,
        marker=style.marker,
        facecolors=style.colour if filled else "none",
        edgecolors=style.colour,
        linewidths=0 if filled else 0.5,
        alpha=0.6,
        label=series,
    )


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    study = study_from(study_parser(__name__, __doc__, images=20, spiff=BOTH).parse_args(arguments))
    columns = {"pf": "PF, whole image", "sf": "SF, whole image", "caption_sf": "SF, caption"}
    table = drawn(study, codec_points(study), columns, "fig10")
    print(table.groupby("series", sort=False)[["savings", "pf", "sf"]].mean().to_string())

"""Fidelity against savings: where each scheme stands, for the lowest and the highest relevance rank."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ntnsim.errors import InputError
from ntnsim.report.breakdown_figure import metric_interval
from ntnsim.report.groups import points_of, samples_of, schemes_in, scores_note
from ntnsim.report.style import DOUBLE_COLUMN_IN, in_preferred_order, legend_above, scheme_styles
from ntnsim.results.columns import rank_columns
from ntnsim.results.read import RunDirectory
from ntnsim.results.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# More dots than this per scheme make a blot, not a cloud.
MAX_DOTS = 400
TITLES = {"pf": "PF", "sf": "SF"}


@dataclass(frozen=True)
class Cloud:
    """One scheme's images, [n] each, and its means over everything drawn."""

    scheme: str
    savings: npt.NDArray[np.float64]
    fidelity: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Standing:
    """Mean savings and fidelity of a scheme at one point."""

    scheme: str
    title: str
    savings: Interval
    fidelity: Interval


def panels_of(runs: Sequence[RunDirectory]) -> list[tuple[str, str]]:
    """Return (column, title) of the scores to draw: PF and SF of the lowest and of the highest rank."""
    if any(run.is_fluid for run in runs):
        return []
    columns = runs[0].record_columns()
    panels = []
    for score, title in TITLES.items():
        ranks = rank_columns(columns, score)
        ends = dict.fromkeys([ranks[0], ranks[-1]]) if ranks else {}
        panels += [(name, f"{title}, {_rank_title(name, len(ranks))}") for name in ends]
    return panels


def clouds_of(runs: Sequence[RunDirectory], column: str) -> list[Cloud]:
    """Return the images of each scheme over all points, thinned evenly to at most *MAX_DOTS*."""
    points = points_of(runs)
    savings: dict[str, list[npt.NDArray[np.float64]]] = {}
    fidelity: dict[str, list[npt.NDArray[np.float64]]] = {}
    for target, quantity in ((savings, "savings"), (fidelity, column)):
        for samples in samples_of(points, quantity, lost_is_infinite=False):
            target.setdefault(samples.scheme, []).append(samples.pooled)
    clouds = []
    for scheme in savings:
        x, y = np.concatenate(savings[scheme]), np.concatenate(fidelity[scheme])
        scored = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        kept = (
            scored[np.unique(np.linspace(0, len(scored) - 1, MAX_DOTS).astype(int))]
            if len(scored)
            else scored
        )
        clouds.append(Cloud(scheme, x[kept], y[kept]))
    return clouds


def standings_of(runs: Sequence[RunDirectory], column: str) -> list[Standing]:
    """Return where each scheme stands at each point, with intervals."""
    score, _, rank = column.partition("_rank_")
    standings = []
    for point in points_of(runs):
        for scheme in schemes_in(point.runs):
            fidelity, _ = metric_interval(point.runs, scheme, f"fidelity.{score}_rank.{rank}")
            if np.isfinite(fidelity.value):
                savings, _ = metric_interval(point.runs, scheme, "savings")
                standings.append(Standing(scheme, point.title, savings, fidelity))
    return standings


def pareto(runs: Sequence[RunDirectory]) -> "Figure":
    """Return the figure: a dot per image, a marker with bars per scheme and point; up and to the right is better."""
    from matplotlib.figure import Figure

    panels = [panel for panel in panels_of(runs) if standings_of(runs, panel[0])]
    if not panels:
        raise InputError(f"{runs[0].path}: no image was scored, so fidelity cannot be drawn")
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 2.4))
    grid = figure.subplots(1, len(panels), squeeze=False, sharex=True)[0]
    schemes = in_preferred_order(schemes_in(runs))
    styles = scheme_styles(schemes)
    for axes, (column, title) in zip(grid, panels, strict=True):
        for cloud in clouds_of(runs, column):
            style = styles[cloud.scheme]
            axes.scatter(
                100 * cloud.savings,
                cloud.fidelity,
                s=3,
                color=style.colour,
                alpha=0.25,
                linewidths=0,
                rasterized=True,
            )
        drawn: set[str] = set()
        for standing in standings_of(runs, column):
            style = styles[standing.scheme]
            axes.errorbar(
                100 * standing.savings.value,
                standing.fidelity.value,
                xerr=_reach(standing.savings, 100),
                yerr=_reach(standing.fidelity, 1),
                color=style.colour,
                marker=style.marker,
                markersize=5,
                markeredgecolor="white",
                markeredgewidth=0.5,
                linestyle="none",
                capsize=1.5,
                elinewidth=0.8,
                label=None if standing.scheme in drawn else standing.scheme,
            )
            drawn.add(standing.scheme)
        axes.set_title(title)
        axes.locator_params(axis="x", nbins=5)
    figure.supxlabel(f"bandwidth savings (% of the captured file){scores_note(runs, '; ')}", fontsize=8)
    handles, labels = grid[0].get_legend_handles_labels()
    legend_above(figure, handles, labels, 8)
    return figure


def _reach(interval: Interval, scale: float) -> list[list[float]] | None:
    """Return how far the limits lie below and above the value, as matplotlib takes error bars."""
    if not np.isfinite(interval.half_width):
        return None
    return [
        [scale * max(0.0, interval.value - interval.low)],
        [scale * max(0.0, interval.high - interval.value)],
    ]


def _rank_title(column: str, n_ranks: int) -> str:
    rank = int(column.rsplit("_", 1)[1])
    name = "lowest" if rank == 0 else "highest" if rank == n_ranks - 1 else ""
    return f"{name} rank" if n_ranks > 1 else "whole image"

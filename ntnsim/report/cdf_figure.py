"""Distribution functions of delay and savings, one curve per scheme, with confidence bands over replications."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ntnsim.report.groups import Point, Samples, picked, points_of, samples_of
from ntnsim.report.style import DOUBLE_COLUMN_IN, SEQUENCE_COLOURS, SINGLE_COLUMN_IN, scheme_styles
from ntnsim.results.read import RunDirectory
from ntnsim.results.statistics import CdfBand, cdf_band, cdf_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# With more settings than this, one panel per setting gets too small: one panel per scheme is drawn instead.
MAX_POINT_PANELS = 4
MAX_PANELS_IN_A_ROW = 3
MAX_POINTS = 10  # more curves in a panel cannot be distinguished
# A delay axis turns logarithmic when its body spans more than this ratio.
LOG_AXIS_RATIO = 50.0


@dataclass(frozen=True)
class Curve:
    """One distribution to draw."""

    scheme: str
    point: Point
    band: CdfBand


def curves_of(runs: Sequence[RunDirectory], quantity: str, *, lost_is_infinite: bool) -> list[Curve]:
    """Return the distribution of *quantity* per point and scheme, each on its own grid of quantiles."""
    samples = samples_of(points_of(runs), quantity, lost_is_infinite=lost_is_infinite)
    return [Curve(sample.scheme, sample.point, _band(sample)) for sample in samples]


def _band(samples: Samples) -> CdfBand:
    return cdf_band(list(samples.groups), cdf_grid(samples.pooled))


def delay_cdf(runs: Sequence[RunDirectory]) -> "Figure":
    """Return the figure of end-to-end delay; images that never arrived keep their curve below one."""
    runs, remark = picked(runs, MAX_POINTS)
    curves = curves_of(runs, "delay_s", lost_is_infinite=True)
    deadlines = {deadline_s(run) for run in runs}
    deadline = deadlines.pop() if len(deadlines) == 1 else None
    return _figure(curves, f"end-to-end delay (s){remark}", deadline, percent=False)


def savings_cdf(runs: Sequence[RunDirectory]) -> "Figure":
    """Return the figure of bandwidth savings of the images that arrived, against the file as captured."""
    runs, remark = picked(runs, MAX_POINTS)
    curves = curves_of(runs, "savings", lost_is_infinite=False)
    return _figure(curves, f"bandwidth savings (% of the captured file){remark}", None, percent=True)


def deadline_s(run: RunDirectory) -> float | None:
    """Return the deadline that all jobs of *run* had, or None when they differ."""
    if "deadline_s" not in run.record_columns():
        return None
    values = run.records(["deadline_s"])["deadline_s"].unique().to_pylist()
    return float(values[0]) if len(values) == 1 and values[0] is not None else None


def _figure(curves: list[Curve], x_label: str, deadline: float | None, *, percent: bool) -> "Figure":
    import matplotlib as mpl
    from matplotlib.figure import Figure

    schemes = list(dict.fromkeys(curve.scheme for curve in curves))
    titles = list(dict.fromkeys(curve.point.title for curve in curves))
    by_scheme = len(titles) > MAX_POINT_PANELS
    panels = schemes if by_scheme else titles
    columns = 2 if len(panels) == 4 else min(len(panels), MAX_PANELS_IN_A_ROW)
    rows = -(-len(panels) // columns) if panels else 1
    width = SINGLE_COLUMN_IN if columns <= 1 else DOUBLE_COLUMN_IN
    figure = Figure(figsize=(width, (2.3 if columns <= 1 else 2.1) * rows + 0.25))
    grid = figure.subplots(rows, max(columns, 1), squeeze=False, sharex=True, sharey=True).ravel()
    styles = scheme_styles(schemes)
    scale = 100.0 if percent else 1.0
    logarithmic = not percent and _spans_decades(curves)
    values = [scale * float(x) for curve in curves if len(curve.band.x) for x in curve.band.x[[0, -1]]]
    low, end = min(values, default=0.0), max([*values, deadline or 0.0], default=1.0)
    # Room beside the last step, where a curve that ends below one is seen to do so.
    end = end * 1.2 if logarithmic else end + 0.05 * (end - (low if percent else 0.0))
    if percent:
        end = min(end, 100.0)
    for axes, panel in zip(grid, panels, strict=False):
        chosen = [c for c in curves if (c.scheme if by_scheme else c.point.title) == panel]
        for position, curve in enumerate(chosen):
            if by_scheme:
                share = position / max(1, len(chosen) - 1)
                look: dict[str, Any] = {
                    "colour": mpl.colormaps[SEQUENCE_COLOURS](0.15 + 0.85 * share),
                    "dash": (),
                    "label": curve.point.title,
                }
            else:
                style = styles[curve.scheme]
                look = {"colour": style.colour, "dash": style.dash, "label": curve.scheme}
            _draw(axes, curve.band, scale, end, **look)
        if deadline is not None:
            axes.axvline(deadline, color="#444444", linewidth=0.8, linestyle=(0, (2, 2)))
            axes.text(
                deadline, 0.02, r"$d^{\max}$ ", ha="right", va="bottom", transform=axes.get_xaxis_transform()
            )
        if logarithmic:
            axes.set_xscale("log")
            axes.set_xlim(right=end)
        elif values:
            axes.set_xlim(low - 0.03 * (end - low) if percent else 0.0, end)
        axes.set_ylim(0, 1.02)
        if len(panels) > 1:
            axes.set_title(panel)
    for position in range(len(panels), len(grid)):
        grid[position].set_visible(False)
        grid[position - columns].tick_params(labelbottom=True)  # nothing below it carries the numbers
    for row in range(rows):
        grid[row * max(columns, 1)].set_ylabel("share of images (CDF)")
    figure.supxlabel(x_label, fontsize=8)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=min(len(labels), 3 if columns <= 1 else 6) or 1
    )
    return figure


def _draw(
    axes: "Axes",
    band: CdfBand,
    scale: float,
    end: float,
    *,
    colour: Any,
    dash: tuple[float, ...],
    label: str,
) -> None:
    """Draw one curve up to *end*, where every curve of the figure stops: below one if images got lost."""
    if len(band.x) == 0:
        axes.plot([], [], color=colour, label=f"{label} (none arrived)")
        return
    x = np.concatenate([[band.x[0]], band.x]) * scale
    x = np.append(x, max(end, x[-1]))
    y = np.concatenate([[0.0], band.probability, band.probability[-1:]])
    axes.plot(
        x, y, drawstyle="steps-post", color=colour, linestyle=(0, dash) if dash else "solid", label=label
    )
    if np.isfinite(band.low).all():
        low, high = (np.concatenate([[0.0], limit, limit[-1:]]) for limit in (band.low, band.high))
        axes.fill_between(x, low, high, step="post", color=colour, alpha=0.18, linewidth=0)


def _spans_decades(curves: list[Curve]) -> bool:
    finite = [curve.band.x for curve in curves if len(curve.band.x)]
    if not finite:
        return False
    values = np.concatenate(finite)
    low, high = np.quantile(values, [0.02, 0.98])
    return bool(low > 0 and high / low > LOG_AXIS_RATIO)

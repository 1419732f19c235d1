"""Distribution functions of delay and savings, one curve per scheme, with confidence bands over replications."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.report.groups import Point, Samples, picked, points_of, samples_of, schemes_in
from ntnsim.report.style import (
    DOUBLE_COLUMN_IN,
    SEQUENCE_COLOURS,
    SINGLE_COLUMN_IN,
    legend_above,
    scheme_styles,
)
from ntnsim.results.read import RunDirectory
from ntnsim.results.statistics import CdfBand, cdf_band, cdf_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# With more settings than this, one panel per setting gets too small: one panel per scheme is drawn instead.
MAX_POINT_PANELS = 4
MAX_PANELS_IN_A_ROW = 3
MAX_POINTS = 10  # more curves in a panel cannot be distinguished
# An axis turns logarithmic when its body spans more than this ratio …
LOG_AXIS_RATIO = 50.0
# … or when one curve's spread is more than this many times another's: on a linear axis the narrow one is a wall.
SPREAD_RATIO = 10.0
# A deadline this many times beyond the last image would squeeze all curves in a corner of a linear axis.
FAR_DEADLINE = 3.0
TITLE_CHARACTERS_PER_IN = 17  # of a panel's title, at the journal's type size


@dataclass(frozen=True)
class Curve:
    """One distribution to draw."""

    scheme: str
    point: Point
    band: CdfBand


def curves_of(runs: Sequence[RunDirectory], quantity: str, *, lost_is_infinite: bool) -> list[Curve]:
    """Return the distribution of *quantity* per point and scheme, each on its own grid of quantiles."""
    curves = []
    for point in points_of(runs):
        if all(run.is_fluid for run in point.runs):
            curves += [Curve(scheme, point, band) for scheme, band in _fluid_bands(point.runs, quantity)]
        else:
            samples = samples_of([point], quantity, lost_is_infinite=lost_is_infinite)
            curves += [Curve(sample.scheme, sample.point, _band(sample)) for sample in samples]
    return curves


def _fluid_bands(runs: Sequence[RunDirectory], quantity: str) -> Iterator[tuple[str, CdfBand]]:
    """Yield the distribution of *quantity* in fluid *runs* of one point, by scheme; expected values have no limits."""
    for scheme in schemes_in(runs):
        if quantity == "delay_s":
            tables = [run.flow("delays", scheme) for run in runs]
            taken = sum(run.summary()["schemes"][scheme]["jobs"] for run in runs)
            x = tables[0]["delay_from_s"].to_numpy()
            below = np.cumsum(sum(table["images"].to_numpy() for table in tables)) / max(taken, 1)
            # A class's images are known at its upper end, where the next begins.
            x, below = x[1:], np.minimum(below[:-1], 1.0)
            kept = np.flatnonzero(np.diff(below, prepend=0.0) > 0)
            x, below = x[kept], below[kept]
        else:
            values = np.concatenate([run.flow("savings", scheme)["savings"].to_numpy() for run in runs])
            x = cdf_grid(values)
            below = np.searchsorted(np.sort(values), x, side="right") / len(values)
        unknown = np.full(len(x), np.nan)
        yield scheme, CdfBand(x, below, unknown, unknown)


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
    if run.is_fluid:
        return float(run.summary()["deadline_s"])
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
    axis = axis_of(curves, scale, deadline, percent=percent)
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
            _draw(axes, curve.band, scale, axis.high, **look)
        if deadline is not None:
            axes.axvline(deadline, color="#444444", linewidth=0.8, linestyle=(0, (2, 2)))
            axes.annotate(
                r"$d^{\max}$",
                (deadline, 1.0),
                xycoords=axes.get_xaxis_transform(),
                xytext=(0, 1),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=7,
            )
        _set_scale(axes, axis)
        axes.set_ylim(0, 1.02)
        if len(panels) > 1:
            axes.set_title(_wrapped(panel, width / max(columns, 1)), pad=11 if deadline is not None else 6)
    for position in range(len(panels), len(grid)):
        grid[position].set_visible(False)
        grid[position - columns].tick_params(labelbottom=True)  # nothing below it carries the numbers
    for row in range(rows):
        grid[row * max(columns, 1)].set_ylabel("share of images (CDF)")
    figure.supxlabel(x_label, fontsize=8)
    handles, labels = grid[0].get_legend_handles_labels()
    legend_above(figure, handles, labels, 3 if columns <= 1 else 6)
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


@dataclass(frozen=True)
class Axis:
    """The horizontal axis of all panels. kind: linear; log; or sent, logarithmic in what is *not* saved (percent)."""

    kind: Literal["linear", "log", "sent"]
    low: float
    high: float


def axis_of(curves: Sequence[Curve], scale: float, deadline: float | None, *, percent: bool) -> Axis:
    """Return the axis on which every one of *curves* can be seen, from the first to the last step of all of them."""
    drawn = [scale * curve.band.x for curve in curves if len(curve.band.x)]
    if not drawn:
        return Axis("linear", 0.0, max(1.0, deadline or 0.0))
    low, high = min(float(x[0]) for x in drawn), max(float(x[-1]) for x in drawn)
    if percent:
        sent = [100.0 - x for x in drawn]
        if high < 100.0 and _needs_logarithm(sent):
            room = (100.0 - low) / (100.0 - high)
            return Axis("sent", 100.0 - (100.0 - low) * room**0.03, 100.0 - (100.0 - high) / room**0.03)
        room = 0.05 * (high - low) or 1.0
        return Axis("linear", low - 0.6 * room, min(high + room, 100.0) if high < 100.0 else 100.0)
    high = max(high, deadline or 0.0)
    if _needs_logarithm(drawn) or (low > 0 and high > FAR_DEADLINE * max(float(x[-1]) for x in drawn)):
        # Room beside the last step, where a curve that ends below one is seen to do so.
        return Axis("log", low / 1.2, 1.2 * high)
    return Axis("linear", 0.0, (1.05 * high) or 1.0)


def _needs_logarithm(drawn: Sequence[FloatArray]) -> bool:
    """Return whether curves at *drawn* [curve][n] would hide each other on a linear axis, and all are above zero."""
    if min(float(x.min()) for x in drawn) <= 0:
        return False
    low, high = np.quantile(np.concatenate(drawn), [0.02, 0.98])
    if high > LOG_AXIS_RATIO * low:
        return True
    bodies = np.array([np.quantile(x, [0.05, 0.95]) for x in drawn])
    spreads, middles = bodies[:, 1] - bodies[:, 0], bodies.mean(axis=1)
    spreads = spreads[spreads > 0]
    differ = len(spreads) > 1 and spreads.max() > SPREAD_RATIO * spreads.min()
    # A logarithm helps only if the wide curve also lies higher.
    return bool(differ and middles.max() > 2 * middles.min())


def _set_scale(axes: "Axes", axis: Axis) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

    if axis.kind == "log":
        axes.set_xscale("log")
        few_decades = axis.high / axis.low < 200
        if few_decades:
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_locator(NullLocator())
    elif axis.kind == "sent":

        def forward(savings: FloatArray) -> FloatArray:
            return -np.log10(np.maximum(100.0 - np.asarray(savings, dtype=np.float64), 1e-9))

        def inverse(position: FloatArray) -> FloatArray:
            return 100.0 - 10.0 ** -np.asarray(position, dtype=np.float64)

        axes.set_xscale("function", functions=(forward, inverse))
        axes.xaxis.set_major_locator(FixedLocator(savings_ticks(axis.low, axis.high)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlim(axis.low, axis.high)


def savings_ticks(low: float, high: float) -> list[float]:
    """Return round savings (percent) between the ends of an axis that is logarithmic in what is not saved."""
    decades = range(-6, 7)
    sent = sorted({m * 10.0**decade for decade in decades for m in (1, 2, 5)}, reverse=True)
    ticks = [round(100.0 - share, 9) for share in sent if low <= 100.0 - share <= high]
    if len(ticks) > 7:
        ticks = [
            round(100.0 - 10.0**decade, 9)
            for decade in reversed(decades)
            if low <= 100.0 - 10.0**decade <= high
        ]
    return ticks


def _wrapped(title: str, width_in: float) -> str:
    """Return *title* in lines that fit a panel *width_in* wide."""
    return "\n".join(wrap(title, max(12, int(width_in * TITLE_CHARACTERS_PER_IN)))) or title

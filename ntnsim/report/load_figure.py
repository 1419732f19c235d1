"""Delay, timeliness and savings against a swept quantity, such as the constellation's load."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ntnsim.errors import InputError
from ntnsim.report.breakdown_figure import metric_interval
from ntnsim.report.groups import Point, points_of, schemes_in
from ntnsim.report.style import DOUBLE_COLUMN_IN, STYLES, in_preferred_order, legend_above, scheme_styles
from ntnsim.results.pictures import FEWEST_PICTURES
from ntnsim.results.point_names import PointNames
from ntnsim.results.read import RunDirectory
from ntnsim.results.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A delay axis turns logarithmic when its means span more than this ratio: overload makes them explode.
LOG_AXIS_RATIO = 20.0


@dataclass(frozen=True)
class Metric:
    """A panel: figure of the summary, its key, label, and factor to the unit shown."""

    name: str
    key: str
    label: str
    scale: float = 1.0

    @property
    def plain_label(self) -> str:
        """The label without mathematical markup."""
        return self.label.replace("$d \\leq d^{\\max}$", "d ≤ d_max")


METRICS = (
    Metric("delay_s", "mean", "mean delay (s)"),
    Metric("deadline_met", "value", "images in time, $d \\leq d^{\\max}$ (%)", 100.0),
    Metric("savings", "mean", "mean savings (% of the captured file)", 100.0),
)


@dataclass(frozen=True)
class LoadCurve:
    """One line: a scheme (at fixed values of any other swept parameters). x: [n]; intervals: metric name → [n].

    pictures: metric name → how many pictures each point's mean is over, [n]; None where it is not over pictures.
    """

    scheme: str
    others: str
    x: tuple[float, ...]
    intervals: dict[str, tuple[Interval, ...]]
    pictures: dict[str, tuple[int | None, ...]]


def swept_number(points: Sequence[Point]) -> str | None:
    """Return the first path that takes at least two numbers at *points*, or None."""
    for path in dict.fromkeys(path for point in points for path in point.parameters):
        values = [point.parameters.get(path) for point in points]
        if all(_is_number(value) for value in values) and len(set(map(float, values))) > 1:  # type: ignore[arg-type]
            return path
    return None


def axis_name(path: str) -> str:
    """Return what to call the swept *path* on an axis."""
    if path in ("background", "background.load"):
        return "constellation load: share of the beam that others take"
    return path


def other_settings(points: Sequence[Point], path: str) -> list[str]:
    """Return, of each point, what to call its settings beside that of *path*."""
    rest = [{name: value for name, value in point.parameters.items() if name != path} for point in points]
    names = PointNames(rest)
    return [names.title(values, point.runs[0].labels) for point, values in zip(points, rest, strict=True)]


def load_curves_of(runs: Sequence[RunDirectory]) -> tuple[str, list[LoadCurve]]:
    """Return the swept path and a line per scheme."""
    points = points_of(runs)
    path = swept_number(points)
    if path is None:
        raise InputError(f"{runs[0].path}: no number was swept, so there is nothing to draw curves against")
    lines: dict[tuple[str, str], list[Point]] = {}
    for point, others in zip(points, other_settings(points, path), strict=True):
        for scheme in schemes_in(point.runs):
            lines.setdefault((scheme, others), []).append(point)
    curves = []
    for (scheme, others), members in lines.items():
        members = sorted(members, key=lambda point: float(point.parameters[path]))
        found = {
            metric.name: [metric_interval(point.runs, scheme, metric.name, metric.key) for point in members]
            for metric in METRICS
        }
        intervals = {name: tuple(interval for interval, _ in pairs) for name, pairs in found.items()}
        pictures = {name: tuple(number for _, number in pairs) for name, pairs in found.items()}
        x = tuple(float(point.parameters[path]) for point in members)
        curves.append(LoadCurve(scheme, others, x, intervals, pictures))
    return path, curves


def load_curves(runs: Sequence[RunDirectory]) -> "Figure":
    """Return the figure: one panel per metric, one line per scheme, bars for the intervals over replications."""
    from matplotlib.figure import Figure

    path, curves = load_curves_of(runs)
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 2.45))
    grid = figure.subplots(1, len(METRICS))
    schemes = in_preferred_order(curve.scheme for curve in curves)
    styles = scheme_styles(schemes)
    settings = list(dict.fromkeys(curve.others for curve in curves))
    for axes, metric in zip(grid, METRICS, strict=True):
        for curve in curves:
            style = styles[curve.scheme]
            turn = settings.index(
                curve.others
            )  # a scheme keeps colour and dash, its other settings get their markers
            values = np.array([interval.value for interval in curve.intervals[metric.name]]) * metric.scale
            limits = np.array([(i.low, i.high) for i in curve.intervals[metric.name]]) * metric.scale
            errors = np.nan_to_num(np.abs(limits - values[:, None]).T)
            axes.errorbar(
                curve.x,
                values,
                yerr=errors,
                color=style.colour,
                linestyle=(0, style.dash) if style.dash else "solid",
                marker=style.marker if turn == 0 else STYLES[-turn % len(STYLES)].marker,
                markerfacecolor=style.colour if turn == 0 else "white",
                capsize=2,
                elinewidth=0.8,
                label=f"{curve.scheme} ({curve.others})" if curve.others else curve.scheme,
            )
        axes.set_title(metric.label + without_interval(curves, metric.name))
        shown = [i.value for curve in curves for i in curve.intervals[metric.name] if np.isfinite(i.value)]
        if metric.name == "delay_s" and shown and min(shown) > 0 and max(shown) > LOG_AXIS_RATIO * min(shown):
            axes.set_yscale("log")
            _label_within_decades(axes)
        if metric.name == "deadline_met":
            axes.set_ylim(-3, 103)
    figure.supxlabel(axis_name(path), fontsize=8)
    handles, labels = grid[0].get_legend_handles_labels()
    legend_above(figure, handles, labels, 6)
    return figure


def without_interval(curves: Sequence[LoadCurve], metric: str) -> str:
    """Return a remark where a *metric*'s means are over too few pictures for an interval, else ""."""
    few = {
        number
        for curve in curves
        for number in curve.pictures[metric]
        if number is not None and number < FEWEST_PICTURES
    }
    return f"\n{' or '.join(map(str, sorted(few)))} pictures: no interval" if few else ""


def _label_within_decades(axes: "Axes") -> None:
    """Number a logarithmic vertical axis at 1, 2 and 5 of each decade, where that leaves room."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axes.get_ylim()
    if high / low > 3000:
        return
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

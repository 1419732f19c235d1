"""Where the delay goes: the five components of Eq. 1 per scheme, each split in waiting and service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ntnsim.report.groups import Point, picked, points_of, schemes_in
from ntnsim.report.style import COMPONENT_COLOURS, DOUBLE_COLUMN_IN, SINGLE_COLUMN_IN
from ntnsim.results.columns import COMPONENT_TITLES
from ntnsim.results.pictures import over_replications
from ntnsim.results.possible import possible
from ntnsim.results.read import RunDirectory
from ntnsim.results.record import COMPONENTS
from ntnsim.results.statistics import Interval, replication_interval
from ntnsim.results.summary import figure_of, has_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WAITING_HATCH = "/////"
# A bar longer than this many median bars is cut off, or an overloaded scheme would hide all the others. Two bars are
# never cut: the longer one is half of what there is to see.
LONGEST_BAR = 8.0
MAX_POINTS = 10  # as many as a page holds


@dataclass(frozen=True)
class Bar:
    """Mean delay of one scheme at one point. parts: component → (waiting, service), seconds."""

    scheme: str
    point: Point
    parts: dict[str, tuple[float, float]]
    total: Interval

    @property
    def label(self) -> str:
        """What to write beside the bar."""
        return f"{self.scheme}\n{self.point.title}" if self.point.title else self.scheme


def bars_of(runs: Sequence[RunDirectory]) -> list[Bar]:
    """Return a bar per point and scheme, averaged over replications; the total's interval is over replications,
    or from batches when there is one run."""
    bars = []
    for point in points_of(runs):
        summaries = [run.summary() for run in point.runs]
        for scheme in schemes_in(point.runs):
            parts = {}
            for name in COMPONENTS:
                of_runs = [
                    [
                        figure_of(summary, scheme, f"components_s.{name}.{part}")
                        for part in ("waiting", "service")
                    ]
                    for summary in summaries
                ]
                waiting, service = np.nanmean(of_runs, axis=0) if np.isfinite(of_runs).any() else (0.0, 0.0)
                parts[name] = (float(waiting), float(service))
            bars.append(Bar(scheme, point, parts, metric_interval(point.runs, scheme, "delay_s")[0]))
    return bars


def metric_interval(
    runs: Sequence[RunDirectory], scheme: str, metric: str, value: str = "mean"
) -> tuple[Interval, int | None]:
    """Return a summary *metric* over replications (with a single run, its own interval within the run), and how many
    pictures it is over, if it is over pictures."""
    summaries = [run.summary() for run in runs]
    n_pictures = None
    if len(summaries) == 1:
        mean, low, high = (
            figure_of(summaries[0], scheme, f"{metric}.{key}") for key in (value, "low", "high")
        )
        interval = Interval(mean, low, high, float(summaries[0]["confidence"]))
        if has_figure(summaries[0], scheme, f"{metric}.pictures"):
            n_pictures = int(figure_of(summaries[0], scheme, f"{metric}.pictures"))
    else:
        values = [figure_of(summary, scheme, f"{metric}.{value}") for summary in summaries]
        interval = replication_interval([value for value in values if np.isfinite(value)])
        interval, n_pictures = over_replications(runs, scheme, metric, interval)
    return possible(interval, metric), n_pictures


def axis_limit_s(bars: Sequence[Bar]) -> float:
    """Return where the delay axis ends: beyond every bar and its interval, unless some are far longer than most."""
    ends = [np.nanmax([bar.total.value, bar.total.high, 0.0]) for bar in bars]
    if not ends or max(ends) <= 0:
        return 1.0
    if len(ends) < 3:
        return float(max(ends))
    upper_median = sorted(ends)[len(ends) // 2]
    return float(min(max(ends), LONGEST_BAR * upper_median)) or 1.0


def delay_breakdown(runs: Sequence[RunDirectory]) -> "Figure":
    """Return the figure of stacked mean delays; hatched is waiting, plain is service."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    runs, remark = picked(runs, MAX_POINTS)
    bars = bars_of(runs)
    wide = len(bars) > 6
    figure = Figure(figsize=(DOUBLE_COLUMN_IN if wide else SINGLE_COLUMN_IN, 1.35 + 0.3 * len(bars)))
    axes = figure.subplots()
    limit_s = axis_limit_s(bars)
    for row, bar in enumerate(bars):
        left = 0.0
        for name in COMPONENTS:
            for part, length in zip(("waiting", "service"), bar.parts[name], strict=True):
                axes.barh(
                    row,
                    length,
                    left=left,
                    height=0.62,
                    color=COMPONENT_COLOURS[name],
                    edgecolor="white",
                    hatch=WAITING_HATCH if part == "waiting" else None,
                    linewidth=0.3,
                )
                left += length
        below, above = (
            float(np.nan_to_num(reach))
            for reach in (bar.total.value - bar.total.low, bar.total.high - bar.total.value)
        )
        cut = left + above > limit_s * (1 + 1e-9)  # the parts' sum misses the total by rounding
        if above > 0 and not cut:
            axes.errorbar(
                left,
                row,
                xerr=[[below], [above]],
                color="black",
                elinewidth=0.8,
                capsize=2,
                capthick=0.8,
            )
        text = (
            f"{bar.total.value:{'.0f' if bar.total.value >= 1000 else '.3g'}} s"
            if np.isfinite(bar.total.value)
            else "none arrived"
        )
        axes.annotate(
            f"{text} ▸" if left > limit_s else text,
            (min(left + above, limit_s), row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            fontfamily=["STIXGeneral", "DejaVu Sans"],  # the first has no arrow head
        )
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, limit_s)
    axes.set_xlabel(f"mean delay (s){remark}")
    handles = [Patch(facecolor=COMPONENT_COLOURS[name], label=COMPONENT_TITLES[name]) for name in COMPONENTS]
    handles.append(
        Patch(facecolor="#999999", edgecolor="white", hatch=WAITING_HATCH, label="hatched: waiting")
    )
    figure.legend(handles=handles, loc="outside upper center", ncols=6 if wide else 2, handlelength=1.4)
    return figure

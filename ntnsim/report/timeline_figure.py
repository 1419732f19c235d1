"""One run over simulated time: contacts and rate of the satellite link, queues, what is on the way, and faults."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ntnsim.errors import InputError
from ntnsim.report.groups import points_of
from ntnsim.report.style import (
    DOUBLE_COLUMN_IN,
    FAULT_COLOUR,
    PASS_COLOUR,
    in_preferred_order,
    legend_above,
    scheme_styles,
)
from ntnsim.results.read import RunDirectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A line with more points than a page has pixels only costs; evenly thinned ones look the same.
MAX_POINTS = 1500


@dataclass(frozen=True)
class Panel:
    """One quantity. per_scheme: whether each scheme has its own line, or all share one."""

    quantity: str
    title: str
    scale: float
    per_scheme: bool


PANELS = (
    Panel("elevation_deg", "elevation (°)", 1.0, False),
    Panel("propagation_s", "propagation (ms)", 1e3, False),  # with the links between satellites
    Panel("rate_bps", "link rate (Mbit/s)", 1e-6, False),
    Panel("load", "load of others (%)", 100.0, False),
    Panel("backlog_bits", "link backlog (Mbit)", 1e-6, True),
    Panel("queue", "gateway queue (images)", 1.0, True),
    Panel("jobs_on_the_way", "images on the way", 1.0, True),
)


@dataclass(frozen=True)
class Line:
    """A sampled quantity. scheme: "" when every scheme has the same; time_s, value: [n]."""

    scheme: str
    time_s: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """Something with a beginning and an end; *end_s* is nan when it did not end within the run."""

    kind: str
    entity: str
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class TimelineView:
    """What is drawn of a timeline: the lines of each panel at one gateway, and spans over all of them."""

    gateway: str
    lines: dict[str, list[Line]]
    spans: list[Span]
    end_s: float


def timeline_view(run: RunDirectory) -> TimelineView | None:
    """Return what to draw of *run*, at its first gateway; None when it kept no timeline."""
    rows = run.timeline()
    if rows is None or rows.empty:
        return None
    samples = rows[rows.kind == "sample"]
    stations = samples[samples.quantity.isin(["rate_bps", "backlog_bits"])].entity
    gateway = str(stations.iloc[0]) if len(stations) else ""
    lines = {}
    for panel in PANELS:
        entity = "world" if panel.quantity == "jobs_on_the_way" else gateway
        chosen = samples[(samples.quantity == panel.quantity) & (samples.entity == entity)]
        if (chosen.value.abs() > 0).any():  # a line along zero tells nothing
            lines[panel.quantity] = _lines(chosen, panel)
    end_s = float(samples.time_s.max()) if not samples.empty else float(rows.time_s.max())
    return TimelineView(gateway, lines, _spans(rows), end_s)


def timeline(runs: Sequence[RunDirectory]) -> "Figure":
    """Return the figure of the first run that kept a timeline."""
    from matplotlib.figure import Figure

    shown, view = next(
        ((run, found) for run in runs if (found := timeline_view(run)) is not None), (runs[0], None)
    )
    if view is None or not view.lines:
        raise InputError(f"{runs[0].path}: kept no timeline (timeline.parquet)")
    panels = [panel for panel in PANELS if panel.quantity in view.lines]
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 0.5 + 1.05 * len(panels)))
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    schemes = in_preferred_order(
        line.scheme for lines in view.lines.values() for line in lines if line.scheme
    )
    styles = scheme_styles(schemes)
    unit_s, unit = time_unit(view.end_s)
    for axes, panel in zip(grid, panels, strict=True):
        for line in view.lines[panel.quantity]:
            style = styles.get(line.scheme)
            axes.plot(
                line.time_s / unit_s,
                line.value * panel.scale,
                color=style.colour if style else "#444444",
                linestyle=(0, style.dash) if style and style.dash else "solid",
                linewidth=1.0,
                drawstyle="steps-post",
                label=line.scheme or None,
            )
        _shade(axes, view, unit_s, passes=panel.quantity == "elevation_deg")
        axes.set_ylabel(panel.title.replace(" (", "\n("), fontsize=7)
        axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    if title := _which(shown, runs):
        grid[0].set_title(title)
    figure.align_ylabels(grid)
    grid[-1].set_xlim(0, view.end_s / unit_s)
    grid[-1].set_xlabel(f"simulated time ({unit})")
    handles, labels = grid[-1].get_legend_handles_labels()
    kinds = {span.kind for span in view.spans}
    for kind, text in (("pass", "satellite in view"), ("fault", "fault")):
        if kind in kinds:
            handles.append(_band_patch(kind))
            labels.append(text)
    legend_above(figure, handles, labels, 8)
    return figure


def _which(shown: RunDirectory, runs: Sequence[RunDirectory]) -> str:
    """Return which of several *runs* is *shown*; "" where there is only one."""
    if len(runs) == 1:
        return ""
    [point] = [point for point in points_of(runs) if shown in point.runs]
    several = [f"replication {shown.replication}"] if len(point.runs) > 1 else []
    return ", ".join([text for text in (point.title, *several) if text])


def _shade(axes: "Axes", view: TimelineView, unit_s: float, *, passes: bool) -> None:
    """Mark faults, and *passes* where wanted, behind the curves: a wash, and for a fault a strip along the top."""
    top = axes.get_xaxis_transform()
    for start_s, end_s in merged(view.spans, "pass", view.end_s) if passes else []:
        axes.axvspan(
            start_s / unit_s, end_s / unit_s, facecolor=PASS_COLOUR, alpha=0.1, linewidth=0, zorder=0
        )
    for start_s, end_s in merged(view.spans, "fault", view.end_s):
        axes.axvspan(
            start_s / unit_s, end_s / unit_s, facecolor=FAULT_COLOUR, alpha=0.13, linewidth=0, zorder=0
        )
        axes.plot(
            [start_s / unit_s, end_s / unit_s],
            [1.0, 1.0],
            transform=top,
            color=FAULT_COLOUR,
            linewidth=2.5,
            solid_capstyle="butt",
            clip_on=False,
            zorder=1,
        )


def _band_patch(kind: str) -> Any:
    from matplotlib.patches import Patch

    if kind == "fault":
        return Patch(facecolor=f"{FAULT_COLOUR}30", edgecolor=FAULT_COLOUR, linewidth=1.0)
    return Patch(facecolor=f"{PASS_COLOUR}20", edgecolor="none")


def merged(spans: Sequence[Span], kind: str, end_s: float) -> list[tuple[float, float]]:
    """Return when any span of *kind* lasts, up to *end_s*, as intervals that do not overlap, in order of time.

    Several satellites in view at once would otherwise darken the page without saying anything.
    """
    ends = sorted(
        (span.start_s, min(span.end_s, end_s) if np.isfinite(span.end_s) else end_s)
        for span in spans
        if span.kind == kind and span.start_s < end_s
    )
    intervals: list[tuple[float, float]] = []
    for start_s, stop_s in ends:
        if intervals and start_s <= intervals[-1][1]:
            intervals[-1] = (intervals[-1][0], max(intervals[-1][1], stop_s))
        else:
            intervals.append((start_s, stop_s))
    return intervals


def time_unit(duration_s: float) -> tuple[float, str]:
    """Return the unit in which an axis up to *duration_s* reads best, and its name."""
    if duration_s > 2 * 86_400:
        return 86_400.0, "days"
    if duration_s > 2 * 3600:
        return 3600.0, "h"
    return (60.0, "min") if duration_s > 600 else (1.0, "s")


def _lines(samples: Any, panel: Panel) -> list[Line]:
    """Return a line for each scheme; where all see the same, that of the one whose world lasted longest."""
    lines = []
    longest = samples.scheme[samples.time_s.idxmax()]
    for scheme in dict.fromkeys(samples.scheme) if panel.per_scheme else (longest,):
        of_scheme = samples[samples.scheme == scheme]
        step = -(-len(of_scheme) // MAX_POINTS)
        thinned = of_scheme.iloc[::step]
        name = str(scheme) if panel.per_scheme else ""
        lines.append(Line(name, thinned.time_s.to_numpy(), thinned.value.to_numpy()))
    return lines


def _spans(rows: pd.DataFrame) -> list[Span]:
    ending = rows[(rows.kind != "sample") & (rows.quantity == "end_s")]
    columns = (ending[name].to_list() for name in ("kind", "entity", "time_s", "value", "text"))
    return [*dict.fromkeys(Span(*fields) for fields in zip(*columns, strict=True)), *_faults(rows)]


def _faults(rows: pd.DataFrame) -> list[Span]:
    """Pair each fault's beginnings and ends. Every scheme notes the same faults, the longest run the most of them."""
    found: dict[tuple[str, float], Span] = {}
    faults = rows[(rows.kind == "fault") & rows.quantity.isin(["begin", "end"])]
    begun: dict[tuple[str, str], float] = {}
    for row in zip(
        *(faults[name].to_list() for name in ("scheme", "entity", "time_s", "quantity", "text")), strict=True
    ):
        scheme, entity, time_s, quantity, text = row
        if quantity == "begin":
            begun[scheme, entity] = time_s
            found.setdefault((entity, time_s), Span("fault", entity, time_s, float("nan"), text))
        elif (scheme, entity) in begun:
            start_s = begun.pop((scheme, entity))
            found[entity, start_s] = Span("fault", entity, start_s, time_s, text)
    return sorted(found.values(), key=lambda span: span.start_s)

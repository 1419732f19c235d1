"""Results → what the report page shows, as plain values: curves thinned to what a screen can show, pictures shrunk."""

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ntnsim.report.breakdown_figure import bars_of, metric_interval
from ntnsim.report.cdf_figure import curves_of, deadline_s
from ntnsim.report.gallery_figure import caption, configuration_text, rows_of
from ntnsim.report.groups import Point, points_of, schemes_in
from ntnsim.report.land import land_outlines
from ntnsim.report.load_figure import (
    METRICS,
    axis_name,
    load_curves_of,
    other_settings,
    swept_number,
    without_interval,
)
from ntnsim.report.map_figure import QUANTITIES, has_map, maps_of
from ntnsim.report.pareto_figure import clouds_of, panels_of, standings_of
from ntnsim.report.style import (
    COMPONENT_COLOURS,
    FAULT_COLOUR,
    PASS_COLOUR,
    in_preferred_order,
    scheme_styles,
)
from ntnsim.report.timeline_figure import PANELS, TimelineView, time_unit, timeline_view
from ntnsim.results.columns import COMPONENT_TITLES
from ntnsim.results.files import IMAGES
from ntnsim.results.gallery import read_index
from ntnsim.results.ground_track import read_ground_track
from ntnsim.results.read import RunDirectory
from ntnsim.results.record import COMPONENTS
from ntnsim.results.show import independent_values, interval_text, with_limits
from ntnsim.results.statistics import Interval
from ntnsim.results.summary import figure_of

# A page with more settings than this is no longer read, and its curves would fill it; the summary lists them all.
MAX_CDF_POINTS = 24
MAX_GALLERY_ROWS = 6
MAX_MAPS = 6
MAX_TRACKS = 80  # satellites that served come first
PICTURE_PX = 640
PICTURE_QUALITY = 80
SIGNIFICANT_DIGITS = 5


def page_data(runs: Sequence[RunDirectory]) -> dict[str, Any]:
    """Return everything on the page but its words."""
    points = points_of(runs)
    schemes = in_preferred_order(schemes_in(runs))
    shown = [run for point in points[:MAX_CDF_POINTS] for run in point.runs]
    styles = scheme_styles(schemes)
    deadlines = {deadline_s(run) for run in shown}
    track, maps = _track_data(runs), _maps_data(points[:MAX_CDF_POINTS])
    return {
        "schemes": [
            {"name": name, "colour": styles[name].colour, "dash": list(styles[name].dash)} for name in schemes
        ],
        "points": [point.title for point in points],
        "n_shown_points": min(len(points), MAX_CDF_POINTS),
        "deadline_s": deadlines.pop() if len(deadlines) == 1 else None,
        "cdf": {
            "delay": _cdf_data(shown, "delay_s", 1.0, lost_is_infinite=True),
            "savings": _cdf_data(shown, "savings", 100.0, lost_is_infinite=False),
        },
        "breakdown": [] if any(run.is_fluid for run in shown) else _breakdown_data(shown),
        "components": [
            {"name": COMPONENT_TITLES[name], "colour": COMPONENT_COLOURS[name]} for name in COMPONENTS
        ],
        "load": _load_data(runs) if swept_number(points) is not None else None,
        "pareto": _pareto_data(shown),
        "timelines": timelines_data(points[:MAX_CDF_POINTS]),
        "passColour": PASS_COLOUR,
        "faultColour": FAULT_COLOUR,
        "track": track,
        "maps": maps,
        "land": land_outlines() if track or maps else [],
    }


def summary_rows(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Return the lines of the summary table: a point, a scheme, and its figures with intervals, as text."""
    rows = []
    for point in points:
        summaries = [run.summary() for run in point.runs]
        for scheme in in_preferred_order(schemes_in(point.runs)):
            entries = [summary["schemes"][scheme] for summary in summaries if scheme in summary["schemes"]]
            jobs = sum(entry["counted_jobs"] for entry in entries)
            n_ranks = max((len(entry["fidelity"]["pf_rank"]) for entry in entries), default=0)

            def shown(
                metric: str,
                key: str = "mean",
                scale: float = 1.0,
                *,
                point: Point = point,
                scheme: str = scheme,
            ) -> str:
                """Return the mean, or another *key*, of a metric over a point's runs, times *scale*."""
                interval, n_pictures = metric_interval(point.runs, scheme, metric, key)
                n = _n_images(point.runs[0].summary(), scheme, metric) if len(point.runs) == 1 else None
                n, kind = independent_values({"n": n, "pictures": n_pictures})
                return interval_text(interval, metric=metric, scale=scale, n=n, kind=kind)

            ends = list(dict.fromkeys([0, n_ranks - 1])) if n_ranks else []
            rows.append(
                {
                    "point": point.title,
                    "runs": len(point.runs),
                    "scheme": scheme,
                    "images": jobs,
                    "delay": shown("delay_s"),
                    "q95": shown("delay_s.quantiles.q95", "value"),
                    "in_time": _share_text(metric_interval(point.runs, scheme, "deadline_met", "value")[0]),
                    "savings": shown("savings", scale=100),
                    "pf": [shown(f"fidelity.pf_rank.{rank}") for rank in ends],
                    "sf": [shown(f"fidelity.sf_rank.{rank}") for rank in ends],
                }
            )
    return rows


def _n_images(summary: dict[str, Any], scheme: str, metric: str) -> int | None:
    """Return how many images a figure within one run stands on; None where the summary does not say."""
    n = figure_of(summary, scheme, f"{metric}.n")
    return int(n) if math.isfinite(n) else None


def _share_text(share: Interval) -> str:
    if not math.isfinite(share.half_width):
        return f"{100 * share.value:.1f}" if math.isfinite(share.value) else "–"
    return with_limits(100 * share.value, 100 * share.low, 100 * share.high)


def gallery_rows(runs: Sequence[RunDirectory]) -> list[dict[str, Any]]:
    """Return the pictures of the first run that kept some, as data URIs with captions."""
    for run in runs:
        entries = read_index(run.path)
        if entries:
            break
    else:
        return []
    order = {name: position for position, name in enumerate(in_preferred_order(e.scheme for e in entries))}
    rows = []
    for row in rows_of(entries)[:MAX_GALLERY_ROWS]:
        anyone = next(iter(row.values()))
        rows.append(
            {
                "image": anyone.image,
                "original": picture_uri(run.path / IMAGES / anyone.original),
                "original_kib": anyone.original_bits / 8192,
                "schemes": [
                    {
                        "scheme": entry.scheme,
                        "received": picture_uri(run.path / IMAGES / entry.received)
                        if entry.received
                        else None,
                        "reconstruction": picture_uri(run.path / IMAGES / entry.reconstruction),
                        "caption": caption(entry).split("\n"),
                        "configuration": configuration_text(entry),
                        "sent_kib": entry.transmitted_bits / 8192,
                    }
                    for entry in sorted(row.values(), key=lambda entry: order[entry.scheme])
                ],
            }
        )
    return rows


def picture_uri(path: Path) -> str:
    """Return the picture at *path* as a data URI, shrunk to what a page shows."""
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((PICTURE_PX, PICTURE_PX))
    encoded = io.BytesIO()
    small.save(encoded, format="WEBP", quality=PICTURE_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(encoded.getvalue()).decode()


def _cdf_data(
    runs: Sequence[RunDirectory], quantity: str, scale: float, *, lost_is_infinite: bool
) -> list[Any]:
    return [
        {
            "scheme": curve.scheme,
            "point": curve.point.title,
            "x": _numbers(curve.band.x * scale),
            "y": _numbers(curve.band.probability),
            "low": _numbers(curve.band.low),
            "high": _numbers(curve.band.high),
        }
        for curve in curves_of(runs, quantity, lost_is_infinite=lost_is_infinite)
    ]


def _breakdown_data(runs: Sequence[RunDirectory]) -> list[Any]:
    return [
        {
            "scheme": bar.scheme,
            "point": bar.point.title,
            "parts": [_numbers(np.array(bar.parts[name])) for name in COMPONENTS],
            "total": _interval(bar.total),
        }
        for bar in bars_of(runs)
    ]


def _load_data(runs: Sequence[RunDirectory]) -> dict[str, Any]:
    path, curves = load_curves_of(runs)
    points = points_of(runs)
    return {
        "path": path,
        "axis": axis_name(path),
        "others": dict(zip((point.title for point in points), other_settings(points, path), strict=True)),
        "metrics": [
            {
                "label": metric.plain_label + without_interval(curves, metric.name).replace("\n", "; "),
                "canLog": metric.name == "delay_s",
                "curves": [
                    {
                        "scheme": curve.scheme,
                        "others": curve.others,
                        "x": list(curve.x),
                        "y": [_interval(interval, metric.scale) for interval in curve.intervals[metric.name]],
                    }
                    for curve in curves
                ],
            }
            for metric in METRICS
        ],
    }


def _pareto_data(runs: Sequence[RunDirectory]) -> list[Any]:
    panels = []
    for column, title in panels_of(runs):
        standings = standings_of(runs, column)
        if not standings:
            continue
        panels.append(
            {
                "title": title,
                "dots": [
                    {
                        "scheme": cloud.scheme,
                        "x": _numbers(100 * cloud.savings, 4),
                        "y": _numbers(cloud.fidelity, 4),
                    }
                    for cloud in clouds_of(runs, column)
                ],
                "means": [
                    {
                        "scheme": standing.scheme,
                        "point": standing.title,
                        "x": _interval(standing.savings, 100),
                        "y": _interval(standing.fidelity),
                    }
                    for standing in standings
                ],
            }
        )
    return panels


def timelines_data(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Return the timeline of each point's first run that kept one."""
    found = []
    for point in points:
        for run in point.runs:
            view = timeline_view(run)
            if view is not None and view.lines:
                title = ", ".join(
                    part for part in (point.title, f"at {view.gateway}" if view.gateway else "") if part
                )
                if len(point.runs) > 1:
                    title += f", replication {run.replication}"
                found.append({"point": point.title, "title": title, **_timeline_data(view, len(points))})
                break
    return found


def _timeline_data(view: TimelineView, n_shown: int) -> dict[str, Any]:
    # Many timelines on one page: as many points for all together as eight whole ones have.
    step = max(1, -(-n_shown // 8))
    unit_s, unit = time_unit(view.end_s)
    return {
        "unit": unit,
        "end": view.end_s / unit_s,
        "panels": [
            {
                "title": panel.title,
                "passes": panel.quantity == "elevation_deg",
                "lines": [
                    {
                        "scheme": line.scheme,
                        "x": _numbers(line.time_s[::step] / unit_s),
                        "y": _numbers(line.value[::step] * panel.scale),
                    }
                    for line in view.lines[panel.quantity]
                ],
            }
            for panel in PANELS
            if panel.quantity in view.lines
        ],
        "spans": [
            {
                "kind": span.kind,
                "text": f"{span.entity} {span.text}".strip(),
                "start": _number(span.start_s / unit_s),
                "end": _number(
                    (min(span.end_s, view.end_s) if math.isfinite(span.end_s) else view.end_s) / unit_s
                ),
            }
            for span in view.spans
            if span.kind in ("pass", "fault") and span.start_s < view.end_s
        ],
    }


def _track_data(runs: Sequence[RunDirectory]) -> dict[str, Any] | None:
    track = next((found for run in runs if (found := read_ground_track(run.path)) is not None), None)
    if track is None:
        return None
    return {
        "satellites": [
            {
                "name": path.name,
                "latitude": _numbers(path.latitude_deg, 4),
                "longitude": _numbers(path.longitude_deg, 4),
                "served": path.served,
            }
            for path in sorted(track.paths, key=lambda path: not path.served)[:MAX_TRACKS]
        ],
        "sites": [
            {"name": s.name, "latitude": s.latitude_deg, "longitude": s.longitude_deg} for s in track.sites
        ],
        "duration_s": track.duration_s,
    }


def _maps_data(points: Sequence[Point]) -> dict[str, Any] | None:
    """Return sites and satellites of each point's first run, by scheme; None where there are few places."""
    if not has_map(points[-1].runs):
        return None
    shown = (
        points if len(points) <= MAX_MAPS else points[-1:]
    )  # a thousand sites each: more would fill the page
    return {
        "quantities": [
            {"name": one.name, "label": f"{one.label} ({one.unit})", "positive": one.positive}
            for one in QUANTITIES
        ],
        "maps": [
            {
                "point": point.title,
                "scheme": one.scheme,
                "sites": one.sites["site"].tolist(),
                "latitude": _numbers(one.sites["latitude_deg"].to_numpy(), 4),
                "longitude": _numbers(one.sites["longitude_deg"].to_numpy(), 4),
                "values": {
                    quantity.name: _numbers(one.sites[quantity.name].to_numpy(dtype=np.float64), 4)
                    for quantity in QUANTITIES
                },
                "satellites": _numbers(one.satellite_bps, 3),
            }
            for point in shown
            for one in maps_of(point.runs[0])
        ],
    }


def _numbers(values: npt.NDArray[np.float64], digits: int = SIGNIFICANT_DIGITS) -> list[float | None]:
    return [_number(value, digits) for value in values.tolist()]


def _number(value: float, digits: int = SIGNIFICANT_DIGITS) -> float | None:
    """Return *value* with as many digits as can be seen, which halves the page; None where JSON has no number."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _interval(interval: Interval, scale: float = 1.0) -> list[float | None]:
    return [_number(scale * value) for value in (interval.value, interval.low, interval.high)]

"""The figures by name: result directories in, vector PDF and PNG out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ntnsim.errors import InputError
from ntnsim.report import style
from ntnsim.report.breakdown_figure import delay_breakdown
from ntnsim.report.cdf_figure import delay_cdf, savings_cdf
from ntnsim.report.gallery_figure import gallery
from ntnsim.report.groups import points_of
from ntnsim.report.learning_figure import courses_of, learning
from ntnsim.report.load_figure import load_curves, swept_number
from ntnsim.report.map_figure import has_map, traffic_map
from ntnsim.report.pareto_figure import panels_of, pareto, standings_of
from ntnsim.report.timeline_figure import timeline
from ntnsim.results.files import IMAGES_INDEX, TIMELINE
from ntnsim.results.read import RunDirectory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES: dict[str, Callable[[Sequence[RunDirectory]], "Figure"]] = {
    "delay_cdf": delay_cdf,
    "savings_cdf": savings_cdf,
    "delay_breakdown": delay_breakdown,
    "load_curves": load_curves,
    "pareto": pareto,
    "timeline": timeline,
    "gallery": gallery,
    "learning": learning,
    "map": traffic_map,
}


def applicable(runs: Sequence[RunDirectory]) -> list[str]:
    """Return the figures that *runs* hold the data for."""
    names = ["delay_cdf", "savings_cdf"]
    if not any(run.is_fluid for run in runs):
        names.append("delay_breakdown")
    if has_map(runs):
        names.append("map")
    if swept_number(points_of(runs)) is not None:
        names.append("load_curves")
    if any(standings_of(runs, column) for column, _ in panels_of(runs)):
        names.append("pareto")
    if any((run.path / TIMELINE).exists() for run in runs):
        names.append("timeline")
    if any((run.path / IMAGES_INDEX).exists() for run in runs):
        names.append("gallery")
    if any(courses_of(run) for run in runs):
        names.append("learning")
    return names


def known(names: Sequence[str]) -> None:
    """Refuse *names* of which one is no figure's."""
    if unknown := [name for name in names if name not in FIGURES]:
        raise InputError(f"figure {unknown[0]!r}: not one of {', '.join(FIGURES)}")


def draw(runs: Sequence[RunDirectory], names: Sequence[str], directory: Path) -> list[Path]:
    """Draw the figures called *names* of *runs* into *directory*; return the files written."""
    known(names)
    written = []
    for name in names:
        with style.journal():
            written += style.save(FIGURES[name](runs), directory, name)
    return written


def figure_of(runs: Sequence[RunDirectory], name: str) -> "Figure":
    """Return the figure called *name* of *runs*."""
    known([name])
    with style.journal():
        return FIGURES[name](runs)

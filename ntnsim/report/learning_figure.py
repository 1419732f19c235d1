"""What a policy did while it learned, and what it knew: configuration, outcomes, costs, losses, coverage.

Curves are means over a sliding window of images in order of decision, so that a drift shows and single images do not.
Engines tell besides how each delivery compares with what they had predicted of it (``DIR/learning``): the aggregated
cost, the critics' losses, and how often the outcome lies below the quantile that decisions read.
Schemes whose configuration never changes are left out: there is nothing that they learned.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ntnsim.arrays import FloatArray
from ntnsim.errors import InputError
from ntnsim.report.style import DOUBLE_COLUMN_IN, STYLES, scheme_styles
from ntnsim.results.learning import read_learning
from ntnsim.results.read import RunDirectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WINDOWS = 20  # so many windows, side by side, fill the run
FEWEST_IMAGES = 40  # with fewer, a window holds two images
OUTCOMES = {
    "savings": ("savings (%)", 100.0),
    "delay_s": ("delay (s)", 1.0),
    "pf": ("PF, whole image", 1.0),
}


@dataclass(frozen=True)
class Course:
    """One scheme's images in order of decision. values: column → [n]; nan where an image has no such value."""

    scheme: str
    values: dict[str, FloatArray]
    log: pd.DataFrame | None = None  # of learning, if the policy keeps one

    @property
    def configuration(self) -> list[str]:
        """The columns of x that this scheme changed."""
        return [name for name in self.values if name.startswith("x_") and _varies(self.values[name])]


@dataclass(frozen=True)
class Panel:
    """Curves of the log of learning whose columns end with *ending*."""

    title: str
    ending: str

    def columns(self, course: Course) -> list[str]:
        """Return the columns of the course's log that belong here."""
        log = course.log
        return [] if log is None else [name for name in map(str, log) if name.endswith(self.ending)]


KNOWLEDGE = (
    Panel("aggregated cost C", "cost"),
    Panel("critics' quantile Huber losses, in spreads", "_loss"),
    Panel("coverage of the quantiles read (%)", "_coverage"),
)
SMOOTHED_ROWS = 5  # of the log, that one point stands for


def courses_of(run: RunDirectory) -> list[Course]:
    """Return the schemes of *run* that changed their configuration, with at least `FEWEST_IMAGES` decisions."""
    if run.is_fluid:
        return []
    names = run.record_columns()
    configuration = [name for name in names if name.startswith("x_")]
    outcomes = [name for name in OUTCOMES if name in names]
    table = run.records(["scheme", "decided_s", *configuration, *outcomes]).to_pandas()
    courses = []
    for scheme, images in table.groupby("scheme", sort=False):
        decided = images[np.isfinite(images["decided_s"])].sort_values("decided_s", kind="stable")
        columns = [*configuration, *outcomes]
        values = {name: decided[name].to_numpy(dtype=np.float64) for name in columns}
        course = Course(str(scheme), values, read_learning(run.path, str(scheme)))
        if len(decided) >= FEWEST_IMAGES and course.configuration:
            courses.append(course)
    return courses


def sliding_mean(values: FloatArray, window: int) -> FloatArray:
    """Return the mean of every *window* neighbours of *values* [n], leaving out nan: [n − window + 1]."""
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    with np.errstate(invalid="ignore"):
        return (sums[window:] - sums[:-window]) / (counts[window:] - counts[:-window])


def learning(runs: Sequence[RunDirectory]) -> "Figure":
    """Return the figure of the first of *runs* in which a scheme changed its configuration."""
    from matplotlib.figure import Figure

    courses = next((found for run in runs if (found := courses_of(run))), [])
    if not courses:
        raise InputError(
            f"{runs[0].path}: no scheme changed its configuration over at least {FEWEST_IMAGES} images"
        )
    shown = [name for name in OUTCOMES if any(_known(course, name) for course in courses)]
    known = [(panel, course) for panel in KNOWLEDGE for course in courses if panel.columns(course)]
    n_panels = len(courses) + len(shown) + len(known)
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 1.5 * n_panels))
    grid = figure.subplots(n_panels, 1, sharex=True, squeeze=False)[:, 0]
    for axes, course in zip(grid, courses, strict=False):
        axes.set_title(f"{course.scheme}: configuration")
        for style, name in zip(STYLES, course.configuration, strict=False):
            _draw(axes, course.values[name], style.colour, style.dash, symbol(name))
        axes.set_ylim(-0.03, 1.03)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.05), borderaxespad=0)
    looks = scheme_styles([course.scheme for course in courses])
    for axes, name in zip(grid[len(courses) :], shown, strict=False):
        label, scale = OUTCOMES[name]
        axes.set_title(label)
        for course in courses:
            look = looks[course.scheme]
            _draw(axes, scale * course.values[name], look.colour, look.dash, course.scheme)
    grid[len(courses)].legend(loc="upper left", bbox_to_anchor=(1.01, 1.05), borderaxespad=0)
    for axes, (panel, course) in zip(grid[len(courses) + len(shown) :], known, strict=True):
        _draw_knowledge(axes, course, panel)
    window = window_of(max(len(course.values["savings"]) for course in courses))
    grid[-1].set_xlabel(f"images decided on (means over {window} of them)")
    return figure


def window_of(n_images: int) -> int:
    """Return how many neighbouring images one point of a curve stands for."""
    return max(2, n_images // WINDOWS)


def symbol(column: str) -> str:
    """Return the paper's symbol of a column of x: ``p(0)`` for ``x_patch_fraction_0``."""
    if found := re.fullmatch(r"x_patch_fraction_(\d+)", column):
        return f"p({found[1]})"
    return {"x_box_growth": "β", "x_coarse_quality": "q"}.get(column, column)


def _draw(axes: "Axes", values: FloatArray, colour: str, dash: tuple[float, ...], label: str) -> None:
    window = window_of(len(values))
    means = sliding_mean(values, window)
    numbers = np.arange(len(means)) + window
    axes.plot(numbers, means, color=colour, linestyle=(0, dash) if dash else "solid", label=label)


def _draw_knowledge(axes: "Axes", course: Course, panel: Panel) -> None:
    """Draw the panel's curves of the course's log, as means over its last few rows."""
    assert course.log is not None
    axes.set_title(f"{course.scheme}: {panel.title}")
    smooth = course.log.rolling(SMOOTHED_ROWS, min_periods=1).mean()
    scale = 100.0 if panel.ending == "_coverage" else 1.0
    for style, name in zip(STYLES, panel.columns(course), strict=False):
        dash = (0, style.dash) if style.dash else "solid"
        axes.plot(
            course.log["images"], scale * smooth[name], color=style.colour, linestyle=dash, label=_told(name)
        )
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.05), borderaxespad=0)


def _told(column: str) -> str:
    """Return a column of the log in words: ``PF of rank 0`` for ``pf_0_loss``."""
    stem = column.removesuffix("_loss").removesuffix("_coverage")
    if found := re.fullmatch(r"(pf|sf)_(\d+)", stem):
        return f"{found[1].upper()}, rank {found[2]}"
    return {"cost": "as it came", "predicted_cost": "predicted"}.get(stem, stem)


def _varies(values: FloatArray) -> bool:
    known = values[np.isfinite(values)]
    return len(known) > 0 and float(np.ptp(known)) > 0


def _known(course: Course, name: str) -> bool:
    return name in course.values and bool(np.isfinite(course.values[name]).any())

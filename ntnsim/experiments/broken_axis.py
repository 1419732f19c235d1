"""Panels whose vertical axis is broken where a few points lie far below all others, which would else be squeezed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec

GAP = 0.5  # of the others' range: a smaller gap breaks no axis
MARGIN = 0.06


def broken_panels(figure: "Figure", values: Sequence[tuple[pd.Series, pd.Series]]) -> list[list["Axes"]]:
    """Return the axes of one panel per pair of *values* (most points', and the few's), side by side.

    A panel is one axes, or two, upper and lower, if the few lie below the others by more than half of their range.
    """
    grid = figure.add_gridspec(2, len(values), height_ratios=(5, 1), hspace=0.02)
    return [_panel(figure, grid, column, *pair) for column, pair in enumerate(values)]


def _panel(figure: "Figure", grid: "GridSpec", column: int, most: pd.Series, few: pd.Series) -> "list[Axes]":
    top, bottom = float(most.max()), float(most.min())
    spread = top - bottom
    if not few.notna().any() or not float(few.max()) < bottom - GAP * spread:
        return [figure.add_subplot(grid[:, column])]
    upper = figure.add_subplot(grid[0, column])
    lower = figure.add_subplot(grid[1, column], sharex=upper)
    upper.set_ylim(bottom - MARGIN * spread, top + MARGIN * spread)
    room = max(0.25 * (float(few.max()) - float(few.min())), 0.02)
    least = float(few.min())
    lower.set_ylim(least - min(room, max(least, 0.2 * room)), float(few.max()) + room)
    lower.locator_params(axis="y", nbins=2, min_n_ticks=1, steps=(1, 2, 5, 10))
    upper.spines["bottom"].set_visible(False)
    upper.tick_params(bottom=False, labelbottom=False)
    for axes, height in ((upper, 0.0), (lower, 1.0)):  # the strokes of the break
        axes.plot(
            [0],
            [height],
            marker=[(-1, -0.6), (1, 0.6)],
            markersize=5,
            color="black",
            transform=axes.transAxes,
            clip_on=False,
            linestyle="none",
            markeredgewidth=0.8,
        )
    return [upper, lower]

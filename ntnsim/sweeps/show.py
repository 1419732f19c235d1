"""A sweep on the terminal: its plan before, its progress meanwhile, its figures afterwards."""

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ntnsim.results.latex import latex_table
from ntnsim.results.point_names import PointNames
from ntnsim.results.show import independent_values, interval_of, interval_text
from ntnsim.run_progress import duration, status_shown
from ntnsim.sweeps.cells import Cell
from ntnsim.sweeps.drive import Progress, SweepOutcome

SHOWN_CELLS = 20


def plan_text(
    cells: Sequence[Cell], n_done: int, median_wall_s: float | None, n_workers: int, *, open_end: bool
) -> str:
    """Return what a sweep would run. open_end: adaptive replication may add cells."""
    lines = [f"{cell.digest[:12]}  seed {cell.seed:<10}  {cell.label}" for cell in cells[:SHOWN_CELLS]]
    if len(cells) > SHOWN_CELLS:
        lines.append(f"… and {len(cells) - SHOWN_CELLS} more")
    missing = len(cells) - n_done
    lines.append(f"{'at least ' if open_end else ''}{len(cells)} cells, {n_done} of them done")
    if median_wall_s is None:
        lines.append("no cell has run yet to estimate the time from; --probe runs one")
    else:
        rounds = -(-missing // n_workers)
        lines.append(
            f"about {duration_text(rounds * median_wall_s)} on {n_workers} workers, "
            f"at {duration_text(median_wall_s)} per cell (median so far)"
        )
    return "\n".join(lines)


def duration_text(seconds: float) -> str:
    """Return *seconds* in the largest unit that fits."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    if seconds < 6000:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h"


@contextmanager
def progress_line() -> Iterator[Progress]:
    """Tell on stderr how many cells have ended while the block runs; yields what the sweep reports to."""
    began = time.monotonic()
    state: list[tuple[SweepOutcome, int]] = []

    def update(outcome: SweepOutcome, n_cells: int) -> None:
        state[:] = [(outcome, n_cells)]

    def line() -> str:
        gone_s = time.monotonic() - began
        if not state:
            return f"no cell has ended yet, {duration(gone_s)} gone"
        outcome, n_cells = state[0]
        run = outcome.n_run + len(outcome.failed)
        ended = run + outcome.n_reused
        left = f"{duration(gone_s * (n_cells - ended) / run)} left" if run else f"{duration(gone_s)} gone"
        return f"{ended} of {n_cells} cells, {outcome.n_reused} reused, {len(outcome.failed)} failed, {left}"

    with status_shown(line):
        yield update


HEADINGS = (
    "point",
    "runs",
    "scheme",
    "mean delay (s)",
    "95th perc. (s)",
    "in time (%)",
    "savings (%)",
)


def sweep_table(summary: Mapping[str, Any], *, width: int = 110) -> str:
    """Return the figures of each point and scheme as text, intervals as ±half-width over replications."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=sweep_title(summary), title_justify="left")
    for heading in HEADINGS:
        justify: Any = "left" if heading in ("point", "scheme") else "right"
        table.add_column(heading, justify=justify, no_wrap=heading.startswith("savings"))
    for row in sweep_cells(summary):
        table.add_row(*row)
    text = io.StringIO()
    Console(file=text, width=width, color_system=None, highlight=False, markup=False, emoji=False).print(
        table
    )
    return text.getvalue().rstrip()


def sweep_title(summary: Mapping[str, Any]) -> str:
    """Return what the table is of, and what its intervals are."""
    confidence = f"{100 * summary['confidence']:g} %"
    return f"{summary['name']} (± {confidence} confidence over replications; savings over pictures)"


def sweep_cells(summary: Mapping[str, Any]) -> list[list[str]]:
    """Return the table's rows as texts, a point's name in the first of its rows only."""
    names = PointNames(point["parameters"] for point in summary["points"])
    rows = []
    for point in summary["points"]:
        head = [names.title(point["parameters"], point.get("labels")), str(point["replications"])]
        for position, (scheme, metrics) in enumerate(point["schemes"].items()):
            rows.append(
                [
                    *(head if position == 0 else ["", ""]),
                    scheme,
                    _cell(metrics, "delay_s.mean"),
                    _cell(metrics, "delay_s.quantiles.q95.value"),
                    _cell(metrics, "deadline_met.value", 100),
                    _cell(metrics, "savings.mean", 100),
                ]
            )
    return rows


def sweep_latex(summary: Mapping[str, Any]) -> str:
    """Return the table in LaTeX."""
    return latex_table(HEADINGS, sweep_cells(summary), columns="lrlrrrr", caption=f"{sweep_title(summary)}.")


def _cell(metrics: Mapping[str, Any], name: str, scale: float = 1.0) -> str:
    n, kind = independent_values(metrics[name])
    return interval_text(interval_of(metrics[name], "mean"), metric=name, scale=scale, n=n, kind=kind)

"""Run a scenario at every point of its ``sweep:`` section, and look at what came of it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ntnsim.errors import InputError
from ntnsim.results.atomic import read_json
from ntnsim.results.read import find_runs, load
from ntnsim.sweeps.cells import SweepPlan
from ntnsim.sweeps.drive import SWEEP_SUMMARY, SweepOutcome, run_sweep
from ntnsim.sweeps.execute import simulate_cell
from ntnsim.sweeps.executor import executor_named

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ntnsim.sweeps.drive import Progress


class Sweep:
    """A sweep on disk: its records, its summary, its figures.

    directory: where the results lie. outcome: how many cells ran, were reused, or failed.
    """

    def __init__(self, directory: Path, outcome: SweepOutcome) -> None:
        self.directory = directory
        self.outcome = outcome

    @property
    def records(self) -> "pd.DataFrame":
        """One row per image of every cell, with a column for each swept value."""
        return load(self.directory)

    @property
    def summary(self) -> dict[str, Any]:
        """The figures of every point, over its replications: what ``sweep_summary.json`` holds."""
        return read_json(self.directory / SWEEP_SUMMARY)

    def plot(self, figure: str = "delay_cdf") -> "Figure":
        """Return a figure of this sweep: ``load_curves``, ``delay_cdf``, ``savings_cdf``, ``delay_breakdown`` …"""
        from ntnsim.report.figures import figure_of

        return figure_of(find_runs([self.directory]), figure)

    def report(self, path: Path | str | None = None) -> Path:
        """Write the sweep as one self-contained HTML page (``report.html`` unless given), and return where."""
        from ntnsim.report.page import write_page

        target = self.directory / "report.html" if path is None else Path(path)
        write_page(find_runs([self.directory]), target)
        return target


def sweep(
    scenario: Path | str,
    out: Path | str | None = None,
    *,
    overrides: Sequence[str] = (),
    executor: str = "local",
    jobs: int | None = None,
    resume: bool = False,
    progress: "Progress | None" = None,
) -> Sweep:
    """Run what is missing of a sweep; a cell that is there already is not run again.

    scenario: path of a YAML file with a ``sweep:`` section.
    out: result directory; ``results/NAME`` unless given.
    overrides: ``"a.b=c"``, as ``--set`` takes them.
    executor: ``local``, ``dask``, or the address of a Dask scheduler. jobs: cells at a time; one per processor.
    resume: finish a sweep that *out* already holds.

    Raises InputError where scenario, executor or directory cannot be used; a cell that fails is in ``Sweep.outcome``.
    """
    if not isinstance(scenario, Path | str):
        raise InputError(
            f"sweep: needs the path of a YAML file, got a {type(scenario).__name__}: each cell is made from the file"
        )
    plan = SweepPlan(Path(scenario), overrides)
    directory = Path("results") / plan.name if out is None else Path(out)
    make_executor = executor_named(executor, directory, simulate_cell, jobs or os.cpu_count() or 1)
    outcome = run_sweep(plan, directory, make_executor, resume=resume, progress=progress)
    return Sweep(directory, outcome)

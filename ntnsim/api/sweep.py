"""Run a scenario at every point of its ``sweep:`` section, and look at what came of it."""

import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ntnsim.errors import InputError
from ntnsim.given import kind_of, parts_given, path_given, whole_number_given
from ntnsim.own_digest import own_digests, sent
from ntnsim.own_parts import ChannelMaker, OwnParts, PolicyMaker
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.policy import Policy
from ntnsim.results.atomic import read_json
from ntnsim.results.read import find_runs, load
from ntnsim.scenario.scenario import Scenario
from ntnsim.sweeps.cells import SweepPlan
from ntnsim.sweeps.drive import SWEEP_SUMMARY, SweepOutcome, run_sweep
from ntnsim.sweeps.execute import FAILED, simulate_cell
from ntnsim.sweeps.executor import executor_named
from ntnsim.sweeps.show import progress_line, sweep_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ntnsim.sweeps.drive import Progress


class CellFailure(UserWarning):
    """Some cells of a sweep have no result."""


class Sweep:
    """A sweep on disk: its records, its summary, its figures.

    directory: where the results lie. outcome: how many cells ran, were reused, or failed. A notebook shows the table of
    every point's delays, in seconds, and savings.

    >>> import ntnsim
    >>> ntnsim.Sweep.plot, ntnsim.Sweep.report  # what ntnsim.sweep returns has them  # doctest: +ELLIPSIS
    (<function Sweep.plot at ...>, <function Sweep.report at ...>)
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

        target = self.directory / "report.html" if path is None else path_given("path", path)
        write_page(find_runs([self.directory]), target)
        return target

    def __str__(self) -> str:
        return sweep_table(self.summary)

    def __repr__(self) -> str:
        counts = f"{self.outcome.n_cells} cells, {len(self.outcome.failed)} failed"
        return (
            f"<Sweep {str(self.directory)!r}: {counts}{', interrupted' if self.outcome.interrupted else ''}>"
        )

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def sweep(
    scenario: Scenario | Path | str,
    out: Path | str | None = None,
    *,
    policies: Mapping[str, Policy | PolicyMaker] | None = None,
    codecs: Mapping[str, Codec] | None = None,
    channels: Mapping[str, ChannelMaker] | None = None,
    overrides: Sequence[str] = (),
    executor: str = "local",
    jobs: int | None = None,
    resume: bool = False,
    progress: "Progress | bool | None" = None,
) -> Sweep:
    """Run what is missing of a sweep; a cell that is there already is not run again.

    scenario: a `Scenario` with ``sweep``, or the path of a YAML file with a ``sweep:`` section.
    out: result directory; ``results/NAME`` unless given.
    policies, codecs, channels: parts of your own, as for ``ntnsim.run``; classes that a script or a notebook wrote will
        do. Each process has its own, as it is now: what a policy learns in one cell, the next does not know.
    overrides: ``"a.b=c"``, as ``--set`` takes them.
    executor: ``local``, ``dask``, or the address of a Dask scheduler. jobs: cells at a time; one per processor.
    resume: finish a sweep that *out* already holds.
    progress: called after each cell with what became of the sweep so far and the number of cells; True tells it on
        stderr.

    Raises InputError where scenario, executor or directory cannot be used. A cell that fails is in ``Sweep.outcome``,
    and warned of.

    >>> import ntnsim
    >>> import tempfile
    >>> drawn = "schemes=[{name: drawn, codec: {kind: sizes, size_bits: 8.0e+5}}]"
    >>> loads = "sweep={design: [{kind: grid, parameters: {background: [0.0, 0.5]}}]}"
    >>> scenario = ntnsim.load_scenario("scenarios/quickstart.yaml", [drawn, loads, "horizon.n_jobs=2"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     swept = ntnsim.sweep(scenario, folder, jobs=1)
    ...     sorted(set(swept.records["background"]))
    [0.0, 0.5]
    """
    own = OwnParts(
        parts_given("policies", policies), parts_given("codecs", codecs), parts_given("channels", channels)
    )
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise InputError(f"progress: must be a function, True or False, got {kind_of(progress)}")
    if not isinstance(executor, str):
        raise InputError(f"executor: must be local, dask or an address, got {kind_of(executor)}")
    n_jobs = (os.cpu_count() or 1) if jobs is None else whole_number_given("jobs", jobs, 1)
    if not isinstance(scenario, Scenario):
        scenario = path_given("scenario", scenario, "a Scenario or the path of a YAML file")
    plan = SweepPlan(scenario, overrides, own_digests(own))
    directory = Path("results") / plan.name if out is None else path_given("out", out)
    runner = partial(simulate_cell, own=sent(own)) if own else simulate_cell
    make_executor = executor_named(executor, directory, runner, n_jobs)
    with progress_line() if progress is True else nullcontext(progress or None) as report:
        outcome = run_sweep(plan, directory, make_executor, resume=resume, progress=report)
    if outcome.failed:
        label, error = outcome.failed[0]
        warnings.warn(
            f"{len(outcome.failed)} of {outcome.n_cells} cells failed; first {label}: {error}; "
            f"see {directory / FAILED}",
            CellFailure,
            stacklevel=2,
        )
    return Sweep(directory, outcome)

"""The driver of a sweep: hands out the cells that are missing, adds replications where they are wanted, keeps the plan.

``DIR/sweep.json`` lists the cells, ``DIR/journal.csv`` how long each took here, ``DIR/sweep_summary.json`` the figures
per point over replications. All of it can be made again from the scenario and ``DIR/cells``; nothing is lost with the
driver.
"""

import errno
import math
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self

from ntnsim.errors import InputError
from ntnsim.input_digests import changed_inputs
from ntnsim.results.atomic import read_json, write_json
from ntnsim.results.directory import set_aside
from ntnsim.results.files import CELLS, RECORDS, SUMMARY, SWEEP
from ntnsim.results.lock import only_writer
from ntnsim.results.pictures import over_replications
from ntnsim.results.provenance import code_digest
from ntnsim.results.read import RunDirectory
from ntnsim.results.seal import is_whole
from ntnsim.results.statistics import Interval, replication_interval
from ntnsim.results.summary import figure_of, has_figure
from ntnsim.scenario.sweep import AdaptiveSpec
from ntnsim.sweeps.cells import IN_CODE, Cell, SweepPlan
from ntnsim.sweeps.execute import DAMAGED, FAILED, CellResult, Task, remove_partial_cells

JOURNAL = "journal.csv"
SWEEP_SUMMARY = "sweep_summary.json"
LOCK = ".lock"
# What may be there before a sweep has begun: cells that a probe ran.
_OWN = {CELLS, FAILED, DAMAGED, LOCK, JOURNAL}
# Figures of each run's summary that the sweep's summary gives over replications.
SUMMARISED_METRICS = (
    "delay_s.mean",
    "delay_s.quantiles.q50.value",
    "delay_s.quantiles.q95.value",
    "deadline_met.value",
    "savings.mean",
    "transmitted_bits.mean",
    "fidelity.pf.mean",
    "fidelity.sf.mean",
)
# Cells handed to an executor before the first has ended, so that 10,000 of them do not queue there at once.
MAX_IN_FLIGHT = 64


class Executor(Protocol):
    """Runs cells somewhere, several at a time."""

    def submit(self, cell: Task) -> None:
        """Queue a cell."""
        ...

    def next_result(self) -> CellResult:
        """Wait for the next cell to end."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


@dataclass
class SweepOutcome:
    """What became of a sweep. failed: label and error of each cell without a result.

    n_damaged: cells that were there, but not as they had been written; they lie in ``damaged/`` and were run again.
    changed_inputs: names of files whose content is another than when the sweep was begun; their cells were run anew.
    """

    n_cells: int = 0
    n_run: int = 0
    n_reused: int = 0
    n_damaged: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    changed_inputs: list[str] = field(default_factory=list)
    interrupted: bool = False


# Called after each cell with the outcome so far and the number of cells known to be needed.
Progress = Callable[[SweepOutcome, int], None]


def check_directory(directory: Path, *, resume: bool) -> None:
    """Refuse to mix a new sweep with an older one by accident."""
    if (directory / SWEEP).exists() and not resume:
        raise InputError(
            f"{directory}: holds a sweep already; add --resume to finish it, or choose another --out"
        )
    if (directory / RECORDS).exists():
        raise InputError(f"{directory}: holds a single run; choose another --out")
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory}: is a file; --out needs a directory")
    if (directory / SWEEP).exists() or not directory.is_dir():
        return
    if other := sorted(path.name for path in directory.iterdir() if path.name not in _OWN):
        raise InputError(
            f"{directory}: holds files that are not a sweep's ({other[0]}); choose another --out"
        )


def run_sweep(
    plan: SweepPlan,
    directory: Path,
    executor: Callable[[], Executor],
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> SweepOutcome:
    """Run what is missing of *plan* in *directory*; return what became of it.

    executor: makes the executor, once it is known that a cell is missing.
    """
    check_directory(directory, resume=resume)
    with only_writer(directory, LOCK):
        (directory / CELLS).mkdir(exist_ok=True)
        remove_partial_cells(directory)
        ledger = _Ledger(plan, directory)
        outcome = ledger.outcome
        try:
            ledger.add(plan.first_cells())
            if ledger.waiting:
                with executor() as running:
                    _drive(ledger, running, progress)
            write_json(directory / SWEEP_SUMMARY, sweep_summary(plan, ledger.cells, directory))
        except KeyboardInterrupt:
            outcome.interrupted = True
            remove_partial_cells(directory)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise InputError(f"{directory}: the disk is full; make room and go on with --resume") from None
        return outcome


def _drive(ledger: "_Ledger", running: Executor, progress: Progress | None) -> None:
    in_flight = 0
    while ledger.waiting or in_flight:
        while ledger.waiting and in_flight < MAX_IN_FLIGHT:
            running.submit(ledger.waiting.popleft())
            in_flight += 1
        ledger.end(running.next_result())
        in_flight -= 1
        if progress is not None:
            progress(ledger.outcome, len(ledger.cells))


class _Ledger:
    """Which cells are needed, and which have ended."""

    def __init__(self, plan: SweepPlan, directory: Path) -> None:
        self.plan = plan
        self.directory = directory
        self.outcome = SweepOutcome()
        self.cells: dict[str, Cell] = {}
        self.waiting: deque[Cell] = deque()
        self._open: dict[int, int] = {}  # point → cells not yet ended
        self._failed_points: set[int] = set()
        self._before = _inputs_before(directory)

    def add(self, cells: Sequence[Cell]) -> None:
        """Plan *cells*; those with a result on disk end at once."""
        new = [cell for cell in cells if cell.digest not in self.cells]
        for cell in new:
            self.cells[cell.digest] = cell
            self._open[cell.point] = self._open.get(cell.point, 0) + 1
        self.outcome.n_cells = len(self.cells)
        write_json(self.directory / SWEEP, plan_content(self.plan, self.cells))
        changed = {
            name
            for cell in new
            for name in changed_inputs(cell.inputs, self._before.get((cell.label, cell.seed), cell.inputs))
        }
        self.outcome.changed_inputs = sorted({*self.outcome.changed_inputs, *changed})
        for cell in new:
            directory = self.directory / CELLS / cell.digest
            if is_whole(directory):
                self.end(CellResult(cell.digest, 0.0, reused=True))
                continue
            if directory.exists():
                self.outcome.n_damaged += 1
                set_aside(directory, self.directory / DAMAGED)
            self.waiting.append(cell)

    def end(self, result: CellResult) -> None:
        """Take in a cell's end; when it was its point's last, plan more replications if they are wanted."""
        cell = self.cells[result.digest]
        self._open[cell.point] -= 1
        if result.error:
            self.outcome.failed.append((cell.label, result.error))
            self._failed_points.add(cell.point)
        elif result.reused:
            self.outcome.n_reused += 1
        else:
            self.outcome.n_run += 1
            self._journal(result)
        adaptive = self.plan.sweep.adaptive
        if adaptive is not None and self._open[cell.point] == 0 and cell.point not in self._failed_points:
            members = [member for member in self.cells.values() if member.point == cell.point]
            summaries = [read_json(self.directory / CELLS / member.digest / SUMMARY) for member in members]
            wanted = replications_wanted(summaries, adaptive)
            self.add([self.plan.cell(cell.point, number) for number in range(len(members), wanted)])

    def _journal(self, result: CellResult) -> None:
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        with (self.directory / JOURNAL).open("a", encoding="utf-8") as lines:
            lines.write(f"{result.digest},{result.wall_s:.6f},{finished}\n")


def _inputs_before(directory: Path) -> dict[tuple[str, int], dict[str, str]]:
    """Return the digests of the files of each cell, by label and seed, that the sweep in *directory* had planned."""
    if not (directory / SWEEP).is_file():
        return {}
    cells = read_json(directory / SWEEP).get("cells", [])
    return {(cell["label"], cell["seed"]): cell.get("inputs", {}) for cell in cells}


def replications_wanted(summaries: Sequence[dict[str, Any]], adaptive: AdaptiveSpec) -> int:
    """Return how many replications a point should have, judged by those it has: as many if they suffice.

    The half-width shrinks with the root of their number, which predicts how many more are needed; never more than
    twice as many at once, since the first few estimate the spread poorly. The rule looks at results only, so that a
    resumed sweep decides as an undisturbed one.
    """
    n = len(summaries)
    schemes = adaptive.schemes or list(summaries[0]["schemes"])
    wanted = n
    for scheme in schemes:
        if scheme not in summaries[0]["schemes"]:
            raise InputError(
                f"sweep.adaptive.schemes: {scheme!r} is not one of {', '.join(summaries[0]['schemes'])}"
            )
        if not has_figure(summaries[0], scheme, adaptive.metric):
            raise InputError(
                f"sweep.adaptive.metric: {adaptive.metric!r} is not a figure of {scheme}'s entry in {SUMMARY}"
            )
        values = [figure_of(summary, scheme, adaptive.metric) for summary in summaries]
        values = [value for value in values if math.isfinite(value)]
        if len(values) < 2:
            continue  # a scheme that delivers nothing at this point will not be known better by repeating
        interval = replication_interval(values, adaptive.confidence)
        allowed = adaptive.half_width
        if allowed is None:
            assert adaptive.relative_half_width is not None
            allowed = adaptive.relative_half_width * abs(interval.value)
        if interval.half_width <= allowed:
            continue
        predicted = n * (interval.half_width / allowed) ** 2 if allowed > 0 else math.inf
        wanted = max(wanted, n + 1, math.ceil(min(predicted, 2 * n)))
    return min(wanted, adaptive.max_replications)


def plan_content(plan: SweepPlan, cells: dict[str, Cell]) -> dict[str, Any]:
    """Return the content of ``sweep.json``: the same for the same cells, in whatever order they became known."""
    ordered = sorted(cells.values(), key=lambda cell: (cell.point, cell.replication))
    return {
        "format": 1,
        "name": plan.name,
        "scenario_file": None if plan.path == IN_CODE else str(plan.path),
        "overrides": list(plan.overrides),
        "parameters": list(dict.fromkeys(path for point in plan.points for path in point)),
        "code_digest": code_digest(),
        "cells": [cell.entry() for cell in ordered],
    }


def sweep_summary(plan: SweepPlan, cells: dict[str, Cell], directory: Path) -> dict[str, Any]:
    """Return the figures of each point and scheme, with intervals over its replications."""
    by_point: dict[int, list[RunDirectory]] = {}
    for cell in sorted(cells.values(), key=lambda cell: (cell.point, cell.replication)):
        path = directory / CELLS / cell.digest
        if (path / SUMMARY).exists():
            by_point.setdefault(cell.point, []).append(RunDirectory(path, cell.label))
    confidence = plan.sweep.adaptive.confidence if plan.sweep.adaptive else 0.95
    points = []
    for point, runs in sorted(by_point.items()):
        schemes = list(runs[0].summary()["schemes"])
        points.append(
            {
                "parameters": plan.points[point],
                "labels": plan.labels[point],
                "replications": len(runs),
                "schemes": {
                    scheme: {
                        metric: _entry(*_over_replications(runs, scheme, metric, confidence))
                        for metric in SUMMARISED_METRICS
                    }
                    for scheme in schemes
                },
            }
        )
    return {"format": 1, "name": plan.name, "confidence": confidence, "points": points}


def estimated_wall_s(directory: Path) -> float | None:
    """Return the median wall time of the cells that ended in *directory* so far, or None."""
    path = directory / JOURNAL
    if not path.exists():
        return None
    times = []
    for line in path.read_text(encoding="utf-8").splitlines():
        parts = line.split(",")
        if len(parts) == 3:  # a line torn by a kill is left out
            times.append(float(parts[1]))
    return statistics.median(times) if times else None


def _over_replications(
    runs: list[RunDirectory], scheme: str, metric: str, confidence: float
) -> tuple[Interval, int | None]:
    values = [figure_of(run.summary(), scheme, metric) for run in runs]
    interval = replication_interval([value for value in values if math.isfinite(value)], confidence)
    return over_replications(runs, scheme, metric, interval)


def _entry(interval: Interval, n_pictures: int | None) -> dict[str, float | None]:
    named = {"mean": interval.value, "low": interval.low, "high": interval.high}
    entry = {name: value if math.isfinite(value) else None for name, value in named.items()}
    return entry if n_pictures is None else {**entry, "pictures": n_pictures}

"""One cell, or another task, run in whichever process is handed it: whole under its address, or not there at all.

The run writes into a directory of its own beside the address and is renamed there when it is complete; a process that
is killed leaves only that directory, which the next driver removes. A cell that is there, as its seal says, is never
run again.
"""

import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ntnsim.results.atomic import partial_name, write_text
from ntnsim.results.directory import set_aside
from ntnsim.results.files import CELLS
from ntnsim.results.seal import is_whole, seal
from ntnsim.sweeps.cells import IN_CODE, Cell

FAILED = "failed"
DAMAGED = "damaged"  # cells that were not as they had been written, moved out of the way
# Runs a task and writes its results to the directory: the seam at which tests put small stand-ins.
Runner = Callable[[Any, Path], Any]


class Task(Protocol):
    """What an executor runs: a cell of a sweep, a shard of a run."""

    @property
    def digest(self) -> str:
        """Its address: of everything that its result depends on."""
        ...

    @property
    def code(self) -> str:
        """Digest of ntnsim's code that the address covers."""
        ...

    @property
    def label(self) -> str:
        """What to call it in messages."""
        ...

    @property
    def seed(self) -> int:
        """Its seed."""
        ...


@dataclass(frozen=True, slots=True)
class CellResult:
    """How a cell ended. error: the last line of what went wrong, "" if nothing did."""

    digest: str
    wall_s: float
    error: str = ""
    reused: bool = False


def simulate_cell(cell: Cell, directory: Path, own: bytes = b"") -> None:
    """Run the cell's scenario, as ``ntnsim run`` does. own: the user's own parts, as ``own_digest.sent`` gives them."""
    from ntnsim.own_digest import received
    from ntnsim.runs import run_scenario

    in_file = cell.source != str(IN_CODE)
    settings = [part for text in cell.overrides for part in ("--set", text)]
    run_scenario(
        cell.scenario(),
        directory,
        scenario_file=cell.source if in_file else None,
        overrides=cell.overrides,
        command=["ntnsim", "run", cell.source, *settings]
        if in_file
        else None,  # what repeats this cell alone
        own=received(own) if own else None,
    )


def execute(cell: Task, sweep_directory: Path, runner: Runner) -> CellResult:
    """Run *cell* unless its result is there; a failure is written to ``failed/`` and returned, never raised."""
    target = sweep_directory / CELLS / cell.digest
    failure = sweep_directory / FAILED / f"{cell.digest}.txt"
    if is_whole(target):
        return CellResult(cell.digest, 0.0, reused=True)
    started = time.perf_counter()
    partial = partial_name(target)
    try:
        if target.exists():
            set_aside(target, sweep_directory / DAMAGED)
        partial.mkdir(parents=True)
        runner(cell, partial)
        seal(partial)
        _move(partial, target)
        failure.unlink(missing_ok=True)
    except Exception as error:
        shutil.rmtree(partial, ignore_errors=True)
        report_failure(sweep_directory, cell, traceback.format_exc())
        message = " ".join(str(error).split())
        return CellResult(cell.digest, time.perf_counter() - started, f"{type(error).__name__}: {message}")
    return CellResult(cell.digest, time.perf_counter() - started)


def report_failure(sweep_directory: Path, cell: Task, details: str) -> None:
    """Write ``failed/DIGEST.txt``; a disk too full even for that does not hide the error from the driver."""
    text = f"cell {cell.digest}\n{cell.label}\nseed {cell.seed}\n\n{details}"
    try:
        write_text(sweep_directory / FAILED / f"{cell.digest}.txt", text)
    except OSError:
        return


def remove_partial_cells(sweep_directory: Path) -> None:
    """Remove what killed processes left half-written; call only while no other driver uses the directory."""
    for leftover in (sweep_directory / CELLS).glob(".*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)


def _move(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError:
        # Another process finished the same cell first; its result is the same, so ours can go.
        if not target.is_dir():
            raise
        shutil.rmtree(partial, ignore_errors=True)

"""Cells on processes of this machine.

Each worker is handed one cell at a time over its own pipe, so when one is killed it is known which cell it had: that
cell alone is tried again, on a fresh process. (A standard process pool gives up everything in flight.)
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from ntnsim.sweeps.execute import CellResult, Runner, Task, execute, report_failure

# A cell that kills its process this often (out of memory, most likely) is given up.
MAX_ATTEMPTS = 3
# One thread per worker: the workers fill the cores, and sums do not depend on how many threads shared them.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    cell: Task | None = None


class LocalExecutor:
    """Runs cells on *n_workers* processes; use as ``with LocalExecutor(…) as executor``."""

    def __init__(self, sweep_directory: Path, runner: Runner, n_workers: int) -> None:
        self._directory = sweep_directory
        self._runner = runner
        self._n_workers = n_workers
        # Spawned, not forked: torch's threads do not survive a fork.
        self._context = multiprocessing.get_context("spawn")
        self._queue: deque[Task] = deque()
        self._attempts: dict[str, int] = {}
        self._workers: list[_Worker] = []

    def submit(self, cell: Task) -> None:
        """Queue *cell*."""
        self._queue.append(cell)

    def next_result(self) -> CellResult:
        """Wait until a submitted cell has ended, and return how."""
        while True:
            self._hand_out()
            busy = [worker for worker in self._workers if worker.cell is not None]
            if not busy:
                raise RuntimeError("no cell was submitted")
            by_handle: dict[Any, _Worker] = {}
            for worker in busy:
                by_handle[worker.pipe] = by_handle[worker.process.sentinel] = worker
            ready = {id(by_handle[handle]): by_handle[handle] for handle in wait(list(by_handle))}
            for worker in ready.values():
                result = self._collect(worker)
                if result is not None:
                    return result

    def close(self) -> None:
        """End the workers; what they had in flight is lost."""
        for worker in self._workers:
            worker.process.terminate()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()
        self._workers = []

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hand_out(self) -> None:
        idle = [worker for worker in self._workers if worker.cell is None]
        while self._queue and (idle or len(self._workers) < self._n_workers):
            worker = idle.pop() if idle else self._start()
            cell = self._queue.popleft()
            worker.cell = cell
            try:
                worker.pipe.send(cell)
            except (BrokenPipeError, ConnectionResetError):
                continue  # it died while idle; its sentinel is ready, and _collect tries the cell again

    def _collect(self, worker: _Worker) -> CellResult | None:
        cell = worker.cell
        assert cell is not None
        try:
            if worker.pipe.poll():
                result: CellResult = worker.pipe.recv()
                worker.cell = None
                return result
        except (EOFError, ConnectionResetError):
            pass  # died before answering, or in the middle of it
        worker.process.join()
        code = worker.process.exitcode
        worker.pipe.close()
        self._workers.remove(worker)
        self._attempts[cell.digest] = attempts = self._attempts.get(cell.digest, 0) + 1
        if attempts < MAX_ATTEMPTS:
            self._queue.appendleft(cell)
            return None
        how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        message = f"its process died {attempts} times, last by {how}"
        report_failure(self._directory, cell, message)
        return CellResult(cell.digest, 0.0, message)

    def _start(self) -> _Worker:
        own_end, worker_end = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(worker_end, self._directory, self._runner), name="ntnsim-cell", daemon=True
        )
        with _one_thread(), _no_script():
            process.start()
        worker_end.close()  # so that the pipe ends when the worker does
        worker = _Worker(process, own_end)
        self._workers.append(worker)
        return worker


def _work(pipe: Connection, sweep_directory: Path, runner: Runner) -> None:
    """Run cells as they come, until the driver closes the pipe or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver ends us
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    while True:
        try:
            cell = pipe.recv()
        except EOFError:
            return
        pipe.send(execute(cell, sweep_directory, runner))


def _end_with(sentinel: int) -> None:
    """End this process when the driver has gone, even by SIGKILL: nobody waits for the cell any more."""
    wait([sentinel])
    os._exit(1)


@contextmanager
def _no_script() -> Iterator[None]:
    """Keep a new process from running the caller's script anew: cells need ntnsim alone."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


@contextmanager
def _one_thread() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update({name: "1" for name, value in before.items() if value is None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]

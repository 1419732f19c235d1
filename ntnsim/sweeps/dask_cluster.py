"""Cells on a Dask cluster: one that runs already (``tcp://…``), or a local one (``dask``).

The workers must see the sweep's directory under the same path and have the same ntnsim installed; both are checked.
Dask itself moves a cell to another worker when one dies, and gives it up after its ``allowed-failures``.
"""

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ntnsim.errors import InputError
from ntnsim.results.files import CELLS
from ntnsim.results.provenance import code_digest
from ntnsim.sweeps.execute import CellResult, Runner, Task, execute, report_failure

LOCAL_CLUSTER = "dask"  # instead of an address
CONNECT_TIMEOUT_S = 10
POLL_S = 0.05
ALONE_S = 10.0  # workers that restart are not worth a word


class DaskExecutor:
    """Runs cells on the cluster at *address*; use as ``with DaskExecutor(…) as executor``."""

    def __init__(self, sweep_directory: Path, runner: Runner, address: str, n_workers: int) -> None:
        try:
            import distributed
        except ImportError:
            raise InputError("--executor: Dask is not installed; pip install 'ntnsim[dask]'") from None
        self._directory = sweep_directory.resolve()
        self._runner = runner
        self._cells: dict[str, Task] = {}
        self._cluster: Any = None
        if address == LOCAL_CLUSTER:
            self._cluster = distributed.LocalCluster(
                n_workers=n_workers, threads_per_worker=1, dashboard_address=None
            )
            self._client = distributed.Client(self._cluster)
        else:
            try:
                self._client = distributed.Client(address, timeout=CONNECT_TIMEOUT_S)
            except (OSError, ValueError, TimeoutError) as error:
                raise InputError(f"--executor {address}: no Dask scheduler answers ({error})") from None
        self._finished = distributed.as_completed(with_results=False)

    def submit(self, cell: Task) -> None:
        """Send *cell* to the cluster."""
        self._cells[cell.digest] = cell
        future = self._client.submit(
            _execute_same_code, cell, self._directory, self._runner, key=f"ntnsim-{cell.digest}", pure=False
        )
        self._finished.add(future)

    def next_result(self) -> CellResult:
        """Wait until a submitted cell has ended, and return how."""
        self._wait()
        future = next(self._completed())
        digest = str(future.key).removeprefix("ntnsim-")
        cell = self._cells.pop(digest)
        error = future.exception()
        if error is not None:  # execute() returns failures: what is raised came from the cluster
            message = f"{type(error).__name__}: {' '.join(str(error).split())}"
            report_failure(self._directory, cell, message)
            return CellResult(digest, 0.0, message)
        result: CellResult = future.result()
        written = self._directory / CELLS / digest
        if not result.error and not written.is_dir():
            message = f"the worker wrote {written}, which is not visible here: not a shared path"
            return CellResult(digest, result.wall_s, message)
        return result

    def _wait(self) -> None:
        """Wait until a cell has ended; say so once whenever nobody is left who could run one."""
        alone_since_s: float | None = None
        warned = False
        while not self._finished.has_ready():
            time.sleep(POLL_S)
            if self._client.scheduler_info()["workers"]:
                alone_since_s, warned = None, False
            elif alone_since_s is None:
                alone_since_s = time.monotonic()
            elif not warned and time.monotonic() - alone_since_s > ALONE_S:
                warnings.warn(
                    f"no Dask worker is left; {len(self._cells)} runs wait for one (Ctrl-C keeps what is finished)",
                    stacklevel=2,
                )
                warned = True

    def close(self) -> None:
        """Leave the cluster, cancelling what is still queued there."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def __enter__(self) -> "DaskExecutor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _completed(self) -> Iterator[Any]:
        yield from self._finished


def _execute_same_code(cell: Task, sweep_directory: Path, runner: Runner) -> CellResult:
    """Run *cell* on a worker, unless the worker's ntnsim would give another result than the address promises."""
    if cell.code != code_digest():
        raise RuntimeError("this worker has another ntnsim installed than the process that planned the sweep")
    return execute(cell, sweep_directory, runner)

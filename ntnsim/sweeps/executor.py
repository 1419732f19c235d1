"""The executors by name, as ``--executor`` gives it."""

from collections.abc import Callable
from pathlib import Path

from ntnsim.errors import InputError
from ntnsim.sweeps.drive import Executor
from ntnsim.sweeps.execute import Runner

LOCAL, DASK = "local", "dask"
DASK_PROTOCOLS = ("tcp://", "tls://", "ucx://", "ws://", "wss://")


def executor_named(name: str, directory: Path, runner: Runner, n_workers: int) -> Callable[[], Executor]:
    """Return what makes the executor called *name*; Dask is imported only when it is made."""
    if name == LOCAL:
        from ntnsim.sweeps.local import LocalExecutor

        return lambda: LocalExecutor(directory, runner, n_workers)
    if name == DASK or name.startswith(DASK_PROTOCOLS):
        from ntnsim.sweeps.dask_cluster import DaskExecutor

        return lambda: DaskExecutor(directory, runner, name, n_workers)
    raise InputError(
        f"--executor {name}: not one of {LOCAL}, {DASK}, or a Dask scheduler's address (tcp://host:port)"
    )

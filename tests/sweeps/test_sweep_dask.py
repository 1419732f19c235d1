"""A Dask cluster gives the bytes that local processes give."""

import os
import signal

import pytest
import stand_in
from test_sweep_local import N_CELLS, contents, plan_of, swept

from ntnsim.errors import InputError
from ntnsim.sweeps.drive import run_sweep
from ntnsim.sweeps.executor import executor_named

distributed = pytest.importorskip("distributed")


def test_cells_on_a_dask_cluster_give_the_bytes_of_local_processes_even_when_a_worker_is_killed(tmp_path):
    plan = plan_of(tmp_path)
    swept(plan, tmp_path / "local", stand_in.failing_at_half_load)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        out = tmp_path / "dask"
        outcome = run_sweep(plan, out, executor_named(address, out, stand_in.failing_at_half_load, 2))
        assert (outcome.n_run, len(outcome.failed)) == (8, 4)
        assert "in failing_at_half_load" in next((out / "failed").iterdir()).read_text()
        assert contents_of_cells(out) == contents_of_cells(tmp_path / "local")
        victim = next(iter(cluster.workers.values()))
        os.kill(
            victim.process.process.pid if hasattr(victim.process, "process") else victim.pid, signal.SIGKILL
        )
        mended = run_sweep(plan, out, executor_named(address, out, stand_in.tiny, 2), resume=True)
        assert (mended.n_run, mended.n_reused, mended.failed) == (4, 8, [])
    swept(plan, tmp_path / "local", stand_in.tiny, resume=True)
    assert contents(out) == contents(tmp_path / "local")
    assert len(list((out / "cells").iterdir())) == N_CELLS


def contents_of_cells(directory):
    return {name: content for name, content in contents(directory).items() if name.startswith("cells/")}


def test_an_executor_that_is_not_there_is_told_in_one_line(tmp_path):
    with pytest.raises(InputError, match="--executor slurm: not one of local, dask, or"):
        executor_named("slurm", tmp_path, stand_in.tiny, 1)
    make = executor_named("tcp://127.0.0.1:9", tmp_path, stand_in.tiny, 1)
    with pytest.raises(InputError, match=r"tcp://127.0.0.1:9: no Dask scheduler answers"):
        make()

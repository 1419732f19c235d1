"""Shards on a Dask scheduler leave the bytes of one process, also where a worker is killed at its work."""

from functools import partial

import pytest
import stand_in
from test_shards import CUT, contents, sharded, world

import ntnsim
from ntnsim.errors import InputError
from ntnsim.runs import run_scenario
from ntnsim.sweeps.executor import executor_named

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def address():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    directory = tmp_path_factory.mktemp("whole") / "run"
    run_scenario(world(**CUT), directory)
    return contents(directory)


@pytest.mark.slow
def test_shards_on_a_scheduler_leave_the_bytes_of_one_process(tmp_path, address, whole):
    ntnsim.run(world(**CUT), tmp_path / "parts", shards=2, executor=address)
    assert contents(tmp_path / "parts") == whole
    assert not (tmp_path / "parts" / ".ntnsim").exists()


@pytest.mark.slow
def test_a_worker_that_is_killed_at_a_shard_changes_nothing(tmp_path, address, whole):
    died = tmp_path / "died"

    def executor(directory, count):
        return executor_named(address, directory, partial(stand_in.shard_after_a_kill, died), count)()

    sharded(world(**CUT), tmp_path / "parts", 2, executor=executor)
    assert died.read_text() == "shard 1 of 2"
    assert contents(tmp_path / "parts") == whole


def test_a_scheduler_that_is_not_there_is_told_and_nothing_is_left(tmp_path):
    with pytest.raises(InputError, match=r"^--executor tcp://127.0.0.1:9: no Dask scheduler answers"):
        ntnsim.run(world(**CUT), tmp_path / "parts", shards=2, executor="tcp://127.0.0.1:9")
    with pytest.raises(InputError, match=r"^--executor slurm: not one of local, dask"):
        ntnsim.run(world(**CUT), tmp_path / "parts", shards=2, executor="slurm")
    with pytest.raises(
        InputError, match=r"^--executor dask: where shards run; a run without --shards runs here$"
    ):
        ntnsim.run(world(**CUT), tmp_path / "parts", executor="dask")
    assert not list((tmp_path / "parts").glob("[!.]*"))

"""A sweep whose workers have all gone says so, once."""

import warnings

from ntnsim.sweeps import dask_cluster


class Finished:
    def __init__(self, polls):
        self.polls = polls

    def has_ready(self):
        self.polls -= 1
        return self.polls < 0


class Client:
    def __init__(self, workers):
        self.workers = workers

    def scheduler_info(self):
        return {"workers": self.workers}


def warned(monkeypatch, workers):
    monkeypatch.setattr(dask_cluster, "POLL_S", 0.001)
    monkeypatch.setattr(dask_cluster, "ALONE_S", 0.002)
    executor = dask_cluster.DaskExecutor.__new__(dask_cluster.DaskExecutor)
    executor._cells = {"a": None, "b": None}
    executor._finished, executor._client = Finished(20), Client(workers)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        executor._wait()
    return [str(warning.message) for warning in caught]


def test_no_worker_left_is_said_once(monkeypatch):
    assert warned(monkeypatch, {}) == [
        "no Dask worker is left; 2 runs wait for one (Ctrl-C keeps what is finished)"
    ]
    assert warned(monkeypatch, {"tcp://one": {}}) == []

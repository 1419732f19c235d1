"""Cheap runners for tests of the sweep's machinery: each writes a run that depends on the cell's scenario alone."""

import errno
import os
import signal
import time
from pathlib import Path

import numpy as np

from ntnsim.results.atomic import write_json
from ntnsim.results.writer import PartWriter
from ntnsim.sweeps.cells import Cell
from ntnsim.sweeps.shards import Shard, simulate_shard

SCENARIO = """
name: sweep-test
seed: 7
horizon: {n_jobs: 5}
sources:
  - name: harbour
    arrivals: {kind: poisson, rate_per_s: 0.1}
gateways:
  - {name: parma, latitude_deg: 44.8, longitude_deg: 10.3}
schemes:
  - name: spiff
    codec: {kind: sizes, size_bits: {kind: constant, value: 4.0e+5}}
"""


def load_of(cell: Cell) -> float:
    """Return the background load that the cell's scenario resolves to."""
    return float(cell.tree.get("background", 0.0))


def tiny(cell: Cell, directory: Path) -> None:
    """A run of 20 jobs: exponential delays with mean 1 + load."""
    rng = np.random.default_rng(cell.seed)
    delays = rng.exponential(1 + load_of(cell), 20)
    records = PartWriter(directory / "records")
    records.write({"job": np.arange(20), "delay_s": delays})
    records.close()
    summary = {"schemes": {"spiff": {"delay_s": {"mean": float(delays.mean())}, "savings": {"mean": 0.9}}}}
    write_json(directory / "summary.json", summary)


def slow(cell: Cell, directory: Path) -> None:
    """A tiny run that takes 0.15 s and leaves a trace while it runs."""
    records = directory / "records"
    records.mkdir(parents=True)
    (records / "half-written").write_text("")
    time.sleep(0.15)
    tiny(cell, directory)


def failing_at_half_load(cell: Cell, directory: Path) -> None:
    """Fails at load 0.5 only."""
    if load_of(cell) == 0.5:
        (directory / "records").mkdir()
        raise ZeroDivisionError("no capacity left at load 0.5")
    tiny(cell, directory)


def killed_once(cell: Cell, directory: Path) -> None:
    """Kills its own process the first time that it runs the cell at load 0.5."""
    marker = directory.parent.parent / "killed-once"
    if load_of(cell) == 0.5 and not marker.exists():
        marker.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    tiny(cell, directory)


def always_killed(cell: Cell, directory: Path) -> None:
    """Kills its own process at load 0.5, every time."""
    if load_of(cell) == 0.5:
        os.kill(os.getpid(), signal.SIGKILL)
    tiny(cell, directory)


def on_a_full_disk(cell: Cell, directory: Path) -> None:
    """Writes half a run, then finds the disk full."""
    (directory / "records").mkdir()
    (directory / "records" / "part-00000.parquet").write_bytes(b"PAR1")
    raise OSError(errno.ENOSPC, "No space left on device")


def busy(cell: Cell, directory: Path) -> None:
    """Burns about 0.4 s of one core."""
    ends = time.process_time() + 0.4
    while time.process_time() < ends:
        pass
    tiny(cell, directory)


def shard_after_a_kill(died: Path, shard: Shard, directory: Path) -> None:
    """Simulate a shard; the first time that the first one is tried, kill this process instead, and note it in *died*."""
    if shard.label.startswith("shard 1 ") and not died.exists():
        died.write_text(shard.label)
        os.kill(os.getpid(), signal.SIGKILL)
    simulate_shard(shard, directory)

"""What a sweep costs beyond its runs: CPU time against a bare loop, two workers against one, and many tiny cells.

    python benchmarks/sweep_overhead.py [--tiny 10000] [--json sweep_overhead.json]

Overhead is in CPU seconds of driver and workers together, which other work on the machine disturbs little; the
speed-up is wall time, and means something on idle cores only.
"""

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from ntnsim.results.atomic import write_json
from ntnsim.results.writer import PartWriter
from ntnsim.sweeps.cells import Cell, SweepPlan
from ntnsim.sweeps.drive import run_sweep
from ntnsim.sweeps.local import LocalExecutor

SCENARIO = """
name: sweep-benchmark
horizon: {n_jobs: 5}
sources: [{name: camera, arrivals: {kind: poisson, rate_per_s: 0.1}}]
gateways: [{name: site, latitude_deg: 44.8, longitude_deg: 10.3}]
schemes: [{name: spiff, codec: {kind: sizes, size_bits: {kind: constant, value: 4.0e+5}}}]
sweep: {replications: %d}
"""
CELL_CPU_S = 1.0


def tiny(cell: Cell, directory: Path) -> None:
    """Write a run of 20 jobs."""
    delays_s = np.random.default_rng(cell.seed).exponential(1.0, 20)
    records = PartWriter(directory / "records")
    records.write({"job": np.arange(20), "delay_s": delays_s})
    records.close()
    write_json(
        directory / "summary.json", {"schemes": {"spiff": {"delay_s": {"mean": float(delays_s.mean())}}}}
    )


def busy(cell: Cell, directory: Path) -> None:
    """Burn *CELL_CPU_S* of one core, then write."""
    ends = time.process_time() + CELL_CPU_S
    while time.process_time() < ends:
        pass
    tiny(cell, directory)


def cpu_s() -> float:
    """Return the CPU seconds of this process and of its ended children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def swept(n_cells: int, runner, n_workers: int) -> dict[str, float]:
    """Return CPU and wall seconds of a sweep, and of its driver alone."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "scenario.yaml").write_text(SCENARIO % n_cells)
        began_cpu, began_driver, began = cpu_s(), time.process_time(), time.perf_counter()
        plan = SweepPlan(directory / "scenario.yaml")
        out = directory / "out"
        outcome = run_sweep(plan, out, lambda: LocalExecutor(out, runner, n_workers))
        assert outcome.n_run == n_cells
        return {
            "cpu_s": cpu_s() - began_cpu,
            "driver_cpu_s": time.process_time() - began_driver,
            "wall_s": time.perf_counter() - began,
        }


def bare(n_cells: int) -> float:
    """Return the CPU seconds of the same cells in a plain loop."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "scenario.yaml").write_text(SCENARIO % n_cells)
        plan = SweepPlan(directory / "scenario.yaml")
        began = cpu_s()
        for replication in range(n_cells):
            target = directory / f"cell-{replication}"
            target.mkdir()
            busy(plan.cell(0, replication), target)
        return cpu_s() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=40, help=f"cells of {CELL_CPU_S} s")
    parser.add_argument("--tiny", type=int, default=10_000, help="tiny cells")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    ratios, speedups = [], []
    for _ in range(arguments.rounds):
        alone = bare(arguments.cells)
        single = swept(arguments.cells, busy, 1)
        double = swept(arguments.cells, busy, 2)
        ratios.append(double["cpu_s"] / alone)
        speedups.append(single["wall_s"] / double["wall_s"])
    many = swept(arguments.tiny, tiny, 2)
    result = {
        "cells": arguments.cells,
        "cell_cpu_s": CELL_CPU_S,
        "cpu_ratio_to_bare_loop": statistics.median(ratios),
        "speedup_of_two_workers": statistics.median(speedups),
        "tiny_cells": arguments.tiny,
        "tiny_driver_cpu_s_per_cell": many["driver_cpu_s"] / arguments.tiny,
        "tiny_cpu_s_per_cell": many["cpu_s"] / arguments.tiny,
        "tiny_wall_s": many["wall_s"],
        "load_average": os.getloadavg()[0],
    }
    print(json.dumps(result, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

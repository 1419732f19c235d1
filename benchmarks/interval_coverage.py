"""How often the intervals of one run hold the truth: M/M/1 against its closed form, and means over pictures.

The time in system of an M/M/1 queue is exponential with rate μ − λ (Kleinrock, *Queueing Systems I*, 3.2), which gives
mean, quantiles and shares. Queues start in equilibrium. Prints, per number of jobs, in how many of the runs an interval
is given and in how many of those it holds the truth, and writes ``interval_coverage.json`` beside itself.

    python benchmarks/interval_coverage.py [--runs 1000]
"""

import argparse
import json
from pathlib import Path

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.results.pictures import mean_over_pictures
from ntnsim.results.statistics import Interval, proportion_interval, replication_interval
from ntnsim.results.within_run import (
    batch_interval,
    mean_interval,
    quantile_interval,
    share_interval,
)

SEED = 20
WARM_UP_JOBS = 2000  # from an empty queue; at a load of 0.8 the start is forgotten within a few hundred
LOADS = (0.5, 0.8, 0.9)
N_JOBS = (48, 500, 3_000, 5_000, 30_000, 150_000)
PROBABILITIES = (0.5, 0.95, 0.99)
N_PICTURES = (6, 10, 20, 60)


def times_in_system(rng: np.random.Generator, load: float, n_jobs: int) -> FloatArray:
    """Return the times in system [n_jobs] of an M/M/1 queue with service rate 1 (Lindley's recursion)."""
    service = rng.exponential(size=WARM_UP_JOBS + n_jobs)
    steps = service[:-1] - rng.exponential(1 / load, len(service) - 1)
    walk = np.concatenate([[0.0], np.cumsum(steps)])
    waits: FloatArray = walk - np.minimum.accumulate(walk)
    return (waits + service)[WARM_UP_JOBS:]


def tally(intervals: list[Interval], truth: float) -> dict[str, float]:
    """Return in which share of runs an interval is given, and which share of those holds the *truth*."""
    given = [interval for interval in intervals if np.isfinite(interval.half_width)]
    held = sum(interval.low <= truth <= interval.high for interval in given)
    return {"given": len(given) / len(intervals), "held": held / len(given) if given else float("nan")}


def queue_coverage(load: float, n_jobs: int, n_runs: int) -> dict[str, dict[str, float]]:
    """Return the tally of every figure of a summary, over *n_runs* runs."""
    rng = np.random.default_rng([SEED, n_jobs, round(100 * load)])
    quantiles = {p: -np.log(1 - p) / (1 - load) for p in PROBABILITIES}
    found: dict[str, list[Interval]] = {}
    for _ in range(n_runs):
        times = times_in_system(rng, load, n_jobs)
        found.setdefault("mean", []).append(mean_interval(times))
        for p, quantile in quantiles.items():
            found.setdefault(f"quantile {p:g}", []).append(quantile_interval(times, p))
            found.setdefault(f"share {p:g}", []).append(share_interval(times <= quantile, times))
    truths = {"mean": 1 / (1 - load)}
    truths |= {f"quantile {p:g}": quantile for p, quantile in quantiles.items()}
    truths |= {f"share {p:g}": p for p in PROBABILITIES}
    return {name: tally(found[name], truth) for name, truth in truths.items()}


def picture_coverage(n_pictures: int, n_runs: int) -> dict[str, dict[str, float]]:
    """Return the tally of means over exponential pictures, each sent four times; and without a least number of them."""
    rng = np.random.default_rng([SEED, n_pictures])
    pictures = np.tile(np.arange(n_pictures), 4)
    samples = [rng.exponential(size=n_pictures)[pictures] for _ in range(n_runs)]
    shown = [mean_over_pictures(values, pictures, batch_interval(values))[0] for values in samples]
    return {
        "mean over pictures": tally(shown, 1.0),
        "Student's t alone": tally([replication_interval(values[:n_pictures]) for values in samples], 1.0),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000)
    n_runs = parser.parse_args().runs
    report: dict[str, dict[str, dict[str, float]]] = {}
    for load in LOADS:
        for n_jobs in N_JOBS:
            report[f"M/M/1 at load {load:g}, {n_jobs} jobs"] = queue_coverage(load, n_jobs, n_runs)
    for n_pictures in N_PICTURES:
        report[f"{n_pictures} pictures"] = picture_coverage(n_pictures, n_runs)
    for title, tallies in report.items():
        print(f"{title} ({n_runs} runs)")
        for name, entry in tallies.items():
            if not entry["given"]:
                print(f"  {name:20} no interval")
                continue
            n_given = round(n_runs * entry["given"])
            noise = proportion_interval(np.arange(n_given) < entry["held"] * n_given - 0.5, n_given)
            print(
                f"  {name:20} given in {entry['given']:6.1%}, holds the truth in {entry['held']:.1%} of those "
                f"[{noise.low:.1%}, {noise.high:.1%}]"
            )
    kept = {
        title: {
            name: {key: round(value, 4) if np.isfinite(value) else None for key, value in entry.items()}
            for name, entry in tallies.items()
        }
        for title, tallies in report.items()
    }
    content = {"runs": n_runs, "coverage": kept}
    Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()

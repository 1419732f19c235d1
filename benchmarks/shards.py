"""How much faster one run is in shards: processor time of one process against the longest way through the shards.

Run: python benchmarks/shards.py [--sites 1000] [--minutes 60] [--shards 2] [--rounds 3]

The world is that of many_sites.py. Each shard runs in a process of its own, then the process that a user would
have started merges them; the longest way is that process's time and its slowest shard's, start and imports included.
Processor time, not wall time, so that what else the machine does counts little; the median of some rounds. Checks that
the records are the same bytes, prints a line per round and writes results/benchmarks/shards.json.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from many_sites import in_process, world_of_sites

RESULTS = Path("results/benchmarks/shards.json")


def _whole(sites: int, minutes: float, rate_per_s: float, directory: Path) -> float:
    from ntnsim.runs import run_scenario
    from ntnsim.scenario.scenario import Scenario

    run_scenario(Scenario.model_validate(world_of_sites(sites, minutes, rate_per_s)), directory)
    return time.process_time()


def _shard(shard: Any, directory: Path) -> float:
    from ntnsim.sweeps.execute import execute
    from ntnsim.sweeps.shards import simulate_shard

    result = execute(shard, directory, simulate_shard)
    assert not result.error, result.error
    return time.process_time()


class _Apart:
    """An executor that runs each shard in a process of its own, one after the other, and asks for its time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.waiting: list[Any] = []
        self.times_s: list[float] = []

    def submit(self, shard: Any) -> None:
        """Queue *shard*."""
        self.waiting.append(shard)

    def next_result(self) -> Any:
        """Run one."""
        from ntnsim.sweeps.execute import CellResult

        shard = self.waiting.pop(0)
        self.times_s.append(in_process(_shard, shard, self.directory))
        return CellResult(shard.digest, 0.0)

    def __enter__(self) -> "_Apart":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _parts(
    sites: int, minutes: float, rate_per_s: float, directory: Path, n_shards: int
) -> tuple[float, list[float]]:
    from ntnsim.runs import run_scenario
    from ntnsim.scenario.scenario import Scenario
    from ntnsim.sweeps.shards import run_shards

    used: list[_Apart] = []

    def executor(place: Path, count: int) -> Any:
        used.append(_Apart(place))
        return used[0]

    scenario = Scenario.model_validate(world_of_sites(sites, minutes, rate_per_s))
    parts = run_shards(scenario, n_shards, executor, lambda what: None)
    run_scenario(scenario, directory, parts=parts)
    return time.process_time(), used[0].times_s


def _records(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((directory / "records").glob("*.parquet"))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sites", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=0.02, help="images per second and site")
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    size = (arguments.sites, arguments.minutes, arguments.rate)
    rounds = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            whole_s = in_process(_whole, *size, Path(folder) / "whole")
            merge_s, shards_s = in_process(_parts, *size, Path(folder) / "parts", arguments.shards)
            assert _records(Path(folder) / "whole") == _records(Path(folder) / "parts")
        longest_s = merge_s + max(shards_s)
        rounds.append(
            {"whole_s": whole_s, "merge_s": merge_s, "shards_s": shards_s, "ratio": whole_s / longest_s}
        )
        print(
            f"one process {whole_s:.1f} CPU-s; shards {', '.join(f'{s:.1f}' for s in shards_s)},"
            f" merged in {merge_s:.1f}: {whole_s / longest_s:.2f} times one"
        )
    ratio = statistics.median(one["ratio"] for one in rounds)
    print(f"median of {len(rounds)}: {ratio:.2f} times one")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({**vars(arguments), "ratio": ratio, "each": rounds}, indent=1))


if __name__ == "__main__":
    main()

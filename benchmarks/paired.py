"""Whether benchmarks got slower since a commit: both versions in turn, ratio by ratio, so that a busy host cancels.

Run with `python benchmarks/paired.py COMMIT [--rounds 8] [--benchmarks link_speed.py orbit_passes.py]`. The commit's
files are put into a temporary git worktree; the benchmarks run there and here, in changing order. Printed are, for
each figure that ends in ``cpu_s``, the medians and the median of the rounds' ratios, new over old.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[1]
EXTRA = {"orbit_passes.py": ["--peers", "8"]}  # the peers' own speed is not asked for


def figures(tree: Path, benchmark: str, report: Path) -> dict[str, float]:
    """Run *benchmark* of *tree* and return its CPU seconds by name."""
    command = [sys.executable, f"benchmarks/{benchmark}", *EXTRA.get(benchmark, []), "--json", str(report)]
    path = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=tree, env=path, check=True, stdout=subprocess.DEVNULL)
    found = json.loads(report.read_text())
    return {name: value for name, value in found.items() if name.endswith("cpu_s")}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commit", help="the older version")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--benchmarks", nargs="+", default=["link_speed.py", "orbit_passes.py"])
    arguments = parser.parse_args()
    taken: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        old = Path(scratch) / "old"
        git = ["git", "-C", str(HERE), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(old), arguments.commit], check=True)
        try:
            for number in range(arguments.rounds):
                for benchmark in arguments.benchmarks:
                    trees = [old, HERE] if number % 2 == 0 else [HERE, old]
                    run = {tree: figures(tree, benchmark, Path(scratch) / "report.json") for tree in trees}
                    for name in run[old].keys() & run[HERE].keys():
                        taken[benchmark, name].append((run[old][name], run[HERE][name]))
        finally:
            subprocess.run([*git, "remove", "--force", str(old)], check=True)
    for (benchmark, name), pairs in sorted(taken.items()):
        before_s, after_s = (median(side) for side in zip(*pairs, strict=True))
        ratio = median(after / before for before, after in pairs)
        print(f"{benchmark:<18} {name:<32} {before_s:.4f} -> {after_s:.4f} s, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()

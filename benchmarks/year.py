"""A year of one site under a constellation: CPU time and memory of one run, which must not grow faster than the year.

Run: python benchmarks/year.py [--days 365] [--json benchmarks/year.json]

The site of scenarios/quickstart.yaml's gateway under leo-600, an image an hour (sizes alone: no networks), timeline and
ground track included. Prints the run's CPU time, this process's peak memory and the share of images delivered, and
writes them. The bars: 300 CPU-s and 500 MB for 365 days.
"""

import argparse
import json
import platform
import resource
import tempfile
import time
from pathlib import Path

from ntnsim.runs import run_scenario
from ntnsim.scenario.scenario import Scenario

DAY_S = 86_400.0


def scenario_of(days: float) -> Scenario:
    """Return the world: one site, one image an hour in the mean."""
    return Scenario(
        name="year",
        horizon={"duration_s": days * DAY_S},
        sources=[{"name": "camera", "arrivals": {"kind": "poisson", "rate_per_s": 1 / 3600}}],
        gateways=[{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
        schemes=[{"name": "sizes", "codec": {"kind": "sizes", "size_bits": 1e5}}],
    )


def measured(days: float) -> dict[str, float]:
    """Return what a run of *days* took."""
    begin_s = time.process_time()
    with tempfile.TemporaryDirectory() as directory:
        summary = run_scenario(scenario_of(days), Path(directory) / "out")
    ends = summary["worlds"]["sizes"]["ends"]
    return {
        "days": days,
        "cpu_s": round(time.process_time() - begin_s, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "images": sum(ends.values()),
        "delivered": ends["delivered"] + ends["late"],
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=float, default=365.0)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    figures = {"host": platform.processor() or platform.machine(), **measured(options.days)}
    print(", ".join(f"{name} {value}" for name, value in figures.items()))
    options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""How time and memory of a world grow with its number of sites.

Run: python benchmarks/constellation_scale.py [--sites 10 100 1000 10000] [--minutes 10] [--rate 0.02] [--radio random]

Every site has a gateway of its own and sends *rate* images per second over a shell of 1,584 satellites; sizes come from
a distribution, one fixed configuration decides. --radio: budget, the deterministic budget in Ka band; random, the
shadowed and fading channel of TR 38.811 in S band; land_mobile, the two states of ITU-R P.681. Each number of sites
runs in a process of its own, so that its peak of memory is its own. Prints a line per number, and how much more a site
costs among the most sites than among the fewest; writes results/benchmarks/constellation_scale.json, where runs of
other radios stay.
"""

import argparse
import json
import platform
from pathlib import Path
from typing import Any

from many_sites import RADIOS, in_process, run_measured, world_of_sites

RESULTS = Path("results/benchmarks/constellation_scale.json")


def _measured(sites: int, minutes: float, rate_per_s: float, radio: str) -> dict[str, Any]:
    found = run_measured(world_of_sites(sites, minutes, rate_per_s, radio))
    images = found.pop("summary")["schemes"]["sizes"]["jobs"]
    return {"sites": sites, "images": images, **found}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sites", type=int, nargs="+", default=[10, 100, 1000, 10000])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=0.02, help="images per second and site")
    parser.add_argument("--radio", choices=list(RADIOS), default="budget")
    arguments = parser.parse_args()
    rows = []
    for sites in arguments.sites:
        row = in_process(_measured, sites, arguments.minutes, arguments.rate, arguments.radio)
        rows.append(row)
        print(
            f"{row['sites']:6d} sites, {row['images']:7d} images: {row['cpu_s']:7.1f} CPU-s"
            f" ({1e3 * row['cpu_s'] / row['sites']:.0f} ms a site), peak {row['peak_mb']:.0f} MB"
            f" ({(row['peak_mb'] - row['start_mb']) / row['sites']:.2f} MB a site over {row['start_mb']:.0f} MB)",
            flush=True,
        )
    growth = (rows[-1]["cpu_s"] / rows[-1]["sites"]) / (rows[0]["cpu_s"] / rows[0]["sites"])
    print(f"a site among {rows[-1]['sites']} costs {growth:.2f} times one among {rows[0]['sites']}")
    found = {
        "minutes": arguments.minutes,
        "rate_per_s": arguments.rate,
        "rows": rows,
        "growth": round(growth, 3),
        "host": platform.machine(),
    }
    others = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({**others, arguments.radio: found}, indent=1) + "\n")


if __name__ == "__main__":
    main()

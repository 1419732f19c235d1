"""A day's passes for 1,000 sites over 1,584 satellites: processor time and memory of the whole process.

Run with `python benchmarks/orbit_sites.py [--sites 1000] [--json FILE]`. The sites lie evenly spread over the latitudes
that people live at, each with a mask of 25 degrees; the search takes them in lots, and each lot's table is dropped
when its passes are counted, as somebody who writes them to a file would.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np

from ntnsim.orbit.constellation import Shell, walker_orbits
from ntnsim.orbit.earth import EARTH_MODELS, Site
from ntnsim.orbit.passes import find_passes_over_sites
from ntnsim.scenario.space import PRESET_SHELLS

DAY_S = 86_400.0
LOT = 50
BAR_CPU_S, BAR_MB = 30.0, 500.0


def sites(count: int) -> list[Site]:
    """Return *count* sites on a spiral between 56° S and 70° N."""
    turn = np.arange(count)
    latitude_deg = np.degrees(np.arcsin(np.linspace(np.sin(np.radians(-56)), np.sin(np.radians(70)), count)))
    longitude_deg = (turn * 137.507764) % 360.0 - 180.0
    return [
        Site(f"site-{number}", float(latitude), float(longitude), 0.0, 25.0)
        for number, latitude, longitude in zip(turn, latitude_deg, longitude_deg, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sites", type=int, default=1_000)
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/orbit_sites.json"))
    arguments = parser.parse_args()
    shells = [Shell(**shell.model_dump()) for shell in PRESET_SHELLS["starlink-shell1-1584"]]
    orbits = walker_orbits(shells, EARTH_MODELS["wgs84"])
    everywhere = sites(arguments.sites)
    start = time.process_time()
    found = 0
    for first in range(0, len(everywhere), LOT):
        found += sum(
            len(table)
            for table in find_passes_over_sites(orbits, everywhere[first : first + LOT], 0.0, DAY_S)
        )
    taken = time.process_time() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    report = {
        "sites": arguments.sites,
        "satellites": len(orbits),
        "passes": found,
        "cpu_s": taken,
        "cpu_s_per_1000_sites": 1e3 * taken / arguments.sites,
        "peak_mb": peak_mb,
        "bar": {"cpu_s": BAR_CPU_S, "peak_mb": BAR_MB},
    }
    print(
        f"{arguments.sites} sites, {len(orbits)} satellites, 24 h: {found} passes in {taken:.1f} CPU s, "
        f"peak {peak_mb:.0f} MB (bars for 1,000 sites: {BAR_CPU_S:g} s, {BAR_MB:g} MB)"
    )
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

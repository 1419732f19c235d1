"""How time and memory of a world grow with its number of sites.

Run: python benchmarks/constellation_scale.py [--sites 10 100 1000 10000] [--minutes 10] [--rate 0.02]

Every site has a gateway of its own and sends *rate* images per second over a shell of 1,584 satellites; sizes come from
a distribution, one fixed configuration decides. Each number of sites runs in a process of its own, so that its peak of
memory is its own. Prints a line per number, and how much more a site costs among the most sites than among the fewest;
writes results/benchmarks/constellation_scale.json.
"""

import argparse
import json
import multiprocessing
import platform
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path("results/benchmarks/constellation_scale.json")
GOLDEN_TURN_DEG = 180.0 * (3.0 - 5.0**0.5)
LATITUDE_LIMIT_DEG = 55.0  # the shell serves no further
SHELL = {
    "altitude_m": 550e3,
    "inclination_deg": 53.0,
    "planes": 72,
    "satellites": 1584,
    "phasing": 17,
}


def places(count: int) -> list[tuple[float, float]]:
    """Return latitudes and longitudes of *count* places, spread evenly over the belt that the shell serves."""
    top = np.sin(np.radians(LATITUDE_LIMIT_DEG))
    heights = top * (2 * (np.arange(count) + 0.5) / count - 1)
    longitudes = (GOLDEN_TURN_DEG * np.arange(count)) % 360.0 - 180.0
    return list(
        zip(np.degrees(np.arcsin(heights)).round(4).tolist(), longitudes.round(4).tolist(), strict=True)
    )


def world(sites: int, minutes: float, rate_per_s: float) -> dict[str, Any]:
    """Return the scenario, as its file would be read."""
    bits = {"kind": "exponential", "mean": 2e5}
    return {
        "name": f"{sites} sites",
        "seed": 1,
        "horizon": {"duration_s": minutes * 60},
        "sources": [
            {
                "name": f"camera-{site}",
                "gateway": f"site-{site}",
                "arrivals": {"kind": "poisson", "rate_per_s": rate_per_s},
            }
            for site in range(sites)
        ],
        "gateways": [
            {
                "name": f"site-{site}",
                "latitude_deg": latitude_deg,
                "longitude_deg": longitude_deg,
                "device": "instant",
                "access": {"rate": 1e9},
            }
            for site, (latitude_deg, longitude_deg) in enumerate(places(sites))
        ],
        "space": {"constellation": {"kind": "walker", "shells": [SHELL]}},
        "radio": {"band": "ka"},
        "satellite_link": {"kind": "orbit"},
        "data_network": {"device": "instant", "gpus": max(1, sites // 100)},
        "output": {"timeline_step_s": None},
        "schemes": [
            {
                "name": "sizes",
                "codec": {
                    "kind": "sizes",
                    "size_bits": bits,
                    "source_bits": bits,
                    "reconstructed_bits": bits,
                },
            }
        ],
    }


def _measured(sites: int, minutes: float, rate_per_s: float) -> dict[str, float]:
    from ntnsim.runs import run_scenario
    from ntnsim.scenario.scenario import Scenario

    scenario = Scenario.model_validate(world(sites, minutes, rate_per_s))
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began_s, began_wall_s = time.process_time(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run_scenario(scenario, Path(folder) / "run")
    return {
        "sites": sites,
        "images": round(sites * minutes * 60 * rate_per_s),
        "cpu_s": round(time.process_time() - began_s, 2),
        "wall_s": round(time.perf_counter() - began_wall_s, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "start_mb": round(before_mb, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sites", type=int, nargs="+", default=[10, 100, 1000, 10000])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=0.02, help="images per second and site")
    arguments = parser.parse_args()
    rows = []
    for sites in arguments.sites:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            row = pool.apply(_measured, (sites, arguments.minutes, arguments.rate))
        rows.append(row)
        print(
            f"{row['sites']:6d} sites, {row['images']:7d} images: {row['cpu_s']:7.1f} CPU-s"
            f" ({1e3 * row['cpu_s'] / row['sites']:.0f} ms a site), peak {row['peak_mb']:.0f} MB"
            f" ({(row['peak_mb'] - row['start_mb']) / row['sites']:.2f} MB a site over {row['start_mb']:.0f} MB)"
        )
    growth = (rows[-1]["cpu_s"] / rows[-1]["sites"]) / (rows[0]["cpu_s"] / rows[0]["sites"])
    print(f"a site among {rows[-1]['sites']} costs {growth:.2f} times one among {rows[0]['sites']}")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(
        json.dumps(
            {
                "minutes": arguments.minutes,
                "rate_per_s": arguments.rate,
                "rows": rows,
                "growth": round(growth, 3),
                "host": platform.machine(),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()

"""Fluid worlds: how near their delays are to those of a world of images, and what a day of 10,000 sites costs.

Run: python benchmarks/fluid.py [--loads 0.3 0.6 0.9] [--minutes 120] [--sites 1000 10000] [--hours 24]

Accuracy: 18 sites send 5 images per second each. The mean size is chosen so that the busiest site's link carries a
share ρ of what it could; "orbit" follows a shell of 1,584 satellites, "windows" a link that is there for two minutes
in four. Both worlds start empty and run equally long; the figures of images carry the half-width of their own interval.

Scale: sites spread evenly, three shells of 6,000 satellites, images by local hour; each number of sites in a process of
its own. Prints a line per world and writes results/benchmarks/fluid.json.
"""

import argparse
import csv
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from many_sites import SHELL, drawn_sizes, in_process, places, run_measured

RESULTS = Path("results/benchmarks/fluid.json")
RATE_PER_S = 5.0  # of each site
SITES = {"kind": "grid", "step_deg": 40, "latitudes_deg": [-40, 40]}
N_SITES = 18
LINKS: dict[str, dict[str, Any]] = {
    "orbit": {"satellite_link": {"kind": "orbit"}},
    "windows": {
        "satellite_link": {
            "kind": "windows",
            "rate_bps": 5e9,
            "period_s": 240,
            "contact_s": 120,
            "propagation_s": 0.01,
        },
        "fluid": {"step_s": 5},  # short against the gaps
    },
}
SHELLS = (
    {"name": "low", **SHELL},
    {
        "name": "steep",
        "altitude_m": 570e3,
        "inclination_deg": 70.0,
        "planes": 36,
        "satellites": 2160,
        "phasing": 5,
    },
    {
        "name": "flat",
        "altitude_m": 610e3,
        "inclination_deg": 42.0,
        "planes": 47,
        "satellites": 2256,
        "phasing": 11,
    },
)
BY_HOUR = [1, 1, 1, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 7, 8, 9, 9, 8, 6, 3]


def _world(link: str, minutes: float, mean_bits: float, fidelity: str) -> dict[str, Any]:
    return {
        "name": f"{link} {fidelity}",
        "fidelity": fidelity,
        "horizon": {"duration_s": 60 * minutes},
        "sites": {
            **SITES,
            "rate_per_s": N_SITES * RATE_PER_S,
            "gateway": {"name": "site", "device": "instant", "access": {"rate": 1e12}},
        },
        "space": {"constellation": {"kind": "walker", "shells": [SHELL]}},
        "radio": {"band": "ka"},
        "data_network": {"device": "instant"},
        "output": {"timeline_step_s": None},
        "schemes": [
            {
                "name": "drawn",
                "codec": {"kind": "sizes", "size_bits": {"kind": "lognormal", "mean": mean_bits, "cv": 0.6}},
            }
        ],
        **LINKS[link],
    }


def _run(link: str, minutes: float, mean_bits: float, fidelity: str) -> tuple[dict[str, Any], float, float]:
    """Return the delay's entry of the summary, the busiest link's load of a fluid world, and CPU seconds."""
    from ntnsim.results.read import find_runs
    from ntnsim.runs import run_scenario
    from ntnsim.scenario.scenario import Scenario

    began_s = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "run"
        summary = run_scenario(Scenario.model_validate(_world(link, minutes, mean_bits, fidelity)), directory)
        spent_s = time.process_time() - began_s
        load = 0.0
        if fidelity == "fluid":
            load = float(find_runs([directory])[0].flow("sites", "drawn")["link_load"].max())
    return summary["schemes"]["drawn"]["delay_s"], load, spent_s


def accuracy(link: str, load: float, minutes: float) -> dict[str, Any]:
    """Compare both worlds where the busiest link's load is *load*."""
    low_bits = 1e7
    mean_bits = low_bits * load / _run(link, minutes, low_bits, "fluid")[1]  # the load grows with the size
    fluid, _, fluid_s = _run(link, minutes, mean_bits, "fluid")
    images, _, images_s = _run(link, minutes, mean_bits, "images")
    q95 = [one["quantiles"]["q95"]["value"] for one in (fluid, images)]
    low, high = images["low"], images["high"]
    row = {
        "link": link,
        "load": load,
        "images": images["n"],
        "mean_s": images["mean"],
        "mean_half_width": (high - low) / 2 / images["mean"] if low is not None else None,
        "mean_error": fluid["mean"] / images["mean"] - 1,
        "q95_s": q95[1],
        "q95_error": q95[0] / q95[1] - 1,
        "images_cpu_s": round(images_s, 1),
        "fluid_cpu_s": round(fluid_s, 2),
    }
    known = "" if row["mean_half_width"] is None else f" (known to ± {100 * row['mean_half_width']:.1f} %)"
    print(
        f"{link} at load {load:g}, {images['n']} images: mean {100 * row['mean_error']:+.1f} %{known},"
        f" 95th percentile {100 * row['q95_error']:+.1f} %; {images_s:.0f} CPU-s for images, {fluid_s:.1f} fluid",
        flush=True,
    )
    return row


def _scale(sites: int, hours: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "sites.csv"
        with table.open("w", newline="") as lines:
            csv.writer(lines).writerows([("latitude_deg", "longitude_deg"), *places(sites)])
        found = run_measured(
            {
                "name": f"{sites} sites",
                "fidelity": "fluid",
                "horizon": {"duration_s": 3600 * hours},
                "sites": {
                    "kind": "file",
                    "path": str(table),
                    "rate_per_s": 0.02 * sites,
                    "local_hours": BY_HOUR,
                    "gateway": {"name": "site", "device": "instant", "access": {"rate": 1e9}},
                },
                "space": {"constellation": {"kind": "walker", "shells": SHELLS}},
                "radio": {"band": "ka"},
                "data_network": {"device": "instant", "gpus": max(1, sites // 100)},
                "output": {"timeline_step_s": None},
                "schemes": [drawn_sizes({"kind": "exponential", "mean": 2e5})],
            }
        )
    return {
        "sites": sites,
        "satellites": sum(int(shell["satellites"]) for shell in SHELLS),
        "hours": hours,
        "images": found["summary"]["schemes"]["sizes"]["jobs"],
        "cpu_s": round(found["cpu_s"], 1),
        "peak_mb": round(found["peak_mb"]),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--loads", type=float, nargs="*", default=[0.3, 0.6, 0.9])
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--sites", type=int, nargs="*", default=[1000, 10000])
    parser.add_argument("--hours", type=float, default=24.0)
    arguments = parser.parse_args()
    scale = []
    for sites in arguments.sites:
        scale.append(in_process(_scale, sites, arguments.hours))
        row = scale[-1]
        print(
            f"{row['sites']} sites, {row['satellites']} satellites, {arguments.hours:g} h, {row['images']} images:"
            f" {row['cpu_s']} CPU-s, {row['peak_mb']} MB",
            flush=True,
        )
    rows = [accuracy(link, load, arguments.minutes) for link in LINKS for load in arguments.loads]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(
        json.dumps({"minutes": arguments.minutes, "accuracy": rows, "scale": scale}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()

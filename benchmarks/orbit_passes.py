"""Pass search over one site: a Starlink-like shell of 1,584 satellites, 24 h, 10 s steps, against skyfield and brahe.

Run with `python benchmarks/orbit_passes.py [--peers 40] [--json FILE]`. Everything is CPU seconds, median of several
runs. ntnsim searches the whole shell; the peers search `--peers` of its satellites, written as element sets, and their
time is scaled by the count (their cost per satellite is constant). skyfield's `find_events` chooses its own steps;
brahe's `location_accesses` runs on one thread, at 10 s and at its default of 60 s, and is reported absent when it
cannot be imported (`pip install brahe`). Edges are refined by all three. Memory is the peak of NumPy's and Python's
allocations during the search.
"""

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from sgp4.api import WGS84, Satrec
from sgp4.exporter import export_tle

from ntnsim.orbit.constellation import CircularOrbits, Shell, walker_orbits
from ntnsim.orbit.earth import EARTH_MODELS, Site, greenwich_sidereal_angle_rad, julian_date
from ntnsim.orbit.element_sets import ElementSets
from ntnsim.orbit.passes import find_passes, find_passes_over_sites
from ntnsim.orbit.visibility import visibility_mask
from ntnsim.scenario.space import PRESET_SHELLS

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY_S = 86_400.0
STEP_S = 10.0
SITE = Site("parma", 44.8, 10.33, 50.0, 25.0)


def cpu_s(work: Callable[[], Any], repeats: int = 5) -> float:
    """Return the median CPU seconds of *work*, after one warm-up."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return median(taken)


def element_sets(orbits: CircularOrbits, count: int) -> list[tuple[str, str]]:
    """Return *count* satellites, spread over the shell, as two-line element sets of the start."""
    day, fraction = julian_date(START)
    greenwich = float(greenwich_sidereal_angle_rad(day, fraction))
    sets = []
    for index in np.linspace(0, len(orbits) - 1, count).astype(int):
        record = Satrec()
        record.sgp4init(
            WGS84, "i", int(index) + 1, day + fraction - 2_433_281.5, 0.0, 0.0, 0.0, 1e-6, 0.0,
            float(orbits.inclination_rad[index]), float(orbits.argument_rad[index] % (2 * np.pi)),
            float(orbits.argument_rate_rad_s[index]) * 60.0,
            float((orbits.node_rad[index] + greenwich) % (2 * np.pi)),
        )  # fmt: skip
        record.classification, record.intldesg = "U", "26001A"
        sets.append(export_tle(record))
    return sets


def with_skyfield(sets: list[tuple[str, str]]) -> tuple[float, int]:
    """Return CPU seconds and passes of skyfield's event search."""
    from skyfield.api import EarthSatellite, load, wgs84

    scale = load.timescale(builtin=True)
    place = wgs84.latlon(SITE.latitude_deg, SITE.longitude_deg, elevation_m=SITE.altitude_m)
    begin, end = scale.from_datetime(START), scale.utc(START.year, START.month, START.day + 1)
    satellites = [EarthSatellite(*lines, ts=scale) for lines in sets]
    found = 0
    start = time.process_time()
    for satellite in satellites:
        _, events = satellite.find_events(place, begin, end, altitude_degrees=SITE.min_elevation_deg)
        found += int(np.sum(np.asarray(events) == 0))
    return time.process_time() - start, found


def with_brahe(sets: list[tuple[str, str]], step_s: float) -> tuple[float, int] | None:
    """Return CPU seconds and passes of brahe's access search, or None if brahe is absent."""
    try:
        import brahe
    except ImportError:
        return None
    brahe.set_global_eop_provider(brahe.StaticEOPProvider.from_zero())
    begin = brahe.Epoch.from_datetime(
        START.year, START.month, START.day, 0, 0, 0.0, 0.0, brahe.TimeSystem.UTC
    )
    place = brahe.PointLocation(SITE.longitude_deg, SITE.latitude_deg, SITE.altitude_m)
    mask = brahe.ElevationConstraint(min_elevation_deg=SITE.min_elevation_deg)
    config = brahe.AccessSearchConfig(initial_time_step=step_s, parallel=False)
    propagators = [brahe.SGPPropagator.from_tle(*lines, step_s) for lines in sets]
    found = 0
    start = time.process_time()
    for propagator in propagators:
        found += len(brahe.location_accesses(place, propagator, begin, begin + DAY_S, mask, config=config))
    return time.process_time() - start, found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=int, default=40, help="satellites that the peers search")
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/orbit_passes.json"))
    arguments = parser.parse_args()

    greenwich = float(greenwich_sidereal_angle_rad(*julian_date(START)))
    shells = [Shell(**shell.model_dump()) for shell in PRESET_SHELLS["starlink-shell1-1584"]]
    orbits = walker_orbits(shells, EARTH_MODELS["wgs84"], greenwich)
    times_s = np.arange(0.0, DAY_S, STEP_S)
    sites = [Site(str(n), -50.0 + 10 * n, 20.0 * n, 0.0, 25.0) for n in range(10)]
    table = find_passes(orbits, SITE, 0.0, DAY_S, step_s=STEP_S)
    report: dict[str, Any] = {
        "satellites": len(orbits),
        "passes": len(table),
        "pass_table_cpu_s": cpu_s(lambda: find_passes(orbits, SITE, 0.0, DAY_S, step_s=STEP_S)),
        "pass_table_default_step_cpu_s": cpu_s(lambda: find_passes(orbits, SITE, 0.0, DAY_S)),
        "ten_sites_cpu_s": cpu_s(lambda: find_passes_over_sites(orbits, sites, 0.0, DAY_S, step_s=STEP_S)),
        "visibility_mask_cpu_s": cpu_s(lambda: visibility_mask(orbits, SITE, times_s)),
    }
    tracemalloc.start()
    find_passes(orbits, SITE, 0.0, DAY_S, step_s=STEP_S)
    report["pass_table_peak_mb"] = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()

    sets = element_sets(orbits, arguments.peers)
    scale = len(orbits) / len(sets)
    own_share = len(table) / scale
    ours = report["pass_table_cpu_s"]
    print(f"pass table of {len(orbits)} satellites, 24 h, 10 s: {ours:.3f} CPU s, {len(table)} passes, "
          f"{report['pass_table_peak_mb']:.0f} MB")  # fmt: skip
    print(f"  at the default step: {report['pass_table_default_step_cpu_s']:.3f} s; ten sites: "
          f"{report['ten_sites_cpu_s']:.3f} s = {report['ten_sites_cpu_s'] / ours:.1f} times one; "
          f"mask alone: {report['visibility_mask_cpu_s']:.4f} s")  # fmt: skip
    records = tuple(Satrec.twoline2rv(*lines) for lines in sets)
    published = ElementSets(tuple(str(record.satnum) for record in records), records, julian_date(START))
    report["element_sets_cpu_s"] = cpu_s(lambda: find_passes(published, SITE, 0.0, DAY_S)) * scale
    found = len(find_passes(published, SITE, 0.0, DAY_S))
    print(
        f"  as element sets, with SGP4: {report['element_sets_cpu_s']:.2f} s ({found} passes of {len(sets)} satellites)"
    )
    taken, found = with_skyfield(sets)
    report["skyfield"] = {"cpu_s": taken * scale, "ratio": taken * scale / ours, "passes": found}
    print(f"skyfield find_events: {taken * scale:.1f} s = {taken * scale / ours:.0f} times ntnsim "
          f"({found} passes of {len(sets)} satellites; ntnsim {own_share:.0f} on average)")  # fmt: skip
    for step_s in (10.0, 60.0):
        measured = with_brahe(sets, step_s)
        if measured is None:
            print("brahe: not installed, not measured (pip install brahe)")
            report["brahe"] = None
            break
        taken, found = measured
        # brahe's default of 60 s is compared with ntnsim's default step, about as long.
        own_s = ours if step_s == STEP_S else report["pass_table_default_step_cpu_s"]
        report[f"brahe_{step_s:.0f}s"] = {
            "cpu_s": taken * scale,
            "ratio": taken * scale / own_s,
            "passes": found,
        }
        print(f"brahe location_accesses, {step_s:.0f} s: {taken * scale:.1f} s = {taken * scale / own_s:.0f} times "
              f"ntnsim at {STEP_S if step_s == STEP_S else 64:.0f} s ({found} passes)")  # fmt: skip
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

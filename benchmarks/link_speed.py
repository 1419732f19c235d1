"""Speed of the link: stochastic losses, a pass at 10 ms from geometry to goodput, the import, the fluid against blocks.

Run with `python benchmarks/link_speed.py [--json FILE]`. CPU seconds, medians. The ratio printed is that of the fluid
profile to the per-block mode over the same minute of a pass: what it saves to integrate the rate instead of sending
every transport block.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np

from ntnsim.link.channel import ChannelSettings, independent_path_losses_db
from ntnsim.link.goodput import goodput_along_pass
from ntnsim.link.per_block import run_blocks
from ntnsim.orbit.geometry import slant_range_m
from ntnsim.scenario.radio import RadioSpec
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.scenario.surroundings import SurroundingsSpec
from ntnsim.sky.space_segment import terminal_profile_source

SITE = SimpleNamespace(
    name="parma",
    latitude_deg=44.8,
    longitude_deg=10.33,
    altitude_m=50.0,
    min_elevation_deg=5.0,
    surroundings=SurroundingsSpec(),
)
BUDGET = {"mode": "link_budget"}
CHANNEL = {"mode": "channel", "environment": "suburban", "terminal_speed_m_s": 20.0}
BEAMS = {"beams": {"kind": "satellite_fixed"}, "interference": True, "reuse": "frf3"}


def cpu_s(work: Callable[[], Any], repeats: int = 7) -> float:
    """Return the median CPU seconds of *work*, after one warm-up."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return median(taken)


def ten_minutes_at_10_ms(radio: dict[str, Any]) -> float:
    """Return CPU seconds of a pass from geometry to cumulative bits, scaled to ten minutes (60,000 steps)."""
    source = terminal_profile_source(
        SpaceSegmentSpec(),
        RadioSpec.model_validate({"profile": {"step_s": 0.01, "window_s": 600}, **radio}),
        SITE,
        1,
        start_utc=datetime(2026, 3, 1, tzinfo=UTC),
    )
    longest = max(
        source.book.between(0.0, 20_000.0),
        key=lambda satellite_pass: satellite_pass.set_s - satellite_pass.rise_s,
    )

    def one_pass() -> int:
        link = source.pass_link(longest)
        np.cumsum(link.goodput.rate_bps)
        return len(link.sinr_db)

    return cpu_s(one_pass) * 60_000 / one_pass()


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/link_speed.json"))
    arguments = parser.parse_args()

    rng = np.random.default_rng(1)
    elevation_deg = rng.uniform(10.0, 90.0, 1_000_000)
    range_m = slant_range_m(600e3, elevation_deg)
    settings = ChannelSettings("urban", 20e9)
    report = {
        "million_losses_cpu_s": cpu_s(
            lambda: independent_path_losses_db(elevation_deg, range_m, settings, rng)
        ),
        "pass_budget_cpu_s": ten_minutes_at_10_ms({"channel": BUDGET}),
        "pass_channel_cpu_s": ten_minutes_at_10_ms({"channel": CHANNEL}),
        "pass_channel_beams_cpu_s": ten_minutes_at_10_ms({"channel": CHANNEL, **BEAMS}),
    }
    imported = "import time; t = time.process_time(); import ntnsim.link, ntnsim.link.pass_link, sys; "
    imported += "print(time.process_time() - t, 'itur' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", imported], capture_output=True, text=True, check=True
    ).stdout.split()
    report["import_cpu_s"] = float(shown[0])
    report["import_brings_itur"] = shown[1] == "True"

    minute_db = np.linspace(3.0, 9.0, 60_000)
    radio = RadioSpec()
    link = terminal_profile_source(
        SpaceSegmentSpec(), radio, SITE, 1, start_utc=datetime(2026, 3, 1, tzinfo=UTC)
    ).link.goodput
    trip_s = np.full(len(minute_db), 0.0126)
    fluid = goodput_along_pass(minute_db, trip_s, link.slot_s, 0, link)
    fluid_s = cpu_s(lambda: goodput_along_pass(minute_db, trip_s, link.slot_s, 0, link))
    start = time.process_time()
    blocks = run_blocks(
        minute_db,
        0.0126,
        link,
        np.random.default_rng(2),
        start_offset_db=float(fluid.outer_loop_offset_db[0]),
    )
    blocks_s = time.process_time() - start
    report["fluid_cpu_s"], report["per_block_cpu_s"] = fluid_s, blocks_s
    report["ratio_per_block_to_fluid"] = blocks_s / fluid_s
    report["bits_fluid_over_per_block"] = float(
        np.sum(fluid.rate_bps) * link.slot_s / blocks.delivered_bits[-1]
    )
    report["per_block_bler"] = blocks.bler

    print(f"10^6 stochastic channel losses: {report['million_losses_cpu_s'] * 1e3:.0f} ms")
    print(f"10-minute pass at 10 ms, geometry to bits: {report['pass_budget_cpu_s'] * 1e3:.0f} ms (link budget), "
          f"{report['pass_channel_cpu_s'] * 1e3:.0f} ms (channel), "
          f"{report['pass_channel_beams_cpu_s'] * 1e3:.0f} ms (channel, beams and interference)")  # fmt: skip
    print(
        f"import of ntnsim.link: {report['import_cpu_s']:.2f} s, itur loaded: {report['import_brings_itur']}"
    )
    print(f"fluid against per-block: {report['ratio_per_block_to_fluid']:.0f} times faster, bits differ by "
          f"{abs(report['bits_fluid_over_per_block'] - 1):.2%}, block error rate {blocks.bler:.3f}")  # fmt: skip
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

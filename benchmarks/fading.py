"""What small-scale fading takes from the rate: of a steady link by K and speed, and of a day's passes over one site.

Run with `python benchmarks/fading.py`. CPU seconds are those of the tables, made once per process, and of the passes.
"""

import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np

from ntnsim.link.fading import FadingSettings, FadingTables, faded_goodput
from ntnsim.link.goodput import steady_efficiency
from ntnsim.scenario.radio import RadioSpec
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.scenario.surroundings import SurroundingsSpec
from ntnsim.sky.space_segment import terminal_profile_source

SITE = SimpleNamespace(
    name="parma",
    latitude_deg=44.8,
    longitude_deg=10.33,
    altitude_m=50.0,
    min_elevation_deg=10.0,
    surroundings=SurroundingsSpec(),
)
SPEEDS_M_S = {"at rest": 0.0, "3 km/h": 3 / 3.6, "30 km/h": 30 / 3.6, "100 km/h": 100 / 3.6}
ROUND_TRIP_S = 0.013


def source(channel: dict[str, Any]) -> Any:
    """Return one terminal's link over a young constellation."""
    return terminal_profile_source(
        SpaceSegmentSpec(),
        RadioSpec.model_validate({"channel": {"mode": "channel", **channel}}),
        SITE,
        1,
        start_utc=datetime(2026, 3, 1, tzinfo=UTC),
    )


def mean_pass_rate_kbps(channel: dict[str, Any], span_s: float) -> tuple[float, float]:
    """Return the mean rate over all passes of *span_s*, and the CPU seconds that it took."""
    own = source(channel)
    passes = own.book.between(0.0, span_s)
    start = time.process_time()
    rates = [own.pass_link(satellite_pass).goodput.rate_bps.mean() for satellite_pass in passes]
    return float(np.mean(rates)) / 1e3, time.process_time() - start


def main() -> None:
    """Measure and report."""
    link = source({}).link.goodput
    sinr_db = np.arange(4.0, 14.01, 0.5)
    steady = steady_efficiency(sinr_db, link)
    print("share of the rate that fading takes at a mean SINR of 4 to 14 dB (mean), 2 GHz, round trip 13 ms")
    for name, speed_m_s in SPEEDS_M_S.items():
        doppler_hz = max(speed_m_s, 0.3) * 2e9 / 299_792_458
        tables = FadingTables(FadingSettings(doppler_hz, 360e3), link)
        losses = []
        for k_db in (-np.inf, 4.0, 7.0, 12.0):
            faded = faded_goodput(
                sinr_db, np.full(len(sinr_db), k_db), np.full(len(sinr_db), ROUND_TRIP_S), tables
            )
            loss = 1 - faded.rate_bps / link.resource_elements_per_s / steady
            losses.append(f"K {k_db:4.0f} dB: {loss.min():4.0%} to {loss.max():4.0%} ({loss.mean():4.0%})")
        print(f"  {name:>9}: " + "; ".join(losses))
    print("mean rate over six hours of passes, kbit/s (CPU seconds)")
    for environment in ("rural", "suburban", "urban"):
        shown = []
        for name, channel in (
            ("no fading", {"fading": {"kind": "none"}}),
            *((name, {"terminal_speed_m_s": speed_m_s}) for name, speed_m_s in SPEEDS_M_S.items()),
            ("3 km/h, two states", {"terminal_speed_m_s": 3 / 3.6, "fading": {"kind": "two_state"}}),
            ("100 km/h, two states", {"terminal_speed_m_s": 100 / 3.6, "fading": {"kind": "two_state"}}),
            ("3 km/h, NTN-TDL", {"terminal_speed_m_s": 3 / 3.6, "fading": {"kind": "ntn_tdl"}}),
        ):
            rate, cpu_s = mean_pass_rate_kbps({"environment": environment, **channel}, 21_600.0)
            shown.append(f"{name} {rate:.0f} ({cpu_s:.1f})")
        print(f"  {environment:>8}: " + ", ".join(shown))


if __name__ == "__main__":
    main()

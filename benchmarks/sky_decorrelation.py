"""How often line of sight changes during a pass, and what the rate does: what the arc of decorrelation is worth.

Run with `python benchmarks/sky_decorrelation.py [--seeds 15]`; ten seconds. LEO-600 over Parma, suburban, one-second
steps. Run it on the version before a change of the channel to see by how much results move.
"""

import argparse
from datetime import UTC, datetime

import numpy as np
from link_speed import CHANNEL, SITE

from ntnsim.scenario.radio import RadioSpec
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.sky.space_segment import terminal_profile_source

END_S = 40_000.0
LOW_DEG = 15.0  # a pass that stays below it sweeps much azimuth and little elevation


def main() -> None:
    """Print the means over all passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=15)
    seeds = parser.parse_args().seeds
    radio = RadioSpec.model_validate(
        {"profile": {"step_s": 1.0}, "channel": {"mode": "channel", "environment": CHANNEL["environment"]}}
    )
    changes, low, rates_bps = [], [], []
    for seed in range(1, seeds + 1):
        source = terminal_profile_source(
            SpaceSegmentSpec(), radio, SITE, seed, start_utc=datetime(2026, 3, 1, tzinfo=UTC)
        )
        for satellite_pass in source.book.between(0.0, END_S):
            link = source.pass_link(satellite_pass)
            changes.append(int(np.count_nonzero(np.diff(link.loss.line_of_sight.astype(int)))))
            low.append(link.geometry.elevation_deg.max() < LOW_DEG)
            rates_bps.append(float(link.goodput.rate_bps.mean()))
    of_low = np.array(changes)[np.array(low)]
    print(f"{len(changes)} passes: line of sight changes {np.mean(changes):.2f} times in a pass")
    print(f"{of_low.size} passes below {LOW_DEG:g} degrees: {of_low.mean():.2f} times")
    print(
        f"mean rate {np.mean(rates_bps) / 1e3:.1f} kbit/s, spread over passes {np.std(rates_bps) / 1e3:.1f}"
    )


if __name__ == "__main__":
    main()

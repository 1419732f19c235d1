"""Mean carrier-to-interference ratio of terminals spread over a beam, by reuse, tiers, elevation and load.

Run with `python benchmarks/beam_interference.py`. S band of TR 38.821's set 1 at 600 km: an aperture of 2 m at 2 GHz.
"""

from math import log10

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.link.antenna import (
    beam_spacing_uv,
    co_channel,
    downlink_cir_db,
    hexagonal_layout,
    nearest_beam_offset_uv,
    pattern_gain_ratio,
)

APERTURE_M, CARRIER_HZ = 2.0, 2e9
LIMB_UV = 6_371 / 6_971
TERMINALS = 20_000


def offsets_uv() -> FloatArray:
    """Return terminals [n, 2] spread evenly over one hexagon."""
    spread = np.random.default_rng(1).uniform(-3, 3, size=(2, TERMINALS))
    return nearest_beam_offset_uv(*spread, beam_spacing_uv(APERTURE_M, CARRIER_HZ))


def beams_alone_db(offsets: FloatArray, reuse: str) -> float:
    """Return the mean over the terminals of 19 beams with nothing around them."""
    centres, lattice = hexagonal_layout(2)
    centres = centres * beam_spacing_uv(APERTURE_M, CARRIER_HZ)
    means = []
    for centre, cell in zip(centres, lattice, strict=True):
        same = co_channel(lattice - cell, reuse) & np.any(lattice != cell, axis=1)
        heard = sum(
            pattern_gain_ratio(np.linalg.norm(offsets + centre - other, axis=1), APERTURE_M, CARRIER_HZ)
            for other in centres[same]
        )
        own = pattern_gain_ratio(np.linalg.norm(offsets, axis=1), APERTURE_M, CARRIER_HZ)
        means.append(float(np.mean(10 * np.log10(own / heard))))
    return float(np.mean(means))


def main() -> None:
    """Measure and report."""
    offsets = offsets_uv()
    for reuse in ("frf1", "frf3", "frf2_polarisation"):
        by_tiers = ", ".join(
            f"{tiers} tiers {np.mean(downlink_cir_db(offsets, APERTURE_M, CARRIER_HZ, reuse, tiers=tiers)):.1f}"
            for tiers in (2, 4, 8, 12)
        )
        print(f"{reuse}: mean CIR in dB of 19 beams alone {beams_alone_db(offsets, reuse):.1f}, {by_tiers}")
        shown = []
        for elevation_deg in (10.0, 20.0, 30.0, 90.0):
            centre = np.array([LIMB_UV * np.cos(np.radians(elevation_deg)), 0.0])
            cir_db = downlink_cir_db(
                offsets,
                APERTURE_M,
                CARRIER_HZ,
                reuse,
                centre_uv=np.tile(centre, (TERMINALS, 1)),
                limb_uv=np.full(TERMINALS, LIMB_UV),
            )
            shown.append(f"{elevation_deg:.0f} degrees {np.mean(cir_db):.1f}")
        print(f"  within the limb: {', '.join(shown)}; at half the load {-10 * log10(0.5):.1f} more")


if __name__ == "__main__":
    main()

"""Physical constants and decibels."""

import math
from typing import Any

SPEED_OF_LIGHT_M_S = 299_792_458.0  # exact, SI
BOLTZMANN_DBW_PER_K_HZ = -228.6  # 10 log10(k), as rounded in 3GPP TR 38.821, 6.1.3.1
EARTH_RADIUS_SPHERE_M = 6_371_000.0  # 3GPP TR 38.811, 6.3
BITS_PER_BYTE = 8


def db_from_ratio(ratio: float) -> float:
    """Return 10 log10 of a power *ratio* > 0."""
    return 10.0 * math.log10(ratio)


def ratio_from_db(level_db: Any) -> Any:
    """Return the power ratio of a level in dB (scalar or array)."""
    return 10.0 ** (level_db / 10.0)

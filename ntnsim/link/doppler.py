"""Doppler shift, and what is left of it after compensation as a limit on the SINR (TR 38.811, 5.3.4.3 and 6.7.1)."""

from math import pi
from typing import Any

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.units import SPEED_OF_LIGHT_M_S


def doppler_from_ranges_hz(range_m: FloatArray, step_s: float, carrier_hz: float) -> FloatArray:
    """Return the shift [n] along a series of ranges [n]: −(1/c) d(range)/dt f_c; positive while approaching."""
    if len(range_m) < 2:
        return np.zeros(len(range_m))
    return -np.gradient(range_m, step_s) / SPEED_OF_LIGHT_M_S * carrier_hz


def intercarrier_interference_ratio_db(residual_hz: Any, subcarrier_spacing_hz: float) -> Any:
    """Return carrier over inter-carrier interference of OFDM with a frequency error.

    The wanted subcarrier keeps sinc²(ε) of its power, the rest leaks to the others: sinc² / (1 − sinc²) ≈ 3 / (π ε)².
    """
    error = np.maximum(np.abs(residual_hz) / subcarrier_spacing_hz, 1e-9)
    kept = np.sinc(error) ** 2
    # 1 − sinc² loses its digits below ε ≈ 1e-4, where the series (πε)²/3 is exact.
    leaked = np.where(error < 1e-3, (pi * error) ** 2 / 3, 1.0 - kept)
    return 10 * np.log10(kept / leaked)

"""Losses by distance, elevation and surroundings: free space, clutter, buildings (TR 38.811, 6.6.1 to 6.6.3).

The TR tabulates the surroundings at elevations of 10, 20, … 90 degrees and takes the nearest row. Ties (15, 25, …) go
to the upper row; below 10 degrees the first row stands. Linear interpolation between rows is an option of ours.
"""

from functools import cache
from typing import Any, Literal

import numpy as np
from scipy.special import ndtri

from ntnsim.arrays import FloatArray, IntArray
from ntnsim.link.tables import table

Environment = Literal["dense_urban", "urban", "suburban", "rural"]

N_ROWS = 9
S_BAND_BELOW_HZ = 6e9  # TR 38.811, 6.6.2: the S-band tables stand below 6 GHz


def free_space_loss_db(slant_range_m: Any, carrier_hz: float) -> Any:
    """Return the free-space path loss (TR 38.811, eq. 6.6-2, with the TR's rounded constant)."""
    return 32.45 + 20 * np.log10(carrier_hz / 1e9) + 20 * np.log10(slant_range_m)


def elevation_row(elevation_deg: Any) -> IntArray:
    """Return the index of the nearest tabulated elevation, 0 (10°) to 8 (90°)."""
    nearest = np.floor(np.asarray(elevation_deg, dtype=float) / 10.0 + 0.5).astype(np.int64) - 1
    return np.clip(nearest, 0, N_ROWS - 1)


def at_elevation(rows: FloatArray, elevation_deg: Any, *, interpolate: bool = False) -> FloatArray:
    """Return *rows* [9] of 10 … 90 degrees at *elevation_deg* [...]: the nearest row, or linear between rows."""
    if interpolate:
        return np.interp(elevation_deg, np.arange(10.0, 91.0, 10.0), rows)
    return rows[elevation_row(elevation_deg)]


def _group(environment: str) -> str:
    return "suburban_rural" if environment in ("suburban", "rural") else environment


@cache
def line_of_sight_probability_rows(environment: Environment) -> FloatArray:
    """Return the probability of line of sight [9] per elevation row (TR 38.811, Table 6.6.1-1)."""
    return np.array(table("tr38811")["los_probability"][_group(environment)])


@cache
def shadowing_std_rows_db(environment: Environment, carrier_hz: float, line_of_sight: bool) -> FloatArray:
    """Return the standard deviation of shadow fading [9] (TR 38.811, Tables 6.6.2-1 to -3)."""
    return np.array(_large_scale(environment, carrier_hz)["los" if line_of_sight else "nlos"]["sf_std_db"])


@cache
def clutter_loss_rows_db(environment: Environment, carrier_hz: float) -> FloatArray:
    """Return the clutter loss without line of sight [9] (TR 38.811, Tables 6.6.2-1 to -3); with it there is none."""
    return np.array(_large_scale(environment, carrier_hz)["nlos"]["clutter_loss_db"])


def _large_scale(environment: str, carrier_hz: float) -> dict[str, Any]:
    band = "s_band" if carrier_hz < S_BAND_BELOW_HZ else "ka_band"
    rows: dict[str, Any] = table("tr38811")["shadow_fading_and_clutter_loss"][_group(environment)][band]
    return rows


@cache
def rice_factor_rows_db(environment: Environment, carrier_hz: float) -> tuple[FloatArray, FloatArray]:
    """Return mean and deviation [9] of K in line of sight, in dB (TR 38.811, Tables 6.7.2-1a to -7b)."""
    band = "s_band" if carrier_hz < S_BAND_BELOW_HZ else "ka_band"
    rows = table("fading")["los_k_factor_db"][environment][band]
    return np.array(rows["mu_db"]), np.array(rows["sigma_db"])


def correlation_distance_m(environment: Environment, line_of_sight: bool) -> float:
    """Return the distance over which shadow fading decorrelates for a moving terminal (TR 38.901, Table 7.5-6)."""
    rows = table("tr38811")["shadow_fading_correlation_distance_m"][environment]
    return float(rows["los" if line_of_sight else "nlos"])


def building_entry_loss_db(
    carrier_hz: float,
    elevation_deg: Any,
    probability: Any,
    building: Literal["traditional", "thermally_efficient"],
) -> Any:
    """Return the building entry loss not exceeded with *probability* in (0, 1) (TR 38.811, 6.6.3; ITU-R P.2109)."""
    c = table("tr38811")["building_entry_loss"]["coefficients"][building]
    log_f = np.log10(carrier_hz / 1e9)
    horizontal_db = c["r"] + c["s"] * log_f + c["t"] * log_f**2
    elevation_db = 0.212 * np.abs(elevation_deg)
    quantile = ndtri(probability)
    a = quantile * (c["u"] + c["v"] * log_f) + horizontal_db + elevation_db
    b = quantile * (c["y"] + c["z"] * log_f) + c["w"] + c["x"] * log_f
    return 10 * np.log10(10 ** (0.1 * a) + 10 ** (0.1 * b) + 10 ** (0.1 * -3.0))

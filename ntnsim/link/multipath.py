"""Draws of a multipath channel's power at chosen moments: the joint law of what was reported and what is met.

Each tap scatters as Clarke's ring does: its gain is complex Gaussian with autocorrelation J0(2π f_D Δ) over a time Δ. A
direct path, where there is one, keeps its phase (the receiver's frequency follows it) and comes with the first tap.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import j0, ndtri

from ntnsim.arrays import FloatArray
from ntnsim.link.tables import table

DRAWS_LOG2 = 9  # of a low-discrepancy sequence
SEED = 38811  # of the sequence's scrambling: a fixed set of points, not a draw of the scenario


@dataclass(frozen=True, slots=True)
class Multipath:
    """Mean power 1, spread over a direct path and taps.

    rice: power of the direct path over that of all taps; 0: none. delay_s, scattered: per tap, scattered sums to 1.
    """

    rice: float
    delay_s: tuple[float, ...] = (0.0,)
    scattered: tuple[float, ...] = (1.0,)


def tapped_delay_line(profile: str, delay_spread_s: float) -> Multipath:
    """Return NTN-TDL-A, B (no line of sight), C or D (line of sight) of TR 38.811, Tables 6.9.2-1 to -4."""
    rows = table("fading")["ntn_tdl"][profile]
    scattered = 10 ** (np.array(rows["scattered_db"]) / 10)
    total = float(scattered.sum())
    direct = 10 ** (rows["direct_db"] / 10) if "direct_db" in rows else 0.0
    return Multipath(
        rice=direct / total,
        delay_s=tuple(delay_spread_s * delay for delay in rows["delay"]),
        scattered=tuple(float(power) for power in scattered / total),
    )


@cache
def _unit_normals(count: int) -> FloatArray:
    """Return standard normal draws [2^DRAWS_LOG2, count] that cover the space evenly."""
    from scipy.stats import qmc  # half a second, which only fading needs

    points = qmc.Sobol(count, seed=SEED).random_base2(DRAWS_LOG2)
    normal: FloatArray = ndtri(np.clip(points, 1e-12, 1 - 1e-12))
    return normal


def power_draws(
    channel: Multipath, times_s: FloatArray, doppler_hz: float, frequencies_hz: FloatArray
) -> FloatArray:
    """Return power gains [draws, times, frequencies] with mean 1, jointly over *times_s* [t] and *frequencies_hz* [f].

    doppler_hz: the largest Doppler shift of scattered waves, speed over wavelength.
    """
    taps, moments = len(channel.scattered), len(times_s)
    lag_s = times_s[:, np.newaxis] - times_s[np.newaxis, :]
    covariance = j0(2 * np.pi * doppler_hz * lag_s)
    # Moments close together make it singular but for rounding; a millionth of independent power makes up for that.
    root = np.linalg.cholesky(covariance + 1e-6 * np.eye(moments)) / np.sqrt(1 + 1e-6)
    draws = _unit_normals(2 * taps * moments).reshape(-1, moments, taps, 2)
    gain = (draws[..., 0] + 1j * draws[..., 1]) / np.sqrt(2)
    gain = np.einsum("tm,nmp->ntp", root, gain)
    phase = np.exp(-2j * np.pi * np.outer(channel.delay_s, frequencies_hz))
    scattered = np.einsum("ntp,p,pf->ntf", gain, np.sqrt(channel.scattered), phase)
    field = np.sqrt(channel.rice / (1 + channel.rice)) + scattered / np.sqrt(1 + channel.rice)
    power: FloatArray = field.real**2 + field.imag**2
    return power

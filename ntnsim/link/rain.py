"""Rain and cloud over a site, correlated in time (ITU-R P.618, P.840, P.1853), through the optional package `itur`.

The ITU models are asked once per site and carrier, for a table over elevation and exceedance; nothing calls them later.
One Gaussian process per site drives rain and cloud, so that all links of a site fade together: rain by P.1853's
log-normal law with its offset, cloud by its quantile. The rise of sky noise in rain is not modelled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from ntnsim.arrays import FloatArray
from ntnsim.errors import InputError
from ntnsim.streams import stream

ELEVATIONS_DEG = np.arange(5.0, 91.0, 5.0)
RAIN_EXCEEDANCE_PERCENT = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0])  # range of P.618
CLOUD_EXCEEDANCE_PERCENT = np.array([0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 50.0, 70.0, 95.0])
STEP_S = 10.0
BLOCK_STEPS = 360


@dataclass(frozen=True, slots=True)
class RainTable:
    """Attenuations at a site and carrier.

    log_mean, log_std: [e] of rain in ln dB per elevation. rain_percent: time with rain.
    cloud_db: [e, p] cloud attenuation exceeded for CLOUD_EXCEEDANCE_PERCENT of the time.
    """

    log_mean: FloatArray
    log_std: FloatArray
    rain_percent: float
    cloud_db: FloatArray

    def rain_db(self, gaussian: FloatArray, elevation_deg: FloatArray) -> FloatArray:
        """Return rain attenuation [n] while the site's process stands at *gaussian* [n] (ITU-R P.1853, 2.2)."""
        mean = np.interp(elevation_deg, ELEVATIONS_DEG, self.log_mean)
        std = np.interp(elevation_deg, ELEVATIONS_DEG, self.log_std)
        offset_db = np.exp(
            mean - std * ndtri(self.rain_percent / 100.0)
        )  # makes it rain just rain_percent of the time
        return np.maximum(np.exp(mean + std * gaussian) - offset_db, 0.0)

    def cloud_loss_db(self, gaussian: FloatArray, elevation_deg: FloatArray) -> FloatArray:
        """Return cloud attenuation [n] at the quantile at which the site's process stands."""
        exceeded = np.log(100.0 * ndtr(-np.asarray(gaussian)))
        low = np.clip(
            np.searchsorted(ELEVATIONS_DEG, elevation_deg, side="right") - 1, 0, len(ELEVATIONS_DEG) - 2
        )
        share = np.clip((elevation_deg - ELEVATIONS_DEG[low]) / np.diff(ELEVATIONS_DEG)[low], 0.0, 1.0)
        at_quantile = np.stack(
            [np.interp(exceeded, np.log(CLOUD_EXCEEDANCE_PERCENT), row) for row in self.cloud_db]
        )
        column = np.arange(len(exceeded))
        return (1 - share) * at_quantile[low, column] + share * at_quantile[low + 1, column]


def fitted_table(
    rain_db: Callable[[FloatArray, float], FloatArray], rain_percent: float, cloud_db: FloatArray
) -> RainTable:
    """Return the table with log-normal laws fitted to *rain_db*(elevations, exceedance in percent) (P.1853, 2.2)."""
    usable = RAIN_EXCEEDANCE_PERCENT[rain_percent > RAIN_EXCEEDANCE_PERCENT]
    if len(usable) < 2:  # a desert: no rain to speak of
        silent = np.full(len(ELEVATIONS_DEG), -50.0)
        return RainTable(silent, np.ones(len(ELEVATIONS_DEG)), max(rain_percent, 1e-6), cloud_db)
    logs = np.log(np.maximum([rain_db(ELEVATIONS_DEG, float(percent)) for percent in usable], 1e-9))
    normal = -ndtri(usable / 100.0)
    std, mean = np.polyfit(normal, logs, 1)
    return RainTable(mean, std, rain_percent, cloud_db)


@lru_cache(maxsize=32)
def rain_table(latitude_deg: float, longitude_deg: float, carrier_hz: float) -> RainTable:
    """Return the table of a site, asked from `itur` once."""
    try:
        import itur
        from itur.models import itu618, itu840
    except ImportError as error:
        raise InputError("radio.channel.rain: itu needs the package itur; install ntnsim[itu]") from error
    carrier_ghz = carrier_hz / 1e9

    def plain(value: Any) -> FloatArray:
        return np.asarray(getattr(value, "value", value), dtype=float)

    height_km = plain(itur.topographic_altitude(latitude_deg, longitude_deg))

    def rain_db(elevation_deg: FloatArray, percent: float) -> FloatArray:
        return plain(
            itu618.rain_attenuation(
                latitude_deg, longitude_deg, carrier_ghz, elevation_deg, hs=height_km, p=percent
            )
        )

    cloud_db = np.stack(
        [
            plain(
                itu840.cloud_attenuation(
                    latitude_deg, longitude_deg, ELEVATIONS_DEG, carrier_ghz, float(percent)
                )
            )
            for percent in CLOUD_EXCEEDANCE_PERCENT
        ],
        axis=1,
    )
    # Probability of rain on a slant path hardly depends on the elevation; 30 degrees stands for all.
    probability = plain(itu618.rain_attenuation_probability(latitude_deg, longitude_deg, 30.0, hs=height_km))
    return fitted_table(rain_db, float(probability), cloud_db)


class RainFade:
    """Rain and cloud attenuation of one site over time; sites at the same place share their weather."""

    def __init__(
        self, latitude_deg: float, longitude_deg: float, carrier_hz: float, *, correlation_s: float, seed: int
    ) -> None:
        self._table = rain_table(round(latitude_deg, 2), round(longitude_deg, 2), carrier_hz)
        self._process = SiteProcess(correlation_s, seed, f"{latitude_deg:.2f},{longitude_deg:.2f}")

    def loss_db(self, times_s: FloatArray, elevation_deg: FloatArray) -> FloatArray:
        """Return rain plus cloud attenuation [n]."""
        gaussian = self._process.at(times_s)
        return self._table.rain_db(gaussian, elevation_deg) + self._table.cloud_loss_db(
            gaussian, elevation_deg
        )


class SiteProcess:
    """A unit Gaussian process of time, made in hours of absolute time as far as anybody has asked."""

    def __init__(self, correlation_s: float, seed: int, place: str) -> None:
        self._correlation = float(np.exp(-STEP_S / correlation_s))
        self._seed = seed
        self._place = place
        self._ends: dict[int, float] = {}
        self._block = lru_cache(maxsize=8)(self._made)

    def at(self, times_s: FloatArray) -> FloatArray:
        """Return the process [n] at *times_s* [n], linear between points 10 s apart."""
        position = np.maximum(np.asarray(times_s, dtype=float), 0.0) / STEP_S
        first = int(position.min() // BLOCK_STEPS)
        last = int((position.max() + 1) // BLOCK_STEPS)
        values = np.concatenate([self._block(number) for number in range(first, last + 1)])
        return np.interp(position, np.arange(first * BLOCK_STEPS, (last + 1) * BLOCK_STEPS), values)

    def _made(self, number: int) -> FloatArray:
        rng = stream(self._seed, "space", "rain", self._place, str(number))
        draws = rng.standard_normal(BLOCK_STEPS)
        scale = float(np.sqrt(1 - self._correlation**2))
        if number == 0:
            # Stationary from the first point on: its draw has the full variance.
            state, draws[0] = float(draws[0]) / self._correlation, 0.0
        else:
            # The end of the block before carries over; blocks nobody asked for are run through in order.
            for earlier in range(max((n for n in self._ends if n < number), default=-1) + 1, number):
                self._made(earlier)
            state = self._ends[number - 1]
        values = np.empty(BLOCK_STEPS)
        for index, draw in enumerate((draws * scale).tolist()):
            state = self._correlation * state + draw
            values[index] = state
        self._ends[number] = state
        return values

"""Rain and cloud over a site, correlated in time (ITU-R P.618, P.840, P.1853), through the optional package `itur`.

The ITU models are asked once per site and carrier, for a table over elevation and exceedance; nothing calls them later.
One Gaussian process per site (P.1853's correlation) drives rain and cloud, so that all links of a site fade together:
each takes the attenuation that P.618 or P.840 gives for the share of time at which the process stands. P.1853's own
log-normal law, fitted over all exceedances, misses P.618 by 15 to 75 % at 1 to 5 % of time. The rise of sky noise in
rain is not modelled.
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
# Range of P.618. Each row is exact; between two the logarithm is linear in the Gaussian quantile.
RAIN_EXCEEDANCE_PERCENT = np.array(
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.95, 1.05, 1.3, 2.0, 3.0, 4.0, 5.0]
)
CLOUD_EXCEEDANCE_PERCENT = np.array([0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 50.0, 70.0, 95.0])
STEP_S = 10.0
BLOCK_STEPS = 360


@dataclass(frozen=True, slots=True)
class RainTable:
    """Attenuations at a site and carrier, per elevation in ELEVATIONS_DEG [e] and share of time [p].

    rain_percent: time with rain. rain_exceedance_percent: [p] ascending, below rain_percent.
    log_rain: [e, p] ln of the rain attenuation in dB that is exceeded for so much of the time.
    cloud_db: [e, p] cloud attenuation exceeded for CLOUD_EXCEEDANCE_PERCENT of the time.
    """

    rain_percent: float
    rain_exceedance_percent: FloatArray
    log_rain: FloatArray
    cloud_db: FloatArray

    def rain_db(self, gaussian: FloatArray, elevation_deg: FloatArray) -> FloatArray:
        """Return rain attenuation [n] while the site's process stands at *gaussian* [n].

        From the most frequent row to the time with rain it falls to nothing, linearly in the share of time. Rarer than
        the rarest row it stays at that row's value.
        """
        percent = 100.0 * ndtr(-np.asarray(gaussian, dtype=float))
        if not len(self.rain_exceedance_percent):
            return np.zeros(len(percent))
        rows = -ndtri(self.rain_exceedance_percent[::-1] / 100.0)  # ascending
        log_db = _between(
            rows, gaussian, -_log_sine(ELEVATIONS_DEG), -_log_sine(elevation_deg), self.log_rain[:, ::-1]
        )
        last_percent = self.rain_exceedance_percent[-1]
        fading_out: FloatArray = np.clip(
            (self.rain_percent - percent) / (self.rain_percent - last_percent), 0.0, 1.0
        )
        return np.exp(log_db) * fading_out

    def cloud_loss_db(self, gaussian: FloatArray, elevation_deg: FloatArray) -> FloatArray:
        """Return cloud attenuation [n] at the quantile at which the site's process stands."""
        exceeded = np.log(100.0 * ndtr(-np.asarray(gaussian, dtype=float)))
        cosecants = (np.exp(-_log_sine(ELEVATIONS_DEG)), np.exp(-_log_sine(elevation_deg)))
        return _between(np.log(CLOUD_EXCEEDANCE_PERCENT), exceeded, *cosecants, self.cloud_db)


def _log_sine(elevation_deg: FloatArray) -> FloatArray:
    """Return ln sin of elevations [n] not below the lowest row's."""
    log_sine: FloatArray = np.log(np.sin(np.radians(np.maximum(elevation_deg, ELEVATIONS_DEG[0]))))
    return log_sine


def _between(
    columns: FloatArray, column: FloatArray, rows: FloatArray, row: FloatArray, values: FloatArray
) -> FloatArray:
    """Return *values* [e, p] at points [n], linear in both; *columns* [p] ascend, *rows* [e] descend; held outside."""
    right = np.clip(np.searchsorted(columns, column), 1, len(columns) - 1)
    across = np.clip((column - columns[right - 1]) / (columns[right] - columns[right - 1]), 0.0, 1.0)
    below = np.clip(np.searchsorted(-rows, -row), 1, len(rows) - 1)
    down = np.clip((rows[below - 1] - row) / (rows[below - 1] - rows[below]), 0.0, 1.0)
    upper = (1 - across) * values[below - 1, right - 1] + across * values[below - 1, right]
    lower = (1 - across) * values[below, right - 1] + across * values[below, right]
    between: FloatArray = (1 - down) * upper + down * lower
    return between


def quantile_table(
    rain_db: Callable[[FloatArray, float], FloatArray], rain_percent: float, cloud_db: FloatArray
) -> RainTable:
    """Return the table of *rain_db*(elevations, exceedance in percent), where it rains *rain_percent* of the time."""
    percent = RAIN_EXCEEDANCE_PERCENT[rain_percent > RAIN_EXCEEDANCE_PERCENT]
    if len(percent) < 2:  # a desert: no rain to speak of
        return RainTable(max(rain_percent, 0.0), np.empty(0), np.empty((len(ELEVATIONS_DEG), 0)), cloud_db)
    rows_db = np.array([rain_db(ELEVATIONS_DEG, float(exceeded)) for exceeded in percent])
    # P.618's slope factor steps at 1 % of time; what is exceeded more often must not be more.
    rows_db = np.minimum.accumulate(np.maximum(rows_db, 1e-9), axis=0)
    return RainTable(rain_percent, percent, np.log(rows_db).T, cloud_db)


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
    return quantile_table(rain_db, float(probability), cloud_db)


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

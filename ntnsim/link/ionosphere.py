"""Scintillation of the ionosphere below 6 GHz (TR 38.811, 6.6.6.1, after ITU-R P.531): weak mostly, strong at times.

The TR gives a value by latitude and no share of time. Its example above 60 degrees, S4 = 0.7, is of the strong regime
(S4 > 0.6; weak is S4 < 0.3); here it holds for a share of time only, in spells of the site that all satellites meet.
"""

from bisect import bisect_right
from math import sqrt

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import FloatArray
from ntnsim.link.atmosphere import IONOSPHERE_BELOW_HZ

LOW_LATITUDE_DEG, HIGH_LATITUDE_DEG = 20.0, 60.0
S4_CARRIER_HZ = 2e9  # where S4 is given
FULL_S4 = 1.0  # of a signal that fades as if it had no direct path; scaling to low carriers stops there


def s4_at(carrier_hz: float, s4_index: float) -> float:
    """Return S4 at a carrier from S4 at 2 GHz: S4 falls with f^1.5 (TR 38.811, 6.6.6.1), and is 1 at most."""
    return min(s4_index * (carrier_hz / S4_CARRIER_HZ) ** -1.5, FULL_S4)


def s4_loss_db(s4: float) -> float:
    """Return the loss P_fluc/√2 (eq. 6.6-13), with P_fluc = 27.5 S4^1.26 from peak to peak (eq. 6.6-14)."""
    return 27.5 * s4**1.26 / sqrt(2)


def ionospheric_scintillation_db(carrier_hz: float, latitude_deg: float, *, s4_index: float = 0.1) -> float:
    """Return the loss of weak scintillation by the latitude rule of TR 38.811, 6.6.6.1; none from 6 GHz on.

    Up to 20° of latitude: P_fluc = 1.1 dB at 4 GHz (1 % of time), scaled by (f/4 GHz)^−1.5; at 2 GHz that is an S4 of
    0.18. Between 20° and 60°: none. Above 60°: by S4.

    s4_index: S4 at 2 GHz, high latitudes only. 0.1 is an assumption within the weak regime.
    """
    if carrier_hz >= IONOSPHERE_BELOW_HZ:
        return 0.0
    latitude_deg = abs(latitude_deg)
    if latitude_deg <= LOW_LATITUDE_DEG:
        return 1.1 * (carrier_hz / 4e9) ** -1.5 / sqrt(2)
    if latitude_deg < HIGH_LATITUDE_DEG:
        return 0.0
    return s4_loss_db(s4_at(carrier_hz, s4_index))


class StrongSpells:
    """Times of strong scintillation at one site: spells and quiet times of random (exponential) lengths.

    more_db: what strong scintillation takes beyond the weak one. share: of time, < 1. mean_s: length of a spell.
    """

    def __init__(self, more_db: float, share: float, mean_s: float, rng: np.random.Generator) -> None:
        self._more_db = more_db
        self._mean_s = (mean_s * (1 - share) / share, mean_s)  # quiet, strong
        self._rng = rng
        self._strong_first = bool(rng.random() < share)
        self._changes_s = [0.0]  # from the first to the second state, and so on, as far as anybody has asked
        self._extend(0.0)

    def _extend(self, until_s: float) -> None:
        while self._changes_s[-1] <= until_s:
            strong = (len(self._changes_s) % 2 == 1) == self._strong_first
            self._changes_s.append(self._changes_s[-1] + float(self._rng.exponential(self._mean_s[strong])))

    def more_db(self, times_s: FloatArray) -> FloatArray:
        """Return the loss [n] beyond weak scintillation at *times_s* [n]."""
        if not len(times_s):
            return np.zeros(0)
        self._extend(float(np.max(times_s)))
        first = bisect_right(self._changes_s, float(np.min(times_s))) - 1
        passed: npt.NDArray[np.int64] = np.searchsorted(
            self._changes_s[max(first, 0) :], times_s, side="right"
        ) + max(first, 0)
        strong = (passed % 2 == 1) == self._strong_first
        return np.where(strong, self._more_db, 0.0)


def strong_spells(
    carrier_hz: float,
    latitude_deg: float,
    *,
    s4_index: float,
    weak_s4_index: float,
    share: float,
    mean_s: float,
    rng: np.random.Generator,
) -> StrongSpells | None:
    """Return the spells of a site, or None where the carrier, the latitude or the share leaves none."""
    at_risk = abs(latitude_deg) <= LOW_LATITUDE_DEG or abs(latitude_deg) >= HIGH_LATITUDE_DEG
    if share == 0 or carrier_hz >= IONOSPHERE_BELOW_HZ or not at_risk:
        return None
    weak_db = ionospheric_scintillation_db(carrier_hz, latitude_deg, s4_index=weak_s4_index)
    more_db = max(s4_loss_db(s4_at(carrier_hz, s4_index)) - weak_db, 0.0)
    return StrongSpells(more_db, share, mean_s, rng)

"""When satellites known by element sets are lost: drag takes them down, and SGP4 gives nothing from then on.

After the end of an orbit SGP4 may go on with numbers that mean nothing (its mean motion is a polynomial of time), so
that one look at one time does not tell. The time from epoch on is searched hour by hour instead, as far as asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sgp4.api import Satrec, SatrecArray

from ntnsim.arrays import BoolArray, FloatArray, IntArray

SEARCH_STEP_S = 3_600.0
BLOCK_S = 86_400.0
FINE_STEP_S = 10.0
BOUNDARY_TOLERANCE_S = 1e-3
LOOK_BACK_S = 6 * 3_600.0  # an eccentric orbit dips below the ground some turns before it is seen on the hour
BEFORE_START_STEP_S = 3 * 3_600.0
BEFORE_START_SAMPLES = 400  # at most: an element set older than 50 days is coarsely searched up to the start
LOT_SAMPLES = 200_000  # in memory at a time
RAISED = 1.5  # drag raises no orbit: a semi-major axis so much larger than at epoch is no orbit any more
MU_KM3_S2 = 398_600.8  # WGS72, as in SGP4


@dataclass
class Lifetimes:
    """Up to when each of n satellites flies, in seconds from the Julian date *start*; found as far as asked."""

    records: Sequence[Satrec]
    start: tuple[float, float]
    _lost_s: FloatArray = field(init=False)
    _known_to_s: float = field(init=False, default=-np.inf)

    def __post_init__(self) -> None:
        self._lost_s = np.full(len(self.records), np.inf)
        self._axis_km = np.array([record.a * record.radiusearthkm for record in self.records])
        age_s = [
            (self.start[0] - record.jdsatepoch + self.start[1] - record.jdsatepochF) * 86_400.0
            for record in self.records
        ]
        self._oldest_s = max(0.0, *age_s)
        self._epoch_s = -np.array(age_s)

    def lost_s(self, until_s: float) -> FloatArray:
        """Return when each satellite is lost [n]; inf where it is not before *until_s*."""
        if self._known_to_s == -np.inf:
            step_s = max(BEFORE_START_STEP_S, self._oldest_s / BEFORE_START_SAMPLES)
            self._search(np.arange(-self._oldest_s, step_s, step_s), step_s)
            self._known_to_s = 0.0
        while self._known_to_s < until_s:
            times_s = self._known_to_s + np.arange(SEARCH_STEP_S, BLOCK_S + 1, SEARCH_STEP_S)
            self._search(times_s, SEARCH_STEP_S)
            self._known_to_s += BLOCK_S
        return self._lost_s

    def _search(self, times_s: FloatArray, step_s: float) -> None:
        """Look at [t] times in order, and from a little before the first failure again in fine steps."""
        every = np.flatnonzero(np.isinf(self._lost_s))
        size = max(1, LOT_SAMPLES // len(times_s))
        for first in range(0, len(every), size):
            self._search_lot(every[first : first + size], times_s, step_s)

    def _search_lot(self, flying: IntArray, times_s: FloatArray, step_s: float) -> None:
        bad = self._failed([self.records[satellite] for satellite in flying], self._axis_km[flying], times_s)
        bad &= times_s >= self._epoch_s[flying, np.newaxis]
        for row in np.flatnonzero(bad.any(axis=1)):
            satellite = int(flying[row])
            seen_s = float(times_s[np.argmax(bad[row])])
            begin_s = max(seen_s - step_s - LOOK_BACK_S, float(self._epoch_s[satellite]))
            # On the grid of fine steps, whoever asked how far.
            first = np.ceil(begin_s / FINE_STEP_S)
            fine_s = np.append(np.arange(first * FINE_STEP_S, seen_s, FINE_STEP_S), seen_s)
            fine_bad = self._failed([self.records[satellite]], self._axis_km[[satellite]], fine_s)[0]
            at = int(np.argmax(fine_bad))
            self._lost_s[satellite] = (
                fine_s[at] if at == 0 else self._boundary_s(satellite, fine_s[at - 1], fine_s[at])
            )

    def _boundary_s(self, satellite: int, flying_s: float, failed_s: float) -> float:
        """Return the end between two times, by halving."""
        while failed_s - flying_s > BOUNDARY_TOLERANCE_S:
            middle_s = (flying_s + failed_s) / 2
            [[failed]] = self._failed(
                [self.records[satellite]], self._axis_km[[satellite]], np.array([middle_s])
            )
            flying_s, failed_s = (flying_s, middle_s) if failed else (middle_s, failed_s)
        return failed_s

    def _failed(self, records: Sequence[Satrec], axis_km: FloatArray, times_s: FloatArray) -> BoolArray:
        """Return [n, t]: whether SGP4 gives no orbit."""
        day, fraction = self.start
        fractions = fraction + times_s / 86_400.0
        codes, position_km, velocity_km_s = SatrecArray(list(records)).sgp4(
            np.full_like(fractions, day), fractions
        )
        radius_km = np.linalg.norm(position_km, axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Energy per mass: −μ/2a.
            inverse = 2 / radius_km - np.einsum("ntx,ntx->nt", velocity_km_s, velocity_km_s) / MU_KM3_S2
            sound = inverse * axis_km[:, np.newaxis] > 1 / RAISED
        failed: BoolArray = (codes != 0) | ~sound
        return failed

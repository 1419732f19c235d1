"""What a terminal's satellite link can deliver over a window of time.

The rate is constant within each grid step, so the bits B(t) that could have passed are piecewise linear, and a transfer
of b bits that starts at t ends at B⁻¹(B(t) + b) exactly: no event per slot, block or packet is needed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ntnsim.arrays import FloatArray, Int32Array

_PER_STEP = (
    "propagation_s",
    "satellite_index",
    "contact_end_s",
    "next_contact_s",
    "elevation_deg",
    "sinr_db",
)


@dataclass(frozen=True, slots=True)
class RateProfile:
    """One terminal's link over [start_s, start_s + n·step_s), on a uniform grid of n steps.

    rate_bps: [n] goodput if the terminal had the whole beam; 0 without contact and during handover interruptions.
    propagation_s: [n] one-way delay from terminal to the far end of the path; nan without contact.
    satellite_index: [n] index into *satellites*; −1 without contact.
    contact_end_s: [n] when the contact under way ends (any satellite, handovers bridged); nan without contact.
    next_contact_s: [n] when the next contact begins, seen from a step without contact; nan in contact, inf if none
        is known.
    elevation_deg, sinr_db: [n] state of the serving link, for Ω_t; nan without contact.
    satellites: names of the satellites that serve in this window.

    Raises ValueError for arrays of other shapes, and for rates or delays that are negative or, rates, not finite.

    >>> import ntnsim
    >>> half_a_minute = ntnsim.RateProfile.of_rates(0.0, 10.0, [4e5, 4e5, 4e5, 0, 0, 0], propagation_s=0.004)
    >>> half_a_minute.end_s, half_a_minute.contact_end_s[0]
    (60.0, np.float64(30.0))
    """

    start_s: float
    step_s: float
    rate_bps: FloatArray
    propagation_s: FloatArray
    satellite_index: Int32Array
    contact_end_s: FloatArray
    next_contact_s: FloatArray
    elevation_deg: FloatArray
    sinr_db: FloatArray
    satellites: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 0 < self.step_s < np.inf:
            raise ValueError(f"step_s must be a finite number > 0, got {self.step_s!r}")
        count = np.shape(self.rate_bps)
        if len(count) != 1 or count == (0,):
            raise ValueError(f"rate_bps must be [n], one value or more, got {list(count)}")
        for name in _PER_STEP:
            if np.shape(getattr(self, name)) != count:
                raise ValueError(f"{name} must be [{count[0]}], got {list(np.shape(getattr(self, name)))}")
        lowest = float(np.min(self.rate_bps))
        if not (lowest >= 0 and float(np.max(self.rate_bps)) < np.inf):  # a nan is neither
            wrong = self.rate_bps[~((self.rate_bps >= 0) & (self.rate_bps < np.inf))][0]
            raise ValueError(f"rate_bps must be finite and >= 0, got {wrong:g}")
        if (self.propagation_s < 0).any():
            raise ValueError(f"propagation_s must be >= 0, got {np.nanmin(self.propagation_s):g}")

    @classmethod
    def of_rates(
        cls, start_s: float, step_s: float, rate_bps: ArrayLike, *, propagation_s: float = 0.0
    ) -> "RateProfile":
        """Return the window of a channel that is known by its rates alone: contact is where they are positive.

        rate_bps: [n], one value per step. propagation_s: one-way delay of the whole window.
        """
        rates = np.asarray(rate_bps, dtype=np.float64)
        if rates.ndim != 1 or not len(rates):
            raise ValueError(f"rate_bps must be [n], one value or more, got {list(rates.shape)}")
        edges_s = start_s + step_s * np.arange(len(rates) + 1)
        contact = rates > 0
        # The first later edge at which contact changes, or the end of what is known.
        changes = np.append(np.flatnonzero(contact[1:] != contact[:-1]) + 1, len(rates))
        following = changes[np.searchsorted(changes, np.arange(len(rates)), side="right")]
        change_s = edges_s[following]
        absent = np.where(contact, 0.0, np.nan)
        return cls(
            start_s=start_s,
            step_s=step_s,
            rate_bps=rates,
            propagation_s=absent + propagation_s,
            satellite_index=np.where(contact, 0, -1).astype(np.int32),
            contact_end_s=absent + change_s,
            next_contact_s=np.where(contact, np.nan, np.where(following < len(rates), change_s, np.inf)),
            elevation_deg=absent * np.nan,
            sinr_db=absent * np.nan,
            satellites=("channel",),
        )

    @property
    def end_s(self) -> float:
        """End of the window."""
        return self.start_s + len(self.rate_bps) * self.step_s

    def index_at(self, time_s: float) -> int:
        """Return the grid step that holds *time_s*, clipped to the window."""
        return min(max(int((time_s - self.start_s) / self.step_s), 0), len(self.rate_bps) - 1)


# Successive windows of one terminal: called with the start of the window wanted, returns one that begins there.
ProfileSource = Callable[[float], RateProfile]

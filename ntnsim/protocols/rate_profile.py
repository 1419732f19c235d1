"""What a terminal's satellite link can deliver over a window of time, as cumulative bits B(t).

The rate is constant within each grid step, so B(t) is piecewise linear and a transfer of b bits that starts at t ends
at B⁻¹(B(t) + b) exactly: no event per slot, block or packet is needed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ntnsim.arrays import FloatArray, Int32Array


@dataclass(frozen=True, slots=True)
class RateProfile:
    """One terminal's link over [start_s, start_s + n·step_s), on a uniform grid of n steps.

    rate_bps: [n] goodput if the terminal had the whole beam; 0 without contact and during handover interruptions.
    cumulative_bits: [n+1] integral of rate_bps from start_s to each grid edge.
    propagation_s: [n] one-way delay from terminal to the far end of the path; nan without contact.
    satellite_index: [n] index into *satellites*; −1 without contact.
    contact_end_s: [n] when the contact under way ends (any satellite, handovers bridged); nan without contact.
    next_contact_s: [n] when the next contact begins, seen from a step without contact; nan in contact, inf if none
        is known.
    elevation_deg, sinr_db: [n] state of the serving link, for Ω_t; nan without contact.
    satellites: names of the satellites that serve in this window.
    retransmission_s: [n] mean extra time until the last bits of a transfer are complete, as blocks near its end may
        have to be sent again; None if the link is not modelled in blocks.
    """

    start_s: float
    step_s: float
    rate_bps: FloatArray
    cumulative_bits: FloatArray
    propagation_s: FloatArray
    satellite_index: Int32Array
    contact_end_s: FloatArray
    next_contact_s: FloatArray
    elevation_deg: FloatArray
    sinr_db: FloatArray
    satellites: tuple[str, ...]
    retransmission_s: FloatArray | None = None

    @property
    def end_s(self) -> float:
        """End of the window."""
        return self.start_s + len(self.rate_bps) * self.step_s

    def index_at(self, time_s: float) -> int:
        """Return the grid step that holds *time_s*, clipped to the window."""
        return min(max(int((time_s - self.start_s) / self.step_s), 0), len(self.rate_bps) - 1)

    def bits_until(self, time_s: float) -> float:
        """Return B(t): the bits deliverable from the start of the window to *time_s* (clipped to the window)."""
        if time_s >= self.end_s:
            return float(self.cumulative_bits[-1])
        step = self.index_at(time_s)
        return float(
            self.cumulative_bits[step] + self.rate_bps[step] * (time_s - self.start_s - step * self.step_s)
        )

    def time_of_bits(self, bits: float) -> float:
        """Return B⁻¹: the first time at which *bits* have been deliverable; inf if not within the window."""
        if bits > self.cumulative_bits[-1]:
            return np.inf
        edge = int(np.searchsorted(self.cumulative_bits, bits, side="left"))
        if edge == 0:
            return self.start_s
        step = edge - 1
        return float(
            self.start_s + step * self.step_s + (bits - self.cumulative_bits[step]) / self.rate_bps[step]
        )


# Successive windows of one terminal: called with the start of the window wanted, returns one that begins there.
ProfileSource = Callable[[float], RateProfile]

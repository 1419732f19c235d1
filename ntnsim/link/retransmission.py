"""What retransmission makes of failed blocks: HARQ with soft combining, its stall over long round trips, RLC above it.

The n-th transmission of a block is decoded together with the earlier ones (chase combining: 10 log10 n more SINR), and
fails independently of them. After the last one RLC in acknowledged mode sends the data anew; unacknowledged, it is
lost.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np

from ntnsim.link.adaptation import LUT_HIGH_DB, LUT_LOW_DB, LUT_STEP_DB, LevelTable, block_error_rate
from ntnsim.link.path_loss import FloatArray


@dataclass(frozen=True, slots=True)
class RetransmissionSettings:
    """HARQ processes, whether the receiver answers, and what stands above.

    feedback: enabled, disabled, or auto (disabled where the processes would stall).
    """

    processes: int = 32
    feedback: str = "auto"
    max_transmissions: int = 4
    acknowledged: bool = True
    processing_s: float = 0.001


def processes_needed(round_trip_s: float, slot_s: float) -> int:
    """Return how many HARQ processes keep the link busy: the round trip in slots, rounded up."""
    return ceil(round_trip_s / slot_s - 1e-9)


def stall_share(round_trip_s: Any, slot_s: float, settings: RetransmissionSettings) -> Any:
    """Return the share of slots that N processes fill while each waits for its answer: N·slot / (RTT + processing)."""
    return np.minimum(1.0, settings.processes * slot_s / (np.asarray(round_trip_s) + settings.processing_s))


@dataclass(frozen=True)
class ErrorTables:
    """Block error rate, and efficiency with and without HARQ feedback, per level over a fine grid of excess SINR.

    The tables make a look-up of one gather per step of a profile out of several exponentials. [L, E]
    """

    levels: LevelTable
    settings: RetransmissionSettings

    @cached_property
    def _excess_db(self) -> FloatArray:
        return np.arange(LUT_LOW_DB, LUT_HIGH_DB + LUT_STEP_DB / 2, LUT_STEP_DB)[np.newaxis, :]

    def _bler_after(self, transmissions: int) -> FloatArray:
        gain_db = 10 * np.log10(transmissions)
        slope = self.levels.slope_per_db[:, np.newaxis]
        blocks = self.levels.code_blocks[:, np.newaxis]
        return np.asarray(block_error_rate(self._excess_db + gain_db, slope, blocks))

    @cached_property
    def bler(self) -> FloatArray:
        """Block error rate of the first transmission."""
        return self._bler_after(1)

    @cached_property
    def _chain(self) -> tuple[FloatArray, FloatArray]:
        """Expected transmissions per block, and the probability that all of them fail."""
        failed = np.ones_like(self.bler)
        transmissions = np.zeros_like(self.bler)
        for number in range(1, self.settings.max_transmissions + 1):
            transmissions += failed
            failed = failed * self._bler_after(number)
        return transmissions, failed

    @property
    def residual(self) -> FloatArray:
        """Probability that a block is lost after its last HARQ transmission."""
        return self._chain[1]

    @cached_property
    def efficiency_with_feedback(self) -> FloatArray:
        """Delivered bits per resource element with HARQ: efficiency · (1 − residual) / transmissions."""
        transmissions, failed = self._chain
        return self.levels.efficiency[:, np.newaxis] * (1.0 - failed) / transmissions

    @cached_property
    def efficiency_without_feedback(self) -> FloatArray:
        """Delivered bits per resource element without HARQ: RLC sends lost blocks again, or nobody does."""
        return self.levels.efficiency[:, np.newaxis] * (1.0 - self.bler)

    def position(self, level: Any, sinr_db: FloatArray) -> Any:
        """Return the flat index [...] into the tables of *level* [...] at *sinr_db* [...]."""
        width = self._excess_db.shape[1]
        excess = sinr_db - self.levels.threshold_db[level]
        column = ((excess - LUT_LOW_DB) * (1 / LUT_STEP_DB) + 0.5).astype(np.int32)
        np.clip(column, 0, width - 1, out=column)
        return column + np.asarray(level) * width

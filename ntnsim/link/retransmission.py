"""What retransmission makes of failed blocks: HARQ with soft combining, its stall over long round trips, RLC above it.

The n-th transmission of a block is decoded together with the earlier ones (chase combining: 10 log10 n more SINR), and
fails independently of them. After the last one, or at once where HARQ has no feedback, RLC in acknowledged mode sends
the data anew: errors cost time and delay, and no data is lost.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.link.adaptation import LUT_HIGH_DB, LUT_LOW_DB, LUT_STEP_DB, LevelTable, block_error_rate


@dataclass(frozen=True, slots=True)
class RetransmissionSettings:
    """HARQ processes, whether the receiver answers, and what stands above.

    feedback: enabled, disabled, or auto (disabled where the processes would stall).
    """

    processes: int = 32
    feedback: str = "auto"
    max_transmissions: int = 4
    processing_s: float = 0.001


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

    def bler_after(self, transmissions: int) -> FloatArray:
        """Return the block error rate [L, E] of a block's n-th transmission, decoded with the earlier ones."""
        gain_db = 10 * np.log10(transmissions)
        slope = self.levels.slope_per_db[:, np.newaxis]
        blocks = self.levels.code_blocks[:, np.newaxis]
        return np.asarray(block_error_rate(self._excess_db + gain_db, slope, blocks))

    @cached_property
    def bler(self) -> FloatArray:
        """Block error rate of the first transmission."""
        return self.bler_after(1)

    @cached_property
    def _chain(self) -> tuple[FloatArray, FloatArray]:
        """Expected transmissions per block, and the probability that all of them fail."""
        failed = np.ones_like(self.bler)
        transmissions = np.zeros_like(self.bler)
        for number in range(1, self.settings.max_transmissions + 1):
            transmissions += failed
            failed = failed * self.bler_after(number)
        return transmissions, failed

    @property
    def transmissions(self) -> FloatArray:
        """Expected transmissions of a block with HARQ."""
        return self._chain[0]

    @property
    def residual(self) -> FloatArray:
        """Probability that a block is lost after its last HARQ transmission."""
        return self._chain[1]

    @cached_property
    def delivered_with_feedback(self) -> FloatArray:
        """Delivered bits per block and resource element of one transmission: efficiency · (1 − residual)."""
        return self.levels.efficiency[:, np.newaxis] * (1.0 - self.residual)

    @cached_property
    def delivered_without_feedback(self) -> FloatArray:
        """The same without HARQ feedback, where each block has one transmission and RLC sends failed ones again."""
        return self.levels.efficiency[:, np.newaxis] * (1.0 - self.bler)

    def position(self, level: Any, sinr_db: FloatArray) -> Any:
        """Return the flat index [...] into the tables of *level* [...] at *sinr_db* [...]."""
        width = self._excess_db.shape[1]
        excess = sinr_db - self.levels.threshold_db[level]
        # Clipped before the cast: −inf stands for no link.
        column = np.clip((excess - LUT_LOW_DB) * (1 / LUT_STEP_DB) + 0.5, 0, width - 1).astype(np.int32)
        return column + np.asarray(level) * width

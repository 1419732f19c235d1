"""From SINR along a pass to the rate above it: adaptation with old channel state, block errors, retransmission.

The outer loop shifts the reported SINR until the target share of blocks fails. Per block it is a slow integral
controller; here it is in equilibrium in each second: the offset is bracketed by bisection, and time is shared between
the bracket's two ends so that the mean block error rate is the target, as the loop's sawtooth does. Where the channel
is steady this is a mixture of two neighbouring levels. The per-block model (per_block.py) runs the loop itself.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ntnsim.link.adaptation import LevelTable
from ntnsim.link.path_loss import FloatArray
from ntnsim.link.retransmission import ErrorTables, RetransmissionSettings, stall_share

OUTER_LOOP_INTERVAL_S = 1.0
OFFSET_LOW_DB, OFFSET_HIGH_DB = -8.0, 4.0
BISECTIONS = 6  # of a 12 dB bracket: 0.19 dB, then shared linearly
SAMPLES_PER_INTERVAL = 20  # of an interval's steps, for the bisection only


@dataclass(frozen=True, slots=True)
class GoodputSettings:
    """Everything between SINR and goodput that does not change along a pass."""

    errors: ErrorTables
    resource_elements_per_s: float
    slot_s: float
    outer_loop: bool = True
    csi_delay_s: float | None = None  # None: the round trip

    @property
    def levels(self) -> LevelTable:
        """The levels switched among."""
        return self.errors.levels

    @property
    def retransmission(self) -> RetransmissionSettings:
        """HARQ and RLC."""
        return self.errors.settings


@dataclass(frozen=True, slots=True)
class Goodput:
    """Per step of a pass [n]: delivered rate, block error rate of first transmissions, level, outer-loop offset."""

    rate_bps: FloatArray
    bler: FloatArray
    level: npt.NDArray[np.intp]
    outer_loop_offset_db: FloatArray


def delayed(series: FloatArray, delay_s: FloatArray | float, step_s: float) -> FloatArray:
    """Return *series* [n] as it was *delay_s* ago (scalar or [n]), to the nearest step; before its start, its start."""
    steps = np.rint(np.asarray(delay_s) / step_s).astype(np.int64)
    source = np.arange(len(series)) - steps
    return series[np.clip(source, 0, len(series) - 1)]


def goodput_along_pass(
    sinr_db: FloatArray, round_trip_s: FloatArray, step_s: float, first_step: int, settings: GoodputSettings
) -> Goodput:
    """Return what a pass delivers if this terminal has all of the beam's time.

    sinr_db, round_trip_s: [n] on a grid of *step_s*.
    first_step: number of the first step on the scenario's grid, so that the outer loop's intervals are those of
    absolute
        time and do not depend on where the series begins.
    """
    csi_delay_s = round_trip_s if settings.csi_delay_s is None else settings.csi_delay_s
    reported_db = delayed(sinr_db, csi_delay_s, step_s)
    heard = reported_db >= settings.levels.switching_db[0]  # below, CQI 0: nothing is scheduled
    if settings.outer_loop:
        per_interval = max(1, round(OUTER_LOOP_INTERVAL_S / step_s))
        interval = (np.arange(len(sinr_db)) + first_step) // per_interval
        interval -= interval[0]
        low_db, high_db = _bracket(sinr_db, reported_db, heard, interval, settings)
        first = _at_offset(sinr_db, reported_db, heard, low_db[interval], round_trip_s, settings)
        second = _at_offset(sinr_db, reported_db, heard, high_db[interval], round_trip_s, settings)
        count = np.maximum(np.bincount(interval, heard), 1.0)
        bler_low = np.bincount(interval, first[1]) / count
        bler_high = np.bincount(interval, second[1]) / count
        gap = bler_high - bler_low
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(gap > 1e-12, (settings.levels.bler_target - bler_low) / gap, 0.0)
        weight = np.clip(share, 0.0, 1.0)[interval]
        rate_bps = first[0] + weight * (second[0] - first[0])
        bler = first[1] + weight * (second[1] - first[1])
        return Goodput(rate_bps, bler, first[2], (low_db + share.clip(0, 1) * (high_db - low_db))[interval])
    offset_db = np.zeros(len(sinr_db))
    rate_bps, bler, level = _at_offset(sinr_db, reported_db, heard, offset_db, round_trip_s, settings)
    return Goodput(rate_bps, bler, level, offset_db)


def _bracket(
    sinr_db: FloatArray,
    reported_db: FloatArray,
    heard: npt.NDArray[np.bool_],
    interval: npt.NDArray[np.int64],
    settings: GoodputSettings,
) -> tuple[FloatArray, FloatArray]:
    """Return per interval two offsets between which the mean block error rate crosses the target."""
    n_intervals = int(interval[-1]) + 1
    stride = max(1, len(sinr_db) // (n_intervals * SAMPLES_PER_INTERVAL))
    sinr_db, reported_db = sinr_db[::stride], reported_db[::stride]
    heard, interval = heard[::stride], interval[::stride]
    count = np.maximum(np.bincount(interval, heard, minlength=n_intervals), 1.0)
    low_db = np.full(n_intervals, OFFSET_LOW_DB)
    high_db = np.full(n_intervals, OFFSET_HIGH_DB)
    for _ in range(BISECTIONS):
        middle_db = (low_db + high_db) / 2
        level = np.maximum(settings.levels.level_at(reported_db + middle_db[interval]), 0)
        bler = settings.errors.bler.ravel()[settings.errors.position(level, sinr_db)] * heard
        too_many = np.bincount(interval, bler, minlength=n_intervals) / count > settings.levels.bler_target
        high_db = np.where(too_many, middle_db, high_db)
        low_db = np.where(too_many, low_db, middle_db)
    return low_db, high_db


def _at_offset(
    sinr_db: FloatArray,
    reported_db: FloatArray,
    heard: npt.NDArray[np.bool_],
    offset_db: FloatArray,
    round_trip_s: FloatArray,
    settings: GoodputSettings,
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp]]:
    """Return rate, block error rate and level [n] at an offset of the reported SINR; 0, 0, −1 where not heard."""
    errors = settings.errors
    level = np.maximum(settings.levels.level_at(reported_db + offset_db), 0)
    position = errors.position(level, sinr_db)
    bler = errors.bler.ravel()[position] * heard
    feedback = settings.retransmission.feedback
    if feedback == "disabled":
        efficiency = errors.efficiency_without_feedback.ravel()[position]
    else:
        share = stall_share(round_trip_s, settings.slot_s, settings.retransmission)
        efficiency = errors.efficiency_with_feedback.ravel()[position] * share
        if feedback == "auto":
            stalls = share < 1.0
            if stalls.any():
                efficiency = np.where(
                    stalls, errors.efficiency_without_feedback.ravel()[position], efficiency
                )
    return efficiency * heard * settings.resource_elements_per_s, bler, np.where(heard, level, -1)

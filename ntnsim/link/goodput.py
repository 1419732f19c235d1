"""From SINR along a pass to the rate above it: adaptation with old channel state, block errors, retransmission.

The outer loop shifts the reported SINR until the target share of blocks fails. Per block it is a slow integral
controller; here it is in equilibrium in each second: the offset is bracketed by bisection, and time is shared between
the bracket's two ends so that the mean block error rate is the target, as the loop's sawtooth does. Where the channel
is steady this is a mixture of two neighbouring levels. The per-block model (per_block.py) runs the loop itself.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import FloatArray, IntArray
from ntnsim.link.adaptation import LevelTable
from ntnsim.link.retransmission import ErrorTables, RetransmissionSettings, stall_share

OUTER_LOOP_INTERVAL_S = 1.0
OFFSET_LOW_DB, OFFSET_HIGH_DB = -8.0, 4.0
BISECTIONS = 6  # of a 12 dB bracket: 0.19 dB, then shared linearly
STEADY_DB = 0.3  # change of the channel within an interval
SAMPLES_PER_INTERVAL = 20  # of an interval's steps, for the bisection only


@dataclass(frozen=True, slots=True)
class GoodputSettings:
    """Everything between SINR and goodput that does not change along a pass.

    slot_s: time of a block, all *repeats* of it.
    repeat_interval_s: from one repeat to the next; 0: they follow at once.
    unanswered: what is used where HARQ has no feedback; None: the same.
    """

    errors: ErrorTables
    resource_elements_per_s: float
    slot_s: float
    outer_loop: bool = True
    csi_delay_s: float | None = None  # None: the round trip
    repeats: int = 1
    repeat_interval_s: float = 0.0
    unanswered: "GoodputSettings | None" = None

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
    """Per step of a pass [n]: delivered rate, block error rate of first transmissions, level, outer-loop offset.

    residual_loss: share of blocks that HARQ gives up, or has no feedback to repeat, and RLC sends anew.
    """

    rate_bps: FloatArray
    bler: FloatArray
    residual_loss: FloatArray
    level: npt.NDArray[np.intp]
    outer_loop_offset_db: FloatArray


def delayed(
    series: FloatArray, delay_s: FloatArray | float, step_s: float, begins: IntArray | None = None
) -> FloatArray:
    """Return *series* [n] as it was *delay_s* ago (scalar or [n]), to the nearest step; before its start, its start.

    begins: [p] ascending from 0, where the pieces start of which the series is made, if they are several.
    """
    steps = np.rint(np.asarray(delay_s) / step_s).astype(np.int64)
    source = np.arange(len(series)) - steps
    start = 0 if begins is None else np.repeat(begins, np.diff(begins, append=len(series)))
    return series[np.clip(source, start, len(series) - 1)]


def goodput_along_pass(
    sinr_db: FloatArray,
    round_trip_s: FloatArray,
    step_s: float,
    first_step: int | IntArray,
    settings: GoodputSettings,
    begins: IntArray | None = None,
) -> Goodput:
    """Return what a pass delivers if this terminal has all of the beam's time.

    sinr_db, round_trip_s: [n] on a grid of *step_s*.
    first_step: number of the first step on the scenario's grid, so that the outer loop's intervals are those of
        absolute time and do not depend on where the series begins; of several pieces, the first of each [p].
    begins: [p] ascending from 0, where these pieces start: parts of passes that know nothing of each other.
    """
    if settings.unanswered is not None and settings.retransmission.feedback != "enabled":
        answered = stall_share(round_trip_s, settings.slot_s, settings.retransmission) >= 1.0
        if settings.retransmission.feedback == "disabled" or not np.any(answered):
            return goodput_along_pass(sinr_db, round_trip_s, step_s, first_step, settings.unanswered, begins)
        both = [
            goodput_along_pass(sinr_db, round_trip_s, step_s, first_step, one, begins)
            for one in (replace(settings, unanswered=None), settings.unanswered)
        ]
        return Goodput(
            *(np.where(answered, *(getattr(one, name) for one in both)) for name in Goodput.__slots__)
        )
    csi_delay_s = round_trip_s if settings.csi_delay_s is None else settings.csi_delay_s
    reported_db = delayed(sinr_db, csi_delay_s, step_s, begins)
    # Below the lowest level's switching point the report is CQI 0 and nothing is scheduled.
    link = _Link(sinr_db, reported_db, reported_db >= settings.levels.switching_db[0], round_trip_s, settings)
    if not settings.outer_loop:
        only = link.at_offset(np.zeros(len(sinr_db)))
        return Goodput(
            link.rate_bps(only.delivered, only.slots),
            only.bler,
            only.residual_loss,
            only.level,
            np.zeros(len(sinr_db)),
        )
    per_interval = max(1, round(OUTER_LOOP_INTERVAL_S / step_s))
    number = np.arange(len(sinr_db))
    if begins is None:
        number += first_step
        interval = number // per_interval
        interval -= interval[0]
    else:
        number += np.repeat(first_step - begins, np.diff(begins, append=len(number)))
        interval = number // per_interval
        new = np.append(False, interval[1:] != interval[:-1])
        new[begins[1:]] = True
        interval = np.cumsum(new)
    low_db, high_db = link.bracket(interval, number % max(1, per_interval // SAMPLES_PER_INTERVAL) == 0)
    low, high = link.at_offset(low_db[interval]), link.at_offset(high_db[interval])
    # The loop sees blocks, not time: a block that needs two transmissions takes two slots and counts once.
    blocks = link.heard / (low.slots + high.slots)
    count = np.maximum(np.bincount(interval, blocks), 1e-12)
    bler_low = np.bincount(interval, low.bler * blocks) / count
    gap = np.bincount(interval, high.bler * blocks) / count - bler_low
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(gap > 1e-12, (settings.levels.bler_target - bler_low) / gap, 0.0).clip(0.0, 1.0)
    weight = share[interval]  # share of the blocks sent at the upper offset
    delivered = low.delivered + weight * (high.delivered - low.delivered)
    slots = low.slots + weight * (high.slots - low.slots)
    steady = link.steady(interval)[interval]
    rate_bps = link.rate_bps(delivered, slots)
    bler = low.bler + weight * (high.bler - low.bler)
    residual_loss = low.residual_loss + weight * (high.residual_loss - low.residual_loss)
    return Goodput(
        rate_bps=np.where(steady, _interval_mean(rate_bps, interval), rate_bps),
        bler=np.where(steady, _interval_mean(bler, interval), bler),
        residual_loss=np.where(steady, _interval_mean(residual_loss, interval), residual_loss),
        level=np.where(weight < 0.5, low.level, high.level),
        outer_loop_offset_db=(low_db + share * (high_db - low_db))[interval],
    )


def _interval_mean(series: FloatArray, interval: npt.NDArray[np.int64]) -> FloatArray:
    """Return the mean over each step's interval [n]."""
    mean: FloatArray = np.bincount(interval, series) / np.bincount(interval)
    return mean[interval]


@dataclass(frozen=True, slots=True)
class _Operation:
    """A link at some offset of the reported SINR, per step [n]: block errors, bits delivered and slots per block."""

    bler: FloatArray
    residual_loss: FloatArray
    delivered: FloatArray  # per resource element of one slot
    slots: FloatArray
    level: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Link:
    """A pass as adaptation sees it [n]."""

    sinr_db: FloatArray
    reported_db: FloatArray
    heard: npt.NDArray[np.bool_]
    round_trip_s: FloatArray
    settings: GoodputSettings

    def rate_bps(self, delivered: FloatArray, slots: FloatArray) -> FloatArray:
        """Return the rate of blocks that deliver so much and take so long."""
        return delivered / slots * self.heard * self.settings.resource_elements_per_s

    def steady(self, interval: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return per interval whether the channel hardly moves in it: the loop's sawtooth is then spread evenly.

        Otherwise the two ends of the bracket, which cross a threshold some steps apart, would leave a spike.
        """
        first = np.searchsorted(interval, np.arange(int(interval[-1]) + 1))
        heard = np.logical_and.reduceat(self.heard, first)
        series = np.where(self.heard, self.reported_db, 0.0)
        return heard & (np.maximum.reduceat(series, first) - np.minimum.reduceat(series, first) < STEADY_DB)

    def bracket(
        self, interval: npt.NDArray[np.int64], sampled: npt.NDArray[np.bool_]
    ) -> tuple[FloatArray, FloatArray]:
        """Return per interval two offsets between which the mean block error rate crosses the target.

        interval: [n] of each step. sampled: [n] steps that the search looks at.
        """
        errors, levels = self.settings.errors, self.settings.levels
        n_intervals = int(interval[-1]) + 1
        if not sampled.all():  # a pass's first interval may be too short to hold a sample
            sampled = sampled | (np.bincount(interval, sampled) == 0)[interval]
        sampled = sampled & self.heard
        sinr_db, reported_db, interval = self.sinr_db[sampled], self.reported_db[sampled], interval[sampled]
        low_db = np.full(n_intervals, OFFSET_LOW_DB)
        high_db = np.full(n_intervals, OFFSET_HIGH_DB)
        for _ in range(BISECTIONS):
            middle_db = (low_db + high_db) / 2
            level = np.maximum(levels.level_at(reported_db + middle_db[interval]), 0)
            excess = errors.bler.ravel()[errors.position(level, sinr_db)] - levels.bler_target
            too_many = np.bincount(interval, excess, minlength=n_intervals) > 0
            high_db = np.where(too_many, middle_db, high_db)
            low_db = np.where(too_many, low_db, middle_db)
        return low_db, high_db

    def at_offset(self, offset_db: FloatArray) -> _Operation:
        """Return the link's operation while the outer loop stands at *offset_db* [n]."""
        errors, again = self.settings.errors, self.settings.retransmission
        level = np.maximum(self.settings.levels.level_at(self.reported_db + offset_db), 0)
        position = errors.position(level, self.sinr_db)
        bler = errors.bler.ravel()[position] * self.heard
        shown = np.where(self.heard, level, -1)
        ones = np.ones(len(level))
        if again.feedback == "disabled":
            return _Operation(bler, bler, errors.delivered_without_feedback.ravel()[position], ones, shown)
        residual_loss = errors.residual.ravel()[position] * self.heard
        delivered = errors.delivered_with_feedback.ravel()[position]
        slots = errors.transmissions.ravel()[position]
        share = stall_share(self.round_trip_s, self.settings.slot_s, again)
        stalls = share < 1.0
        if again.feedback == "auto" and stalls.any():
            without = errors.delivered_without_feedback.ravel()[position]
            delivered, slots = np.where(stalls, without, delivered), np.where(stalls, 1.0, slots)
            residual_loss = np.where(stalls, bler, residual_loss)
        elif stalls.any():
            slots = slots / share
        return _Operation(bler, residual_loss, delivered, slots, shown)


def steady_efficiency(sinr_db: FloatArray, settings: GoodputSettings) -> FloatArray:
    """Return delivered bits per resource element [n] of a link whose SINR [n] does not change, without stalls."""
    # Each value is an interval of the outer loop of its own, over no distance.
    steady = goodput_along_pass(
        np.asarray(sinr_db, dtype=float), np.zeros(len(sinr_db)), OUTER_LOOP_INTERVAL_S, 0, settings
    )
    return steady.rate_bps / settings.resource_elements_per_s

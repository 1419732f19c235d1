"""What a link delivers while its power fades quickly: means over the fades, tabulated over mean SINR, K and Doppler.

A block is sent at the level that an old report asks for and meets the channel as it is by then; repetitions meet it a
round trip later each. How much the report still knows is the autocorrelation J0(2π f_D · age) of the scattered waves.
Fades that are slower than the report are followed, faster ones are averaged by a mean over blocks, those within a block
by the mean of ln(1 + SINR) over its moments and frequencies. The outer loop holds its target over the fades' mean.

The wanted signal fades; noise and interference do not. A transfer gets the mean over fades, not its own luck: with
scattered waves that change several times a second, the mean is what counts for a second's worth of data.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy.special import j0

from ntnsim.arrays import FloatArray
from ntnsim.link.goodput import (
    BISECTIONS,
    OFFSET_HIGH_DB,
    OFFSET_LOW_DB,
    Goodput,
    GoodputSettings,
)
from ntnsim.link.multipath import Multipath, power_draws
from ntnsim.link.retransmission import stall_share

MEAN_SINR_DB = np.arange(-15.0, 35.01, 0.5)  # of the tables; beyond, their ends
NO_DIRECT_PATH_BELOW_DB = -10
STEADY_ABOVE_DB = 26  # K: fades of 0.3 dB
TURNS = np.linspace(0.0, 0.6098, 400)  # Doppler times age, down to the least value of J0, -0.4028
TURNS_STEP = 0.015  # of the ages that share a row
LAG_BINS = 42
# Where means are worked out; the rows between are interpolated.
K_NODES = np.array([NO_DIRECT_PATH_BELOW_DB, 0, 3, 6, 9, 12, 15, 20, STEADY_ABOVE_DB])
LAG_NODES = np.array([0, 1, 2, 4, 7, 10, 14, 19, 25, 32, LAG_BINS - 1])
SHORT = 0.05  # Doppler times a block's length: it meets one fade
FLAT = Multipath(rice=0.0)
MOST_REPEATS = 8  # drawn of a block's repeats
MOMENTS, FREQUENCIES = 4, 8  # within a block, where it meets several


@dataclass(frozen=True, slots=True)
class FadingSettings:
    """How the power fades around its local mean.

    doppler_hz: the largest Doppler shift of scattered waves.
    line_of_sight: its direct path is as strong as each step's K says, where *each_k*.
    no_line_of_sight: where K says that there is no direct path.
    """

    doppler_hz: float
    bandwidth_hz: float
    line_of_sight: Multipath = FLAT
    no_line_of_sight: Multipath = FLAT
    each_k: bool = True


@dataclass
class FadingTables:
    """Mean rates over fades, made when first asked for.

    link: with HARQ feedback; its *unanswered*, if any, is the link without.
    """

    fading: FadingSettings
    link: GoodputSettings
    _rows: dict[tuple[int, int, bool], FloatArray] = field(default_factory=dict)
    _nodes: dict[tuple[int, int, bool], FloatArray] = field(default_factory=dict)

    def row(self, k_bin: int, lag_bin: int, answered: bool) -> FloatArray:
        """Return the row of a K and a report's age, each as the number of a bin.

        Over MEAN_SINR_DB [S, 4]: delivered bits per resource element, block error rate, blocks lost, the loop's offset.
        """
        key = (k_bin, lag_bin, answered)
        if key not in self._rows:
            # A profile's own K is not between others.
            of_k = _between(K_NODES, k_bin) if self.fading.each_k else [(k_bin, 1.0)]
            self._rows[key] = sum(
                (
                    k_share * lag_share * self._node(k_node, lag_node, answered)
                    for k_node, k_share in of_k
                    for lag_node, lag_share in _between(LAG_NODES, lag_bin)
                ),
                start=np.zeros((len(MEAN_SINR_DB), 4)),
            )
        return self._rows[key]

    def _node(self, k_bin: int, lag_bin: int, answered: bool) -> FloatArray:
        key = (k_bin, lag_bin, answered)
        if key not in self._nodes:
            lag_s = lag_bin * TURNS_STEP / self.fading.doppler_hz
            link = self.link if answered else self.link.unanswered or self.link
            self._nodes[key] = _TableMaker(self.fading, link, answered, self._channel(k_bin), lag_s).row()
        return self._nodes[key]

    def _channel(self, k_bin: int) -> Multipath:
        if k_bin <= NO_DIRECT_PATH_BELOW_DB:
            return self.fading.no_line_of_sight
        if not self.fading.each_k:
            return self.fading.line_of_sight
        return replace(self.fading.line_of_sight, rice=10 ** (k_bin / 10))


@dataclass(frozen=True, slots=True)
class _TableMaker:
    """One table: a link with HARQ feedback or without, a channel, a round trip."""

    fading: FadingSettings
    link: GoodputSettings
    answered: bool
    channel: Multipath
    lag_s: float

    def row(self) -> FloatArray:
        """Return means over fades [S, 4], as FadingTables.row does."""
        link = self.link
        report_db, met_db = self._sinrs_db()
        levels, errors = link.levels, link.errors
        heard = report_db >= levels.switching_db[0]
        again = self._persistence()

        def level_at(offset_db: FloatArray) -> npt.NDArray[np.intp]:
            return np.maximum(levels.level_at(report_db + offset_db[:, np.newaxis]), 0)

        def operate(offset_db: FloatArray) -> list[FloatArray]:
            """Return means [S]: first errors, bits per slot, blocks lost."""
            level = level_at(offset_db)
            failed, slots = np.ones(level.shape), np.zeros(level.shape)
            for number, sinr_db in enumerate(met_db):
                slots += failed
                failed = failed * errors.bler.ravel()[errors.position(level, sinr_db)]
                if number == 0:
                    first = failed
            # While a fade lasts, its blocks take turns with their own repetitions: where these are many, blocks are
            # few. Where fades have changed by then, blocks of every fade are as frequent.
            mean_slots = np.sum(slots * heard, axis=1) / np.maximum(heard.sum(axis=1), 1)
            weight = heard / (again * slots + (1 - again) * np.maximum(mean_slots, 1.0)[:, np.newaxis])
            blocks = np.maximum(weight.sum(axis=1), 1e-12)
            sent = levels.efficiency[level] * weight
            return [
                np.sum(first * weight, axis=1) / blocks,
                np.sum(sent * (1 - failed), axis=1) / np.maximum(np.sum(slots * weight, axis=1), 1e-12),
                np.sum(failed * weight, axis=1) / blocks,
            ]

        low_db = np.full(len(MEAN_SINR_DB), OFFSET_LOW_DB if link.outer_loop else 0.0)
        high_db = np.full(len(MEAN_SINR_DB), OFFSET_HIGH_DB if link.outer_loop else 0.0)
        for _ in range(BISECTIONS if link.outer_loop else 0):
            middle_db = (low_db + high_db) / 2
            too_many = operate(middle_db)[0] > levels.bler_target
            high_db, low_db = np.where(too_many, middle_db, high_db), np.where(too_many, low_db, middle_db)
        low, high = operate(low_db), operate(high_db)
        gap = high[0] - low[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(gap > 1e-12, (levels.bler_target - low[0]) / gap, 0.0).clip(0.0, 1.0)
        bler, bits, lost = (below + share * (above - below) for below, above in zip(low, high, strict=True))
        return np.stack([heard.mean(axis=1) * bits, bler, lost, low_db + share * (high_db - low_db)], axis=1)

    def _persistence(self) -> float:
        """Return the correlation of the power at a block with that at its repetition, at least 0."""
        repeat_s = self.lag_s + self.link.retransmission.processing_s
        rice = self.channel.rice
        scattered = float(j0(2 * np.pi * self.fading.doppler_hz * repeat_s))
        return max(0.0, (2 * rice * scattered + scattered**2) / (1 + 2 * rice))

    def _sinrs_db(self) -> tuple[FloatArray, list[FloatArray]]:
        """Return the reported SINR and what a block has met after its 1st, 2nd … transmission, each [S, draws]."""
        link, again, doppler_hz = self.link, self.link.retransmission, self.fading.doppler_hz
        age_s = self.lag_s if link.csi_delay_s is None else link.csi_delay_s
        transmissions = again.max_transmissions if self.answered else 1
        repeat_s = self.lag_s + again.processing_s
        # The report is of one slot; a block meets as many moments as it is repeated, of which a few stand for many.
        slot_s = link.slot_s / link.repeats
        interval_s = max(link.repeat_interval_s, slot_s)
        repeats = (
            min(link.repeats, MOST_REPEATS) if doppler_hz * interval_s * (link.repeats - 1) > SHORT else 1
        )
        repeat_at_s = (
            np.linspace(0.0, interval_s * (link.repeats - 1), repeats) if repeats > 1 else np.zeros(1)
        )
        blocks_at_s = repeat_s * np.arange(transmissions)[:, np.newaxis] + repeat_at_s
        begins_s = np.concatenate([[-age_s], blocks_at_s.ravel()])
        moments = MOMENTS if doppler_hz * slot_s > SHORT else 1
        within_s = (np.arange(moments) + 0.5) / moments * slot_s
        times_s = (begins_s[:, np.newaxis] + within_s).ravel()
        spread_s = max(self.channel.delay_s)
        count = FREQUENCIES if self.fading.bandwidth_hz * spread_s > SHORT else 1
        frequencies_hz = ((np.arange(count) + 0.5) / count - 0.5) * self.fading.bandwidth_hz
        gains = power_draws(self.channel, times_s, doppler_hz, frequencies_hz)
        gains = gains.reshape(len(gains), len(begins_s), moments * count).transpose(1, 0, 2)
        mean_sinr = 10 ** (MEAN_SINR_DB[:, np.newaxis] / 10)
        if gains.shape[2] == 1:
            effective = [mean_sinr * gain[:, 0] for gain in gains]
        else:
            # What a code over unequal parts is worth: the SINR of the same capacity.
            effective = [
                np.expm1(np.mean(np.log1p(mean_sinr[:, :, np.newaxis] * gain), axis=2)) for gain in gains
            ]
        # Chase combining adds SINRs: of repeats, whose number the thresholds know, and of transmissions.
        met = np.stack(effective[1:]).reshape(transmissions, repeats, len(MEAN_SINR_DB), -1).mean(axis=1)
        total = np.cumsum(met, axis=0)
        return _db(effective[0]), [_db(sinr) for sinr in total]


def faded_goodput(
    sinr_db: FloatArray, k_db: FloatArray, round_trip_s: FloatArray, tables: FadingTables
) -> Goodput:
    """Return what a pass delivers, as goodput_along_pass does, while the power fades around *sinr_db* [n].

    k_db: [n] direct over scattered power; −inf without a direct path.
    """
    link = tables.link
    feedback = link.retransmission.feedback
    share = stall_share(round_trip_s, link.slot_s, link.retransmission)
    answered = (share >= 1.0) if feedback == "auto" else np.full(len(sinr_db), feedback == "enabled")
    k_bin = np.rint(np.clip(k_db, NO_DIRECT_PATH_BELOW_DB, STEADY_ABOVE_DB)).astype(np.int64)
    if not tables.fading.each_k:
        k_bin = np.where(k_bin > NO_DIRECT_PATH_BELOW_DB, 0, NO_DIRECT_PATH_BELOW_DB)
    lag_bin = _lag_bin(round_trip_s, tables.fading.doppler_hz)
    number = ((k_bin - NO_DIRECT_PATH_BELOW_DB) * LAG_BINS + lag_bin) * 2 + answered
    used = np.flatnonzero(np.bincount(number))
    place = np.zeros(int(used[-1]) + 1 if len(used) else 1, dtype=np.int64)
    place[used] = np.arange(len(used))
    rows = []
    for key in used.tolist():
        of_k, of_lag = divmod(key // 2, LAG_BINS)
        rows.append(tables.row(of_k + NO_DIRECT_PATH_BELOW_DB, of_lag, bool(key % 2)))
    column = np.clip(
        (sinr_db - MEAN_SINR_DB[0]) / (MEAN_SINR_DB[1] - MEAN_SINR_DB[0]), 0, len(MEAN_SINR_DB) - 1
    )
    below = np.minimum(column.astype(np.int64), len(MEAN_SINR_DB) - 2)
    weight = column - below
    position = place[number] * len(MEAN_SINR_DB) + below

    values = np.concatenate(rows)
    under = values[position]
    efficiency, bler, residual_loss, offset_db = (
        under + weight[:, np.newaxis] * (values[position + 1] - under)
    ).T
    if feedback == "enabled":
        efficiency = efficiency * share
    efficiency = np.where(
        sinr_db >= MEAN_SINR_DB[0], efficiency, 0.0
    )  # hardly a fade lifts it; and −inf is no link
    heard = efficiency > 0.0
    return Goodput(
        rate_bps=efficiency * link.resource_elements_per_s,
        bler=bler * heard,
        residual_loss=residual_loss * heard,
        level=np.where(heard, np.maximum(link.levels.level_at(sinr_db + offset_db), 0), -1),
        outer_loop_offset_db=offset_db,
    )


def _db(ratio: FloatArray) -> FloatArray:
    decibels: FloatArray = 10 * np.log10(np.maximum(ratio, 1e-12))
    return decibels


def _lag_bin(round_trip_s: FloatArray, doppler_hz: float) -> npt.NDArray[np.int64]:
    """Return the number [n] of each round trip's bin.

    A report is as good as its correlation with the block: beyond the first lobe of J0 it is as good as one of some age
    within it.
    """
    correlation = j0(2 * np.pi * doppler_hz * np.asarray(round_trip_s))
    turns = np.interp(-correlation, -j0(2 * np.pi * TURNS), TURNS)
    return np.rint(turns / TURNS_STEP).astype(np.int64)


def _between(nodes: npt.NDArray[np.int64], number: int) -> list[tuple[int, float]]:
    """Return the nodes around *number* that interpolate it, with their shares."""
    above = int(np.searchsorted(nodes, number))
    if nodes[above] == number:
        return [(number, 1.0)]
    low, high = int(nodes[above - 1]), int(nodes[above])
    share = (number - low) / (high - low)
    return [(low, 1.0 - share), (high, share)]

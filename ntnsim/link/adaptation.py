"""Modulation and coding levels, the SINR each needs, and how often a block fails (TS 38.214; AWGN thresholds).

A level fails with the logistic 1 / (1 + exp(a (x − x10) + ln 9)) in the SINR x, which passes 0.1 at its threshold
x10. Its slope a per dB falls from QPSK to 256QAM. A transport block of k code blocks fails unless all k succeed. Short
blocks need more and fail less abruptly (block_length.py).
"""

from dataclasses import dataclass
from functools import cache, cached_property
from math import ceil, log, log10
from typing import Any

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import FloatArray, IntArray
from ntnsim.link.block_length import short_block
from ntnsim.link.tables import table

# By bits per symbol; code blocks of 2,000 to 4,000 bits.
SLOPE_PER_DB = {2: 16.0, 4: 11.0, 6: 8.5, 8: 6.0, 10: 6.5}
MAX_CODE_BLOCK_BITS = 8448  # LDPC base graph 1 (TS 38.212, 5.2.2)
STRICT_TABLE_BLER = 1e-5  # CQI table 3 is defined at this block error rate (TS 38.214, 5.2.2.1)
LUT_STEP_DB = 0.01
LUT_LOW_DB, LUT_HIGH_DB = -25.0, 12.0  # SINR over threshold; outside, failure is certain or impossible


def block_error_rate(excess_db: Any, slope_per_db: Any, code_blocks: Any = 1) -> Any:
    """Return the probability that a transport block fails, *excess_db* above its level's threshold."""
    # ln 9 puts a failure probability of 0.1 at the threshold.
    exponent = np.clip(np.asarray(slope_per_db) * np.asarray(excess_db) + log(9.0), -700.0, 700.0)
    block_error = 1.0 / (1.0 + np.exp(exponent))
    return -np.expm1(code_blocks * np.log1p(-np.minimum(block_error, 1.0 - 1e-16)))


@cache
def _threshold_points(threshold_set: str) -> dict[int, tuple[FloatArray, FloatArray]]:
    """Return, per bits per symbol, code rates (times 1024) and thresholds in dB that the set fixes."""
    rows = table("nr")["thresholds_db"][threshold_set]
    if "per_modulation_and_rate" in rows:
        fixed = {
            (int(key.split(":")[0]), float(key.split(":")[1])): value
            for key, value in rows["per_modulation_and_rate"].items()
        }
    else:
        levels = table("nr")["cqi_tables"]["1"]
        fixed = {
            (row["qm"], row["code_rate_x1024"]): value
            for row, value in zip(levels, rows["cqi_table_1"], strict=True)
        }
    return {
        qm: (
            np.array([rate for bits, rate in sorted(fixed) if bits == qm]),
            np.array([fixed[key] for key in sorted(fixed) if key[0] == qm]),
        )
        for qm in sorted({bits for bits, _ in fixed})
    }


def threshold_db(bits_per_symbol: int, code_rate_x1024: float, threshold_set: str) -> float:
    """Return the SINR at which this modulation and code rate fails with probability 0.1.

    A rate between two fixed points of its modulation is interpolated linearly, one outside follows the last two points;
    QPSK below the lowest fixed rate repeats the lowest code (−10 log10 of the rate ratio).
    """
    points = _threshold_points(threshold_set)
    if bits_per_symbol not in points:
        raise ValueError(
            f"thresholds {threshold_set!r} hold no modulation of {bits_per_symbol} bits per symbol"
        )
    rates, values_db = points[bits_per_symbol]
    if bits_per_symbol == 2 and code_rate_x1024 < rates[0]:
        return float(values_db[0] + 10 * np.log10(code_rate_x1024 / rates[0]))
    if len(rates) > 1 and code_rate_x1024 < rates[0]:
        slope = (values_db[1] - values_db[0]) / (rates[1] - rates[0])
        return float(values_db[0] + slope * (code_rate_x1024 - rates[0]))
    if len(rates) > 1 and code_rate_x1024 > rates[-1]:
        slope = (values_db[-1] - values_db[-2]) / (rates[-1] - rates[-2])
        return float(values_db[-1] + slope * (code_rate_x1024 - rates[-1]))
    return float(np.interp(code_rate_x1024, rates, values_db))


@dataclass(frozen=True)
class LevelTable:
    """The levels that a link switches among, in order of efficiency.

    efficiency: [L] bits per resource element. threshold_db: [L] SINR of a block error rate of 0.1 for one code block.
    code_blocks: [L] code blocks per transport block.
    """

    index: IntArray
    bits_per_symbol: IntArray
    efficiency: FloatArray
    threshold_db: FloatArray
    slope_per_db: FloatArray
    code_blocks: IntArray
    bler_target: float

    def __len__(self) -> int:
        return len(self.index)

    @cached_property
    def switching_db(self) -> FloatArray:
        """SINR [L] from which each level's transport blocks meet the target block error rate; non-decreasing."""
        # P_TB = 1 − (1 − P_CB)^k, inverted for P_CB, then through the logistic.
        code_block = -np.expm1(np.log1p(-self.bler_target) / self.code_blocks)
        switching = self.threshold_db + (np.log(1 / code_block - 1) - log(9.0)) / self.slope_per_db
        return np.maximum.accumulate(switching)

    def bler(self, level: Any, sinr_db: Any) -> FloatArray:
        """Return the block error rate [...] of *level* [...] (index into this table) at *sinr_db* [...]."""
        return block_error_rate(
            np.asarray(sinr_db) - self.threshold_db[level], self.slope_per_db[level], self.code_blocks[level]
        )

    def level_at(self, sinr_db: FloatArray) -> npt.NDArray[np.intp]:
        """Return the highest level [...] whose switching point is reached; −1 below the lowest (CQI 0)."""
        return np.searchsorted(self.switching_db, sinr_db, side="right") - 1


@dataclass(frozen=True, slots=True)
class _Kept:
    index: int
    bits_per_symbol: int
    efficiency: float
    threshold_db: float
    slope_per_db: float
    code_blocks: int


def level_table(
    *,
    table_number: int,
    levels: str,
    threshold_set: str,
    implementation_loss_db: float = 0.0,
    bler_target: float = 0.1,
    resource_elements_per_slot: float = 1.0,
    repeats: int = 1,
    short_blocks: bool = False,
) -> LevelTable:
    """Return the levels of CQI or MCS table 1, 2, 3 or 4 (TS 38.214), with the thresholds of a named set.

    levels: "cqi" or "mcs". Levels that need more SINR than a more efficient one are left out.
    resource_elements_per_slot: size of a transport block, for its number of code blocks.
    repeats: slots that each block is sent in and combined over, whatever becomes of it: 10 log10 of them less SINR per
        slot is enough, and each slot carries as small a part of the block.
    short_blocks: whether blocks shorter than those of the thresholds need more and fail less abruptly.
    """
    rows = table("nr")[f"{levels}_tables"][str(table_number)]
    known = _threshold_points(threshold_set)
    kept: list[_Kept] = []
    # From the top down, a level survives only if it needs less SINR than all more efficient ones.
    for row in sorted(rows, key=lambda row: -row["qm"] * row["code_rate_x1024"]):
        if row["qm"] not in known:
            continue  # classic sets know no 256QAM
        efficiency = row["qm"] * row["code_rate_x1024"] / 1024
        bits = max(efficiency * resource_elements_per_slot, 1.0)
        value_db = threshold_db(row["qm"], row["code_rate_x1024"], threshold_set) + implementation_loss_db
        slope_per_db = SLOPE_PER_DB[row["qm"]]
        if short_blocks:
            more_db, gentler = short_block(bits, efficiency, row["code_rate_x1024"])
            value_db, slope_per_db = value_db + more_db, slope_per_db * gentler
        if not kept or value_db < kept[-1].threshold_db:
            blocks = ceil(bits / MAX_CODE_BLOCK_BITS)
            kept.append(_Kept(row["index"], row["qm"], efficiency, value_db, slope_per_db, blocks))
    kept.reverse()
    return LevelTable(
        index=np.array([level.index for level in kept], dtype=np.int64),
        bits_per_symbol=np.array([level.bits_per_symbol for level in kept], dtype=np.int64),
        efficiency=np.array([level.efficiency for level in kept]) / repeats,
        threshold_db=np.array([level.threshold_db for level in kept]) - 10 * log10(repeats),
        slope_per_db=np.array([level.slope_per_db for level in kept]),
        code_blocks=np.array([level.code_blocks for level in kept], dtype=np.int64),
        bler_target=STRICT_TABLE_BLER if table_number == 3 and levels == "cqi" else bler_target,
    )

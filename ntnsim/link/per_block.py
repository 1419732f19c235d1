"""The same link block by block: each block's error, its feedback one round trip later, the outer loop itself.

Slow, and meant to check the fluid model of goodput.py: this one draws each block's fate, counts HARQ processes, waits
for answers and moves the outer loop's offset by steps, where the fluid one takes means. Both share the error tables.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.link.goodput import GoodputSettings
from ntnsim.link.retransmission import stall_share


@dataclass(slots=True)
class _Block:
    bits: float
    level: int
    transmissions: int = 0


@dataclass(slots=True)
class BlockRun:
    """What came of a run: delivered bits after each slot [n], and counts of first transmissions and their failures."""

    slot_s: float
    delivered_bits: FloatArray
    first_transmissions: int = 0
    first_failures: int = 0
    lost_by_harq: int = 0
    offsets_db: list[float] = field(default_factory=list)

    @property
    def bler(self) -> float:
        """Share of first transmissions that failed."""
        return self.first_failures / max(self.first_transmissions, 1)


def run_blocks(
    sinr_db: FloatArray,
    round_trip_s: float,
    settings: GoodputSettings,
    rng: np.random.Generator,
    *,
    outer_loop_step_db: float = 0.02,
    start_offset_db: float = 0.0,
) -> BlockRun:
    """Send blocks in every slot of *sinr_db* [slots] from an endless backlog.

    round_trip_s: age of channel state, and time from a block to its answer.
    start_offset_db: where the outer loop stands at the beginning.
    """
    levels, again = settings.levels, settings.retransmission
    age = max(1, round(round_trip_s / settings.slot_s)) if settings.csi_delay_s is None else None
    age = max(0, round((settings.csi_delay_s or 0.0) / settings.slot_s)) if age is None else age
    answer_after = max(1, round((round_trip_s + again.processing_s) / settings.slot_s))
    share = float(stall_share(round_trip_s, settings.slot_s, again))
    with_harq = again.feedback == "enabled" or (again.feedback == "auto" and share >= 1.0)
    bits_per_slot = levels.efficiency * settings.resource_elements_per_s * settings.slot_s
    tables = [settings.errors.bler_after(n).ravel() for n in range(1, again.max_transmissions + 1)]
    switching = levels.switching_db.tolist()
    step_up = outer_loop_step_db * levels.bler_target / (1.0 - levels.bler_target)
    offset_db = start_offset_db
    free = again.processes
    waiting: deque[tuple[int, _Block, bool]] = deque()  # answers under way
    to_repeat: deque[_Block] = deque()
    delivered = np.zeros(len(sinr_db))
    run = BlockRun(settings.slot_s, delivered)
    chances = rng.random(len(sinr_db))
    total = 0.0
    for slot, now_db in enumerate(sinr_db.tolist()):
        while waiting and waiting[0][0] <= slot:
            _, block, succeeded = waiting.popleft()
            if settings.outer_loop and block.transmissions == 1:
                offset_db += step_up if succeeded else -outer_loop_step_db
            if succeeded or not with_harq:
                free += with_harq
            elif block.transmissions < again.max_transmissions:
                to_repeat.append(block)
            else:
                free += 1
                run.lost_by_harq += 1  # RLC sends its data again: with an endless backlog, later
        run.offsets_db.append(offset_db)
        reported_db = float(sinr_db[max(slot - age, 0)])
        block_now: _Block | None = None
        if to_repeat:
            block_now = to_repeat.popleft()
        elif (free > 0 or not with_harq) and reported_db >= switching[0]:
            level = max(int(np.searchsorted(switching, reported_db + offset_db, side="right")) - 1, 0)
            block_now = _Block(float(bits_per_slot[level]), level)
            free -= with_harq
        if block_now is not None:
            block_now.transmissions += 1
            position = int(settings.errors.position(block_now.level, np.asarray(now_db)))
            failed = chances[slot] < tables[block_now.transmissions - 1][position]
            if block_now.transmissions == 1:
                run.first_transmissions += 1
                run.first_failures += int(failed)
            if not failed:
                total += block_now.bits
            waiting.append((slot + answer_after, block_now, not failed))
        delivered[slot] = total
    return run

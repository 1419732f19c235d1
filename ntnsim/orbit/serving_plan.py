"""The serving satellite over time, worked out in blocks of absolute time as far as anybody has asked."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import FloatArray, IntArray
from ntnsim.orbit.geometry import look
from ntnsim.orbit.ground import GroundReach
from ntnsim.orbit.pass_book import Pass, PassBook, search_together
from ntnsim.orbit.passes import Orbits
from ntnsim.orbit.serving import HandoverRule, Serving, ServingState, serve
from ntnsim.orbit.surroundings import clear
from ntnsim.units import SPEED_OF_LIGHT_M_S

BLOCK_S = 600.0  # constant, so that results cannot depend on how a caller cuts its windows
KEPT_BLOCKS = 512  # 3.5 days: more than anybody looks ahead
FEWEST_BLOCKS = 12  # more than a window and its look-ahead
KEPT_STRETCHES = 5_000  # half a kilobyte each, its pass included
MILESTONE_BLOCKS = 144  # a day
# Every 30 days service is acquired anew, so that a time decades ahead is at most so many days' solving away.
EPOCH_BLOCKS = 30 * MILESTONE_BLOCKS


@dataclass(frozen=True, slots=True)
class Sight:
    """Candidates as the terminal sees them at decision times [c, t], where they are usable; else -90 and inf."""

    elevation_deg: FloatArray
    range_m: FloatArray


class GridPositions:
    """Positions of some satellites at the decision times of a block, worked out once for all sites."""

    def __init__(self, orbits: Orbits, satellites: IntArray, decision_s: FloatArray) -> None:
        self._row = np.full(len(orbits), -1)
        self._row[satellites] = np.arange(len(satellites))
        self._positions_m = orbits.positions_of_m(satellites[:, np.newaxis], decision_s[np.newaxis, :])

    def of_m(self, satellites: IntArray, column: IntArray) -> FloatArray:
        """Return positions [k, 3] of *satellites* [k] at the decision times of number *column* [k]."""
        found: FloatArray = self._positions_m[self._row[satellites], column]
        return found


# Score [c, t] of candidates at decision times; larger is better.
Score = Callable[[Sequence[Pass], FloatArray, Sight], FloatArray]
# Whether a satellite is out of service [t] at decision times.
Outage = Callable[[str, FloatArray], npt.NDArray[np.bool_]]


def score_elevation(candidates: Sequence[Pass], decision_s: FloatArray, sight: Sight) -> FloatArray:
    """Prefer the highest satellite."""
    return sight.elevation_deg


def score_shortest_delay(reach: GroundReach) -> Score:
    """Return a score that prefers the shortest way from terminal to data network, in seconds."""

    def score(candidates: Sequence[Pass], decision_s: FloatArray, sight: Sight) -> FloatArray:
        satellites = np.array([candidate.satellite for candidate in candidates])
        delay_s = sight.range_m / SPEED_OF_LIGHT_M_S + reach.delays_s(satellites, decision_s)
        return np.where(np.isnan(delay_s), -np.inf, -delay_s)

    return score


def score_remaining_time(candidates: Sequence[Pass], decision_s: FloatArray, sight: Sight) -> FloatArray:
    """Prefer the satellite that sets last."""
    set_s = np.array([candidate.set_s for candidate in candidates])
    return set_s[:, np.newaxis] - decision_s[np.newaxis, :]


class ServingPlan:
    """Serving stretches of one terminal.

    kept_stretches: how many are remembered, beside those of the last two hours.
    """

    def __init__(
        self,
        book: PassBook,
        reach: GroundReach,
        rule: HandoverRule,
        score: Score,
        *,
        decision_interval_s: float,
        outage: Outage | None = None,
        kept_stretches: int = KEPT_STRETCHES,
    ) -> None:
        self.book = book
        self._kept_stretches = kept_stretches
        self._n_stretches = 0
        self._reach = reach
        self._rule = rule
        self._score = score
        self._interval_s = decision_interval_s
        self._outage = outage
        self._stretches: OrderedDict[int, list[Serving]] = OrderedDict()
        self._states: dict[int, ServingState] = {0: ServingState()}  # at the start of each block
        self.next_block = 0  # the first that was never solved
        self.group: ServingGroup | None = None

    def between(self, start_s: float, end_s: float) -> list[Serving]:
        """Return the stretches with a moment in [start_s, end_s), uncut; a stretch may end where its block does."""
        first, last = int(start_s // BLOCK_S), int(-(-end_s // BLOCK_S)) - 1
        found = [stretch for block in range(max(first, 0), last + 1) for stretch in self._block(block)]
        return [stretch for stretch in found if stretch.start_s < end_s and stretch.end_s > start_s]

    def _block(self, number: int) -> list[Serving]:
        """Return one block's stretches, solved from the last known state on: at most from the last milestone."""
        if number not in self._stretches:
            # Long gaps of a walk are crossed once; from then on any time is a day's solving away.
            block = number
            while block not in self._states and block % EPOCH_BLOCKS:
                block -= 1
            if block not in self._states:
                self._states[block] = ServingState()
                self.next_block = max(self.next_block, block)
            for missing in range(block, number + 1):
                if self.group is not None and missing == self.next_block:
                    self.group.solve(missing)
                else:
                    self.solve(missing)
        self._stretches.move_to_end(number)
        return self._stretches[number]

    def solve(self, block: int, positions: GridPositions | None = None) -> None:
        """Work out a block whose beginning is known. positions: of satellites at the decision times, if they are."""
        self._n_stretches -= len(self._stretches.pop(block, ()))
        self._stretches[block], state = self._solve(block, self._states[block], positions)
        self._states[block + 1] = state if (block + 1) % EPOCH_BLOCKS else ServingState()
        self._n_stretches += len(self._stretches[block])
        self.next_block = max(self.next_block, block + 1)
        self._forget(block)

    def candidates(self, block: int) -> list[Pass]:
        """Return the passes that touch a block."""
        return self.book.between(block * BLOCK_S, (block + 1) * BLOCK_S)

    def decision_s(self, block: int) -> FloatArray:
        """Return the times [t] in a block at which the serving satellite may change."""
        first = int(np.ceil(block * BLOCK_S / self._interval_s - 1e-9))
        last = int(np.ceil((block + 1) * BLOCK_S / self._interval_s - 1e-9))
        return np.arange(first, last, dtype=np.float64) * self._interval_s

    def _forget(self, newest: int) -> None:
        """Keep the blocks asked for last, and of the others' states one a day, so that memory stays small."""
        self._stretches.move_to_end(newest)
        while len(self._stretches) > KEPT_BLOCKS or (
            self._n_stretches > self._kept_stretches and len(self._stretches) > FEWEST_BLOCKS
        ):
            old, forgotten = self._stretches.popitem(last=False)
            self._n_stretches -= len(forgotten)
            if (old + 1) % MILESTONE_BLOCKS:
                self._states.pop(old + 1, None)

    def _solve(
        self, block: int, state: ServingState, positions: GridPositions | None
    ) -> tuple[list[Serving], ServingState]:
        start_s, end_s = block * BLOCK_S, (block + 1) * BLOCK_S
        decision_s = self.decision_s(block)
        candidates = self.candidates(block)
        if not candidates:
            return [], ServingState()
        satellites = np.array([candidate.satellite for candidate in candidates])
        rise_s = np.array([candidate.rise_s for candidate in candidates])[:, np.newaxis]
        set_s = np.array([candidate.set_s for candidate in candidates])[:, np.newaxis]
        usable = (rise_s <= decision_s) & (decision_s < set_s)
        usable &= self._reach.reachable(satellites, decision_s)
        if self._outage is not None:
            names = self.book.orbits.names
            usable &= ~np.array([self._outage(names[index], decision_s) for index in satellites])
        sight = Sight(np.full(usable.shape, -90.0), np.full(usable.shape, np.inf))
        row, column = np.nonzero(usable)
        if positions is None:
            positions_m = self.book.orbits.positions_of_m(satellites[row], decision_s[column])
        else:
            positions_m = positions.of_m(satellites[row], column)
        sine, range_m = look(self.book.site.at(decision_s[column]), positions_m)
        if self.book.site.surroundings:
            free = clear(self.book.site, positions_m, sine)
            usable[row[~free], column[~free]] = False
            row, column, sine, range_m = row[free], column[free], sine[free], range_m[free]
        sight.range_m[row, column] = range_m
        sight.elevation_deg[row, column] = np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))
        score = self._score(candidates, decision_s, sight)
        return serve(candidates, decision_s, usable, score, start_s, end_s, self._rule, state)


class ServingGroup:
    """Plans of many sites under one sky: a block that one of them needs is solved for all that come to it.

    Sites see the same satellites, so that these are propagated once instead of once per site. What a plan says does not
    depend on its group.
    """

    def __init__(self, plans: Sequence[ServingPlan], orbits: Orbits) -> None:
        self._plans = plans
        self._orbits = orbits
        for plan in plans:
            plan.group = self

    def solve(self, block: int) -> None:
        """Work out a block for all plans that have come to it."""
        due = [plan for plan in self._plans if plan.next_block == block]
        decision_s = due[0].decision_s(block)
        start_s, end_s = block * BLOCK_S, (block + 1) * BLOCK_S
        search_together([plan.book for plan in due], start_s, end_s)
        candidates = [candidate for plan in due for candidate in plan.candidates(block)]
        satellites = np.unique([candidate.satellite for candidate in candidates]).astype(np.int64)
        in_view_s = sum(
            min(candidate.set_s, end_s) - max(candidate.rise_s, start_s) for candidate in candidates
        )
        positions = None
        if in_view_s * len(decision_s) / BLOCK_S > len(satellites) * len(decision_s):
            positions = GridPositions(self._orbits, satellites, decision_s)
        for plan in due:
            plan.solve(block, positions)

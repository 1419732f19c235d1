"""The serving satellite over time, worked out in blocks of absolute time as far as anybody has asked."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import FloatArray
from ntnsim.orbit.geometry import look
from ntnsim.orbit.ground import GroundReach
from ntnsim.orbit.pass_book import Pass, PassBook
from ntnsim.orbit.serving import HandoverRule, Serving, ServingState, serve
from ntnsim.orbit.surroundings import clear
from ntnsim.units import SPEED_OF_LIGHT_M_S

BLOCK_S = 600.0  # constant, so that results cannot depend on how a caller cuts its windows
KEPT_BLOCKS = 512  # 3.5 days: more than anybody looks ahead
MILESTONE_BLOCKS = 144  # a day


@dataclass(frozen=True, slots=True)
class Sight:
    """Candidates as the terminal sees them at decision times [c, t], where they are usable; else -90 and inf."""

    elevation_deg: FloatArray
    range_m: FloatArray


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
    """Serving stretches of one terminal."""

    def __init__(
        self,
        book: PassBook,
        reach: GroundReach,
        rule: HandoverRule,
        score: Score,
        *,
        decision_interval_s: float,
        outage: Outage | None = None,
    ) -> None:
        self._book = book
        self._reach = reach
        self._rule = rule
        self._score = score
        self._interval_s = decision_interval_s
        self._outage = outage
        self._stretches: OrderedDict[int, list[Serving]] = OrderedDict()
        self._states: dict[int, ServingState] = {0: ServingState()}  # at the start of each block

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
            while block not in self._states:
                block -= 1
            for solved in range(block, number + 1):
                self._stretches[solved], self._states[solved + 1] = self._solve(solved, self._states[solved])
                self._forget(solved)
        self._stretches.move_to_end(number)
        return self._stretches[number]

    def _forget(self, newest: int) -> None:
        """Keep the blocks asked for last, and of the others' states one a day, so that memory stays small."""
        self._stretches.move_to_end(newest)
        while len(self._stretches) > KEPT_BLOCKS:
            old, _ = self._stretches.popitem(last=False)
            if (old + 1) % MILESTONE_BLOCKS:
                self._states.pop(old + 1, None)

    def _solve(self, block: int, state: ServingState) -> tuple[list[Serving], ServingState]:
        start_s, end_s = block * BLOCK_S, (block + 1) * BLOCK_S
        first = int(np.ceil(start_s / self._interval_s - 1e-9))
        last = int(np.ceil(end_s / self._interval_s - 1e-9))
        decision_s = np.arange(first, last, dtype=np.float64) * self._interval_s
        candidates = self._book.between(start_s, end_s)
        if not candidates:
            return [], ServingState()
        satellites = np.array([candidate.satellite for candidate in candidates])
        rise_s = np.array([candidate.rise_s for candidate in candidates])[:, np.newaxis]
        set_s = np.array([candidate.set_s for candidate in candidates])[:, np.newaxis]
        usable = (rise_s <= decision_s) & (decision_s < set_s)
        usable &= self._reach.reachable(satellites, decision_s)
        if self._outage is not None:
            names = self._book.orbits.names
            usable &= ~np.array([self._outage(names[index], decision_s) for index in satellites])
        sight = Sight(np.full(usable.shape, -90.0), np.full(usable.shape, np.inf))
        row, column = np.nonzero(usable)
        positions_m = self._book.orbits.positions_of_m(satellites[row], decision_s[column])
        sine, range_m = look(self._book.site.at(decision_s[column]), positions_m)
        if self._book.site.surroundings:
            free = clear(self._book.site, positions_m, sine)
            usable[row[~free], column[~free]] = False
            row, column, sine, range_m = row[free], column[free], sine[free], range_m[free]
        sight.range_m[row, column] = range_m
        sight.elevation_deg[row, column] = np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))
        score = self._score(candidates, decision_s, sight)
        return serve(candidates, decision_s, usable, score, start_s, end_s, self._rule, state)

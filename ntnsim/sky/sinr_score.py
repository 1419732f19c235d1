"""Candidates for the serving satellite, scored by their SINR at the times of decision."""

from collections.abc import Callable, Sequence

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.orbit.pass_book import Pass
from ntnsim.orbit.serving_plan import Sight
from ntnsim.sky.kept_passes import PassSteps

NO_VALUES = np.zeros(0)


class SinrScore:
    """The score of one terminal, called block by block of decisions.

    steps_of: the link along a pass. interval_s: from one decision to the next.
    """

    def __init__(self, steps_of: Callable[[Pass], PassSteps], interval_s: float) -> None:
        self._steps_of = steps_of
        self._interval_s = interval_s
        # SINRs at decisions to come, of passes by satellite and rise: known from which decision on, the first, values.
        self._ahead: dict[tuple[int, float], tuple[int, int, FloatArray]] = {}

    def __call__(self, candidates: Sequence[Pass], decision_s: FloatArray, sight: Sight) -> FloatArray:
        """Return the SINR [c, t] of *candidates* at the decision times [t]; -inf where a pass is over."""
        score = np.full(sight.elevation_deg.shape, -np.inf)
        numbers = np.rint(decision_s / self._interval_s).astype(np.int64)
        begin, end = int(numbers[0]), int(numbers[-1]) + 1
        known, self._ahead = self._ahead, {}
        for row, candidate in enumerate(candidates):
            key = (candidate.satellite, candidate.rise_s)
            known_from, first, sinr_db = known.get(key, (end, 0, NO_VALUES))
            if known_from > begin:
                first, sinr_db = self._along(candidate)
            at = numbers - first
            inside = (at >= 0) & (at < len(sinr_db))
            score[row, inside] = sinr_db[at[inside]]
            # Many candidates never serve: of these, what the next block asks for is all that is kept.
            if first + len(sinr_db) > end:
                rest = max(end - first, 0)
                self._ahead[key] = end, first + rest, sinr_db[rest:].copy()
        return score

    def _along(self, candidate: Pass) -> tuple[int, FloatArray]:
        """Return the number of the first decision along a pass, and the SINR [k] at this one and those that follow."""
        link = self._steps_of(candidate)
        last = link.first_step + len(link.sinr_db)
        numbers = np.arange(
            int(link.first_step * link.step_s / self._interval_s),
            int(last * link.step_s / self._interval_s) + 2,
        )
        at = (numbers.astype(np.float64) * self._interval_s / link.step_s).astype(np.int64) - link.first_step
        inside = (at >= 0) & (at < len(link.sinr_db))
        return int(numbers[inside][0]) if inside.any() else 0, link.sinr_db[at[inside]]

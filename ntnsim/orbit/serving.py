"""Which satellite serves a terminal, and when it changes.

At each decision time every usable satellite has a score (elevation, SINR, or time until it sets). The serving satellite
is kept until it is lost or, after a minimum dwell, another one is better by the hysteresis. A loss is felt when it
happens; everything else only at decision times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import FloatArray
from ntnsim.orbit.pass_book import Pass

Reason = Literal["acquisition", "handover"]


@dataclass(frozen=True, slots=True)
class HandoverRule:
    """keep_until_lost: never change for a better score (the rule of the longest remaining time)."""

    hysteresis: float
    min_dwell_s: float
    keep_until_lost: bool = False


@dataclass(frozen=True, slots=True)
class Serving:
    """A stretch of time with one serving satellite.

    since_s, reason: when and why the satellite began to serve, which may have been in an earlier window.
    after_loss: whether the one before was lost before it set.
    """

    start_s: float
    end_s: float
    satellite_pass: Pass
    since_s: float
    reason: Reason
    after_loss: bool = False

    @property
    def begins(self) -> bool:
        """Whether service begins with this stretch, rather than goes on."""
        return self.start_s == self.since_s


@dataclass(frozen=True, slots=True)
class ServingState:
    """What one window hands to the next: the pass in service, since when and why (None: no contact)."""

    satellite_pass: Pass | None = None
    since_s: float = -np.inf
    reason: Reason = "acquisition"
    after_loss: bool = False


def serve(
    candidates: Sequence[Pass],
    decision_s: FloatArray,
    usable: npt.NDArray[np.bool_],
    score: FloatArray,
    begin_s: float,
    end_s: float,
    rule: HandoverRule,
    state: ServingState,
) -> tuple[list[Serving], ServingState]:
    """Return the serving stretches within one window, and the state at its end.

    candidates: the passes that touch the window. decision_s: [t] decision times in the window.
    usable, score: [c, t] at the decision times; larger scores are better.
    begin_s, end_s: the window; a stretch that reaches its end goes on in the next one.
    """
    if not len(candidates) or not len(decision_s):
        return [], ServingState()
    ranked = np.where(usable, score, -np.inf)
    best = ranked.max(axis=0)
    stretches: list[Serving] = []
    current = next(
        (index for index, candidate in enumerate(candidates) if _continues(candidate, state, begin_s)), None
    )
    since_s, reason, after_loss = state.since_s, state.reason, state.after_loss
    at = 0
    start_s = begin_s
    while True:
        if current is None:
            ahead = np.flatnonzero(best[at:] > -np.inf)
            if not len(ahead):
                return stretches, ServingState()
            at += int(ahead[0])
            current = int(np.argmax(ranked[:, at]))
            start_s = since_s = float(decision_s[at])
            reason, after_loss = "acquisition", False
        serving = candidates[current]
        lost_at = _first(~usable[current, at:], at)
        better_at = len(decision_s)
        if not rule.keep_until_lost:
            free_at = max(at, int(np.searchsorted(decision_s, since_s + rule.min_dwell_s)))
            better_at = _first(
                best[free_at:lost_at] > ranked[current, free_at:lost_at] + rule.hysteresis, free_at
            )
        if better_at < lost_at:
            change_s = float(decision_s[better_at])
            stretches.append(Serving(start_s, change_s, serving, since_s, reason, after_loss))
            current, at, lost_early = int(np.argmax(ranked[:, better_at])), better_at, False
        else:
            change_s = float(decision_s[lost_at]) if lost_at < len(decision_s) else end_s
            change_s = min(change_s, serving.set_s)
            if change_s >= end_s:
                stretches.append(Serving(start_s, end_s, serving, since_s, reason, after_loss))
                return stretches, ServingState(serving, since_s, reason, after_loss)
            if change_s > start_s:
                stretches.append(Serving(start_s, change_s, serving, since_s, reason, after_loss))
            # Who takes over was decided from what was known at the last decision.
            known = max(lost_at - 1, at)
            follow = ranked[:, known].copy()
            follow[current] = -np.inf
            follow[[candidate.set_s <= change_s for candidate in candidates]] = -np.inf
            if follow.max() == -np.inf:
                current, at = None, lost_at
                if at >= len(decision_s):
                    return stretches, ServingState()
                continue
            lost_early = change_s < serving.set_s
            current, at = int(np.argmax(follow)), min(lost_at, len(decision_s) - 1)
            if not usable[current, at]:  # lost as well before the next decision
                current = None
                continue
        start_s = since_s = change_s
        reason, after_loss = "handover", lost_early


def _continues(candidate: Pass, state: ServingState, time_s: float) -> bool:
    """Return whether *candidate* is the pass in service, or its next piece (a satellite that stays up has many)."""
    before = state.satellite_pass
    return (
        before is not None
        and candidate.satellite == before.satellite
        and candidate.rise_s <= time_s < candidate.set_s
    )


def _first(condition: npt.NDArray[np.bool_], offset: int) -> int:
    """Return the index of the first True, counted from *offset* before; the index past the end if there is none."""
    if not condition.any():
        return offset + len(condition)
    return offset + int(np.argmax(condition))

"""Passes of random channels that windows come back to: one store for all terminals of a run.

A random channel walks from rise to set, so that a window needs the whole of each pass that it holds a part of. The next
window takes up those that still go on, another scheme all of them. What was not asked for the longest goes first, which
in a running world is what lies behind the clock; each terminal keeps its last passes itself.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.link.pass_link import PassLink
from ntnsim.orbit.pass_book import Pass

KEPT_STEPS = 2_500_000  # of all terminals together: 100 MB
LAST_PASSES = 2  # that each keeps in any case: one that sets and one that follows


@dataclass(frozen=True, slots=True)
class PassSteps:
    """What windows need of the link along a pass [n]; its first step is number *first_step* of the scenario's grid."""

    first_step: int
    step_s: float
    rate_bps: FloatArray
    sinr_db: FloatArray
    elevation_deg: FloatArray
    propagation_s: FloatArray
    round_trip_s: FloatArray


def steps_of(link: PassLink) -> PassSteps:
    """Return what windows need of *link*."""
    geometry = link.geometry
    return PassSteps(
        geometry.first_step,
        geometry.step_s,
        link.goodput.rate_bps,
        link.sinr_db,
        geometry.elevation_deg,
        geometry.propagation_s,
        geometry.round_trip_s,
    )


def _packed(steps: PassSteps) -> PassSteps:
    """Return *steps* in one block of memory: what is kept does not lie scattered among what is soon freed."""
    rows = np.stack(
        [steps.rate_bps, steps.sinr_db, steps.elevation_deg, steps.propagation_s, steps.round_trip_s]
    )
    return PassSteps(steps.first_step, steps.step_s, *rows)


class KeptPasses:
    """Passes by whatever names them, up to *most_steps* in all."""

    def __init__(self, most_steps: int = KEPT_STEPS) -> None:
        self._most_steps = most_steps
        self._steps = 0
        self._passes: OrderedDict[Hashable, PassSteps] = OrderedDict()

    def __len__(self) -> int:
        return len(self._passes)

    def find(self, key: Hashable) -> PassSteps | None:
        """Return the pass called *key*, or None where it is not kept."""
        found = self._passes.get(key)
        if found is not None:
            self._passes.move_to_end(key)
        return found

    def keep(self, key: Hashable, one: PassSteps) -> None:
        """Keep a pass, and forget others until all fit; one that is too long for that is not kept."""
        self._passes[key] = one
        self._steps += len(one.sinr_db)
        while self._steps > self._most_steps:
            _, forgotten = self._passes.popitem(last=False)
            self._steps -= len(forgotten.sinr_db)


class OwnPasses:
    """A terminal's passes in the *store* of all: called with a pass, gives its steps, made by *link* if need be."""

    def __init__(self, store: KeptPasses, link: Callable[[Pass], PassLink]) -> None:
        self._store = store
        self._link = link
        self._last: OrderedDict[tuple[int, float], PassSteps] = OrderedDict()

    def __call__(self, satellite_pass: Pass) -> PassSteps:
        """Return what windows need of the link along a pass."""
        key = (satellite_pass.satellite, satellite_pass.rise_s)
        own = (id(self), *key)  # terminals of one store live as long as it does
        steps = self._last.get(key) or self._store.find(own)
        if steps is None:
            steps = _packed(steps_of(self._link(satellite_pass)))
            self._store.keep(own, steps)
        self._last[key] = steps
        self._last.move_to_end(key)
        if len(self._last) > LAST_PASSES:
            self._last.popitem(last=False)
        return steps

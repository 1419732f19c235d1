"""Passes of random channels that windows come back to: one store for all terminals of a run.

A random channel walks from rise to set, so that a window needs the whole of each pass that it holds a part of. The next
window takes up what is left of those that still go on, which each terminal keeps itself. The store is for another
scheme, which comes back to all of them in the same order: it takes what comes first until it is full, as a store that
forgot the oldest for the newest would have forgotten each before its time came.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.link.pass_link import PassLink
from ntnsim.orbit.pass_book import Pass

KEPT_STEPS = 1_250_000  # of all terminals together: 50 MB


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


def _packed(steps: PassSteps, first: int = 0) -> PassSteps:
    """Return *steps* from place *first* on in one block of memory: what is kept does not lie scattered among what is
    soon freed."""
    columns = (steps.rate_bps, steps.sinr_db, steps.elevation_deg, steps.propagation_s, steps.round_trip_s)
    rows = np.stack([column[first:] for column in columns])
    return PassSteps(steps.first_step + first, steps.step_s, *rows)


class KeptPasses:
    """Passes by whatever names them, as many as fit into *most_steps*."""

    def __init__(self, most_steps: int = KEPT_STEPS) -> None:
        self._free_steps = most_steps
        self._passes: dict[Hashable, PassSteps] = {}

    def __len__(self) -> int:
        return len(self._passes)

    def find(self, key: Hashable) -> PassSteps | None:
        """Return the pass called *key*, or None where it is not kept."""
        return self._passes.get(key)

    def keep(self, key: Hashable, one: PassSteps) -> None:
        """Keep a pass if it fits."""
        if len(one.sinr_db) <= self._free_steps:
            self._passes[key] = one
            self._free_steps -= len(one.sinr_db)


class OwnPasses:
    """A terminal's passes in the *store* of all: called with a pass, gives its steps, made by *link* if need be."""

    def __init__(self, store: KeptPasses, link: Callable[[Pass], PassLink]) -> None:
        self._store = store
        self._link = link
        self._left: dict[tuple[int, float], PassSteps] = {}

    def __call__(self, satellite_pass: Pass, from_step: int | None = None) -> PassSteps:
        """Return what windows need of the link along a pass, at least from step number *from_step* on."""
        left = self._left.get(_key(satellite_pass))
        if left is not None and from_step is not None and left.first_step <= from_step:
            return left
        own = (id(self), _key(satellite_pass))  # terminals of one store live as long as it does
        steps = self._store.find(own)
        if steps is None:
            steps = _packed(steps_of(self._link(satellite_pass)))
            self._store.keep(own, steps)
        return steps

    def keep_left(self, used: Iterable[tuple[Pass, PassSteps]], from_step: int) -> None:
        """Keep what is left from *from_step* on of the passes that a window *used*, for the window that follows it."""
        self._left = {
            _key(satellite_pass): _packed(steps, max(from_step - steps.first_step, 0))
            for satellite_pass, steps in used
            if steps.first_step + len(steps.sinr_db) > from_step
        }


def _key(satellite_pass: Pass) -> tuple[int, float]:
    return satellite_pass.satellite, satellite_pass.rise_s

"""The satellite link's rate over time, and what else is known of it: satellite, elevation, contact, propagation.

Rates come from the orbit and the radio (`RateProfile` windows) or are written in the scenario. What others take of the
beam, faults and rain scale them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf, nan
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import FloatArray
from ntnsim.chance import step_path
from ntnsim.chance.step_path import StepPath
from ntnsim.errors import ScenarioError
from ntnsim.protocols.rate_profile import ProfileSource, RateProfile
from ntnsim.rates.product_clock import product_clock
from ntnsim.rates.rate_clock import RateClock, RateWindow
from ntnsim.scenario.fault_target import means
from ntnsim.scenario.satellite_link import (
    ConstantLinkSpec,
    TraceLinkSpec,
    WindowsLinkSpec,
)

WrittenLinkSpec = ConstantLinkSpec | WindowsLinkSpec | TraceLinkSpec

_CHANGES_LOOKED_AT = 1000  # when the end of a written contact is searched

ORBIT_SEARCH_S = 3_600.0  # looked ahead at once, when a contact is searched: the run may end first


class ContactState(NamedTuple):
    """The link's state at one instant, whoever uses it."""

    satellite: str
    elevation_deg: float
    sinr_db: float
    remaining_pass_s: float
    next_contact_s: float
    propagation_s: float


class LinkDetails(Protocol):
    """What a window knows beside its rate."""

    def state(self, time_s: float) -> ContactState:
        """Return the state at *time_s*."""
        ...

    def satellite(self, time_s: float) -> str:
        """Return the satellite that serves at *time_s*, or did just before; "" without contact."""
        ...

    def served_until_s(self, time_s: float) -> float:
        """Return until when at least the satellite that serves at *time_s* does; without contact, until one serves."""
        ...

    def propagation_s(self, time_s: float) -> float:
        """Return the delay of a bit sent at *time_s*, or just before."""
        ...


LinkClock = RateClock[LinkDetails]


class _ProfileDetails:
    """The details of a window that orbit and radio made."""

    def __init__(self, profile: RateProfile) -> None:
        # The window has the rates; of many sites' windows, each column counts.
        self._profile = replace(profile, rate_bps=np.broadcast_to(0.0, len(profile.rate_bps)))

    def state(self, time_s: float) -> ContactState:
        """Return the state at *time_s*, from the profile's step that holds it."""
        profile = self._profile
        step = profile.index_at(time_s)
        serving = profile.satellite_index.item(step)
        if serving < 0:
            next_s = profile.next_contact_s.item(step)
            return ContactState("", nan, nan, 0.0, max(next_s - time_s, 0.0), nan)
        return ContactState(
            profile.satellites[serving],
            profile.elevation_deg.item(step),
            profile.sinr_db.item(step),
            max(profile.contact_end_s.item(step) - time_s, 0.0),
            0.0,
            profile.propagation_s.item(step),
        )

    def satellite(self, time_s: float) -> str:
        serving = self._profile.satellite_index.item(self._step_with_contact(time_s))
        return self._profile.satellites[serving] if serving >= 0 else ""

    def served_until_s(self, time_s: float) -> float:
        profile = self._profile
        step = profile.index_at(time_s)
        changes = np.flatnonzero(profile.satellite_index[step:] != profile.satellite_index[step])
        steps = step + int(changes[0]) if len(changes) else len(profile.satellite_index)
        return profile.start_s + steps * profile.step_s

    def propagation_s(self, time_s: float) -> float:
        return self._profile.propagation_s.item(self._step_with_contact(time_s))

    def _step_with_contact(self, time_s: float) -> int:
        # A last bit may leave at the very end of a contact, which already belongs to the step without one.
        step = self._profile.index_at(time_s)
        return step - 1 if step > 0 and self._profile.satellite_index.item(step) < 0 else step


class _WrittenDetails:
    """The details of a link whose rate the scenario states: a nameless satellite at a constant distance."""

    NAME = "satellite"

    def __init__(self, contact: StepPath, propagation_s: float) -> None:
        self._contact = contact
        self._propagation_s = propagation_s

    def state(self, time_s: float) -> ContactState:
        """Return the state at *time_s*, from the path of contacts."""
        in_contact = self._contact.at(time_s) > 0
        change_s = time_s
        for _ in range(_CHANGES_LOOKED_AT):
            change_s = self._contact.next_change_s(change_s)
            if change_s == inf or (self._contact.at(change_s) > 0) != in_contact:
                break
        self._contact.forget_before(time_s)
        if in_contact:
            return ContactState(self.NAME, nan, nan, change_s - time_s, 0.0, self._propagation_s)
        return ContactState("", nan, nan, 0.0, change_s - time_s, nan)

    def satellite(self, time_s: float) -> str:
        return self.NAME

    def served_until_s(self, time_s: float) -> float:
        return inf

    def propagation_s(self, time_s: float) -> float:
        return self._propagation_s


@dataclass(frozen=True)
class Impairments:
    """What scales a terminal's rate besides orbit and radio. Each path belongs to one clock.

    factors: multiply the rate (what background load leaves, cut paths, rain as a factor).
    satellites: (pattern, path): the rate by satellites of matching names is multiplied by the path.
    attenuations_db: taken off the SINR; *efficiency_at* then tells how much less gets through.
    """

    factors: Sequence[StepPath] = ()
    satellites: Sequence[tuple[str, StepPath]] = ()
    attenuations_db: Sequence[StepPath] = ()
    efficiency_at: Callable[[FloatArray], FloatArray] | None = None

    def paths(self) -> list[StepPath]:
        """Return all paths."""
        return [*self.factors, *(path for _, path in self.satellites), *self.attenuations_db]


def orbit_clock(source: ProfileSource, impairments: Impairments, until_s: float) -> LinkClock:
    """Return the clock of a link whose profiles *source* makes, all of one length.

    A source that says its *window_s* is not called before somebody looks at the link: a site without traffic costs
    nothing.
    """
    window_s = getattr(source, "window_s", None)
    if window_s is None:
        first = source(0.0)
        window_s = len(first.rate_bps) * first.step_s

    paths = impairments.paths()

    def next_window(start_s: float) -> RateWindow[LinkDetails]:
        """Return the window of rates and contact details that begins at *start_s*."""
        profile = source(start_s)
        steps = len(profile.rate_bps)
        begin_s, end_s = profile.start_s, profile.start_s + profile.step_s * steps
        edges_s: FloatArray = begin_s + profile.step_s * np.arange(steps + 1, dtype=np.float64)
        changes_s = [t for path in paths for t in path.change_times_s(begin_s, end_s)]
        if changes_s:
            edges_s = np.union1d(edges_s, changes_s).astype(np.float64)
            middle_s = (edges_s[:-1] + edges_s[1:]) / 2
            step = np.clip(((middle_s - profile.start_s) / profile.step_s).astype(np.intp), 0, steps - 1)
            rate_bps = _impaired(profile, step, middle_s, impairments)
        elif len(paths) > len(impairments.factors):  # the paths have one value in all the window
            rate_bps = _impaired(profile, np.arange(steps), edges_s[:1], impairments)
        else:
            rate_bps = profile.rate_bps
            for path in paths:  # one by one, as in _impaired: the same bits wherever windows are cut
                rate_bps = rate_bps * path.at(begin_s)
        for path in paths:
            path.forget_before(start_s)
        return RateWindow(edges_s, rate_bps, _ProfileDetails(profile))

    return RateClock(next_window, until_s, window_s, ORBIT_SEARCH_S)


def _impaired(
    profile: RateProfile, step: npt.NDArray[np.intp], times_s: FloatArray, impairments: Impairments
) -> FloatArray:
    """Return the rate [n] in the given steps [n] of *profile*, with the impairments at *times_s* [n] or [1]."""
    rate_bps = profile.rate_bps[step]
    for path in impairments.factors:
        rate_bps = rate_bps * path.sample(times_s)
    for pattern, path in impairments.satellites:
        hit = np.array([means(pattern, name) for name in profile.satellites] + [False])  # -1: no satellite
        rate_bps = np.where(hit[profile.satellite_index[step]], rate_bps * path.sample(times_s), rate_bps)
    if impairments.attenuations_db:
        if impairments.efficiency_at is None:
            raise ScenarioError(
                "faults: attenuation_db needs a channel with efficiency_at (SINR in dB to bits per resource element); "
                "give rate_factor for others"
            )
        loss_db = sum(path.sample(times_s) for path in impairments.attenuations_db)
        clear_db = np.nan_to_num(profile.sinr_db[step], nan=-99.0)
        before, after = impairments.efficiency_at(clear_db), impairments.efficiency_at(clear_db - loss_db)
        rate_bps = np.where(before > 0, rate_bps * after / np.where(before > 0, before, 1.0), rate_bps)
    return rate_bps


def written_clock(link: WrittenLinkSpec, impairments: Impairments, until_s: float) -> LinkClock:
    """Return the clock of a link whose rate the scenario states."""
    details = _WrittenDetails(_written_path(link), link.propagation_s)
    paths = [_written_path(link), *impairments.factors, *(path for _, path in impairments.satellites)]
    return product_clock(paths, details, until_s)


def _written_path(entity: WrittenLinkSpec) -> StepPath:
    match entity:
        case ConstantLinkSpec(rate_bps=rate_bps):
            return step_path.constant(rate_bps)
        case WindowsLinkSpec():
            return step_path.windows(entity.period_s, entity.contact_s, entity.offset_s, entity.rate_bps)
        case TraceLinkSpec():
            return step_path.recorded(entity)

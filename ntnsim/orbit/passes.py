"""When satellites rise over a site, culminate and set.

A coarse vectorised search finds every stretch of time in which a satellite may be above the mask; the threshold is
lowered by as much as the elevation can change between two grid points, so that no short pass is missed. All peaks
and edges are then refined together, against the exact elevation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np

from ntnsim.arrays import BoolArray, FloatArray, IntArray
from ntnsim.orbit.constellation import CircularOrbits
from ntnsim.orbit.earth import Site
from ntnsim.orbit.element_sets import ElementSets
from ntnsim.orbit.geometry import look
from ntnsim.orbit.visibility import masks_by_chunk, time_basis, visibility_circle

TURN_SAMPLES = 90.0  # of the coarse search, per turn about the Earth
LOT_SAMPLES = 100_000  # of element sets, in memory at a time
EDGE_TOLERANCE_S = 1e-4
MAX_EDGE_STEPS = 60
PEAK_SAMPLES = 7  # points per candidate from which the refinement of its peak starts
PEAK_SHRINK = 8.0
PEAK_ROUNDS = 3
PEAK_TOLERANCE_S = 1e-2
PEAKS_PER_TURN = 40.0  # samples for the refinement of peaks, per turn about the Earth at the fastest


class Orbits(Protocol):
    """Satellites that can be asked for Earth-fixed positions."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name per satellite, all different."""
        ...

    @property
    def period_s(self) -> FloatArray:
        """Orbital period [n]."""
        ...

    def __len__(self) -> int: ...

    def lost_s(self, until_s: float) -> FloatArray:
        """Return when each satellite is lost for good [n]; inf where it is not before *until_s*."""
        ...

    def positions_of_m(self, satellite: IntArray, time_s: FloatArray) -> FloatArray:
        """Return positions [k, 3] of satellites [k] at times [k]."""
        ...

    def positions_m(self, times_s: FloatArray) -> FloatArray:
        """Return positions [n, t, 3] of all satellites at times [t]."""
        ...


@dataclass(frozen=True, slots=True)
class PassTable:
    """Passes over one site, in order of rising: columns of equal length.

    rise_clipped, set_clipped: the satellite was already up at the start of the search, or still up at its end.
    """

    satellite: IntArray
    rise_s: FloatArray
    culmination_s: FloatArray
    set_s: FloatArray
    max_elevation_deg: FloatArray
    rise_clipped: BoolArray
    set_clipped: BoolArray

    def __len__(self) -> int:
        return len(self.satellite)


def find_passes(
    orbits: Orbits, site: Site, start_s: float, end_s: float, *, step_s: float | None = None
) -> PassTable:
    """Return all passes over *site* that have a moment in [start_s, end_s]; see :func:`find_passes_over_sites`."""
    return find_passes_over_sites(orbits, [site], start_s, end_s, step_s=step_s)[0]


def find_passes_over_sites(
    orbits: Orbits, sites: Sequence[Site], start_s: float, end_s: float, *, step_s: float | None = None
) -> list[PassTable]:
    """Return one pass table per site.

    step_s: step of the coarse search; default, and the most, a ninetieth of the shortest period (about 60 s in LEO).
        Element sets are always searched at a ninetieth of a turn, and known between the samples to ten metres.
    """
    if not end_s > start_s:
        raise ValueError(f"end_s must be > start_s, got {end_s!r} and {start_s!r}")
    if isinstance(orbits, ElementSets):
        times_s = _grid_s(start_s, end_s, float(np.min(orbits.fastest_turn_s)) / TURN_SAMPLES)
        return _passes_of_element_sets(orbits, sites, times_s)
    assert isinstance(orbits, CircularOrbits)  # there are no others
    longest_step_s = float(np.min(orbits.period_s)) / TURN_SAMPLES
    times_s = _grid_s(start_s, end_s, min(step_s or longest_step_s, longest_step_s))
    step_s = float(np.min(orbits.period_s)) / PEAKS_PER_TURN
    resting = [site for site in sites if not site.moves]
    candidates = iter(_circular_candidates(orbits, resting, times_s))
    return [
        _passes_over_moving_site(orbits, site, times_s, step_s)
        if site.moves
        else _refined(orbits, site, times_s, next(candidates), step_s)
        for site in sites
    ]


def _passes_over_moving_site(
    orbits: CircularOrbits, site: Site, times_s: FloatArray, peak_step_s: float
) -> PassTable:
    """Return the passes over a site that is elsewhere at every sample, lot by lot of satellites."""
    size = max(1, LOT_SAMPLES // len(times_s))
    tables = []
    for first in range(0, len(orbits), size):
        members = np.arange(first, min(first + size, len(orbits)))
        positions_m = orbits.positions_of_m(members[:, np.newaxis], times_s[np.newaxis, :])
        flown = np.full(len(members), len(times_s))
        satellite, begin, end = _sampled_candidates(positions_m, site, times_s, flown)
        tables.append(_refined(orbits, site, times_s, (members[satellite], begin, end), peak_step_s))
    return _merged(tables)


def _grid_s(start_s: float, end_s: float, step_s: float) -> FloatArray:
    """Return the times from start to end with at most a step between them."""
    return np.linspace(start_s, end_s, max(2, int(np.ceil((end_s - start_s) / step_s)) + 1))


def _passes_of_element_sets(
    orbits: ElementSets, sites: Sequence[Site], times_s: FloatArray
) -> list[PassTable]:
    """Return one pass table per site: each lot of satellites is sampled once, for all sites and all refinement."""
    lots: list[list[PassTable]] = [[] for _ in sites]
    size = max(1, LOT_SAMPLES // len(times_s))
    step_s = float(np.min(orbits.fastest_turn_s)) / PEAKS_PER_TURN
    for first in range(0, len(orbits), size):
        sampled = orbits.sampled(range(first, min(first + size, len(orbits))), times_s)
        positions_m = sampled.at_samples_m()
        for tables, site in zip(lots, sites, strict=True):
            candidates = _sampled_candidates(
                positions_m, site, times_s, np.searchsorted(times_s, sampled.lost_s)
            )
            table = _refined(sampled, site, times_s, candidates, step_s, sampled.lost_s)
            tables.append(replace(table, satellite=table.satellite + first))
    return [_merged(tables) for tables in lots]


def _merged(tables: Sequence[PassTable]) -> PassTable:
    """Return the passes of all *tables* in order of rising."""
    columns = {
        column.name: np.concatenate([getattr(table, column.name) for table in tables])
        for column in fields(PassTable)
    }
    order = np.lexsort((columns["satellite"], columns["rise_s"]))
    return PassTable(**{name: column[order] for name, column in columns.items()})


def _refined(
    orbits: "_Positions",
    site: Site,
    times_s: FloatArray,
    candidates: "_Candidates",
    peak_step_s: float,
    lost_s: FloatArray | None = None,
) -> PassTable:
    """Return the passes over one site among its candidates, all peaks and edges refined together.

    peak_step_s: longest step between the samples from which peaks are refined.
    lost_s: [n] when satellites are lost, which ends their passes.
    """
    satellite, first, last = candidates
    if not len(satellite):
        nothing, never = np.empty(0), np.empty(0, dtype=np.bool_)
        return PassTable(satellite, nothing, nothing, nothing, nothing, never, never)
    before_s, after_s = times_s[np.maximum(first - 1, 0)], times_s[np.minimum(last + 1, len(times_s) - 1)]
    end_s = np.full(len(satellite), np.inf) if lost_s is None else np.nextafter(lost_s[satellite], -np.inf)
    ended = after_s > end_s
    after_s = np.minimum(after_s, end_s)
    peak_s, peak = np.empty_like(before_s), np.empty_like(before_s)
    # Short passes, nearly all of them in LEO, take a few samples; the others do not make them take more.
    short = after_s - before_s <= (PEAK_SAMPLES - 1) * peak_step_s
    for some in (np.flatnonzero(short), np.flatnonzero(~short)):
        if len(some):
            sight = _Sight(orbits, site, satellite[some])
            peak_s[some], peak[some] = _peaks(sight, before_s[some], after_s[some], peak_step_s)
    above = (peak >= 0) & (after_s > before_s)
    satellite, ended = satellite[above], ended[above]
    before_s, after_s, peak_s, peak = before_s[above], after_s[above], peak_s[above], peak[above]
    sight = _Sight(orbits, site, satellite)
    rise_s, rise_clipped = _edges(sight, before_s, peak_s)
    set_s, set_clipped = _edges(sight, after_s, peak_s)
    sine = peak + np.sin(np.radians(site.min_elevation_deg))
    elevation_deg = np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))
    order = np.lexsort((satellite, rise_s))
    return PassTable(
        satellite[order],
        rise_s[order],
        peak_s[order],
        set_s[order],
        elevation_deg[order],
        rise_clipped[order],
        (set_clipped & ~ended)[order],
    )


@dataclass(frozen=True, slots=True)
class _Sight:
    """Satellites [k] whose height above the mask of a site can be asked for at a time each."""

    orbits: "_Positions"
    site: Site
    satellite: IntArray

    def above_mask(self, time_s: FloatArray, pairs: IntArray | slice = slice(None)) -> FloatArray:
        """Return sin(elevation) − sin(mask) [k] of the satellites at their times [k]."""
        from_site_m = self.orbits.positions_of_m(self.satellite[pairs], time_s)
        if self.site.moves:
            spots = self.site.at(time_s)
            sine, _ = look(spots, from_site_m)
            return sine - np.sin(np.radians(self.site.min_elevation_deg))
        from_site_m -= self.site.position_m
        up_m = from_site_m @ self.site.up
        range_m = np.sqrt(np.einsum("kx,kx->k", from_site_m, from_site_m))
        return up_m / range_m - np.sin(np.radians(self.site.min_elevation_deg))


class _Positions(Protocol):
    """What refinement asks of satellites."""

    def positions_of_m(self, satellite: IntArray, time_s: FloatArray) -> FloatArray: ...


_Candidates = tuple[IntArray, IntArray, IntArray]  # satellite, first and last grid index above


def _circular_candidates(
    orbits: CircularOrbits, sites: Sequence[Site], times_s: FloatArray
) -> list[_Candidates]:
    """Find candidate passes of circular orbits over each site by the separable cosine."""
    step_s = times_s[1] - times_s[0]
    found: list[list[_Candidates]] = [[] for _ in sites]
    elapsed_s = times_s - times_s[0]
    at_start = _advanced(orbits, float(times_s[0]))
    for members in orbits.rate_groups:
        basis = time_basis(orbits, int(members[0]), elapsed_s)
        rate = abs(orbits.argument_rate_rad_s[members[0]]) + abs(orbits.node_rate_rad_s[members[0]])
        # The second derivative of each cosine is at most rate².
        between_samples = (rate * step_s / 2) ** 2 / 2
        for own, site in zip(found, sites, strict=True):
            circle = visibility_circle(site, float(orbits.radius_m[members[0]]))
            margin = between_samples + 2 * circle.deviation + 2e-6  # the last: rounding of float32
            for first_member, mask in masks_by_chunk(at_start, members, basis, circle, margin):
                row, first, last = _runs(mask)
                own.append((members[first_member + row], first, last))
    return [_joined(own) for own in found]


def _advanced(orbits: CircularOrbits, time_s: float) -> CircularOrbits:
    """Return the orbits with their angles moved to *time_s*, so that float32 angles stay small on late windows."""
    return replace(
        orbits,
        node_rad=orbits.node_rad + orbits.node_rate_rad_s * time_s,
        argument_rad=orbits.argument_rad + orbits.argument_rate_rad_s * time_s,
    )


def _sampled_candidates(
    positions_m: FloatArray, site: Site, times_s: FloatArray, flown: IntArray
) -> _Candidates:
    """Find candidate passes over a site from positions [n, t, 3] sampled on a grid; only *flown* [n] of them count."""
    sine, _ = look(site.at(times_s), positions_m)
    above = sine - np.sin(np.radians(site.min_elevation_deg))
    mask = np.zeros((above.shape[0], above.shape[1] + 1), dtype=np.bool_)
    mask[:, :-1] = above >= 0
    # A peak between two samples exceeds the higher one by at most an eighth of the second difference, as far as a
    # parabola goes; twice that leaves room for the rest.
    bend = np.abs(np.diff(above, 2, axis=1))
    mask[:, 1:-2] |= above[:, 1:-1] + bend / 4 >= 0
    # No parabola leads over the end of a satellite: the last stretch is always looked at.
    lost = np.flatnonzero((flown > 0) & (flown < above.shape[1]))
    mask[lost, flown[lost] - 1] = True
    return _runs(mask)


def _runs(mask: BoolArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return row, first and last column of every run of True; the last column of *mask* [m, t + 1] is all False."""
    width = mask.shape[1]
    flat = mask.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        changes = np.concatenate([[0], changes])
    begin, end = changes[::2], changes[1::2] - 1
    return begin // width, begin % width, end % width


def _joined(found: list[_Candidates]) -> _Candidates:
    satellite, first, last = (np.concatenate(column).astype(np.int64) for column in zip(*found, strict=True))
    return satellite, first, last


def _peaks(
    sight: _Sight, low_s: FloatArray, high_s: FloatArray, longest_step_s: float
) -> tuple[FloatArray, FloatArray]:
    """Return time and value [k] of the highest point in [low, high]: the best sample, parabolas around it, and where
    those do not close in, the root of the slope.

    longest_step_s: samples lie no further apart, so that each peak of an eccentric orbit's pass has some of its own.
    """
    count = max(PEAK_SAMPLES, int(np.ceil(np.max(high_s - low_s) / longest_step_s)) + 1)
    share = np.linspace(0.0, 1.0, count)
    samples_s = low_s[:, np.newaxis] + share * (high_s - low_s)[:, np.newaxis]
    every = np.repeat(np.arange(len(low_s)), count)
    values = sight.above_mask(samples_s.ravel(), every).reshape(samples_s.shape)
    rows, best = np.arange(len(low_s)), np.argmax(values, axis=1)
    peak_s, peak = samples_s[rows, best], values[rows, best]
    step_s = (high_s - low_s) / (count - 1)
    reach_s, moved_s = step_s, step_s
    for _ in range(PEAK_ROUNDS):
        left = sight.above_mask(peak_s - reach_s)
        right = sight.above_mask(peak_s + reach_s)
        bend = left - 2 * peak + right
        with np.errstate(divide="ignore", invalid="ignore"):
            move = np.where(bend < 0, (left - right) / (2 * bend), 0.0)
        trial_s = np.clip(peak_s + np.clip(move, -1.0, 1.0) * reach_s, low_s, high_s)
        trial = sight.above_mask(trial_s)
        better = trial > peak
        moved_s = np.abs(trial_s - peak_s)
        peak_s, peak = np.where(better, trial_s, peak_s), np.where(better, trial, peak)
        reach_s = reach_s / PEAK_SHRINK
    rough = np.flatnonzero(moved_s > PEAK_SHRINK * reach_s / 2)
    if len(rough):
        around_s = np.maximum(low_s, samples_s[:, 0] + (best - 1) * step_s)[rough]
        until_s = np.minimum(high_s, samples_s[:, 0] + (best + 1) * step_s)[rough]
        root_s = _flat_s(sight, rough, around_s, until_s)
        value = sight.above_mask(root_s, rough)
        higher = value > peak[rough]
        peak_s[rough] = np.where(higher, root_s, peak_s[rough])
        peak[rough] = np.where(higher, value, peak[rough])
    return peak_s, peak


def _flat_s(sight: _Sight, pairs: IntArray, low_s: FloatArray, high_s: FloatArray) -> FloatArray:
    """Return where the slope of some pairs [k] changes from up to down in [low, high], by halving."""
    low_s, high_s = low_s.copy(), high_s.copy()
    for _ in range(int(np.ceil(np.log2(max(float(np.max(high_s - low_s)), 1.0) / PEAK_TOLERANCE_S)))):
        middle_s = (low_s + high_s) / 2
        ahead = sight.above_mask(middle_s + PEAK_TOLERANCE_S / 2, pairs)
        rising = ahead > sight.above_mask(middle_s - PEAK_TOLERANCE_S / 2, pairs)
        low_s, high_s = np.where(rising, middle_s, low_s), np.where(rising, high_s, middle_s)
    return (low_s + high_s) / 2


def _edges(sight: _Sight, outside_s: FloatArray, peak_s: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the crossing times [k] between a point outside the pass and its peak.

    The height above the mask is nearly linear in the squared time from the peak, so regula falsi works on that; with
    Anderson and Björck's weights both ends close in. Where the outer point is above the mask as well, the search began
    or ended inside the pass: it is returned as it is, marked as clipped.
    """
    way_s = outside_s - peak_s
    side = np.sign(way_s)
    far, near = way_s**2, np.zeros_like(way_s)  # squared times from the peak
    below, above = sight.above_mask(outside_s), sight.above_mask(peak_s)
    clipped = below >= 0
    active = np.flatnonzero(~clipped & (above > 0))
    edge = np.where(clipped, far, near)
    for _ in range(MAX_EDGE_STEPS):
        if not len(active):
            break
        far_end, near_end, low, high = far[active], near[active], below[active], above[active]
        trial = (near_end * low - far_end * high) / (low - high)
        root = np.sqrt(trial)
        value = sight.above_mask(peak_s[active] + side[active] * root, active)
        outside = value < 0
        # The end that stays is weighted down by how much the other one's value shrank.
        kept = np.maximum(1 - value / np.where(outside, low, high), 0.0)
        kept = np.where(kept > 0, kept, 0.5)
        far[active], near[active] = np.where(outside, trial, far_end), np.where(outside, near_end, trial)
        below[active] = np.where(outside, value, low * kept)
        above[active] = np.where(outside, high * kept, value)
        moved_s = np.abs(root - np.sqrt(edge[active]))
        edge[active] = trial
        active = active[(moved_s > EDGE_TOLERANCE_S) & (value != 0)]
    return np.where(clipped, outside_s, peak_s + side * np.sqrt(edge)), clipped

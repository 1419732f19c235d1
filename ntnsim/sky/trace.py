"""A terminal's link over time as rows of a CSV: what a network emulator replays."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ntnsim.arrays import FloatArray, IntArray
from ntnsim.orbit.geometry import look
from ntnsim.orbit.ground import OnBoard
from ntnsim.sky.terminal_link import TerminalLink
from ntnsim.units import SPEED_OF_LIGHT_M_S

COLUMNS = ("time_s", "satellite", "elevation_deg", "sinr_db", "delay_s", "doppler_hz", "rate_bps")
HALF_DIFFERENCE_S = 0.05  # of the range, for its rate: Doppler changes by some Hz per ms at most


def doppler_hz(terminal: TerminalLink, satellites: IntArray, times_s: FloatArray) -> FloatArray:
    """Return the Doppler shift [n] of the service link to *satellites* [n] at *times_s* [n]; > 0 while approaching."""
    orbits = terminal.model.orbits
    after_s, before_s = times_s + HALF_DIFFERENCE_S, times_s - HALF_DIFFERENCE_S
    _, after_m = look(terminal.site.at(after_s), orbits.positions_of_m(satellites, after_s))
    _, before_m = look(terminal.site.at(before_s), orbits.positions_of_m(satellites, before_s))
    speed_m_s = (after_m - before_m) / (2 * HALF_DIFFERENCE_S)
    return -speed_m_s / SPEED_OF_LIGHT_M_S * terminal.link.carrier_hz


def _further_s(terminal: TerminalLink, satellites: IntArray, times_s: FloatArray) -> FloatArray:
    """Return the delay [n] behind *satellites* [n] that queue on board, which profiles leave out; nan without a way."""
    further_s = np.zeros(len(times_s))
    reach = terminal.model.reach
    if isinstance(reach, OnBoard):
        for satellite in np.unique(satellites):
            own = satellites == satellite
            further_s[own] = reach.further.path(int(satellite), times_s[own]).delay_s
    return further_s


def trace_rows(terminal: TerminalLink, duration_s: float, step_s: float) -> Iterator[tuple[object, ...]]:
    """Yield one row per *step_s* in [0, *duration_s*), as in COLUMNS; without contact only time and a rate of 0.

    delay_s: one way, end to end, in propagation and processing; what waits on board comes on top. Without a value where
    a satellite stores what it receives and has no way to the ground then. rate_bps: the mean over the step's share of
    the scenario's grid that holds the time.
    """
    number_of = {name: number for number, name in enumerate(terminal.model.orbits.names)}
    count = int(np.ceil(duration_s / step_s - 1e-9))
    first = 0
    while first < count:
        profile = terminal(first * step_s)
        last = min(count, max(first + 1, int(np.ceil(profile.end_s / step_s - 1e-9))))
        times_s = np.arange(first, last) * step_s
        at = np.array([profile.index_at(time_s) for time_s in times_s])
        served = profile.satellite_index[at] >= 0
        names = [profile.satellites[satellite] for satellite in profile.satellite_index[at][served]]
        shift_hz, further_s = np.full((2, len(times_s)), np.nan)
        if names:
            satellites = np.array([number_of[name] for name in names])
            shift_hz[served] = doppler_hz(terminal, satellites, times_s[served])
            further_s[served] = _further_s(terminal, satellites, times_s[served])
        serving = iter(names)
        for row, time_s in enumerate(times_s.tolist()):
            if not served[row]:
                yield (time_s, "", "", "", "", "", 0.0)
                continue
            step = at[row]
            yield (
                time_s,
                next(serving),
                profile.elevation_deg.item(step),
                profile.sinr_db.item(step),
                "" if np.isnan(further_s[row]) else profile.propagation_s.item(step) + further_s.item(row),
                shift_hz.item(row),
                profile.rate_bps.item(step),
            )
        first = last


def write_trace(terminal: TerminalLink, path: Path, duration_s: float, step_s: float) -> int:
    """Write the rows as CSV to *path* and return their number."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in trace_rows(terminal, duration_s, step_s):
            writer.writerow(row)
            count += 1
    return count

"""What a run keeps of the sky for its report: passes and handovers for the timeline, ground tracks for the map."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ntnsim.orbit.pass_book import BLOCK_S
from ntnsim.results.ground_track import GroundTrack, SatellitePath, TrackSite
from ntnsim.sky.space_segment import TerminalLink

MAX_SATELLITES = 60  # those that served come first; more would paint the map over
POINTS_PER_TRACK = 120
DAY_S = 86_400.0


def sky_rows(terminals: Mapping[str, TerminalLink], duration_s: float) -> Iterator[dict[str, Any]]:
    """Yield passes and handovers over all *terminals* in [0, *duration_s*), as the timeline's writer takes them.

    A pass that is under way at the beginning starts there. In order of time, a day at a time: a year fills no memory.
    """
    under_way = [
        {
            "kind": "pass",
            "terminal": terminal.site.name,
            "time_s": 0.0,
            "end_s": one.set_s,
            "satellite": terminal.model.orbits.names[one.satellite],
            "max_elevation_deg": one.max_elevation_deg,
        }
        for terminal in terminals.values()
        for one in terminal.book.whole_between(0.0, 1e-3)
        if one.rise_s < 0
    ]
    begin_s = 0.0
    while begin_s < duration_s:
        end_s = min(begin_s + DAY_S, duration_s)
        rows = [row for terminal in terminals.values() for row in terminal.timeline(begin_s, end_s)]
        yield from sorted(under_way + rows, key=lambda row: (row["time_s"], row["terminal"], row["kind"]))
        under_way, begin_s = [], end_s


def first_services(terminals: Mapping[str, TerminalLink], until_s: float) -> dict[str, Any]:
    """Return when each satellite first served one of *terminals* ("first_s", by name), as known to *until_s*."""
    first_s: dict[str, float] = {}
    for terminal in terminals.values():
        names = terminal.model.orbits.names
        for stretch in terminal.services(0.0, until_s):
            name = names[stretch.satellite_pass.satellite]
            first_s[name] = min(stretch.start_s, first_s.get(name, stretch.start_s))
    return {"known_to_s": until_s, "first_s": first_s}


def services_of_part(terminals: Mapping[str, TerminalLink], ended_s: float) -> dict[str, Any]:
    """Return `first_services` of a part of a run that ended at *ended_s*: to the end of the block that was worked out
    for it, as the whole ends somewhat later, but no further than `ground_track` looks."""
    if not terminals:
        return {"known_to_s": 0.0, "first_s": {}}
    block_s = float(np.ceil((ended_s + 1.0) / BLOCK_S) * BLOCK_S)
    return first_services(terminals, min(block_s, _first_orbit_s(terminals)))


def _first_orbit_s(terminals: Mapping[str, TerminalLink]) -> float:
    return float(np.median(next(iter(terminals.values())).model.orbits.period_s))


def ground_track(
    terminals: Mapping[str, TerminalLink], duration_s: float, services: Sequence[Mapping[str, Any]] = ()
) -> GroundTrack | None:
    """Return where satellites pass over the Earth in the first orbit of a run; None without orbits.

    services: what `services_of_part` told of the parts of a run, if it had some. Latitudes are geocentric: within 0.2°
    of geodetic ones, less than the width of a line on the map.
    """
    if not terminals:
        return None
    orbits = next(iter(terminals.values())).model.orbits
    extent_s = min(duration_s, _first_orbit_s(terminals))
    if not services or any(part["known_to_s"] < extent_s for part in services):
        services = [first_services(terminals, extent_s)]
    served = {name for part in services for name, first_s in part["first_s"].items() if first_s < extent_s}
    names = list(orbits.names)
    others = [index for index, name in enumerate(names) if name not in served]
    chosen = [index for index, name in enumerate(names) if name in served][:MAX_SATELLITES]
    n_others = min(len(others), MAX_SATELLITES - len(chosen))
    if n_others > 0:
        chosen += [others[index] for index in np.linspace(0, len(others) - 1, n_others).astype(int)]
    times_s = np.linspace(0.0, extent_s, POINTS_PER_TRACK)
    paths = []
    for index in sorted(set(chosen)):
        x_m, y_m, z_m = orbits.positions_of_m(np.full(len(times_s), index), times_s).T
        latitude_deg = np.degrees(np.arctan2(z_m, np.hypot(x_m, y_m)))
        longitude_deg = np.degrees(np.arctan2(y_m, x_m))
        paths.append(SatellitePath(names[index], latitude_deg, longitude_deg, names[index] in served))
    sites = [
        TrackSite(name, terminal.site.latitude_deg, terminal.site.longitude_deg)
        for name, terminal in terminals.items()
    ]
    return GroundTrack(extent_s, paths, sites)

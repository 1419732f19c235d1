"""A run's sky as CZML, for CesiumJS and other globes: satellites, gateways, and who serves whom, over time.

CZML is JSON: https://github.com/AnalyticalGraphicsInc/czml-writer/wiki/CZML-Guide. The globe draws the WGS 84
ellipsoid; satellites of a spherical Earth stand on it as their Cartesian coordinates say.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.errors import InputError
from ntnsim.sky.terminal_link import TerminalLink

LONGEST_S = 86_400.0  # of a run: the file holds its first day
MOST_SATELLITES = 400  # those that serve come first
STEP_S = 60.0  # a Lagrange polynomial of degree 7 through such points is a metre off in a low orbit
DEGREE = 7

Interval = tuple[float, float]


def czml(
    name: str, start_utc: datetime, terminals: Mapping[str, TerminalLink], duration_s: float
) -> list[dict[str, Any]]:
    """Return the packets of a CZML document about the first day of a run.

    name: of the scenario. terminals: of its gateways, by name. duration_s: of the run.
    Raises InputError for a run without satellites.
    """
    if not terminals:
        raise InputError("--czml: the run has no satellites; its scenario writes the link's rate itself")
    extent_s = min(duration_s, LONGEST_S)
    clock = _Clock(start_utc)
    served = {site: _services(terminal, extent_s) for site, terminal in terminals.items()}
    orbits = next(iter(terminals.values())).model.orbits
    whole = clock.interval((0.0, extent_s))
    document = {
        "id": "document",
        "name": name,
        "version": "1.0",
        "clock": {"interval": whole, "currentTime": clock.at(0.0), "multiplier": 30, "range": "LOOP_STOP"},
    }
    packets: list[dict[str, Any]] = [document]
    busy = list(dict.fromkeys(satellite for found in served.values() for satellite in found))
    others = [index for index in range(len(orbits.names)) if index not in set(busy)]
    shown = sorted((busy + others)[:MOST_SATELLITES])
    times_s = np.linspace(0.0, extent_s, max(int(np.ceil(extent_s / STEP_S)), DEGREE) + 1)
    for satellite in shown:
        positions_m = orbits.positions_of_m(np.full(len(times_s), satellite), times_s)
        packets += _satellite(
            orbits.names[satellite], clock, times_s, positions_m, serves=satellite in set(busy)
        )
    drawn = {packet["id"] for packet in packets}
    for site, terminal in terminals.items():
        packets.append(_gateway(site, terminal, clock, times_s))
        for satellite, intervals in served[site].items():
            if f"satellite/{orbits.names[satellite]}" in drawn:
                packets.append(_link(site, orbits.names[satellite], clock, intervals))
    return packets


class _Clock:
    """Simulated seconds as UTC."""

    def __init__(self, start_utc: datetime) -> None:
        self._start = start_utc

    def at(self, time_s: float) -> str:
        moment = self._start + timedelta(seconds=time_s)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"

    def interval(self, interval: Interval) -> str:
        return f"{self.at(interval[0])}/{self.at(interval[1])}"


def _services(terminal: TerminalLink, extent_s: float) -> dict[int, list[Interval]]:
    """Return when each satellite serves the terminal in [0, *extent_s*); stretches that meet are one."""
    found: dict[int, list[Interval]] = {}
    for stretch in terminal.plan.between(0.0, extent_s):
        begin_s, end_s = max(stretch.start_s, 0.0), min(stretch.end_s, extent_s)
        intervals = found.setdefault(int(stretch.satellite_pass.satellite), [])
        if intervals and intervals[-1][1] == begin_s:
            intervals[-1] = (intervals[-1][0], end_s)
        else:
            intervals.append((begin_s, end_s))
    return found


def _satellite(
    name: str, clock: _Clock, times_s: FloatArray, positions_m: FloatArray, *, serves: bool
) -> list[dict[str, Any]]:
    """Return the packet of a satellite; none for one that is lost from the start. positions_m: [t, 3]."""
    known = np.isfinite(positions_m).all(1)
    if np.count_nonzero(known) <= DEGREE:
        return []
    colour = {"rgba": [0, 114, 178, 255] if serves else [150, 150, 150, 160]}
    rows = np.column_stack([times_s[known], np.round(positions_m[known], 1)])
    packet: dict[str, Any] = {
        "id": f"satellite/{name}",
        "name": name,
        "availability": clock.interval((float(rows[0, 0]), float(rows[-1, 0]))),
        "position": {
            "epoch": clock.at(0.0),
            "referenceFrame": "FIXED",
            "interpolationAlgorithm": "LAGRANGE",
            "interpolationDegree": DEGREE,
            "cartesian": rows.ravel().tolist(),
        },
        "point": {"pixelSize": 7 if serves else 4, "color": colour},
    }
    if serves:
        packet["label"] = {"text": name, "font": "12px sans-serif", "pixelOffset": {"cartesian2": [0, -14]}}
    return [packet]


def _gateway(name: str, terminal: TerminalLink, clock: _Clock, times_s: FloatArray) -> dict[str, Any]:
    """Return the packet of a gateway; one that moves keeps the height of its first point."""
    site = terminal.site
    position: dict[str, Any] = {
        "cartographicDegrees": [site.longitude_deg, site.latitude_deg, site.altitude_m]
    }
    if site.moves:
        up = site.at(times_s).up
        longitude_deg = np.degrees(np.arctan2(up[:, 1], up[:, 0]))
        latitude_deg = np.degrees(np.arcsin(np.clip(up[:, 2], -1.0, 1.0)))
        heights_m = np.full(len(times_s), site.altitude_m)
        rows = np.column_stack([times_s, longitude_deg.round(6), latitude_deg.round(6), heights_m])
        position = {"epoch": clock.at(0.0), "cartographicDegrees": rows.ravel().tolist()}
    return {
        "id": f"gateway/{name}",
        "name": name,
        "position": position,
        "point": {"pixelSize": 9, "color": {"rgba": [213, 94, 0, 255]}},
        "label": {"text": name, "font": "13px sans-serif", "pixelOffset": {"cartesian2": [0, 16]}},
    }


def _link(site: str, satellite: str, clock: _Clock, intervals: list[Interval]) -> dict[str, Any]:
    """Return the packet of a service link, drawn while the satellite serves."""
    shown = [clock.interval(interval) for interval in intervals]
    ends = [f"gateway/{site}#position", f"satellite/{satellite}#position"]
    return {
        "id": f"link/{site}/{satellite}",
        "name": f"{satellite} serves {site}",
        "availability": shown[0] if len(shown) == 1 else shown,
        "polyline": {
            "positions": {"references": ends},
            "width": 2,
            "arcType": "NONE",
            "material": {"solidColor": {"color": {"rgba": [0, 158, 115, 255]}}},
        },
    }

"""Satellites from published element sets (TLE or CCSDS OMM), propagated with SGP4.

The count is audited: every record of the file becomes one satellite, or the file is refused with the reason.
"""

import csv
import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from sgp4 import omm
from sgp4.api import Satrec, SatrecArray

from ntnsim.arrays import BoolArray, FloatArray, IntArray
from ntnsim.errors import InputError
from ntnsim.orbit.decay import Lifetimes
from ntnsim.orbit.earth import greenwich_sidereal_angle_rad

FORMAT_BY_SUFFIX = {".xml": "omm-xml", ".json": "omm-json", ".csv": "omm-csv", ".kvn": "omm-kvn"}
OMM_OPTIONAL = {  # CCSDS 502.0-B lets a message leave these out; none of them moves a satellite in SGP4
    "CLASSIFICATION_TYPE": "U",
    "OBJECT_ID": "",
    "EPHEMERIS_TYPE": 0,
    "ELEMENT_SET_NO": 0,
    "REV_AT_EPOCH": 0,
    "MEAN_MOTION_DOT": 0,
    "MEAN_MOTION_DDOT": 0,
}
LARGEST_ALPHA_5 = 339_999  # catalogue numbers beyond it fit no TLE; OMM holds them
GOOD_FOR_DAYS = 30.0  # beyond that, passes in LEO are off by minutes


class ElementSetError(InputError):
    """An element-set file cannot be used as it is."""


@dataclass(frozen=True)
class ElementSets:
    """n satellites known by their element sets. Time 0 is the Julian date *start* (day, fraction; UTC)."""

    names: tuple[str, ...]
    records: tuple[Satrec, ...]
    start: tuple[float, float]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def period_s(self) -> FloatArray:
        """Period [n] from the mean motion."""
        return np.array([2 * np.pi / record.no_kozai * 60.0 for record in self.records])

    @cached_property
    def fastest_turn_s(self) -> FloatArray:
        """Time [n] of a turn about the Earth's centre at the angular rate of the perigee; the period of a circle."""
        eccentricity = np.array([record.ecco for record in self.records])
        return self.period_s * (1 - eccentricity**2) ** 1.5 / (1 + eccentricity) ** 2

    @cached_property
    def _lifetimes(self) -> Lifetimes:
        return Lifetimes(self.records, self.start)

    def lost_s(self, until_s: float) -> FloatArray:
        """Return when each satellite decays [n]; inf where it does not before *until_s*. From then on it is nowhere."""
        return self._lifetimes.lost_s(until_s)

    def sampled(self, satellites: Sequence[int], times_s: FloatArray) -> "SampledOrbits":
        """Return some of the satellites between samples at *times_s*, a uniform grid: one call of SGP4 for each."""
        lost_s = self.lost_s(float(times_s[-1]))[list(satellites)]
        day, fraction = self.start
        fractions = fraction + times_s / 86_400.0
        days = np.full_like(fractions, day)
        positions_m = np.empty((len(satellites), len(times_s), 3))
        velocities_m_s = np.empty_like(positions_m)
        for row, satellite in enumerate(satellites):
            codes, positions_m[row], velocities_m_s[row] = self.records[satellite].sgp4_array(days, fractions)
            gone = (codes != 0) | (times_s >= lost_s[row])
            if gone.any():
                _fly_on(positions_m[row], velocities_m_s[row], gone, times_s)
        positions_m *= 1e3
        velocities_m_s *= 1e3
        step_s = float(times_s[1] - times_s[0])
        return SampledOrbits(float(times_s[0]), step_s, positions_m, velocities_m_s, self.start, lost_s)

    def places(self, time_s: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return orbit normal [n, 3], node, inclination, argument of latitude (radians) and mean radius in metres [n].

        All but the last osculate at *time_s*, in the frame that does not turn; nan where SGP4 gives nothing.
        """
        day, fraction = self.start
        together = SatrecArray(list(self.records))
        codes, position_km, velocity_km_s = together.sgp4(
            np.array([day]), np.array([fraction + time_s / 86_400.0])
        )
        position, velocity = position_km[:, 0], velocity_km_s[:, 0]
        normal = np.cross(position, velocity)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        node_rad = np.arctan2(normal[:, 0], -normal[:, 1])
        inclination_rad = np.arccos(np.clip(normal[:, 2], -1.0, 1.0))
        along_node = position[:, 0] * np.cos(node_rad) + position[:, 1] * np.sin(node_rad)
        # From the node, a quarter of a turn along the orbit: normal × node.
        ahead = np.stack(
            [-normal[:, 2] * np.sin(node_rad), normal[:, 2] * np.cos(node_rad), np.sin(inclination_rad)],
            axis=1,
        )
        argument_rad = np.arctan2(np.einsum("nx,nx->n", position, ahead), along_node)
        mean_radius_m = np.array([record.a * record.radiusearthkm * 1e3 for record in self.records])
        mean_radius_m[(codes[:, 0] != 0) | (self.lost_s(time_s) <= time_s)] = np.nan
        return normal, node_rad, inclination_rad, argument_rad, mean_radius_m

    def _earth_fixed_m(self, satellite: int, time_s: FloatArray) -> FloatArray:
        """Return positions [t, 3] of one satellite; the Earth's centre, below every horizon, once it is lost."""
        day, fraction = self.start
        times_s = np.asarray(time_s, dtype=float)
        fractions = fraction + times_s / 86_400.0
        days = np.full_like(fractions, day)
        codes, inertial_km, _ = self.records[satellite].sgp4_array(days, fractions)
        gone = (codes != 0) | (times_s >= self.lost_s(float(times_s.max(initial=0.0)))[satellite])
        inertial_km[gone] = 0.0
        return _earth_fixed(inertial_km * 1e3, greenwich_sidereal_angle_rad(days, fractions))

    def positions_of_m(self, satellite: IntArray, time_s: FloatArray) -> FloatArray:
        """Return Earth-fixed positions [k, 3] of satellites [k] at times [k] (or shapes that broadcast)."""
        satellites, times = np.broadcast_arrays(np.asarray(satellite), np.asarray(time_s, dtype=float))
        flat_satellites, flat_times = satellites.ravel(), times.ravel()
        positions = np.empty((flat_times.size, 3))
        if not flat_times.size:
            return positions.reshape(*satellites.shape, 3)
        order = np.argsort(flat_satellites, kind="stable")
        present, first = np.unique(flat_satellites[order], return_index=True)
        for index, members in zip(present, np.split(order, first[1:]), strict=True):
            positions[members] = self._earth_fixed_m(int(index), flat_times[members])
        return positions.reshape(*satellites.shape, 3)

    def positions_m(self, times_s: FloatArray) -> FloatArray:
        """Return Earth-fixed positions [n, t, 3] of all satellites at *times_s* [t]."""
        return np.stack([self._earth_fixed_m(index, times_s) for index in range(len(self))])


@dataclass(frozen=True)
class SampledOrbits:
    """n satellites at any time within a uniform grid of samples: cubic Hermite in the frame that does not turn.

    With ninety samples per turn the interpolated position is within ten metres of SGP4's, in one vectorised
    step for any number of satellites and times.
    positions_m, velocities_m_s: [n, t, 3]. lost_s: [n] from when on a satellite is at the Earth's centre.
    """

    begin_s: float
    step_s: float
    positions_m: FloatArray
    velocities_m_s: FloatArray
    start: tuple[float, float]
    lost_s: FloatArray

    def positions_of_m(self, satellite: IntArray, time_s: FloatArray) -> FloatArray:
        """Return Earth-fixed positions [k, 3] of satellites [k] at times [k]."""
        place = (time_s - self.begin_s) / self.step_s
        left = np.clip(place.astype(np.int64), 0, self.positions_m.shape[1] - 2)
        share = (place - left)[:, np.newaxis]
        rest = 1.0 - share
        inertial_m = rest**2 * (
            (1 + 2 * share) * self.positions_m[satellite, left]
            + self.step_s * share * self.velocities_m_s[satellite, left]
        )
        inertial_m += share**2 * (
            (1 + 2 * rest) * self.positions_m[satellite, left + 1]
            - self.step_s * rest * self.velocities_m_s[satellite, left + 1]
        )
        if np.isfinite(self.lost_s).any():
            inertial_m[time_s >= self.lost_s[satellite]] = 0.0
        return _earth_fixed(inertial_m, self._greenwich_rad(time_s))

    def at_samples_m(self) -> FloatArray:
        """Return Earth-fixed positions [n, t, 3] at all samples."""
        times_s = self.begin_s + self.step_s * np.arange(self.positions_m.shape[1], dtype=np.float64)
        fixed_m = _earth_fixed(self.positions_m, self._greenwich_rad(times_s))
        for row in np.flatnonzero(np.isfinite(self.lost_s)):
            fixed_m[row, times_s >= self.lost_s[row]] = 0.0
        return fixed_m

    def _greenwich_rad(self, time_s: FloatArray) -> FloatArray:
        day, fraction = self.start
        angle: FloatArray = greenwich_sidereal_angle_rad(day, fraction + time_s / 86_400.0)
        return angle


def _earth_fixed(inertial_m: FloatArray, greenwich_rad: FloatArray) -> FloatArray:
    """Return positions [..., 3] turned by Greenwich's angle."""
    cosine, sine = np.cos(greenwich_rad), np.sin(greenwich_rad)
    fixed_m = np.empty_like(inertial_m)
    fixed_m[..., 0] = cosine * inertial_m[..., 0] + sine * inertial_m[..., 1]
    fixed_m[..., 1] = cosine * inertial_m[..., 1] - sine * inertial_m[..., 0]
    fixed_m[..., 2] = inertial_m[..., 2]
    return fixed_m


def _fly_on(position_km: FloatArray, velocity_km_s: FloatArray, gone: BoolArray, times_s: FloatArray) -> None:
    """Write a straight flight over the samples [t] that SGP4 has none for, for the last interpolated stretch."""
    before = np.flatnonzero(~gone)
    if not len(before):
        position_km[:], velocity_km_s[:] = 0.0, 0.0
        return
    last = before[np.clip(np.searchsorted(before, np.flatnonzero(gone)) - 1, 0, None)]
    position_km[gone] = (
        position_km[last] + velocity_km_s[last] * (times_s[gone] - times_s[last])[:, np.newaxis]
    )
    velocity_km_s[gone] = velocity_km_s[last]


def read_element_sets(
    path: str | Path,
    start: tuple[float, float],
    *,
    file_format: str = "auto",
    expected_satellites: int | None = None,
) -> ElementSets:
    """Read every satellite of a TLE or OMM file.

    start: Julian date of time 0.
    expected_satellites: another count is an error.
    """
    path = Path(path)
    if file_format == "auto":
        file_format = FORMAT_BY_SUFFIX.get(path.suffix.lower(), "tle")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ElementSetError(f"{path}: cannot read element sets: {error}") from error
    named = list(_tle_records(text, path) if file_format == "tle" else _omm_records(text, path, file_format))
    if not named:
        raise ElementSetError(f"{path}: holds no element set ({file_format})")
    if expected_satellites is not None and len(named) != expected_satellites:
        raise ElementSetError(f"{path}: holds {len(named)} satellites, {expected_satellites} expected")
    numbers = [number for _, number, _ in named]
    if len(set(numbers)) < len(numbers):
        twice = next(number for number in numbers if numbers.count(number) > 1)
        raise ElementSetError(
            f"{path}: {len(named)} records for {len(set(numbers))} satellites; twice: {twice}"
        )
    labels = [name for name, _, _ in named]
    if len(set(labels)) < len(labels):  # names such as "OBJECT A" repeat; catalogue numbers do not
        labels = [f"{name} ({number})" for name, number in zip(labels, numbers, strict=True)]
    records = tuple(record for _, _, record in named)
    oldest_days = max(abs(sum(start) - record.jdsatepoch - record.jdsatepochF) for record in records)
    if oldest_days > GOOD_FOR_DAYS:
        warnings.warn(
            f"{path}: an epoch is {oldest_days:.0f} days from the scenario's start; SGP4 loses kilometres per day",
            stacklevel=2,
        )
    return ElementSets(tuple(labels), records, start)


def _tle_records(text: str, path: Path) -> Iterable[tuple[str, str, Satrec]]:
    """Yield (name, catalogue number, record) per two- or three-line set; any line that fits nowhere is an error."""
    lines = [(number, line.rstrip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    lines = [(number, line) for number, line in lines if not line.startswith("#")]
    title: str | None = None
    position = 0
    while position < len(lines):
        number, line = lines[position]
        if line.startswith("1 ") and len(line) >= 64:
            if position + 1 == len(lines) or not lines[position + 1][1].startswith("2 "):
                raise ElementSetError(
                    f"{path}:{number}: line 1 of an element set is not followed by its line 2"
                )
            second_number, second = lines[position + 1]
            _check_tle_line(line, f"{path}:{number}")
            _check_tle_line(second, f"{path}:{second_number}")
            if line[2:7] != second[2:7]:
                raise ElementSetError(
                    f"{path}:{number}: satellite {line[2:7]} in line 1, {second[2:7]} in line 2"
                )
            try:
                record = Satrec.twoline2rv(line, second)
            except ValueError as error:
                raise ElementSetError(f"{path}:{number}: {error}") from error
            yield title or line[2:7].strip(), line[2:7].strip(), record
            title = None
            position += 2
        elif line.startswith("2 ") and len(line) >= 64:
            raise ElementSetError(f"{path}:{number}: line 2 of an element set without its line 1")
        elif title is not None:
            raise ElementSetError(f"{path}:{number}: no element set follows the name {title!r}")
        else:
            title = line.removeprefix("0 ").strip()
            position += 1
    if title is not None:
        raise ElementSetError(f"{path}: no element set follows the name {title!r}")


def _check_tle_line(line: str, where: str) -> None:
    """Refuse a line whose length or modulo-10 checksum is wrong."""
    if len(line) != 69:
        raise ElementSetError(f"{where}: an element line has 69 characters, got {len(line)}")
    total = sum(int(char) if char.isdigit() else char == "-" for char in line[:68]) % 10
    if str(total) != line[68]:
        raise ElementSetError(f"{where}: checksum is {line[68]!r}, the line gives {total}")


def _omm_records(text: str, path: Path, file_format: str) -> Iterable[tuple[str, str, Satrec]]:
    """Yield (name, catalogue number, record) per Orbit Mean-Elements Message."""
    rows: list[dict[str, Any]]
    try:
        if file_format == "omm-json":
            loaded = json.loads(text)
            rows = loaded if isinstance(loaded, list) else [loaded]
        elif file_format == "omm-csv":
            rows = list(csv.DictReader(text.splitlines()))
        elif file_format == "omm-kvn":
            rows = list(_kvn_messages(text, path))
        else:
            rows = [
                {item.tag.rpartition("}")[2]: item.text for item in segment.iter() if item.text}
                for segment in ElementTree.fromstring(text).iter()
                if segment.tag.rpartition("}")[2] == "segment"
            ]
    except (json.JSONDecodeError, ElementTree.ParseError) as error:
        raise ElementSetError(f"{path}: not valid {file_format}: {error}") from error
    for number, row in enumerate(rows, 1):
        record = Satrec()
        try:
            catalogue = int(row["NORAD_CAT_ID"])
            known = {name: value for name, value in row.items() if value not in (None, "")}
            fields = {**OMM_OPTIONAL, **known, "EPOCH": _epoch(str(row["EPOCH"]))}
            # SGP4 does not use the number, and its reader takes none that no TLE could hold.
            fields["NORAD_CAT_ID"] = catalogue if catalogue <= LARGEST_ALPHA_5 else 0
            omm.initialize(record, fields)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise ElementSetError(f"{path}: record {number} is not a complete OMM: {error!r}") from error
        yield str(row.get("OBJECT_NAME") or catalogue).strip(), str(catalogue), record


def _kvn_messages(text: str, path: Path) -> Iterable[dict[str, str]]:
    """Yield the keys and values of each message in "KEY = value" notation; a message begins with its version."""
    message: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        key, equals, value = (part.strip() for part in line.partition("="))
        if not key or key.startswith("COMMENT"):
            continue
        if not equals:
            raise ElementSetError(f"{path}:{number}: not KEY = value: {line.strip()!r}")
        if key == "CCSDS_OMM_VERS" and message:
            yield message
            message = {}
        message[key] = value.partition("[")[0].strip()  # units may follow in brackets
    if message:
        yield message


def _epoch(text: str) -> str:
    """Return an epoch as the reader wants it, from what CCSDS allows: day of year, any digits of seconds, a final Z."""
    whole, _, fraction = text.strip().removesuffix("Z").partition(".")
    day = "%Y-%jT" if len(whole.partition("T")[0]) == len("2026-001") else "%Y-%m-%dT"
    moment = datetime.strptime(whole, day + "%H:%M:%S")
    microseconds = round(float(f"0.{fraction or 0}") * 1e6)
    return (moment + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")

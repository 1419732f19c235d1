"""Two- and three-line element sets, checked column by column before SGP4 sees them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sgp4.alpha5 import from_alpha5
from sgp4.api import Satrec

from ntnsim.errors import on_one_line
from ntnsim.orbit.element_fields import ElementSetError, check_theory, checked_number


class NamedRecord(NamedTuple):
    """One satellite of a file. number: in the catalogue; whatever way the file pads it."""

    name: str
    number: int
    record: Satrec


_CATALOGUE = r" {0,4}\d{1,5}|[A-HJ-NP-Z]\d{4}"
_DECIMAL_EXPONENT = r"[ +-][ \d]{5}[ +-]\d| {8}"
# Name, first and last column (from 1, as in the format's descriptions), what stands there.
_COLUMNS = {
    "1": (
        ("catalogue number", 3, 7, _CATALOGUE),
        ("epoch", 19, 32, r"\d\d[ \d]{2}\d\.\d{8}"),
        ("first derivative of mean motion", 34, 43, r" *[+-]?0?\.[ \d]{6,8}"),
        ("second derivative of mean motion", 45, 52, _DECIMAL_EXPONENT),
        ("BSTAR", 54, 61, _DECIMAL_EXPONENT),
        ("ephemeris type", 63, 63, r"[ \d]"),
        ("element set number", 65, 68, r"[ \d]{4}"),
    ),
    "2": (
        ("catalogue number", 3, 7, _CATALOGUE),
        ("INCLINATION", 9, 16, r"[ \d]{3}\.\d{4}"),
        ("RA_OF_ASC_NODE", 18, 25, r"[ \d]{3}\.\d{4}"),
        ("ECCENTRICITY", 27, 33, r"[ \d]{7}"),
        ("ARG_OF_PERICENTER", 35, 42, r"[ \d]{3}\.\d{4}"),
        ("MEAN_ANOMALY", 44, 51, r"[ \d]{3}\.\d{4}"),
        ("MEAN_MOTION", 53, 63, r"[ \d]{2}\.\d{8}"),
        ("revolution number", 64, 68, r"[ \d]{5}"),
    ),
}
_BLANK = {"1": (2, 9, 18, 33, 44, 53, 62, 64), "2": (2, 8, 17, 26, 34, 43, 52)}


def tle_records(text: str, path: Path) -> Iterator[NamedRecord | ElementSetError]:
    """Yield each two- or three-line set, or what is wrong with it; any line that fits nowhere is an error."""
    lines = [(number, line.rstrip(" \t\r")) for number, line in enumerate(text.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    title: str | None = None
    position = 0
    while position < len(lines):
        number, line = lines[position]
        if line.startswith("1 ") and len(line) >= 64:
            if position + 1 == len(lines) or not lines[position + 1][1].startswith("2 "):
                yield ElementSetError(
                    f"{path}:{number}: line 1 of an element set is not followed by its line 2"
                )
                position += 1
            else:
                try:
                    yield _record(title, (number, line), lines[position + 1], path)
                except ElementSetError as error:
                    yield error
                position += 2
            title = None
            continue
        if line.startswith("2 ") and len(line) >= 64:
            yield ElementSetError(f"{path}:{number}: line 2 of an element set without its line 1")
        else:
            if title is not None:
                yield ElementSetError(f"{path}:{number}: no element set follows the name {title[:60]!r}")
            title = on_one_line(line.removeprefix("0 ").strip(), 80)
        position += 1
    if title is not None:
        yield ElementSetError(f"{path}: no element set follows the name {title[:60]!r}")


def _record(title: str | None, first: tuple[int, str], second: tuple[int, str], path: Path) -> NamedRecord:
    for number, line in (first, second):
        _check_line(line, f"{path}:{number}")
    (number, line), (_, other) = first, second
    catalogue = from_alpha5(line[2:7].strip())
    if catalogue != from_alpha5(other[2:7].strip()):
        raise ElementSetError(f"{path}:{number}: satellite {line[2:7]} in line 1, {other[2:7]} in line 2")
    try:
        record = Satrec.twoline2rv(line, other)
    except ValueError as error:
        raise ElementSetError(f"{path}:{number}: {error}") from error
    return NamedRecord(title or f"{catalogue:05d}", catalogue, record)


def _check_line(line: str, where: str) -> None:
    """Refuse a line whose length, characters, modulo-10 checksum, columns or values are wrong."""
    for column, char in enumerate(line, 1):
        if not " " <= char <= "~":
            raise ElementSetError(
                f"{where}: column {column} holds U+{ord(char):04X}; an element line is plain ASCII"
            )
    if len(line) != 69:
        raise ElementSetError(f"{where}: an element line has 69 characters, got {len(line)}")
    total = sum(int(char) if char.isdigit() else char == "-" for char in line[:68]) % 10
    if str(total) != line[68]:
        raise ElementSetError(f"{where}: checksum is {line[68]!r}, the line gives {total}")
    for column in _BLANK[line[0]]:
        if line[column - 1] != " ":
            raise ElementSetError(f"{where}: column {column} holds {line[column - 1]!r}, it must be blank")
    for name, begin, end, pattern in _COLUMNS[line[0]]:
        value = line[begin - 1 : end]
        if not re.fullmatch(pattern, value):
            raise ElementSetError(f"{where}: {name} (columns {begin} to {end}) is {value!r}")
    try:
        if line[0] == "1":
            if not 1 <= float(line[20:32].replace(" ", "0")) < 367:
                raise ElementSetError(f"epoch is day {line[20:32]}, a year has days 1 to 366")
            check_theory(int(line[62].strip() or 0))
        else:
            for name, begin, end, _ in _COLUMNS["2"][1:-1]:
                value = line[begin - 1 : end]
                checked_number(name, "0." + value.replace(" ", "0") if name == "ECCENTRICITY" else value)
    except ElementSetError as error:
        raise ElementSetError(f"{where}: {error}") from None

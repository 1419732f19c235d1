"""Which values an element set may hold, field by field: SGP4 takes nearly anything and flies it somewhere."""

import math
import re
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ntnsim.errors import InputError

LARGEST_CATALOGUE_NUMBER = 999_999_999  # nine digits, CCSDS 502.0-B
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_SGP4_THEORIES = ("SGP4", "SGP/SGP4")


class ElementSetError(InputError):
    """An element-set file cannot be used as it is."""


class Limits(NamedTuple):
    """An inclusive range, and whether only whole numbers are in it."""

    least: float
    most: float
    whole: bool = False


NUMBERS = {
    "NORAD_CAT_ID": Limits(0, LARGEST_CATALOGUE_NUMBER, whole=True),
    "MEAN_MOTION": Limits(1e-3, 18.0),  # turns per day; 17.0 graze the ground
    "ECCENTRICITY": Limits(0.0, 0.999_999_9),
    "INCLINATION": Limits(0.0, 180.0),
    "RA_OF_ASC_NODE": Limits(-360.0, 360.0),
    "ARG_OF_PERICENTER": Limits(-360.0, 360.0),
    "MEAN_ANOMALY": Limits(-360.0, 360.0),
    "BSTAR": Limits(-100.0, 100.0),
    "MEAN_MOTION_DOT": Limits(-100.0, 100.0),
    "MEAN_MOTION_DDOT": Limits(-100.0, 100.0),
    "EPHEMERIS_TYPE": Limits(0, 9, whole=True),
    "ELEMENT_SET_NO": Limits(0, 99_999, whole=True),
    "REV_AT_EPOCH": Limits(0, 10_000_000, whole=True),
}


def checked_number(field: str, value: Any) -> float:
    """Return the value of *field* as a number, or raise ElementSetError with field, value and what is allowed."""
    limits = NUMBERS[field]
    number = math.nan
    if (isinstance(value, str) and len(value) <= 40 and _NUMBER.fullmatch(value.strip(" \t"))) or (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30
    ):
        number = float(value)
    if not limits.least <= number <= limits.most or (limits.whole and number != round(number)):
        kind = "a whole number" if limits.whole else "a number"
        raise ElementSetError(
            f"{field} is {str(value)[:40]!r}, not {kind} in {limits.least:.12g} to {limits.most:.12g}"
        )
    return number


def check_theory(ephemeris_type: float) -> None:
    """Refuse mean elements of another theory; 0 is the catalogue's SGP4, 2 and 3 are its old names."""
    if ephemeris_type not in (0, 2, 3):
        other = " (SGP4-XP)" if ephemeris_type == 4 else ""
        raise ElementSetError(
            f"EPHEMERIS_TYPE is {ephemeris_type:g}{other}; only elements of SGP4 are propagated: 0, 2 or 3"
        )


def check_frame(fields: dict[str, Any]) -> None:
    """Refuse a message whose centre, time system, frame or theory SGP4 does not know."""
    for field, allowed in (
        ("CENTER_NAME", ("EARTH",)),
        ("TIME_SYSTEM", ("UTC",)),
        ("REF_FRAME", ("TEME",)),
        ("MEAN_ELEMENT_THEORY", _SGP4_THEORIES),
    ):
        found = str(fields.get(field) or allowed[0]).strip()
        if found.upper() not in allowed:
            raise ElementSetError(f"{field} is {found[:40]!r}; only {allowed[0]} is understood")


def checked_epoch(text: str) -> str:
    """Return an epoch as the reader wants it, from what CCSDS allows: day of year, any digits of seconds, a final Z."""
    try:
        whole, _, fraction = text.strip(" \t").removesuffix("Z").partition(".")
        if not text.isascii() or (fraction and not fraction.isdigit()):
            raise ValueError
        day = "%Y-%jT" if len(whole.partition("T")[0]) == len("2026-001") else "%Y-%m-%dT"
        moment = datetime.strptime(whole, day + "%H:%M:%S")
        microseconds = round(float(f"0.{fraction or 0}") * 1e6)
        moment += timedelta(microseconds=microseconds)
    except (ValueError, OverflowError):
        raise ElementSetError(
            f"EPOCH is {text[:40]!r}, not a time such as 2026-01-31T12:00:00.5 or 2026-031T12:00:00.5"
        ) from None
    if not 1957 <= moment.year <= 2100:
        raise ElementSetError(f"EPOCH is {text[:40]!r}; years from 1957 to 2100 are understood")
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")

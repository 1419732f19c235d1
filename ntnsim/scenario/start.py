"""When simulated time is 0: a date and time with its zone, kept as UTC."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

# Sidereal time and the Sun are polynomials around the year 2000, and no satellite flew before 1957. An assumption.
FIRST_YEAR, LAST_YEAR = 1957, 2099


def _no_bare_number(given: Any) -> Any:
    """Refuse a number, which would be read as seconds from 1970: somebody wrote a year or a Julian date."""
    if isinstance(given, bool):
        return given
    try:
        float(given)
    except (TypeError, ValueError):
        return given
    raise ValueError(f"{given!r} is a bare number; a date and time is wanted, as in 2026-06-01T09:00:00Z")


def _plain_utc(moment: datetime) -> datetime:
    """Return *moment* in UTC, and not as the YAML library's own kind, whose copies lose their time zone."""
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"the year must be {FIRST_YEAR} to {LAST_YEAR}, got {moment.isoformat()}")
    return datetime.fromisoformat(moment.isoformat()).astimezone(UTC)


StartUtc = Annotated[AwareDatetime, BeforeValidator(_no_bare_number), AfterValidator(_plain_utc)]

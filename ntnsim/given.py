"""What callers of the Python API give: a path, a number, a mapping; else one line says what is allowed."""

import os
from collections.abc import Mapping
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from ntnsim.errors import InputError, on_one_line

NUMBER = "a finite number"


def path_given(name: str, value: Any, allowed: str = "a path") -> Path:
    """Return *value* as a path. name: of the argument; allowed: what else it may be, for the complaint."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise InputError(f"{name}: must be {allowed}, got {kind_of(value)}")
    return Path(value)


def number_given(
    name: str, value: Any, low: float = -inf, high: float = inf, *, above: float = -inf
) -> float:
    """Return *value* as a finite number in [low, high] that is greater than *above*."""
    number = float(value) if isinstance(value, Real) else None
    if number is None or not (low <= number <= high and above < number < inf):
        raise InputError(f"{name}: must be {_allowed(NUMBER, low, high, above)}, got {kind_of(value)}")
    return number


def whole_number_given(name: str, value: Any, low: float = -inf, high: float = inf) -> int:
    """Return *value* as a whole number in [low, high]."""
    if not isinstance(value, Integral) or isinstance(value, bool) or not low <= int(value) <= high:
        raise InputError(f"{name}: must be {_allowed('a whole number', low, high)}, got {kind_of(value)}")
    return int(value)


def parts_given(name: str, value: Any) -> Mapping[str, Any]:
    """Return *value*, parts of the user's own by their names; none for None."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InputError(f"{name}: must be a mapping from names to parts of your own, got {kind_of(value)}")
    return value


def kind_of(value: Any) -> str:
    """Return *value* for a complaint: short ones as they are, others by their type."""
    text = repr(value)
    if value is None or (isinstance(value, str | Real) and len(text) <= 60):
        return on_one_line(text)
    kind = type(value).__name__
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def _allowed(what: str, low: float, high: float, above: float = -inf) -> str:
    if above > -inf:
        return f"{what} > {above:g}" + (f" and <= {high:g}" if high < inf else "")
    if low > -inf and high < inf:
        return f"{'' if what == NUMBER else f'{what} '}in {low:g} to {high:g}"
    return f"{what} >= {low:g}" if low > -inf else what

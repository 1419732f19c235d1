"""How large a number of a scenario may be, by the unit that its key's name ends with: beyond, it is a slip or a bomb.

The limits lie far outside of what exists, so that arithmetic stays finite and a run has an end; what a key means is
checked where it is declared.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LARGEST = 1e19  # of any number; seeds have 63 bits
SMALLEST = 1e-18  # above zero
# Ends of keys, the longest first, and the largest absolute value that goes with them.
LARGEST_BY_UNIT: tuple[tuple[tuple[str, ...], float], ...] = (
    (("per_s",), 1e9),
    (("duration_s",), 1e9),  # 31 years
    (("_s",), 1e10),
    (("_db", "_dbw", "_dbi", "_db_k", "_per_mhz"), 1e4),
    (("_deg",), 1e4),
    (("_khz",), 1e12),
    (("_hz",), 1e15),
    (("_m",), 1e13),  # a light-day
    (("_k",), 1e6),
    (("_ppm",), 1e6),
    (("_w",), 1e9),
    (("_px",), 1e6),
    (("_images", "_jobs", "count", "servers", "gpus", "_capacity", "_size", "window", "_updates"), 1e9),
    (("buffer", "steps", "points", "replications", "channels", "beams", "satellites"), 1e9),
)
# What repeats for ever must leave time between: shorter, and a second never ends.
SHORTEST_REPEATED_S = 1e-6
REPEATED = (
    "period_s", "step_s", "on_s", "off_s", "mean_stays_s", "interval_s", "time_to_failure_s", "time_to_repair_s",
    "correlation_time_s", "update_interval_s",
)  # fmt: skip
FREE = ("options", "start_utc")  # an own part's; a date, which no bare number is


def absurd_number(tree: Any) -> str:
    """Return what is wrong with the first number in *tree* that means nothing, with its path; "" if there is none."""
    return next(_absurd("", "", tree), "")


def _absurd(path: str, unit_key: str, node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key not in FREE and isinstance(key, str):
                # In a distribution, a range or a list the unit is that of the key that holds it.
                # A path, as sweeps write it, has a unit of its own.
                own = "." in key or _largest(key) != LARGEST or not unit_key
                inner = key if own else unit_key
                yield from _absurd(f"{path}.{key}" if path else key, inner, value)
    elif isinstance(node, Sequence) and not isinstance(node, str | bytes):
        for index, value in enumerate(node):
            yield from _absurd(f"{path}[{index}]", unit_key, value)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        size, largest = abs(node), _largest(unit_key)
        if size > largest:
            yield f"{path}: {_shown(node)} is not {'<=' if node > 0 else '>='} {largest if node > 0 else -largest:g}"
        elif 0 < size < SMALLEST:
            yield f"{path}: {_shown(node)} is too close to 0; the smallest number that is told from it is {SMALLEST:g}"
        elif 0 < node < SHORTEST_REPEATED_S and unit_key in REPEATED:
            yield f"{path}: {_shown(node)} is not >= {SHORTEST_REPEATED_S:g}"


def _largest(key: str) -> float:
    return next((limit for ends, limit in LARGEST_BY_UNIT if key.endswith(ends)), LARGEST)


def _shown(value: float) -> str:
    text = repr(value)
    return text if len(text) <= 24 else f"{text[:12]}… ({len(text)} characters)"

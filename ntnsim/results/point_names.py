"""What to call the points of a sweep in legends and tables."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def point_title(parameters: Mapping[str, Any]) -> str:
    """Return ``load = 0.5, rate = 2``: the last part of each path is enough for a reader unless two agree."""
    names = short_names(list(parameters))
    return ", ".join(f"{names[path]} = {value_text(value)}" for path, value in parameters.items())


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """Return the shortest endings of *paths* that still tell them apart."""
    names = {}
    for path in paths:
        parts = path.replace("[", ".").replace("]", "").split(".")
        for length in range(1, len(parts) + 1):
            name = ".".join(parts[-length:])
            others = [other for other in paths if other != path]
            if not any(other.replace("[", ".").replace("]", "").endswith(name) for other in others):
                break
        names[path] = name
    return names


def value_text(value: Any) -> str:
    """Return *value* as a label: numbers without a tail of zeros."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)

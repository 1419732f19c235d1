"""What to call the points of a sweep in legends and tables: a label of the user's, else the values that differ."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

# So many of the values in an object, at most, stand for it.
SHOWN_VALUES = 3


class PointNames:
    """Names of points that are shown side by side. points: of each, path → value."""

    def __init__(self, points: Iterable[Mapping[str, Any]]) -> None:
        self._values: dict[str, list[Any]] = {}
        for point in points:
            for path, value in point.items():
                self._values.setdefault(path, []).append(value)
        self._names = short_names(list(self._values))

    def title(self, parameters: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> str:
        """Return ``load = 0.5, rate = 2``: the last part of each path is enough for a reader unless two agree.

        labels: path → the text that stands for its value, name and all; "" for a value that another's label covers.
        """
        labels = labels or {}
        parts = [
            labels.get(path, f"{self._names[path]} = {self._text(path)(value)}")
            for path, value in parameters.items()
        ]
        return ", ".join(part for part in parts if part)

    def _text(self, path: str) -> Any:
        values = self._values[path]
        return value_text if not any(map(_is_object, values)) else lambda value: differences(value, values)


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


def differences(value: Any, others: Sequence[Any]) -> str:
    """Return where *value*, an object, differs from the *others*: ``kind fixed, quality 0.5``."""
    if not _is_object(value):
        return value_text(value)
    own = dict(leaves(value))
    all_leaves = [dict(leaves(other)) for other in others if _is_object(other)]
    telling = {
        path: leaf for path, leaf in own.items() if any(other.get(path) != leaf for other in all_leaves)
    }
    telling = telling or own  # the only object of its kind: what it holds
    names = short_names(list(telling))
    shown = [f"{names[path]} {value_text(leaf)}" for path, leaf in list(telling.items())[:SHOWN_VALUES]]
    return ", ".join(shown) + (" …" if len(telling) > SHOWN_VALUES else "")


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of everything in *value* that is neither a mapping nor a list of such."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(map(_is_object, value)):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def _is_object(value: Any) -> bool:
    return isinstance(value, (Mapping, list))

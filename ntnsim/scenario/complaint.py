"""What is wrong with a scenario, in its user's terms: where, which field, which value, and what is allowed."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from ntnsim.errors import on_one_line
from ntnsim.scenario.override import PathKey

DataPath = tuple[PathKey, ...]  # keys and list indices from the root of the file
MOST_SHOWN = 20  # mistakes at a time; the rest is counted


def complaint(
    failure: ValidationError,
    model: type[BaseModel],
    tree: Any,
    source: str,
    overridden: Mapping[DataPath, str] | None = None,
) -> str:
    """Return one line for each mistake that *failure* found in *tree*.

    source: what to call the file. overridden: the paths that ``--set`` changed, with its text.
    """
    schema = model.model_json_schema()
    mistakes = [details for details in failure.errors(include_url=False) if not _is_consequence(details)]
    lines: dict[str, None] = {}
    for before, details in enumerate(mistakes):
        if len(lines) == MOST_SHOWN:
            lines[f"{source}: {len(mistakes) - before} more mistakes"] = None
            break
        lines[on_one_line(_message(details, tree, schema, source, overridden or {}))] = None
    return "\n".join(lines)


def _is_consequence(details: ErrorDetails) -> bool:
    """Whether pydantic only counts a list as too short because its elements are wrong."""
    return details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]


def _message(
    details: ErrorDetails, tree: Any, schema: dict[str, Any], source: str, overridden: Mapping[DataPath, str]
) -> str:
    path, problem = _data_path(details, tree), _problem(details, schema)
    # A check across sections is made by their common parent, and says itself which field is meant.
    if field := re.match(r"([a-z_][\w.]*(?:\[\d+\][\w.]*)*): ", problem):
        inner = (*path, *_keys(field[1]))
        if _line(inner, tree) != _line(path, tree) or not path:
            path, problem = inner, problem[field.end() :]
    for changed, text in overridden.items():
        shared = min(len(path), len(changed))
        if shared and path[:shared] == changed[:shared]:
            where = f"--set {text}"
            break
    else:
        line = _line(path, tree)
        where = f"{source}:{line}" if line else source
    return f"{where}: {_dotted(path) or 'scenario'}: {problem}"


def _keys(dotted: str) -> DataPath:
    """Return the path that *dotted* writes: the inverse of :func:`_dotted`."""
    return tuple(
        int(part) if part.isascii() and part.isdigit() else part
        for part in re.split(r"[.\[\]]+", dotted)
        if part
    )


# What pydantic complains of where a text stands in place of a number, or of a number and its alternatives.
_WANT_A_NUMBER = {
    "float_parsing",
    "float_type",
    "int_parsing",
    "int_type",
    "dict_type",
    "model_type",
    "model_attributes_type",
}
_WITH_UNIT = re.compile(r"([-+]?\d+(?:\.\d*)?)\s*([kKMGT]?)([A-Za-zµ°%]\S*)?")
_PREFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_RATES = {"bps", "bit/s", "b/s"}


def _number_with_unit(value: Any) -> str:
    """Return what to write instead of a text like ``10 Mbps``; "" where *value* is none."""
    found = _WITH_UNIT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or not (found[2] or found[3]):
        return ""
    if found[3] in _RATES:
        mantissa, exponent = f"{float(found[1]) * _PREFIXES[found[2]]:.9e}".split("e")
        mantissa = mantissa.rstrip("0") + "0" * mantissa.rstrip("0").endswith(
            "."
        )  # YAML takes 1e+7 for a text
        return f"has a unit; rates are in bit/s: write {mantissa}e{int(exponent):+d}"
    return "has a unit; write the number alone, in the unit that the key's name ends with"


def _problem(details: ErrorDetails, schema: dict[str, Any]) -> str:
    """Say what is wrong and what is allowed, in the user's terms rather than pydantic's."""
    kind, value = details["type"], shown(details["input"])
    limits = details.get("ctx", {})
    bounds = {
        "greater_than": ("gt", ">"),
        "greater_than_equal": ("ge", ">="),
        "less_than": ("lt", "<"),
        "less_than_equal": ("le", "<="),
    }
    if kind in _WANT_A_NUMBER and (hint := _number_with_unit(details["input"])):
        return f"{value} {hint}"
    if kind in bounds:
        name, sign = bounds[kind]
        return f"{value} is not {sign} {limits[name]:g}"
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        known = _known_keys(details["loc"][:-1], schema)
        near = get_close_matches(str(details["loc"][-1]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
        return f"unknown key; {hint}"
    if kind == "union_tag_invalid":
        tag = str(limits["discriminator"]).strip("'")
        return f"{tag} {str(limits['tag'])!r} is not one of {limits['expected_tags']}"
    if kind == "union_tag_not_found":
        return f"needs the key {limits['discriminator']}"
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return f"{value} is not a mapping of keys to values"
    if kind in ("tuple_type", "list_type"):
        return f"{value} is not a list"
    if kind == "too_short":
        return f"must have at least {limits['min_length']} entries, got {limits['actual_length']}"
    if kind == "timezone_aware":
        return f"{details['input']} needs a time and its zone, as in 2026-06-01T09:00:00Z"
    if kind in ("literal_error", "enum"):
        return f"{value} is not {limits['expected']}"
    message = details["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind in ("value_error", "assertion_error"):
        return message
    return f"{value}: {message[0].lower()}{message[1:]}"


def _data_path(details: ErrorDetails, tree: Any) -> DataPath:
    """Return where the error is, without what pydantic adds: the tags of unions, which are not keys of the file."""
    location = details["loc"]
    of_a_key = details["type"] in ("missing", "extra_forbidden")
    path: list[PathKey] = []
    node = tree
    for position, part in enumerate(location):
        inside = (isinstance(node, dict) and part in node) or (
            isinstance(node, list) and isinstance(part, int) and part < len(node)
        )
        if inside:
            node = node[part]
            path.append(part)
        elif of_a_key and position == len(location) - 1 and isinstance(node, dict):
            path.append(part)  # a key that is missing from the file
    return tuple(path)


def _line(path: DataPath, tree: Any) -> int | None:
    """Return the 1-based line of the innermost key of *path* that the file holds; None for a value of ``--set``."""
    line, node = None, tree
    for part in path:
        # lc.data holds [line, column, …] per key of a mapping and per index of a list.
        if not isinstance(node, (CommentedMap, CommentedSeq)) or part not in (node.lc.data or {}):
            break
        line = node.lc.data[part][0] + 1
        node = node[part]
    return line


def _dotted(path: DataPath) -> str:
    """Write a path as the user would: ``sources[1].arrivals.rate_per_s``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def shown(value: Any) -> str:
    """Return *value* short enough for one line."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    text = repr(dict(value) if isinstance(value, CommentedMap) else value)
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."


def _known_keys(location: tuple[PathKey, ...], schema: dict[str, Any]) -> list[str]:
    """Return the keys allowed at *location*, read from the JSON Schema (union tags in *location* pick the branch)."""
    definitions = schema.get("$defs", {})

    def resolved(node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node or "allOf" in node:
            node = definitions[node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node["allOf"][0]
        return node

    nodes = [resolved(schema)]
    for part in location:
        following: list[dict[str, Any]] = []
        for node in _alternatives(nodes, resolved):
            mapping = node.get("discriminator", {}).get("mapping", {})
            if part in mapping:
                following.append(resolved({"$ref": mapping[str(part)]}))
            elif part in node.get("properties", {}):
                following.append(resolved(node["properties"][part]))
            elif isinstance(part, int) and "items" in node:
                following.append(resolved(node["items"]))
            elif isinstance(node.get("additionalProperties"), dict):
                following.append(resolved(node["additionalProperties"]))
        nodes = following
    return sorted({key for node in _alternatives(nodes, resolved) for key in node.get("properties", {})})


def _alternatives(nodes: list[dict[str, Any]], resolved: Any) -> list[dict[str, Any]]:
    """Return *nodes* with the branches of optional fields laid beside them."""
    return [*nodes, *(resolved(branch) for node in nodes for branch in node.get("anyOf", ()))]

"""``--set a.b=c``: change one value of a scenario before it is validated.

A path names keys separated by dots. An element of a list is named by its index, ``sources[0]`` or ``sources.0`` (``-1``
is the last), or by its ``name``: ``sources.harbour.arrivals.rate_per_s=2``. A name with dots, or one that looks like an
index, stands in quotes: ``sources."cam.1".count=2``. The value is read as YAML, so ``null``, ``[1, 2]`` and ``{kind:
poisson, rate_per_s: 1}`` mean what they mean in a file.
"""

import re
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ntnsim.errors import ScenarioError, first_line
from ntnsim.scenario.yaml_limits import YamlLimitError, check_yaml

PathKey = str | int
# A key of a path: in quotes, in brackets, in both, or plain; with the dot before it.
_KEY = re.compile(
    r"""\s*[.]*(?P<bracket>\[\s*)?(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<plain>[^].[="']+))(?:\s*\])?\s*"""
)


@dataclass(frozen=True, slots=True)
class WrittenKey:
    """One key of a path as the user wrote it. bracketed: surely an index, if it is a number; quoted: surely a name."""

    text: str
    bracketed: bool = False
    quoted: bool = False


def parse_path(text: str) -> tuple[list[WrittenKey], str]:
    """Return the keys at the beginning of *text*, and what follows them: nothing, or ``=`` and a value."""
    keys, place = [], 0
    while found := _KEY.match(text, place):
        quoted = found["plain"] is None
        name = next(part for part in found.group("double", "single", "plain") if part is not None)
        keys.append(WrittenKey(name if quoted else name.strip(), found["bracket"] is not None, quoted))
        place = found.end()
    return keys, text[place:].lstrip(". ")


def parse_override(text: str) -> tuple[list[WrittenKey], Any]:
    """Split ``a.b[0].c=value`` into its keys, still as written, and its value."""
    short = text if len(text) <= 80 else f"{text[:77]}…"
    keys, rest = parse_path(text)
    if not rest.startswith("=") or not keys:
        raise ScenarioError(f"--set {short}: expected PATH=VALUE, for example gateways[0].servers=2")
    raw_value = rest[1:]
    try:
        check_yaml(raw_value)
        value = YAML(typ="safe").load(raw_value)
    except YamlLimitError as error:
        raise ScenarioError(f"--set {short}: {error}") from error
    except YAMLError as error:
        raise ScenarioError(f"--set {short}: the value is not valid YAML") from error
    except (ValueError, OverflowError) as error:  # a date that no calendar has
        raise ScenarioError(f"--set {short}: {first_line(error)}") from error
    except Exception as error:  # the parser's own, on damaged text
        raise ScenarioError(f"--set {short}: the value is not valid YAML ({first_line(error)})") from error
    return keys, value


def apply_override(tree: dict[str, Any], text: str) -> tuple[PathKey, ...]:
    """Set in *tree*, in place, what ``PATH=VALUE`` says; return the path as keys and list indices."""
    keys, value = parse_override(text)
    return set_value(tree, keys, value, text)


def set_value(tree: dict[str, Any], keys: list[WrittenKey], value: Any, text: str) -> tuple[PathKey, ...]:
    """Set *value* in *tree*, in place, at *keys*; return the path as keys and list indices. text: for complaints.

    Mappings on the way are created when absent (validation judges whether they are allowed); list elements are not.
    """
    path: list[PathKey] = []
    node: Any = tree
    for position, key in enumerate(keys):
        step = _step(node, key, text)
        path.append(step)
        if position == len(keys) - 1:
            node[step] = value
        else:
            if isinstance(node, dict) and not isinstance(node.get(step), (dict, list)):
                node[step] = {}
            node = node[step]
    return tuple(path)


def set_at(tree: dict[str, Any], path: str, value: Any) -> tuple[PathKey, ...]:
    """Set *value* in *tree*, in place, at *path*, which is written as for ``--set``; return it as keys and indices."""
    keys, rest = parse_path(path) if isinstance(path, str) else ([], "")
    if not keys or rest:
        raise ScenarioError(f"{path!r}: is no path of a scenario, such as gateways[0].servers")
    try:
        return set_value(tree, keys, value, path)
    except ScenarioError as error:
        raise ScenarioError(str(error).removeprefix("--set ")) from None


def _step(node: Any, key: WrittenKey, text: str) -> PathKey:
    """Return *key* as it indexes *node*: a mapping's key, or a list's index found by number or by name."""
    if isinstance(node, dict):
        return key.text
    if isinstance(node, list):
        # [²] and --5 are no numbers, and what has ten digits indexes no list.
        number = None if key.quoted or not re.fullmatch(r"-?\d{1,9}", key.text, re.ASCII) else int(key.text)
        index = number % len(node) if number is not None and -len(node) <= number < len(node) else None
        named = [
            i
            for i, element in enumerate(node)
            if isinstance(element, dict) and element.get("name") == key.text
        ]
        if index is not None and named and named != [index] and not key.bracketed:
            raise ScenarioError(
                f"--set {text}: {key.text} is the index of one element and the name of another; "
                f'write [{key.text}] for the index, "{key.text}" for the name'
            )
        if index is not None and (key.bracketed or not named):
            return index
        if named:
            return named[0]
        raise ScenarioError(
            f"--set {text}: the list has no element {key.text!r} "
            f"(it has {len(node)}; use an index, or a name, in quotes if it has dots)"
        )
    raise ScenarioError(f"--set {text}: {key.text!r} lies inside {node!r}, which has no keys")

"""``--set a.b=c``: change one value of a scenario before it is validated.

A path names keys separated by dots. An element of a list is named by its index, ``sources[0]`` or ``sources.0``, or by
its ``name``: ``sources.harbour.arrivals.rate_per_s=2``. The value is read as YAML, so ``null``, ``[1, 2]`` and
``{kind: poisson, rate_per_s: 1}`` mean what they mean in a file.
"""

import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ntnsim.errors import ScenarioError, first_line
from ntnsim.scenario.yaml_limits import YamlLimitError, check_yaml

PathKey = str | int


def parse_override(text: str) -> tuple[list[str], Any]:
    """Split ``a.b[0].c=value`` into its keys, still as written, and its value."""
    path, separator, raw_value = text.partition("=")
    short = text if len(text) <= 80 else f"{text[:77]}…"
    keys = [key for key in re.split(r"[.\[\]]+", path.strip()) if key]
    if not separator or not keys:
        raise ScenarioError(f"--set {short}: expected PATH=VALUE, for example gateways[0].servers=2")
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
    """Set in *tree*, in place, what ``PATH=VALUE`` says; return the path as keys and list indices.

    Mappings on the way are created when absent (validation judges whether they are allowed); list elements are not.
    """
    keys, value = parse_override(text)
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


def _step(node: Any, key: str, text: str) -> PathKey:
    """Return *key* as it indexes *node*: a mapping's key, or a list's index found by number or by name."""
    if isinstance(node, dict):
        return key
    if isinstance(node, list):
        # [²] and --5 are no numbers, and what has ten digits indexes no list.
        if re.fullmatch(r"-?\d{1,9}", key, re.ASCII) and -len(node) <= int(key) < len(node):
            return int(key) % len(node)
        for index, element in enumerate(node):
            if isinstance(element, dict) and element.get("name") == key:
                return index
        raise ScenarioError(
            f"--set {text}: the list has no element {key!r} (it has {len(node)}; use an index or a name)"
        )
    raise ScenarioError(f"--set {text}: {key!r} lies inside {node!r}, which has no keys")

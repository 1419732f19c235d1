"""Writes docs/scenario.md, the reference of all scenario keys, from the JSON Schema of scenarios.

    python docs/scenario_reference.py

A test checks that the committed page is what this script writes.
"""

import json
from pathlib import Path
from typing import Any

from ntnsim.scenario.scenario import Scenario

PAGE = Path(__file__).with_name("scenario.md")
HEADING = """# Scenario reference

Made from the schema by `python docs/scenario_reference.py`; `ntnsim schema` prints the schema itself, for editors.
Defaults are in the last column but one; a key without one is required. Losses are positive; units are in the names.
"""
LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
LONGEST_DEFAULT = 60


def reference(schema: dict[str, Any]) -> str:
    """Return the page: the scenario itself first, then each entity in the order in which it is first mentioned."""
    definitions = schema["$defs"]
    parts = [HEADING, _table("Scenario", schema)]
    for name in _order(schema):
        parts.append(_table(name, definitions[name]))
    return "\n".join(parts)


def _order(schema: dict[str, Any]) -> list[str]:
    """Return the names of the definitions, breadth first from the scenario."""
    waiting, seen = _references(schema["properties"]), {}
    while waiting:
        name = waiting.pop(0)
        if name not in seen:
            seen[name] = True
            waiting += _references(schema["$defs"][name])
    return list(seen)


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for one in node for name in _references(one)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else []
    rest = [value for key, value in node.items() if key not in ("discriminator", "default")]
    return own + [name for value in rest for name in _references(value)]


def _table(name: str, definition: dict[str, Any]) -> str:
    kind = definition.get("properties", {}).get("kind", {}).get("const")
    text = " ".join(
        [*([f"`kind: {kind}`."] if kind else []), _prose(definition.get("description", ""))]
    ).strip()
    heading = f"## {_shown(name)}"
    lines = [heading, "", text, ""] if text else [heading, ""]
    rows = [
        (key, value)
        for key, value in definition.get("properties", {}).items()
        if not (key == "kind" and kind)
    ]
    if rows:
        lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        required = definition.get("required", [])
        lines += [_row(key, value, key in required) for key, value in rows]
    return "\n".join(lines) + "\n"


def _shown(name: str) -> str:
    """Return the entity's name for whoever writes YAML: the class is called ``…Spec``."""
    return name.removesuffix("Spec")


def _row(key: str, value: dict[str, Any], required: bool) -> str:
    default = "" if required or "default" not in value else _default(value["default"])
    cells = (f"`{key}`", _type(value), default, _prose(value.get("description", "")))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(node: dict[str, Any]) -> str:
    if "$ref" in node:
        name = _shown(node["$ref"].rsplit("/", 1)[-1])
        return f"[{name}](#{name.lower()})"
    for union in ("anyOf", "oneOf"):
        if union in node:
            shown = [_type(one) for one in node[union] if one.get("type") != "null"]
            null = any(one.get("type") == "null" for one in node[union])
            return " or ".join(dict.fromkeys(shown)) + (" or null" if null else "")
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    kind = node.get("type", "any")
    if kind == "array":
        items = node.get("items") or {"anyOf": node.get("prefixItems", [{}])}
        return f"list of {_type(items)}"
    if kind == "object":
        values = node.get("additionalProperties")
        return f"name → {_type(values)}" if isinstance(values, dict) and values else "mapping"
    limits = [f"{sign} {node[key]:g}" for key, sign in LIMITS.items() if key in node]
    return f"{kind} {', '.join(limits)}".strip()


def _default(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else "its own defaults"


def _prose(text: str) -> str:
    return " ".join(text.split(">>>")[0].replace("``", "`").split())  # examples are Python's


if __name__ == "__main__":
    PAGE.write_text(reference(Scenario.model_json_schema()), encoding="utf-8")

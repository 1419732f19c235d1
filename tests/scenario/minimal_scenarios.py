"""Minimal scenarios from the JSON Schema: one for each value of each key that is a choice, one for each other key.

The schema is walked from its root. A key is tried at the first place where it can stand, with everything else of the
scenario left out that may be. What a schema does not say is written down in tables: values that are no plain number,
and what a key needs beside it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Tree = dict[str, Any]


@dataclass(frozen=True)
class Option:
    """One key with one value, in a scenario of its own."""

    name: str  # Entity.key=value
    scenario: Tree
    inner: Any  # the value, or what it is a list or a mapping of
    with_inner: Callable[[Any], Tree]  # the scenario with something else in its place


@dataclass(frozen=True)
class _Value:
    """One value that a key may have.

    held: from the entity that it is, or the value itself, to what stands at the key: a list or a mapping around it.
    """

    inner: Any
    entity: str | None = None
    held: Callable[[Any], Any] = lambda inner: inner

    def within(self, hold: Callable[[Any], Any]) -> "_Value":
        return _Value(self.inner, self.entity, lambda inner: hold(self.held(inner)))

    @property
    def whole(self) -> Any:
        return self.held(self.inner)


@dataclass
class Walk:
    """The options of a schema.

    base: sections that every scenario has. written: ``Entity.key`` → its value, where the schema's least one means
    nothing. beside: ``Entity``, ``Entity.key`` or ``Entity.key=value`` → other keys of the same entity. world: the
    same → sections of the scenario that it needs. What stands further to the right goes before.
    """

    schema: Tree
    base: Tree
    written: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Tree] = field(default_factory=dict)
    world: Mapping[str, Tree] = field(default_factory=dict)

    def options(self) -> Iterator[Option]:
        """Yield every option that is no default: keys that entities share at the first of them, kinds at one key."""
        seen, tried = {"Scenario"}, set()
        waiting: list[tuple[str, Callable[[Tree], Tree]]] = [
            ("Scenario", lambda sections: {**self.base, **sections})
        ]
        while waiting:
            entity, scenario_of = waiting.pop(0)
            minimal = self._minimal(entity)
            for key, node in self._definition(entity)["properties"].items():
                if (alike := json.dumps([key, node])) in tried:
                    continue
                tried.add(alike)
                place = f"{entity}.{key}"
                as_it_is = minimal.get(key, node.get("default", ...))
                values = [
                    value
                    for value in self._values(node, place)
                    if value.whole != as_it_is or (value.entity is not None and value.entity not in seen)
                ]
                known = [value for value in values if value.entity in seen]
                if known and any(value.entity is not None for value in values if value not in known):
                    known = []
                for value in values:
                    if value.entity in seen and value not in known[:1]:
                        continue
                    name = f"{place}={value.entity or value.whole}"
                    within = self._scenario_of(minimal, place, name, value, scenario_of)
                    yield Option(name, within(value.inner), value.inner, within)
                    if value.entity is not None and value.entity not in seen:
                        seen.add(value.entity)
                        waiting.append((value.entity, within))

    def _scenario_of(
        self, minimal: Tree, place: str, name: str, value: _Value, outer: Callable[[Tree], Tree]
    ) -> Callable[[Any], Tree]:
        """Return what makes a scenario of the inside of *value*, which stands at *place*."""
        entity, key = place.split(".")
        beside, world = (
            table.get(entity, {}) | table.get(place, {}) | table.get(name, {})
            for table in (self.beside, self.world)
        )
        return lambda inner: {**outer({**minimal, **beside, key: value.held(inner)}), **world}

    def _definition(self, entity: str) -> Tree:
        return self.schema if entity == "Scenario" else self.schema["$defs"][entity]

    def _minimal(self, entity: str) -> Tree:
        """Return *entity* with its required keys, and the kind that chooses it."""
        if entity == "Scenario":
            return {}  # the base has what is required
        definition = self._definition(entity)
        required = {
            key: next(self._values(node, f"{entity}.{key}")).whole
            for key, node in definition.get("properties", {}).items()
            if key in definition.get("required", ()) or "const" in node
        }
        return required | self.beside.get(entity, {})

    def _values(self, node: Tree, place: str) -> Iterator[_Value]:
        """Yield values that *node* allows: each that is a choice, one of any other type."""
        if place in self.written:
            yield _Value(self.written[place])
            return
        if "$ref" in node:
            entity = node["$ref"].rsplit("/", 1)[-1]
            if "enum" in self._definition(entity):
                yield from self._values(self._definition(entity), place)
            else:
                yield _Value(self._minimal(entity), entity)
        elif branches := node.get("anyOf") or node.get("oneOf"):
            for branch in branches:
                yield from self._values(branch, place)
        elif "const" in node:
            yield _Value(node["const"])
        elif "enum" in node:
            yield from map(_Value, node["enum"])
        elif node["type"] == "boolean":
            yield from map(_Value, (True, False))
        elif node["type"] in ("integer", "number"):
            yield _Value(_number(node))
        elif node["type"] == "string":
            yield _Value("a")
        elif node["type"] == "null":
            yield _Value(None)
        elif "prefixItems" in node:
            yield _Value([next(self._values(item, place)).whole for item in node["prefixItems"]])
        elif node["type"] == "array":
            count = node.get("minItems", 1)
            for value in self._values(node["items"], place):
                yield value.within(lambda inner: [inner] * count)
        else:
            for name in node.get("propertyNames", {}).get("enum", ["a"])[:1]:
                for value in self._values(node["additionalProperties"], place):
                    yield value.within(lambda inner, name=name: {name: inner})


def _number(node: Tree) -> float:
    """Return a number inside the bounds of *node*, away from them where they are far apart."""
    low = node.get("minimum", node.get("exclusiveMinimum", 0))
    high = node.get("maximum", node.get("exclusiveMaximum", low + 2))
    value = min(low + 1, (low + high) / 2)
    return int(value) if node["type"] == "integer" else float(value)

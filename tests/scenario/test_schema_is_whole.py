"""The JSON Schema tells an editor everything: what each key means, and what may stand below it."""

import json
import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from ntnsim.cli import app
from ntnsim.errors import ScenarioError
from ntnsim.scenario.background import BackgroundSpec
from ntnsim.scenario.distribution import DistributionSpec
from ntnsim.scenario.scenario import Scenario

# What stands there belongs to somebody else: arguments of a user's own class, and paths with values of any kind.
OPEN = {
    "CustomCodecSpec.options",
    "CustomLinkSpec.options",
    "CustomPolicySpec.options",
    "PointListSpec.points",
}

DISTRIBUTIONS = [
    3.5,
    {"kind": "constant", "value": 2},
    {"kind": "exponential", "mean": 2},
    {"kind": "erlang", "shape": 2, "mean": 2},
    {"kind": "gamma", "mean": 2, "cv": 0.5},
    {"kind": "lognormal", "mean": 2, "cv": 0.5},
    {"kind": "uniform", "low": 1, "high": 2},
    {"kind": "two_point", "low": 1, "high": 2},
    {"kind": "hyperexponential", "means": [1, 2], "probabilities": [0.5, 0.5]},
    {"kind": "weibull", "mean": 2, "shape": 0.7},
    {"kind": "pareto", "mean": 2, "shape": 1.5},
    {"kind": "empirical", "values": [1, 2]},
]
BACKGROUNDS = [
    0.5,
    {"kind": "constant", "load": 0.5},
    {"kind": "daily", "loads": [0.1, 0.9]},
    {"kind": "on_off", "on_load": 0.9, "on_s": 60, "off_s": {"kind": "exponential", "mean": 60}},
    {"kind": "trace", "times_s": [0], "loads": [0.5]},
]


@pytest.fixture(scope="module")
def schema():
    return json.loads(CliRunner().invoke(app, ["schema"]).stdout)


def entities(schema):
    return {"Scenario": schema, **schema["$defs"]}.items()


def properties(schema):
    for entity, definition in entities(schema):
        for name, node in definition.get("properties", {}).items():
            yield f"{entity}.{name}", node


def test_every_key_has_a_description(schema):
    described = dict(properties(schema))
    assert len(described) > 483
    assert [name for name, node in described.items() if len(node.get("description", "")) < 4] == []


def open_ends(node):
    if isinstance(node, list):
        return any(map(open_ends, node))
    return isinstance(node, dict) and (
        node.get("additionalProperties") is True or any(map(open_ends, node.values()))
    )


def test_nothing_is_left_open_but_what_belongs_to_others(schema):
    assert {name for name, node in properties(schema) if open_ends(node)} == OPEN
    assert all(
        definition["additionalProperties"] is False
        for _, definition in entities(schema)
        if "enum" not in definition
    )


def branches(schema, node):
    """Return the entities that *node* may be, by their ``kind``, and its other types."""
    found = {}
    for branch in node.get("anyOf", [node]):
        for kind, reference in branch.get("discriminator", {}).get("mapping", {}).items():
            found[kind] = schema["$defs"][reference.rsplit("/", 1)[-1]]
        found.setdefault(branch.get("type"), branch)
    return found


@pytest.mark.parametrize(
    ("entity", "key", "adapter", "values"),
    [
        ("RenewalSpec", "interval_s", TypeAdapter(DistributionSpec), DISTRIBUTIONS),
        (None, "background", TypeAdapter(BackgroundSpec), BACKGROUNDS),
    ],
)
def test_every_kind_of_a_distribution_and_of_a_background_is_in_the_schema(
    schema, entity, key, adapter, values
):
    definition = schema if entity is None else schema["$defs"][entity]
    found = branches(schema, definition["properties"][key])
    kinds = [value["kind"] for value in values if isinstance(value, dict)]
    assert {kind for kind in found if kind not in (None, "number")} == set(kinds)
    assert "number" in found  # a bare number is constant
    for value in values:
        adapter.validate_python(value)
        if isinstance(value, dict):
            branch = found[value["kind"]]
            assert set(value) <= set(branch["properties"]) and set(branch["required"]) <= {*value, "kind"}


def test_sites_stand_for_gateways_and_sources_in_the_schema_as_in_the_check(schema):
    """An editor accepts what ntnsim accepts: sites alone, or both of what sites would make, and not one of these."""
    always = {"name": "w", "schemes": [{"name": "s", "codec": {"kind": "sizes", "size_bits": 8e5}}]}
    always["horizon"] = {"duration_s": 60}
    parts = {
        "sites": {"kind": "grid", "step_deg": 60, "rate_per_s": 1},
        "gateways": [{"name": "g"}],
        "sources": [{"name": "a", "arrivals": {"kind": "poisson", "rate_per_s": 1}}],
    }
    for given in (("sites",), ("gateways", "sources"), ("gateways",), ("sources",), ()):
        sections = always | {key: parts[key] for key in given}
        in_schema = set(schema["required"]) <= set(sections) and any(
            set(choice["required"]) <= set(sections) for choice in schema["anyOf"]
        )
        try:
            Scenario(**sections)
        except ScenarioError:
            assert not in_schema, given
        else:
            assert in_schema, given


def test_the_reference_has_a_table_of_each_kind():
    page = Path("docs/scenario.md").read_text(encoding="utf-8")
    for value in (*DISTRIBUTIONS, *BACKGROUNDS):
        if isinstance(value, dict):
            assert f"`kind: {value['kind']}`." in page
    rows = re.findall(r"^\| `\w+` \|.*$", page, re.MULTILINE)
    assert len(rows) > 400 and [row for row in rows if row.endswith("|  |")] == []


def test_a_slip_inside_a_distribution_is_told_with_the_nearest_key(tmp_path):
    text = Path("scenarios/quickstart.yaml").read_text(encoding="utf-8")
    text = re.sub(
        r"arrivals: \{.*\}", "arrivals: {kind: renewal, interval_s: {kind: gamma, mean: 5, cvv: 1}}", text
    )
    (tmp_path / "slip.yaml").write_text(text)
    done = CliRunner().invoke(app, ["validate", str(tmp_path / "slip.yaml")], standalone_mode=False)
    assert "cvv: unknown key; did you mean 'cv'?" in str(done.exception)

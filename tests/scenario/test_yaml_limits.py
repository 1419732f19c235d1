"""Hostile texts are one clear line, before anything is made of them."""

import json
import time

import pytest

from ntnsim.errors import ScenarioError
from ntnsim.scenario.complaint import MOST_SHOWN
from ntnsim.scenario.load import load_scenario, read_yaml, validated
from ntnsim.scenario.override import apply_override
from ntnsim.scenario.scenario import Scenario

SMALL = {
    "name": "small",
    "horizon": {"n_jobs": 2},
    "sources": [{"name": "s", "arrivals": {"kind": "poisson", "rate_per_s": 1.0}}],
    "gateways": [{"name": "g", "latitude_deg": 45.0, "longitude_deg": 10.0}],
    "schemes": [{"name": "jpeg", "codec": {"kind": "jpeg", "quality": 80}}],
}


def written(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return path


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, r"x.yaml:5: more than 100000 values, with what aliases stand for"),
        ("a: &a [1, *a]\n", r"x.yaml:1: \*a stands for nothing that was finished before"),
        ("a: " + "[" * 2_000 + "]" * 2_000, r"x.yaml:1: nested deeper than 40 levels"),
        ("a: " + "{b: " * 2_000 + "1" + "}" * 2_000, r"x.yaml:1: nested deeper than 40 levels"),
        ("a: 1\nb: " + "9" * 5_000, r"x.yaml:2: an integer of 5000 digits; at most 30"),
        ("b: 0x" + "f" * 5_000, "an integer of 5002 digits"),
        ('a: "\\0"\n', r"holds the character U\+0000"),
        ('a: "\\ud800"\n', r"holds the character U\+D800"),
        (
            "a: !!python/object:os.system x\n",
            r"the tag tag:yaml.org,2002:python/object:os.syste.* is not understood",
        ),
        ("a: 1\n" * 300_000, "characters; at most 1048576 are read|duplicate|larger than a scenario"),
    ],
)
def test_a_text_beyond_a_limit_is_told_by_line(tmp_path, text, message):
    path = written(tmp_path, text)
    begin_s = time.perf_counter()
    with pytest.raises(ScenarioError, match=message) as caught:
        read_yaml(path)
    assert time.perf_counter() - begin_s < 5.0
    assert len(str(caught.value).splitlines()) == 1


def test_ordinary_anchors_and_merges_are_read(tmp_path):
    tree = read_yaml(written(tmp_path, "a: &a {b: 1}\nc: *a\nd: {<<: *a, e: 2}\n"))
    assert tree["c"]["b"] == tree["d"]["b"] == 1


@pytest.mark.parametrize("key", ["[²]", ".--5", "[99999999999999999999]", "[-3]"])
def test_what_is_no_index_of_a_list_is_told(key):
    with pytest.raises(ScenarioError, match="the list has no element"):
        apply_override({"sources": [1, 2]}, f"sources{key}=1")


@pytest.mark.parametrize("value", ["9" * 5_000, '"\\0"', "[" * 3_000, "2026-02-30", "{"])
def test_values_of_set_have_the_same_limits(value):
    with pytest.raises(ScenarioError) as caught:
        apply_override({}, f"a={value}")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["../../x", "a/b", "a\\b", "..", ".hidden", "a\nb", " a", "", "x" * 101])
@pytest.mark.parametrize(
    "place", [("name",), ("schemes", 0, "name"), ("sources", 0, "name"), ("gateways", 0, "name")]
)
def test_names_that_leave_a_directory_or_a_line_are_refused(name, place):
    tree = json.loads(json.dumps(SMALL))
    node = tree
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = name
    with pytest.raises(ScenarioError) as caught:
        validated(Scenario, tree, "x.yaml")
    assert len(str(caught.value).splitlines()) == 1
    assert "name: " in str(caught.value)


@pytest.mark.parametrize(
    "name", ["Größe [1/2 off]".replace("/", " of "), "[/]".replace("/", "bold"), "spiff v1.2"]
)
def test_other_names_are_kept(name):
    assert validated(Scenario, {**SMALL, "name": name}, "x.yaml").name == name


def test_twenty_mistakes_are_shown_and_the_rest_is_counted(tmp_path):
    gateways = [{"name": f"g{n}", "latitude_deg": 100, "longitude_deg": 0} for n in range(50)]
    path = written(tmp_path, json.dumps({**SMALL, "gateways": gateways}))
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == MOST_SHOWN + 1
    assert lines[-1].endswith("30 more mistakes")


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"replications": 1_000_000_000}, "sweep.replications: 1000000000 is not <= 10000"),
        (
            {
                "replications": 1_000,
                "design": [{"kind": "grid", "parameters": {"horizon.n_jobs": list(range(200))}}],
            },
            "200,000 runs; a sweep has at most 100,000",
        ),
    ],
)
def test_sweeps_of_too_many_runs_are_refused_before_they_are_listed(sweep, message):
    with pytest.raises(ScenarioError, match=message):
        validated(Scenario, {**SMALL, "sweep": sweep}, "x.yaml")

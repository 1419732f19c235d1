"""No key of a scenario takes a number that means nothing: each numeric key of the schema is tried, one by one."""

import warnings

import pytest
from minimal_scenarios import Walk
from pydantic import ValidationError
from test_every_option_runs import BASE, BESIDE, WORLD, WRITTEN

from ntnsim.scenario.magnitudes import absurd_number
from ntnsim.scenario.scenario import Scenario

ABSURD = (1e300, -1e-300, 10**25)
OPTIONS = list(Walk(Scenario.model_json_schema(), BASE, WRITTEN, BESIDE, WORLD).options())


def with_other_numbers(value, other):
    """Yield *value* with one of its numbers, at any depth, replaced by *other*."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield other
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            for changed in with_other_numbers(entry, other):
                yield [*value[:index], changed, *value[index + 1 :]]
    elif isinstance(value, dict):
        for key, entry in value.items():
            for changed in with_other_numbers(entry, other):
                yield {**value, key: changed}


@pytest.mark.parametrize("number", ABSURD)
def test_every_numeric_key_refuses_it(number):
    taken, tried = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for option in OPTIONS:
            if "options=" in option.name:  # an own part's: it says itself what it takes
                continue
            for inner in with_other_numbers(option.inner, number):
                scenario = option.with_inner(inner)
                if scenario == option.scenario:  # its section stands in WORLD
                    continue
                tried += 1
                try:
                    Scenario.model_validate(scenario, context={"directory": None})
                except ValidationError:
                    continue
                taken.append(option.name)
    assert taken == []
    assert tried > 300


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        (
            {"radio": {"channel": {"additional_loss_db": 1e5}}},
            "radio.channel.additional_loss_db: 100000.0 is not <= 1",
        ),
        (
            {"sources": [{"arrivals": {"interval_s": {"mean": 1e11}}}]},
            "sources[0].arrivals.interval_s.mean: 1",
        ),
        (
            {"sources": [{"arrivals": {"interval_s": {"mean": 1e-7}}}]},
            "sources[0].arrivals.interval_s.mean: 1e-07 is",
        ),
        ({"gateways": [{"service_s": {"segmentation": {"kind": "constant", "value": 1e-7}}}]}, ""),
        ({"policy": {"options": {"share_s": 1e300}}}, ""),
        ({"seed": 2**63 - 1, "name": "a", "flag": True, "nothing": None, "loss_db": -0.0}, ""),
    ],
)
def test_the_unit_of_a_number_is_that_of_the_key_that_holds_it(tree, problem):
    found = absurd_number(tree)
    assert found.startswith(problem) and bool(found) == bool(problem)

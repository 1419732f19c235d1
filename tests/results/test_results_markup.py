"""Brackets and colons in names are names, not the terminal's markup."""

import pytest

from ntnsim.sweeps.show import sweep_table


@pytest.mark.parametrize("name", ["[bold]x", "[/]", ":smile:"])
def test_a_name_is_printed_as_it_is(name):
    figures = {"n": 2, "mean": 0.5, "half_width": 0.1, "value": 0.5, "lower": 0.4, "upper": 0.6}
    metrics = dict.fromkeys(
        ("delay_s.mean", "delay_s.quantiles.q95.value", "deadline_met.value", "savings.mean"), figures
    )
    point = {"parameters": {}, "replications": 2, "schemes": {name: metrics}}
    assert name in sweep_table({"name": name, "confidence": 0.95, "points": [point]}).replace("\n", " ")

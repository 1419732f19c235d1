"""The table of rivals: its costs and intervals worked by hand, and a first line that says who wins."""

from dataclasses import replace

import pandas as pd
import pytest

from ntnsim.engine.build import requirement_from
from ntnsim.engine.outcome_log import LoggedOutcome
from ntnsim.experiments.accounts import cost_of
from ntnsim.experiments.rivals import caption, cheapest_quality, summary
from ntnsim.experiments.whole_images import QUALITIES, cheapest_qualities
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.imaging import Reconstruction
from ntnsim.protocols.policy import ImageState
from ntnsim.scenario.policy import RequirementSpec

SPEC = RequirementSpec(pf_min=(0.8, 0.9), sf_min=(0.7, 0.9), lambda_pf=(2.0, 10.0), lambda_sf=(1.0, 10.0))


def test_cost_is_bits_and_priced_shortfalls():
    # 0.1 + 2·(0.8 − 0.7) + 10·(0.9 − 0.88) + 10·(22/20 − 1)
    cost = cost_of(0.1, (0.7, 0.88), (0.9, 0.95), 22.0, requirement_from(SPEC))
    assert cost == pytest.approx(0.1 + 0.2 + 0.2 + 1.0)


def test_one_q_is_the_cheapest_in_the_log_among_plain_configurations():
    image = ImageState((0.5, 0.5), 1000, 4, 4)

    def seen(quality: float, pf: float, bits: int, growth: float = 0.0) -> LoggedOutcome:
        return LoggedOutcome(image, Configuration(growth, (0.0,), quality), bits, (pf, 1.0), (1.0, 1.0))

    # q = 0.12 misses PF by 0.2 (0.05 + 0.4); q = 0.52 meets it for 0.2; q = 0.92 for 0.5; β > 0 does not count.
    log = [seen(0.12, 0.6, 50), seen(0.52, 0.9, 200), seen(0.92, 0.95, 500), seen(0.92, 0.9, 1, growth=0.5)]
    assert cheapest_quality(log, requirement_from(SPEC)) == pytest.approx(
        0.5
    )  # the first grid point within 0.1


def test_a_whole_image_has_the_quality_that_costs_least_under_each_target():
    def scored(quality: int):
        # Bits grow with quality, PF of the low rank too: 0.7, 0.775, 0.85 ….
        pf = 0.55 + quality / 200.0
        return [(quality / 200.0, Reconstruction(0.0, (pf, 1.0), (1.0, 1.0)))] * 2

    free = replace(requirement_from(SPEC), lambda_pf=(0.5, 10.0))
    asked = {"strict": requirement_from(SPEC), "free": free}
    # λ = 2 pays for each bit until PF 0.8, at quality 50; 60 is the first beyond: 0.3 for 0.225 + 0.05 at 45.
    assert cheapest_qualities(scored, asked) == {"strict": 45, "free": QUALITIES[0]}


def outcomes(costs: dict[str, list[float]]) -> pd.DataFrame:
    rest = {
        "pf": 0.9,
        "sf": 0.9,
        "in_time": 1.0,
        "savings": 0.8,
        "whole": 0.0,
        "generated": 0.2,
        "learning_cpu_s": 0.0,
    }
    return pd.DataFrame(
        {"target": "strict", "policy": name, "seed": 0, "photograph": place, "cost": cost, "decision_ms": 1.0}
        | rest
        for name, values in costs.items()
        for place, cost in enumerate(values)
    )


def test_differences_are_paired_by_photograph():
    # The photographs differ by far more than the policies do: paired, the rule is 0.01 dearer on each.
    table = summary(
        outcomes({"engine": [0.1, 0.5, 0.9, 0.3], "rule": [0.11, 0.51, 0.91, 0.31]}), {"strict": SPEC}
    )
    rule = table.set_index("policy").loc["rule"]
    assert rule["above_engine"] == pytest.approx(0.01)
    assert rule["above_engine_low"] == pytest.approx(0.01)
    assert rule["cost_high"] - rule["cost_low"] > 0.5
    assert caption(table).startswith("Cheapest by Eq. 2a: strict: the engine, rule next.")


def test_caption_begins_with_a_rival_that_wins_and_says_when_it_may_be_chance():
    clear = summary(outcomes({"engine": [0.2, 0.5, 0.9], "rule": [0.1, 0.4, 0.8]}), {"strict": SPEC})
    assert caption(clear).startswith("Cheapest by Eq. 2a: strict: rule, cheaper than the engine.")
    unclear = summary(outcomes({"engine": [0.2, 0.5, 0.9], "rule": [0.1, 0.7, 0.4]}), {"strict": SPEC})
    assert caption(unclear).startswith(
        "Cheapest by Eq. 2a: strict: rule, cheaper than the engine (the difference may be chance)."
    )

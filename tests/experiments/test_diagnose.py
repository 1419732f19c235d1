"""The engine's diagnosis: figures by hand, and the whole command on a table of the synthetic instance's outcomes."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_memory import fill_memory

from ntnsim.engine.build import build_engine
from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.engine.practice import Moment, TableInstance, delivered_in
from ntnsim.engine.synthetic import REQUIREMENT, SPACE, SyntheticBits, network_state
from ntnsim.experiments.diagnose import caption, draw, judged, read_levels
from ntnsim.experiments.study import RISK_LEVEL
from ntnsim.scenario.policy import SpiffEngineSpec
from ntnsim.streams import stream

INSTANCE = SyntheticBits()


@pytest.fixture(scope="module")
def world() -> TableInstance:
    """Mean outcomes of the synthetic instance for eight images on a grid."""
    rng = stream(0, "table")
    axes = (tuple(np.linspace(0, 1, 6)), tuple(np.linspace(0, 1, 6)))
    contexts = [INSTANCE.context(rng) for _ in range(8)]
    grid = np.array(list(product(*axes)))
    fidelities = INSTANCE.fidelity_means(grid).reshape(6, 6, 2, 2)  # (per, sem) of rank 0, then of rank 1
    sizes = [INSTANCE.bits_share(image.rank_fractions[1], grid) * image.source_bits for image, _ in contexts]
    table = OutcomeTable(
        SPACE,
        axes,
        tuple(str(place) for place in range(8)),
        tuple(image for image, _ in contexts),
        np.array(sizes).reshape(8, 6, 6),
        np.tile(fidelities[..., 0], (8, 1, 1, 1)),
        np.tile(fidelities[..., 1], (8, 1, 1, 1)),
    )
    return TableInstance(table, [Moment(network, 0.0, 3.0) for _, network in contexts])


def test_regret_and_payments_add_up(world):
    engine = build_engine(SpiffEngineSpec(hidden_units=32), SPACE, seed=0)
    fill_memory(engine, world, [REQUIREMENT], 300, stream(0, "offline"))
    engine.update(300)
    moments = [Moment(network_state(rate_bps), 1.0, 3.0) for rate_bps in (100e3, 300e3)]

    def deliver(place, moment, requirement, x):
        image = replace(world.table.images[place], age_s=moment.age_s)
        outcome = world.table.between(place, np.array(SPACE.vector(x)))
        bits = round(outcome[0] * image.source_bits)
        return delivered_in(moment, image, requirement, x, bits, tuple(outcome[1::2]), tuple(outcome[2::2]))

    row, delivered = judged(engine, world.table, deliver, moments, REQUIREMENT, stream(1, "judge"))
    assert row["decisions"] == len(delivered) == 8
    bits = np.mean([seen.size_bits / seen.image.source_bits for seen in delivered])
    paid = sum(value for name, value in row.items() if name.startswith("pays_"))
    assert row["cost"] == pytest.approx(bits + paid)
    assert (
        row["regret"] > -0.02
    )  # between grid points the engine may find what the oracle's grid does not hold
    ideal = deliver(0, moments[0], REQUIREMENT, SPACE.configuration([0.2, 0.4]))
    always, _ = judged(engine, world.table, lambda *asked: ideal, moments, REQUIREMENT, stream(1, "judge"))
    assert always["regret"] == 0.0


def coverage_of(missed: dict[str, float]) -> pd.DataFrame:
    rows = []
    for term, share in missed.items():
        level, reached = (1 - RISK_LEVEL, 1 - share) if term == "delay" else (RISK_LEVEL, share)
        rows += [(term, level, reached), (term, 0.5, 0.4)]
    table = pd.DataFrame(rows, columns=["term", "nominal", "coverage"])
    return table.assign(decisions="own", seed=0)


def test_misses_are_counted_at_the_quantiles_that_decisions_read():
    read = read_levels(coverage_of({"bits": 0.3, "pf_0": 0.06, "delay": 0.01})).set_index("term")
    assert read["missed"].to_dict() == {"pf_0": pytest.approx(0.06), "delay": pytest.approx(0.01)}


@pytest.mark.parametrize(("worst", "held"), [(3.0 * RISK_LEVEL, "no"), (1.4 * RISK_LEVEL, "yes")])
def test_caption_begins_with_the_worst_covered_term(worst, held):
    table = pd.DataFrame(
        {"predicted_cost": [0.1], "cost": [0.3], "regret": [0.2], "pays_pf_0": [0.01], "pays_sf_0": [0.15]}
    )
    said = caption(table, coverage_of({"bits": 0.5, "pf_0": worst, "sf_0": RISK_LEVEL, "delay": RISK_LEVEL}))
    assert said.startswith(
        f"Worst covered is pf_0: {worst:.3f} of the engine's own decisions end beyond a quantile"
    )
    assert f"every term: {held}." in said
    assert "most shortfalls are paid for sf_0 (0.150)" in said


def test_figure_is_drawn(tmp_path: Path):
    chart = pd.DataFrame(
        {"top_fraction": 0.3, "weight_factor": [0.1, 1.0], "x_0": [0.0, 0.5], "x_1": [0.1, 0.2]}
    )
    both = coverage_of({"bits": 0.5, "pf_0": 0.02, "delay": 0.02})
    draw(pd.concat((both, both.assign(decisions="drawn"))), chart, tmp_path)
    assert (tmp_path / "diagnose.png").stat().st_size > 10_000

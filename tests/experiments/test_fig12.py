"""Fig. 12's inquiry: the codec's optimum on a table worked by hand, and the line that compares."""

import numpy as np
import pandas as pd
import pytest

from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.experiments.fig12 import draw, ending, optimum
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import ImageState, Requirement

ASKED = Requirement(20.0, pf_min=(0.8, 0.0), sf_min=(0.0, 0.0), lambda_pf=(2.0, 10.0), lambda_sf=(1.0, 10.0))


def test_optimum_is_where_a_bit_more_costs_as_much_as_it_brings():
    # Over p: bits 0.2 + 0.4·p and PF 0.6 + 0.4·p; 2·(0.8 − PF) falls by 0.8 until p = 0.5, then nothing does.
    # The second photograph is there without patches. β = 1 costs 0.9.
    axes = ((0.0, 1.0), (0.0, 1.0))
    images = (ImageState((0.5, 0.5), 1000, 4, 4), ImageState((0.4, 0.6), 1000, 4, 4))
    sizes = np.array([[[200, 600], [900, 900]]] * 2, dtype=float)
    pf_0 = np.array([[[0.6, 1.0], [1.0, 1.0]], [[0.9, 1.0], [1.0, 1.0]]])
    pf = np.stack((pf_0, np.ones_like(pf_0)), -1)
    table = OutcomeTable(ConfigurationSpace(2, False), axes, ("a", "b"), images, sizes, pf, np.ones_like(pf))
    found = optimum(table, ASKED)
    assert found["optimum_p_0"] == pytest.approx((0.5 + 0.0) / 2)
    assert found["optimum_beta"] == 0.0
    assert found["optimum_cost"] == pytest.approx((0.4 + 0.2) / 2)
    assert found["whole_cost"] == pytest.approx(0.9)


def notes() -> pd.DataFrame:
    rest = {"optimum_p_0": 0.7, "optimum_beta": 0.1, "beta": 0.2}
    return pd.DataFrame(
        {"subset": subset, "target": "lenient", "seed": seed, "images": images, "p_0": p} | rest
        for subset in ("L", "H")
        for seed in (0, 1)
        for images, p in ((25, 0.5), (50, 0.6 + 0.1 * seed))
    )


def test_the_end_is_compared_with_the_codecs_optimum():
    assert ending(notes()) == (
        "p(0) at the end, and in brackets the codec's optimum: L lenient 0.65 (0.70); H lenient 0.65 (0.70)."
    )


def test_the_figure_draws_both(tmp_path):
    draw(notes(), tmp_path)
    assert (tmp_path / "fig12.png").stat().st_size > 10_000

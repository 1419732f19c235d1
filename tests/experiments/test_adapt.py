"""The adaptation's table by hand, and its world on a table of outcomes."""

import numpy as np
import pandas as pd
import pytest

from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.experiments.adapt import FIXED, SETTLED, WINDOW, caption, fixed_grid, summary
from ntnsim.experiments.table_imaging import TableImaging
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.imaging import Work
from ntnsim.protocols.policy import ImageState

SPACE = ConfigurationSpace(2, has_coarse_layer=True)
LENGTH = 200
NOTE = {"arrived": True, "in_time": True, "pf_ok": True, "savings": 0.8, "whole_image": False}


def notes(costs: dict[str, dict[int, float]]) -> pd.DataFrame:
    """A phase of 200 images for each policy; costs: from which image on an image costs what."""
    rows = []
    for policy, steps in costs.items():
        for image in range(LENGTH):
            cost = steps[max(start for start in steps if start <= image)]
            photograph = image % 5
            rows.append({"policy": policy, "seed": 0, "phase": 0, "image": image, "photograph": photograph})
            rows[-1] |= NOTE | {"cost": cost, "generated": 0.3, "cpu_ms": 2.0}
    return pd.DataFrame(rows)


def test_windows_count_once_settled_and_against_the_best_fixed_x():
    table = summary(
        notes(
            {
                f"{FIXED} a": {0: 0.2},
                f"{FIXED} b": {0: 0.1},
                # Dear at first, which is forgiven; then cheaper; then one window of 1.5 times the best.
                "learner": {0: 5.0, 80: 0.08, 160: 0.15},
            }
        )
    ).set_index("policy")
    assert (table["best_fixed"] == f"{FIXED} b").all()
    assert SETTLED <= 120 and LENGTH % WINDOW == 0  # windows from 120 and 160 are compared
    assert table.loc["learner", "worst_window"] == pytest.approx(1.5)
    assert table.loc[f"{FIXED} a", "worst_window"] == pytest.approx(2.0)
    assert table.loc["learner", "above_best_fixed"] == pytest.approx((400 + 6.4 + 6.0) / 200 - 0.1)


def test_what_never_arrived_is_late_and_has_no_cost():
    told = notes({f"{FIXED} a": {0: 0.2}, "guarded": {0: 0.1}})
    lost = (told["policy"] == "guarded") & (told["image"] < 50)
    told.loc[lost, ["arrived", "in_time", "pf_ok"]] = False
    told.loc[lost, ["cost", "savings", "generated"]] = np.nan
    row = summary(told).set_index("policy").loc["guarded"]
    assert row["cost"] == pytest.approx(0.1)
    assert (row["arrived"], row["in_time"], row["images"]) == (0.75, 0.75, LENGTH)


def test_caption_names_the_cheapest_and_who_keeps_the_bar():
    table = summary(notes({f"{FIXED} a": {0: 0.1}, "good": {0: 0.09}, "late": {0: 0.05, 160: 0.2}}))
    said = caption(table, "spiff", LENGTH).split("\n\n")
    assert (
        said[0]
        == "Cheapest over the whole run: late (0.080); the best fixed x in hindsight, fixed a, costs 0.100."
    )
    assert said[1].endswith("the phase's best fixed x: good (0.90).")
    rule = caption(summary(notes({f"{FIXED} a": {0: 0.1}, "bad": {0: 0.2}})), "spiff", LENGTH)
    assert rule.startswith("Cheapest over the whole run: fixed a (0.100).\n\n")
    assert "none of the learners" in rule


def test_the_best_fixed_x_has_no_guard_and_a_guarded_run_is_not_called_cheapest():
    """A guard drops what would cost most, so that its mean is not that of the same images."""
    costs = {f"{FIXED} a": {0: 0.2}, f"{FIXED} a, guarded": {0: 0.05}, "engine, guarded": {0: 0.01}}
    table = summary(notes({**costs, "engine": {0: 0.1}}))
    assert (table["best_fixed"] == f"{FIXED} a").all()
    assert caption(table, "spiff", LENGTH).startswith("Cheapest over the whole run: engine (0.100);")


def table_of(n_images: int) -> OutcomeTable:
    axes = ((0.0, 1.0), (0.0,), (0.0, 0.5, 1.0))
    images = tuple(ImageState((0.5, 0.5), 1000 + place, 4, 4) for place in range(n_images))
    share = np.array([[[0.1, 0.2, 0.4]], [[0.3, 0.3, 0.3]]])
    sizes = np.stack([share * image.source_bits for image in images])
    pf = np.stack([np.stack((1.0 - share, np.ones_like(share)), -1)] * n_images)
    return OutcomeTable(
        SPACE, axes, tuple(f"p{n}" for n in range(n_images)), images, sizes, pf, np.ones_like(pf)
    )


def test_fixed_x_are_every_q_of_the_grid_and_the_whole_image():
    assert fixed_grid(table_of(1)) == [(0.0, 0.0, 0.5), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)]


def test_imaging_of_a_table_tells_its_outcomes_and_what_lies_between():
    imaging = TableImaging(table_of(7), Work((), (), ()), seed=1)
    captures = [imaging.capture("camera", index) for index in range(60)]
    assert {capture.image_id for capture in captures} == {f"p{n}" for n in range(7)}
    assert captures == [imaging.capture("camera", index) for index in range(60)]
    name, source_bits, _ = captures[0]
    x = SPACE.configuration((0.0, 0.0, 0.75))
    coded = imaging.encode(name, x)
    assert coded.size_bits == round(0.3 * source_bits) == sum(coded.bits_per_rank) + coded.overhead_bits
    seen = imaging.reconstruct(name, x)
    assert seen.pf_rank == pytest.approx((0.7, 1.0))
    assert seen.sf_rank == (1.0, 1.0)
    assert seen.file_bits == source_bits

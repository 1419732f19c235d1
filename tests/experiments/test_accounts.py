"""The columns that every table of policies has, by hand; and which photographs policies are judged on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_memory import fill_memory

from ntnsim.datasets.persons import PersonsDataset
from ntnsim.engine.build import build_linear
from ntnsim.engine.synthetic import REQUIREMENT, SPACE, SyntheticBits
from ntnsim.errors import DatasetError
from ntnsim.experiments.accounts import TIMED_DECISIONS, cheapest, effort_of, generated_share, judged_columns
from ntnsim.experiments.study import Study
from ntnsim.experiments.table4 import guarded, summary
from ntnsim.protocols.configuration import Configuration
from ntnsim.scenario.policy import LinearBanditSpec, RequirementSpec
from ntnsim.streams import stream


def test_generated_pixels_lie_outside_box_and_patches():
    # Ranks 0 and 1 take 0.5 and 0.3; half of what is outside the tight box is left, of it 0.8 and 0.9.
    x = Configuration(0.5, (0.2, 0.1), 0.4)
    assert generated_share((0.5, 0.3, 0.2), x) == pytest.approx(0.5 * (0.5 * 0.8 + 0.3 * 0.9))
    assert generated_share((0.5, 0.5), Configuration(1.0, (0.0,))) == 0.0
    assert generated_share((0.5, 0.5), Configuration(0.0, (0.0,))) == 0.5


def test_images_of_one_photograph_count_once_for_the_limits():
    def of(copies: int) -> dict[str, float]:
        costs = pd.Series(np.repeat([0.1, 0.2, 0.4], copies))
        names = pd.Series(np.repeat(["a", "b", "c"], copies))
        return judged_columns(costs, names, costs > 0.3, costs)

    one, many = of(1), of(50)
    assert [one["cost"], many["cost"]] == pytest.approx([0.7 / 3] * 2)
    assert one["cost_low"] == pytest.approx(many["cost_low"])
    assert one["cost_high"] > one["cost"] + 0.1
    assert one["whole_image"] == pytest.approx(1 / 3)


def test_effort_times_as_many_decisions_as_it_says(monkeypatch):
    policy = build_linear(LinearBanditSpec(), SPACE, seed=0)
    instance = SyntheticBits()
    fill_memory(policy, instance, [REQUIREMENT], 80, stream(0, "offline"))
    policy.update(1)
    image, network = instance.context(stream(1, "test"))
    calls = []
    decide = policy.best_action
    monkeypatch.setattr(policy, "best_action", lambda *asked: calls.append(asked) or decide(*asked))
    effort = effort_of(policy, 2.5, [image], [network], REQUIREMENT)
    assert len(calls) == TIMED_DECISIONS
    assert effort.learning_cpu_s == 2.5
    assert 0.0 < effort.decision_ms < 1000.0


def record(**changes):
    plain = {
        "target": "strict",
        "scheme": "engine on spiff",
        "seed": 0,
        "state": "delivered",
        "image_id": "a",
        "pf_rank_0": 0.7,
        "sf_rank_0": 0.95,
        "pf_rank_1": 1.0,
        "sf_rank_1": 1.0,
        "deadline_met": True,
        "delay_s": 3.0,
        "savings": 0.9,
        "rank_fraction_0": 0.6,
        "rank_fraction_1": 0.4,
        "x_box_growth": 0.0,
        "x_patch_fraction_0": 0.0,
        "x_coarse_quality": 0.3,
        "guarded": False,
        "learning_cpu_s": 7.0,
        "decision_ms": 0.5,
    }
    return plain | changes


def test_table4_tells_cost_whole_images_and_generated_pixels():
    records = pd.DataFrame(
        [
            record(),
            record(image_id="b", pf_rank_0=0.9, x_box_growth=1.0),
            record(
                scheme="jpeg q45", x_box_growth=np.nan, x_patch_fraction_0=np.nan, x_coarse_quality=np.nan
            ),
        ]
    )
    table = summary(records, {"strict": RequirementSpec()}).set_index("scheme")
    ours = table.loc["engine on spiff"]
    # 0.1 of bits each; the first misses PF 0.8 by 0.1 at λ = 1.25.
    assert ours["cost"] == pytest.approx(0.1 + 0.125 / 2)
    assert ours["whole_image"] == 0.5
    assert ours["generated"] == pytest.approx(0.6 / 2)
    assert (ours["learning_cpu_s"], ours["decision_ms"]) == (7.0, 0.5)
    assert table.loc["jpeg q45", ["whole_image", "generated"]].tolist() == [0.0, 0.0]


def test_table4_shows_every_scheme_without_its_guard_and_behind_it():
    behind = {"guarded": True, "savings": 0.95, "pf_rank_0": 0.9}
    records = [
        record(),
        record(state="late", deadline_met=False, delay_s=22.0),
        record(**behind),
        record(**behind | {"state": "dropped"}),
    ]
    row = summary(pd.DataFrame(records), {"strict": RequirementSpec()}).iloc[0]
    assert (row["images"], row["p_deadline"], row["rejected"]) == (2, 0.5, 0.0)
    assert row["cost"] == pytest.approx(0.1 + 0.125 + 0.5 * 10.0 * 0.1)
    assert row["guarded_cost"] == pytest.approx(0.05)
    assert (row["guarded_p_deadline"], row["guarded_rejected"]) == (1.0, 0.5)
    schemes = guarded(
        {"engine": {"policy": {"kind": "ncb"}}, "jpeg": {}, "best": {"policy": {"kind": "oracle"}}}
    )
    assert {name: scheme["policy"]["kind"] for name, scheme in schemes.items()} == {
        "engine, guarded": "ncb",
        "jpeg, guarded": "fixed",
    }
    assert all(scheme["policy"]["guard"]["when_late"] == "reject" for scheme in schemes.values())


def test_table4_tells_the_worst_seed_and_pairs_costs_by_photograph():
    """The rival saw photographs a and b with one seed, the engine a and b with two: b costs it 0.1 and 0.225."""
    rival = {"scheme": "ncb on spiff", "pf_rank_0": 0.9, "savings": 0.8}
    records = [
        record(pf_rank_0=0.9),
        record(image_id="b", pf_rank_0=0.9),
        record(pf_rank_0=0.9, seed=1),
        record(image_id="b", seed=1),
        record(**rival),
        record(**rival, image_id="b"),
        record(**rival, image_id="c"),
    ]
    table = summary(pd.DataFrame(records), {"strict": RequirementSpec()}).set_index("scheme")
    ours, theirs = table.loc["engine on spiff"], table.loc["ncb on spiff"]
    assert (ours["p_pf"], ours["p_pf_worst_seed"]) == (0.75, 0.5)
    assert (theirs["p_pf"], theirs["p_pf_worst_seed"], theirs["seeds"]) == (1.0, 1.0, 1)
    assert theirs["above_engine"] == pytest.approx(((0.2 - 0.1) + (0.2 - (0.1 + 0.225) / 2)) / 2)
    assert theirs["above_engine_low"] < theirs["above_engine"] < theirs["above_engine_high"]
    assert ours["above_engine"] == 0.0


def test_rivals_may_learn_with_the_first_seeds_alone():
    few, all_of_them = (Study(Path(), Path(), Path(), seeds=(3, 5, 7), rival_seeds=n) for n in (1, None))
    assert [few.learns("linear", seed, ("engine",)) for seed in few.seeds] == [True, False, False]
    assert all(few.learns("engine", seed, ("engine",)) for seed in few.seeds)
    assert all(all_of_them.learns("linear", seed, ()) for seed in few.seeds)


def test_the_cheapest_is_named_under_each_target_whoever_it_is():
    table = pd.DataFrame(
        [
            ("strict", "engine", 0.3),
            ("strict", "rule", 0.1),
            ("strict", "engine", 0.1),
            ("lenient", "engine", 0.1),
        ],
        columns=["target", "policy", "cost"],
    )
    assert (
        cheapest(table, "policy")
        == "Cheapest: strict: rule (0.100), then engine (0.200); lenient: engine (0.100)."
    )


def write_persons(directory: Path) -> None:
    lines = ["file,split,dataset,person_fraction"]
    lines += [
        f"{split}/{n}.jpg,{split},x,0.3" for split, count in (("train", 5), ("val", 2)) for n in range(count)
    ]
    (directory / "index.csv").write_text("\n".join(lines) + "\n")


def test_policies_are_judged_on_photographs_after_the_logged_ones_until_the_final_run(tmp_path: Path):
    write_persons(tmp_path)
    for final, expected in ((False, ["train/3.jpg", "train/4.jpg"]), (True, ["val/0.jpg", "val/1.jpg"])):
        study = Study(data=tmp_path, out=tmp_path, work=tmp_path, n_logged=3, n_test=2, final=final)
        scenario = study.scenario([{"name": "s", "codec": {"kind": "jpeg"}}], **study.judged_on)
        spec = scenario.datasets["persons"]
        dataset = PersonsDataset(tmp_path, spec.split, skip=spec.skip)
        assert dataset._files == expected


def test_skipping_every_row_is_told(tmp_path: Path):
    write_persons(tmp_path)
    with pytest.raises(DatasetError, match="that the filters keep after the first 5"):
        PersonsDataset(tmp_path, "train", skip=5)

"""Ablation: the engine without Ω_t, the trial encoding, distributional reads or critics; each with and without a guard.

    ntnsim experiment ablation --data PERSONS --out results/ablation

Every variant learns from the log of training photographs on `spiff`, under all three targets, and is then judged
greedily on a table of other photographs, once as it is and once behind the deadline guard, against the oracle that
searches the same table's grid. Outcomes between grid points are interpolated; interpolation.csv tells by how much real
ones differ. "Median reads" keeps the quantile critics
but reads every term at its median: what a risk-neutral engine does. "Actor alone" is the engine that sends its
actor's x and searches nothing.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ntnsim.engine.build import build_bandit, requirement_from
from ntnsim.engine.conditioning import interleaved
from ntnsim.engine.guard import GuardedPolicy
from ntnsim.engine.oracle import OraclePolicy
from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.engine.practice import TableInstance, practised
from ntnsim.experiments.accounts import WHOLE, cheapest, cost_of, generated_share, judged_columns
from ntnsim.experiments.outcomes import build_outcome_log
from ntnsim.experiments.study import Study, learner
from ntnsim.experiments.study_arguments import as_command
from ntnsim.experiments.whole_images import SOURCE
from ntnsim.protocols.policy import Policy, Requirement
from ntnsim.results.own_files import own_path
from ntnsim.scenario.policy import GuardSpec
from ntnsim.streams import stream

LOADS = (0.3, 0.92)
JUDGED_IMAGES = 1000
SAME_ENGINE = ("actor alone",)  # as the engine before it, which alone is trained
MEDIAN = 0.499  # α just below ½: fidelities and delay are read at their medians
MORE_FILES = ("interpolation.csv",)  # that it writes besides its table and figure


def run(study: Study) -> pd.DataFrame:
    """Run the experiment; write ablation.csv and its figure to *study.out*; return a row per variant, target, load."""
    testing = study.table(study.kind, **study.judged_on)
    targets = study.targets()
    moments = {load: study.moments(load) for load in LOADS}
    every_moment = [moment for load in LOADS for moment in moments[load]]
    variants: dict[str, dict[str, Any]] = {
        "engine": study.engine(targets),
        "actor alone": study.engine(targets, decide="actor"),
        "without Ω_t": study.engine(targets, paper_state=True),
        "without trial": study.engine(targets, trial_state=False),
        "median reads": study.engine(targets, risk_level=MEDIAN),
        "least squares": study.rival("linear"),
        "scalar critic (NCB)": study.rival("ncb"),
    }
    rows = []
    for seed in study.seeds:
        for name, settings in variants.items():
            if name not in SAME_ENGINE:
                study.say(f"{name}, seed {seed}")
                requirements = list(targets.values())
                directory, effort = study.trained(
                    f"ablation {name}", settings, study.kind, every_moment, requirements, seed
                )
            entity = learner({**settings, "checkpoint": str(directory), "evaluate": True})
            for (load, (target, requirement)), is_guarded in product(
                product(LOADS, targets.items()), (False, True)
            ):
                policy: Policy = build_bandit(entity, testing.space, 0)
                if is_guarded:
                    policy = GuardedPolicy(policy, GuardSpec(), testing.space)
                instance = TableInstance(testing, moments[load])
                judged = judge(policy, instance, requirement_from(requirement), seed)
                where = {"variant": name, "guarded": is_guarded, "seed": seed, "load": load, "target": target}
                rows.append({**where, **judged, **asdict(effort)})
    oracle = OraclePolicy(testing, testing.space, margin_s=0.0)
    for load in LOADS:
        for target, requirement in targets.items():
            judged = judge(
                oracle, TableInstance(testing, moments[load]), requirement_from(requirement), study.seeds[0]
            )
            where = {"variant": "oracle", "guarded": False, "seed": study.seeds[0]}
            rows.append({**where, "load": load, "target": target, **judged})
    results = pd.DataFrame(rows)
    unguarded = results[~results["guarded"]]
    caption = (
        f"{cheapest(unguarded[unguarded['variant'] != 'oracle'], 'variant')}\n\n"
        f"Ablation on `{study.kind}`: {JUDGED_IMAGES} drawn images for each variant, target and load, greedy, on "
        "photographs never trained on; the oracle searches the same table's grid."
    )
    study.write("ablation", caption, results, lambda directory: draw(unguarded, directory))
    with own_path(study.out / "interpolation.csv") as path:
        interpolation_errors(study, testing).to_csv(path, index=False)
    return results


def interpolation_errors(study: Study, table: OutcomeTable) -> pd.DataFrame:
    """Return, for one drawn x on each test photograph, the real outcome and what the table tells in its place."""
    pipeline = study.pipeline(study.kind, **study.judged_on)
    real = build_outcome_log(pipeline, table.space, SOURCE, study.n_test, stream(0, "interpolation"))
    names = ("bits_share", "pf_0", "sf_0", "pf_1", "sf_1")
    rows = []
    for seen in real:
        x = table.space.vector(seen.configuration)
        interpolated = table.between(table.place_of(seen.image), np.array(x))
        true = (seen.size_bits / seen.image.source_bits, *interleaved(seen.pf, seen.sf))
        row = {f"x_{entry}": value for entry, value in enumerate(x)}
        row |= {f"real_{name}": value for name, value in zip(names, true, strict=True)}
        rows.append(
            row | {f"table_{name}": float(value) for name, value in zip(names, interpolated, strict=True)}
        )
    return pd.DataFrame(rows).round(6)


def judge(policy: Policy, instance: TableInstance, requirement: Requirement, seed: int) -> dict[str, float]:
    """Return a policy's figures over drawn images: the same ones for every policy."""
    deliveries = practised(policy, instance, [requirement], JUDGED_IMAGES, stream(seed, "judge"))
    outcomes = [seen for _, seen in deliveries]
    values = np.array(
        [
            (
                seen.size_bits / seen.image.source_bits,
                *interleaved(seen.pf, seen.sf),
                seen.delay_s / requirement.deadline_s,
            )
            for seen in outcomes
        ]
    ).reshape(-1, 2 * instance.space.n_ranks + 2)
    # The deadline stands in a column of its own.
    free_delay = replace(requirement, lambda_delay=0.0)
    shares = [seen.size_bits / seen.image.source_bits for seen in outcomes]
    costs = [
        cost_of(share, seen.pf, seen.sf, seen.delay_s, free_delay)
        for share, seen in zip(shares, outcomes, strict=True)
    ]
    growths = pd.Series([seen.configuration.box_growth for seen in outcomes], dtype=np.float64)
    generated = [generated_share(seen.image.rank_fractions, seen.configuration) for seen in outcomes]
    places = [instance.table.place_of(seen.image) for seen in outcomes]
    return {
        **judged_columns(
            pd.Series(costs), pd.Series(places), growths > WHOLE, pd.Series(generated, dtype=np.float64)
        ),
        "savings": float(1.0 - np.mean(shares)),
        "p_pf": float((values[:, 1] >= requirement.pf_min[0]).mean()),
        "p_sf": float((values[:, 2] >= requirement.sf_min[0]).mean()),
        "p_deadline": float((values[:, -1] <= 1.0).mean()),
        "rejected": 1.0 - len(outcomes) / JUDGED_IMAGES,
    }


def draw(results: pd.DataFrame, directory: Path) -> None:
    """Draw cost (without the deadline's penalty) and the share in time per variant and load, averaged over targets."""
    import matplotlib.pyplot as plt

    from ntnsim.report.style import DOUBLE_COLUMN_IN, STYLES, journal, save

    variants = list(results["variant"].unique())
    with journal():
        figure, axes = plt.subplots(1, 2, figsize=(DOUBLE_COLUMN_IN, 2.4), sharey=True)
        for axis, (entry, label) in zip(
            axes, {"cost": "Cost (Eq. 2a)", "p_deadline": "P(d ≤ d_max)"}.items(), strict=True
        ):
            for number, (look, load) in enumerate(zip(STYLES, LOADS, strict=False)):
                means = results[results["load"] == load].groupby("variant")[entry].mean()
                heights = [number * 0.35 + index for index in range(len(variants))]
                axis.barh(
                    heights, [means[name] for name in variants], 0.35, color=look.colour, label=f"load {load}"
                )
            axis.set_xlabel(label)
            axis.set_yticks([index + 0.175 for index in range(len(variants))], variants)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(LOADS))
        save(figure, directory, "ablation")
        plt.close(figure)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    results = as_command(arguments, __name__, __doc__, run)
    print(
        results.groupby(["variant", "guarded", "target", "load"], sort=False)
        .mean()
        .drop(columns="seed")
        .round(3)
        .to_string()
    )

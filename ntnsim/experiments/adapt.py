"""Adaptation: the load on the beam steps up, then the requirement changes; who follows, and how fast.

    ntnsim experiment adapt --data PERSONS --out results/adapt

One run in three phases of equal length: light load and intermediate target; heavy load; heavy load and lenient target.
Policies on `spiff` learn online throughout: the engine that sees Ω_t, the engine on the paper's state alone, the engine
with its guard, NCB, least squares by Thompson sampling and by LinUCB; one fixed q learns nothing. `cost` is that of
Eq. 2a, lateness included. Outcomes are interpolated between the grid points of a table of real ones, delays are
witnessed in the world.
"""

from collections.abc import Sequence
from pathlib import Path
from time import process_time

import pandas as pd

from ntnsim.engine.build import build_policy, requirement_from
from ntnsim.engine.diagnostics import mean_cost
from ntnsim.engine.practice import TableInstance, practised
from ntnsim.experiments.accounts import WHOLE, generated_share, judged_columns
from ntnsim.experiments.arguments import experiment_parser
from ntnsim.experiments.study import Study, learner
from ntnsim.experiments.study_arguments import add_study_arguments, study_from
from ntnsim.results.own_files import own_path
from ntnsim.scenario.policy import FixedPolicySpec, PolicySpec
from ntnsim.streams import integer_seed, stream

LIGHT_LOAD, HEAVY_LOAD = 0.3, 0.92  # of the beam, by others
FIXED_QUALITY = 0.3  # of the rule that never learns
POINTS_PER_PHASE = 10  # of the curves


def run(study: Study) -> pd.DataFrame:
    """Run the experiment; write adapt.csv and its figure to *study.out*; return the windows' means."""
    table = study.table(study.kind, **study.judged_on)
    targets = study.targets()
    worlds = {load: TableInstance(table, study.moments(load)) for load in (LIGHT_LOAD, HEAVY_LOAD)}
    phases = [(LIGHT_LOAD, "intermediate"), (HEAVY_LOAD, "intermediate"), (HEAVY_LOAD, "lenient")]
    fixed = study.plain(FIXED_QUALITY)
    policies: dict[str, PolicySpec] = {
        "engine, Ω_t": learner(study.engine(targets)),
        "engine, paper state": learner(study.engine(targets, paper_state=True)),
        "engine, Ω_t and guard": learner(study.engine(targets, guard={})),
        "ncb, Ω_t": learner(study.rival("ncb")),
        "Thompson sampling": learner(study.rival("linear")),
        "LinUCB": learner(study.rival("linear", explore="ucb")),
        f"{'q' if fixed.coarse_quality else 'p'} = {FIXED_QUALITY} always": FixedPolicySpec(
            patch_fractions=fixed.patch_fractions, coarse_quality=fixed.coarse_quality
        ),
    }
    length = study.training_images // len(phases)
    window = max(length // POINTS_PER_PHASE, 1)
    rows: list[dict[str, object]] = []
    for name, entity in policies.items():
        for seed in study.seeds:
            study.say(f"{name}, seed {seed}")
            policy = build_policy(entity, table.space, integer_seed(seed, "engine"))
            for number, (load, target) in enumerate(phases):
                requirement = requirement_from(targets[target])

                rng = stream(seed, "phase", str(number))
                start_s = process_time()
                for index, delivered in practised(policy, worlds[load], [requirement], length, rng):
                    rows.append(
                        {
                            "policy": name,
                            "seed": seed,
                            "phase": number,
                            "window": number * length + index // window * window,
                            "in_time": delivered.delay_s <= requirement.deadline_s,
                            "pf_ok": delivered.pf[0] >= requirement.pf_min[0],
                            "photograph": table.place_of(delivered.image),
                            "cost": mean_cost([delivered], requirement),
                            "whole_image": float(delivered.configuration.box_growth > WHOLE),
                            "generated": generated_share(
                                delivered.image.rank_fractions, delivered.configuration
                            ),
                            "cpu_ms": 1e3 * (process_time() - start_s),
                            "savings": 1.0 - delivered.size_bits / delivered.image.source_bits,
                        }
                    )
                    start_s = process_time()
    notes = pd.DataFrame(rows)
    means = notes.groupby(["policy", "seed", "phase", "window"], sort=False).mean().reset_index()
    # An image that the guard rejected leaves no row: the window holds fewer deliveries than images.
    means["admitted"] = (
        notes.groupby(["policy", "seed", "phase", "window"], sort=False).size().to_numpy() / window
    )
    whole_run = summary(notes)
    best = whole_run.groupby("policy", sort=False)["cost"].mean().sort_values()
    caption = (
        f"Cheapest over the whole run: {best.index[0]} ({best.iloc[0]:.3f}), {best.index[1]} next "
        f"({best.iloc[1]:.3f}).\n\n"
        f"Adaptation on `{study.kind}`: load {LIGHT_LOAD} and intermediate targets, load {HEAVY_LOAD} and intermediate "
        f"targets, load {HEAVY_LOAD} and lenient targets, {length} images each; every policy starts from nothing and "
        "learns online. Outcomes between the grid's points are interpolated."
    )
    study.write("adapt", caption, means, lambda directory: draw(means, directory, length, len(phases)))
    with own_path(study.out / "adapt_summary.csv") as path:
        whole_run.round(6).to_csv(path, index=False)
    return means


def summary(notes: pd.DataFrame) -> pd.DataFrame:
    """Return a row per policy and phase: cost with its limits over photographs, shares, processor time per image."""
    rows = []
    for (policy, phase), group in notes.groupby(["policy", "phase"], sort=False):
        columns = judged_columns(group["cost"], group["photograph"], group["whole_image"], group["generated"])
        means = {name: float(group[name].mean()) for name in ("in_time", "pf_ok", "savings", "cpu_ms")}
        rows.append({"policy": policy, "phase": phase, "images": len(group), **columns, **means})
    return pd.DataFrame(rows)


def draw(means: pd.DataFrame, directory: Path, length: int, n_phases: int) -> None:
    """Draw the share in time, the share of PF met and the savings over the images; steps marked."""
    import matplotlib.pyplot as plt

    from ntnsim.report.style import DOUBLE_COLUMN_IN, STYLES, journal, save

    labels = {"in_time": "P(d ≤ d_max)", "pf_ok": "P(PF ok)", "savings": "Savings"}
    with journal():
        figure, axes = plt.subplots(1, 3, figsize=(DOUBLE_COLUMN_IN, 2.4), sharex=True)
        for axis, (entry, label) in zip(axes, labels.items(), strict=True):
            for look, (policy, lines) in zip(STYLES, means.groupby("policy", sort=False), strict=False):
                curve = lines.groupby("window")[entry].mean()
                axis.plot(curve, color=look.colour, dashes=look.dash or (None, None), label=policy)
            for step in range(1, n_phases):
                axis.axvline(step * length, color="#7F7F7F", linewidth=0.6)
            axis.set_title(label)
            axis.set_xlabel("Images")
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=4)
        save(figure, directory, "adapt")
        plt.close(figure)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    parser = experiment_parser(__name__, __doc__)
    add_study_arguments(parser)
    means = run(study_from(parser.parse_args(arguments)))
    print(
        means.groupby(["policy", "phase"], sort=False)[["cost", "in_time", "pf_ok", "savings", "admitted"]]
        .mean()
        .to_string()
    )

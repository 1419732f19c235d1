"""Adaptation: the load on the beam steps up, then the requirement changes; who follows, and how fast.

    ntnsim experiment adapt --data PERSONS --out results/adapt

One simulated run in three phases of equal length: light load and intermediate target; heavy load; heavy load and
lenient target. Images queue as in every run. Policies on `spiff` learn online throughout: "from the log" after learning
offline, "from trials" with what trial encodings tell as their warm-up, or from nothing. Beside them stand all fixed x
of a grid; the best of them in hindsight, for a phase or for the run, is what learning has to beat. Each policy runs
once as it is and once behind the deadline guard. `cost` is that of Eq. 2a, lateness included. Photographs are those of
a table of real outcomes, which are interpolated between the grid's points; each policy sees the same.

adapt.csv has windows of 40 images; adapt_summary.csv policies and phases. `worst_window` is the dearest window that
begins 100 images or more after a step, as a multiple of what the phase's best fixed x costs there.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd

from ntnsim.engine.build import build_policy, changes_from, requirement_from
from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.engine.practice import Moment
from ntnsim.experiments.accounts import WHOLE, generated_in, judged_columns, record_cost
from ntnsim.experiments.study import Study, learner
from ntnsim.experiments.study_arguments import as_command
from ntnsim.experiments.table_imaging import TableImaging
from ntnsim.protocols.policy import Policy
from ntnsim.report.style import STYLES
from ntnsim.results.own_files import own_path
from ntnsim.results.record import Columns
from ntnsim.scenario.policy import FixedPolicySpec, GuardSpec, PolicySpec, RequirementSpec
from ntnsim.sky.space_segment import terminal_links
from ntnsim.streams import integer_seed
from ntnsim.world.world import World

LIGHT_LOAD, HEAVY_LOAD = 0.3, 0.92  # of the beam, by others
PHASES = ("intermediate", "intermediate", "lenient")  # targets; the load steps up after the first
WINDOW = 40  # images
SETTLED = 100  # images after a step from which on windows are compared
TOLERATED = 0.05  # by which a window may cost more than the best fixed x
FIXED = "fixed"
# Of the engine that learns online; chosen on 12 training photographs, two seeds. The paper's exploration noise costs
# more than it finds where decisions are searched, and few outcomes calibrate to what is dear.
ONLINE: dict[str, Any] = {"noise_sigma": 0.0, "calibrated": False, "critic_learning_rate": 1e-3}
GUARDED = ", guarded"  # behind a policy's name
NOT_DRAWN = ("engine, paper state, from the log",)  # its curve is that of the engine from the log
MORE_FILES = ("adapt_summary.csv",)  # that it writes besides its table and figure


def run(study: Study) -> pd.DataFrame:
    """Run the experiment; write adapt.csv and its figure to *study.out*; return the windows' means."""
    table = study.table(study.kind, **study.judged_on)
    targets = study.targets()
    length = study.training_images // len(PHASES)
    world = _world_of(study, table, targets, length)
    notes = []
    for x in fixed_grid(table):
        study.say(f"{FIXED} {x}")
        fixed = FixedPolicySpec(
            box_growth=x[0],
            patch_fractions=tuple(x[1 : table.space.n_ranks]),
            coarse_quality=x[-1] if table.space.has_coarse_layer else 0.0,
        )
        for name, entity in _with_guard(f"{FIXED} {x}", fixed).items():
            notes.append(world(build_policy(entity, table.space, 0)).assign(policy=name, seed=0))
    moments = [moment for load in (LIGHT_LOAD, HEAVY_LOAD) for moment in study.moments(load)]
    for seed in study.seeds:
        learners = _learners(study, targets, moments, seed)
        assert len({*learners} - {*NOT_DRAWN}) < len(STYLES), "a look for each, and for the best fixed x"
        for learning, given in learners.items():
            study.say(f"{learning}, seed {seed}")
            for name, entity in _with_guard(learning, given).items():
                policy = build_policy(entity, table.space, integer_seed(seed, "engine"))
                notes.append(world(policy).assign(policy=name, seed=seed))
    told = pd.concat(notes, ignore_index=True)
    phases, windows = summary(told), by_window(told)
    shown = _shown(phases)
    with own_path(study.out / "adapt_summary.csv") as path:
        phases.round(6).to_csv(path, index=False)
    study.write(
        "adapt",
        caption(phases, study.kind, length),
        windows[windows["policy"].isin(shown)],
        lambda directory: draw(windows[windows["policy"].isin(shown)], directory, length),
    )
    return phases[phases["policy"].isin(shown)]


def _learners(
    study: Study, targets: Mapping[str, RequirementSpec], moments: Sequence[Moment], seed: int
) -> dict[str, PolicySpec]:
    settings = {
        "engine": study.engine(targets, **ONLINE),
        "engine, paper state": study.engine(targets, **ONLINE, paper_state=True),
        "ncb": study.rival("ncb", noise_sigma=0.0),
        "least squares": study.rival("linear"),
    }
    policies: dict[str, PolicySpec] = {}
    for name, given in settings.items():
        directory, _ = study.trained(
            f"adapt {name}", given, study.kind, moments, list(targets.values()), seed
        )
        policies[f"{name}, from the log"] = learner({**given, "checkpoint": str(directory.resolve())})
    if settings["engine"]["trial_state"]:
        for name in ("engine", "least squares"):
            policies[f"{name}, from trials"] = learner({**settings[name], "warm_up": "trials"})
    policies["engine, from nothing"] = learner(settings["engine"])
    policies["engine with the paper's noise, from nothing"] = learner(
        study.engine(targets, critic_learning_rate=ONLINE["critic_learning_rate"], calibrated=False)
    )
    policies["Thompson sampling, from nothing"] = learner(settings["least squares"])
    policies["LinUCB, from nothing"] = learner(study.rival("linear", explore="ucb"))
    return policies


def _with_guard(name: str, entity: PolicySpec) -> dict[str, PolicySpec]:
    """Return the policy by name, as it is and behind the guard."""
    return {name: entity, f"{name}{GUARDED}": entity.model_copy(update={"guard": GuardSpec()})}


def _fixed_unguarded(names: pd.Series) -> pd.Series:
    return names.str.startswith(FIXED) & ~names.str.endswith(GUARDED)


def fixed_grid(table: OutcomeTable) -> list[tuple[float, ...]]:
    """Return the fixed x of the table's grid: a tight box with every q (or p) beyond 0, and the whole image."""
    tight = [0.0] * table.space.dimension
    rows = []
    for value in table.axes[-1][1:]:
        tight[-1] = value
        rows.append(tuple(tight))
    return [*rows, (1.0, *[0.0] * (table.space.dimension - 1))]


def _world_of(
    study: Study, table: OutcomeTable, targets: Mapping[str, RequirementSpec], length: int
) -> Callable[[Policy], pd.DataFrame]:
    """Return what runs a policy through the three phases: to a row per image that had its end."""
    starts_s = [number * length * study.period_s for number in range(len(PHASES))]
    first, *later = (targets[name] for name in PHASES)
    changes = [
        {"from_s": start_s, **target.model_dump(exclude={"changes"})}
        for start_s, target in zip(starts_s[1:], later, strict=True)
    ]
    asked = RequirementSpec.model_validate({**first.model_dump(), "changes": changes})
    load = {"kind": "trace", "times_s": [0.0, starts_s[1]], "loads": [LIGHT_LOAD, HEAVY_LOAD]}
    scenario = study.scenario(
        [{"name": study.kind, "codec": study.codec(study.kind)}], n_images=length * len(PHASES), load=load
    )
    work = study.pipeline(study.kind, **study.judged_on).work
    sources = terminal_links(scenario)
    requirements = [requirement_from(targets[name]) for name in PHASES]

    def through(policy: Policy) -> pd.DataFrame:
        """Return a row per image of *policy*'s run through the phases."""
        parts: list[Columns] = []
        start_s = process_time()
        World(
            scenario,
            study.kind,
            TableImaging(table, work, scenario.seed),
            policy,
            requirement_from(asked),
            parts.append,
            changes=changes_from(asked),
            profile_sources=sources,
        ).run()
        cpu_ms = 1e3 * (process_time() - start_s) / (length * len(PHASES))
        records = pd.concat([pd.DataFrame(dict(part)) for part in parts]).sort_values("index")
        return _noted(records, requirements, length).assign(cpu_ms=cpu_ms)

    return through


def _noted(records: pd.DataFrame, requirements: Sequence[Any], length: int) -> pd.DataFrame:
    """Return what is told of each image; the cost of one that never arrived is unknown."""
    rows = []
    for record in records.to_dict("records"):
        phase = min(int(record["index"]) // length, len(PHASES) - 1)
        wanted = requirements[phase]
        arrived = record["state"] in ("delivered", "late")
        rows.append(
            {
                "phase": phase,
                "image": int(record["index"]) - phase * length,
                "photograph": record["image_id"],
                "arrived": arrived,
                "cost": record_cost(record, wanted) if arrived else np.nan,
                "in_time": bool(record["deadline_met"]),
                "pf_ok": arrived and record["pf_rank_0"] >= wanted.pf_min[0],
                "savings": record["savings"] if arrived else np.nan,
                "whole_image": arrived and record["x_box_growth"] > WHOLE,
                "generated": generated_in(record) if arrived else np.nan,
            }
        )
    return pd.DataFrame(rows)


def by_window(notes: pd.DataFrame) -> pd.DataFrame:
    """Return means over windows of 40 images of a phase; `in_time` and `pf_ok` count images that never arrived."""
    placed = notes.assign(window=notes["image"] // WINDOW * WINDOW)
    names = ["cost", "in_time", "pf_ok", "savings", "arrived"]
    means = placed.groupby(["policy", "seed", "phase", "window"], sort=False)[names].mean()
    return means.reset_index()


def summary(notes: pd.DataFrame) -> pd.DataFrame:
    """Return a row per policy and phase: cost with its limits over photographs, shares, `worst_window`.

    `above_best_fixed` is the mean cost less that of the phase's best fixed x, `best_fixed`, which has no guard.
    """
    rows = []
    for (policy, phase), group in notes.groupby(["policy", "phase"], sort=False):
        arrived = group[group["arrived"]]
        rows.append(
            {
                "policy": policy,
                "phase": phase,
                "images": len(group),
                **judged_columns(
                    arrived["cost"], arrived["photograph"], arrived["whole_image"], arrived["generated"]
                ),
                **{name: float(group[name].mean()) for name in ("in_time", "pf_ok", "savings", "arrived")},
                "cpu_ms": float(group["cpu_ms"].mean()),
            }
        )
    table = pd.DataFrame(rows)
    fixed = table[_fixed_unguarded(table["policy"])]
    best = fixed.loc[fixed.groupby("phase")["cost"].idxmin(), ["phase", "policy", "cost"]]
    best = best.rename(columns={"policy": "best_fixed", "cost": "fixed_cost"})
    windows = by_window(notes)
    settled = windows.loc[windows["window"] >= SETTLED, ["policy", "seed", "phase", "window", "cost"]]
    theirs = settled.merge(best, left_on=["phase", "policy"], right_on=["phase", "best_fixed"])
    ratios = settled.merge(
        theirs[["phase", "window", "cost"]], on=["phase", "window"], suffixes=("", "_fixed")
    )
    ratios["worst_window"] = ratios["cost"] / ratios["cost_fixed"]
    worst = ratios.groupby(["policy", "phase"])["worst_window"].max().reset_index()
    table = table.merge(best, on="phase").merge(worst, on=["policy", "phase"], how="left")
    table["above_best_fixed"] = table["cost"] - table.pop("fixed_cost")
    return table


def _shown(phases: pd.DataFrame) -> list[str]:
    """Return the policies that are drawn and kept by windows, each as it is and guarded.

    They are all that learn, and the fixed x that are best somewhere.
    """
    means = phases.groupby("policy", sort=False)["cost"].mean()
    fixed = means[_fixed_unguarded(means.index.to_series())]
    kept = {*phases["best_fixed"], str(fixed.idxmin())}
    return [name for name in means.index if not name.startswith(FIXED) or name.removesuffix(GUARDED) in kept]


def caption(phases: pd.DataFrame, kind: str, length: int) -> str:
    """Return the caption; its first line names the cheapest over the run, the second the bar of the windows."""
    unguarded = phases[~phases["policy"].str.endswith(GUARDED)]
    means = unguarded.groupby("policy", sort=False)["cost"].mean().sort_values()
    fixed = means[means.index.str.startswith(FIXED)]
    first = f"Cheapest over the whole run: {means.index[0]} ({means.iloc[0]:.3f})"
    if not means.index[0].startswith(FIXED):
        first += f"; the best fixed x in hindsight, {fixed.index[0]}, costs {fixed.iloc[0]:.3f}"
    worst = phases.groupby("policy", sort=False)["worst_window"].max()
    held = [
        f"{name} ({ratio:.2f})"
        for name, ratio in worst.items()
        if ratio <= 1.0 + TOLERATED and not str(name).startswith(FIXED)
    ]
    return (
        f"{first}.\n\nFrom image {SETTLED} after a step on, no window of {WINDOW} costs over {TOLERATED:.0%} more than "
        f"the phase's best fixed x: {', '.join(held) if held else 'none of the learners'}.\n\n"
        f"Adaptation on `{kind}`, in the simulated world: load {LIGHT_LOAD} and intermediate targets, then load "
        f"{HEAVY_LOAD}, then lenient targets, {length} images each. Outcomes between the grid's points are "
        "interpolated. The first line is of policies without a guard: what a guard rejects has no cost."
    )


def draw(means: pd.DataFrame, directory: Path, length: int) -> None:
    """Draw cost, the share in time and the savings over the images, steps marked, of those without a guard: the
    learners, and the fixed x that is cheapest over the run.
    """
    import matplotlib.pyplot as plt

    from ntnsim.report.style import DOUBLE_COLUMN_IN, journal, save

    means = means[~means["policy"].str.endswith(GUARDED)]
    costs = means.groupby("policy")["cost"].mean()
    fixed = costs[costs.index.str.startswith(FIXED)]
    means = means[~means["policy"].isin({*fixed.index, *NOT_DRAWN} - {fixed.idxmin()})]
    labels = {"cost": "Cost (Eq. 2a)", "in_time": "P(d ≤ d_max)", "savings": "Savings"}
    with journal():
        figure, axes = plt.subplots(1, 3, figsize=(DOUBLE_COLUMN_IN, 2.8), sharex=True)
        for axis, (entry, label) in zip(axes, labels.items(), strict=True):
            looks = STYLES[: means["policy"].nunique()]  # one that has none would be an error
            for look, (policy, lines) in zip(looks, means.groupby("policy", sort=False), strict=True):
                at = lines["phase"] * length + lines["window"]
                curve = lines.groupby(at)[entry].mean()
                axis.plot(curve, color=look.colour, dashes=look.dash or (None, None), label=policy)
            for step in range(1, len(PHASES)):
                axis.axvline(step * length, color="#7F7F7F", linewidth=0.6)
            axis.set_title(label)
            axis.set_xlabel("Images")
        axes[0].set_yscale("log")
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=3)
        save(figure, directory, "adapt")
        plt.close(figure)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    phases = as_command(arguments, __name__, __doc__, run)
    shown = ["policy", "phase", "cost", "above_best_fixed", "worst_window", "in_time", "pf_ok", "savings"]
    print(phases[shown].round(4).to_string(index=False))

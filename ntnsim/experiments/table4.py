"""Table IV: probability of meeting the targets and bandwidth savings, per target and scheme, inside simulated passes.

    ntnsim experiment table4 --data PERSONS --out results/table4

Beyond the paper's four schemes: the engine on both codecs; JPEG at qualities that meet the targets more often than q45
does; AVIF as it comes; AVIF as the parts of `spiff` are coded and JPEG XL, each at the quality that costs least on
training photographs; the whole image by `spiff` (β = 1), a fixed x, least squares in the engine's place, and the
oracle, which keeps the targets wherever it can ("priced": where λ makes it worth while).
Engine, NCB and least squares learn from the same log of training photographs, and all are judged on others. On `spiff`
they see what a trial encoding showed. Each scheme is simulated twice, without the deadline guard and behind it.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ntnsim.engine.build import requirement_from
from ntnsim.errors import BundleError
from ntnsim.experiments.accounts import (
    NO_EFFORT,
    WHOLE,
    Effort,
    above,
    cheapest,
    generated_in,
    judged_columns,
    record_cost,
)
from ntnsim.experiments.study import Study
from ntnsim.experiments.study_arguments import as_command
from ntnsim.experiments.whole_images import WHOLE_RIVALS, tuned_to
from ntnsim.networks.bundle import open_bundle
from ntnsim.protocols.policy import Requirement
from ntnsim.results.latex import latex_table
from ntnsim.results.own_files import write_own_text
from ntnsim.results.statistics import proportion_interval
from ntnsim.scenario.policy import RequirementSpec

GUARD = {"confidence": 0.99, "when_late": "reject"}
ENGINE = "engine on spiff"
EVERY_SEED = (ENGINE,)  # the claim has to hold with each
GUARDED = ", guarded"  # behind a scheme's name
JPEG_QUALITIES = (45, 60, 75)
AIM = 0.95  # of the probabilities, drawn as a line
ENLARGED = ((70.0, 95.0), (0.75, 1.02))  # savings and probabilities of the figure's lower row
MORE_FILES = ("targets.json",)  # that it writes besides its table and figure


def run(study: Study) -> pd.DataFrame:
    """Run the experiment; write table4.csv, its figure, caption and targets to *study.out*; return the table."""
    targets = study.targets()
    moments = study.moments()
    untrained = _untrained(study)
    tuned = {kind: tuned_to(targets, codec, study.training_pipeline) for kind, codec in WHOLE_RIVALS.items()}
    rows = []
    efforts: dict[tuple[int, str], Effort] = {}
    for seed in study.seeds:
        learning: dict[str, tuple[str, dict[str, Any]]] = {
            ENGINE: ("spiff", study.engine(targets, "spiff")),
            "engine on spiff-paper": ("spiff-paper", study.engine(targets, "spiff-paper")),
            "ncb on spiff": ("spiff", study.rival("ncb", "spiff")),
            "least squares on spiff": ("spiff", study.rival("linear", "spiff")),
            "trials alone on spiff": ("spiff", study.trials_alone()),
        }
        engines: dict[str, dict[str, Any]] = {}
        for name, (kind, settings) in learning.items():
            if not study.learns(name, seed, EVERY_SEED):
                continue
            study.say(f"seed {seed}: training {name}")
            directory, efforts[seed, name] = study.trained(
                name, settings, kind, moments, list(targets.values()), seed
            )
            policy = {**settings, "checkpoint": str(directory.resolve()), "evaluate": True}
            engines[name] = {"codec": study.codec(kind), "policy": policy}
        for target, requirement in targets.items():
            study.say(f"seed {seed}: judging under {target} targets")
            schemes = dict(engines)
            if seed == study.seeds[0]:
                schemes |= untrained
                schemes |= {f"{kind}, tuned": {"codec": codecs[target]} for kind, codecs in tuned.items()}
            schemes |= guarded(schemes)
            records = study.records(
                [
                    {"name": name, **scheme, "requirement": requirement.model_dump()}
                    for name, scheme in schemes.items()
                ],
                f"{target}-{seed}",
            )
            records["guarded"] = records["scheme"].str.endswith(GUARDED)
            records["scheme"] = records["scheme"].str.removesuffix(GUARDED)
            records["target"], records["seed"] = target, seed
            each = [efforts.get((seed, scheme), NO_EFFORT) for scheme in records["scheme"]]
            records["learning_cpu_s"] = [effort.learning_cpu_s for effort in each]
            records["decision_ms"] = [effort.decision_ms for effort in each]
            rows.append(records)
    table = summary(pd.concat(rows, ignore_index=True), targets)
    of_spiff = table[table["scheme"].str.contains("on spiff") & ~table["scheme"].str.startswith("oracle")]
    caption = (
        f"{cheapest(of_spiff, 'scheme')}\n\n"
        "Table IV: share of delivered images that meet the low rank's targets, and savings, with 95 % intervals, in "
        f"simulated passes at load {study.load}. `pf_top` is the high rank's PF; `cost` that of Eq. 2a over delivered "
        "images."
    )
    study.write("table4", caption, table, lambda directory: draw(table, directory))
    write_own_text(study.out / "table4.tex", latex(table) + "\n")
    shown = json.dumps({name: target.model_dump() for name, target in targets.items()}, indent=2)
    write_own_text(study.out / "targets.json", shown + "\n")
    return table


def guarded(schemes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return each scheme once more, behind the guard; an oracle knows the delay itself."""
    behind = {}
    for name, scheme in schemes.items():
        policy = scheme.get("policy", {"kind": "fixed"})
        if policy["kind"] != "oracle":
            behind[f"{name}{GUARDED}"] = {**scheme, "policy": {**policy, "guard": GUARD}}
    return behind


def _untrained(study: Study) -> dict[str, dict[str, Any]]:
    schemes: dict[str, dict[str, Any]] = {
        f"jpeg q{quality}": {"codec": {"kind": "jpeg", "quality": quality}} for quality in JPEG_QUALITIES
    }
    schemes["avif q45"] = {"codec": {"kind": "avif", "quality": 45}}
    schemes["fixed on spiff"] = {
        "codec": study.codec("spiff"),
        "policy": {"kind": "fixed", "patch_fractions": 0.0, "coarse_quality": 0.45},
    }
    schemes["whole image on spiff"] = {
        "codec": study.codec("spiff"),
        "policy": {"kind": "fixed", "box_growth": 1.0, "patch_fractions": 0.0},
    }
    try:
        open_bundle(study.task["bundle"]).member("captioner")
        schemes["sc"] = {"codec": study.codec("sc")}
    except BundleError as error:
        study.say(f"sc is left out: {error}")
    path = study.work / "outcomes" / "oracle-spiff.parquet"
    study.table("spiff", **study.judged_on).save(path)
    for name, keeps_targets in (("oracle on spiff", True), ("oracle on spiff, priced", False)):
        schemes[name] = {
            "codec": study.codec("spiff"),
            "policy": {"kind": "oracle", "table": str(path.resolve()), "keeps_targets": keeps_targets},
        }
    return schemes


def summary(records: pd.DataFrame, targets: Mapping[str, RequirementSpec]) -> pd.DataFrame:
    """Return one row per target and scheme, with 95 % limits of each probability.

    Fidelity, savings and ``p_deadline`` are over delivered images, late ones included; ``rejected`` is the share of
    images that were dropped, by the guard or the world. Rows are of unguarded policies; ``guarded_…`` tells of the
    same ones behind the guard. ``…_worst_seed`` is the share in the seed where it is least; ``above_engine`` the mean
    difference of the costs to those of the engine on `spiff`, on photographs that both delivered, with its limits.
    """
    rows: list[dict[str, Any]] = []
    means: dict[tuple[str, str], pd.Series] = {}
    for (target, scheme), every in records.groupby(["target", "scheme"], sort=False):
        requirement = targets[str(target)]
        group, behind = every[~every["guarded"]], every[every["guarded"]]
        got = _arrived(group)
        row: dict[str, Any] = {
            "target": target,
            "scheme": scheme,
            "images": len(group),
            "seeds": group["seed"].nunique(),
        }
        checks = {
            "p_pf": got["pf_rank_0"] >= requirement.pf_min[0],
            "p_sf": got["sf_rank_0"] >= requirement.sf_min[0],
            "p_deadline": got["deadline_met"].astype(bool),
        }
        for name, hits in checks.items():
            interval = proportion_interval(hits, got["image_id"].nunique())
            row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
            row[f"{name}_worst_seed"] = float(hits.groupby(got["seed"]).mean().min())
        wanted = requirement_from(requirement)
        costs = _costs(got, wanted)
        per_photograph = pd.Series(costs, dtype=np.float64).groupby(got["image_id"].to_numpy()).mean()
        means[str(target), str(scheme)] = per_photograph
        generated = [generated_in(record) for record in got.to_dict("records")]
        row |= judged_columns(
            pd.Series(costs), got["image_id"], got["x_box_growth"] > WHOLE, pd.Series(generated)
        )
        row["savings"] = float(got["savings"].mean())
        row["pf_top"] = float(got["pf_rank_1"].mean())
        row["rejected"] = float((group["state"] == "dropped").mean())
        if len(behind):
            safe = _arrived(behind)
            row["guarded_cost"] = float(np.mean(_costs(safe, wanted))) if len(safe) else np.nan
            row["guarded_p_pf"] = float((safe["pf_rank_0"] >= requirement.pf_min[0]).mean())
            row["guarded_p_deadline"] = float(safe["deadline_met"].astype(bool).mean())
            row["guarded_rejected"] = float((behind["state"] == "dropped").mean())
        row["learning_cpu_s"] = float(group["learning_cpu_s"].mean())
        row["decision_ms"] = float(group["decision_ms"].mean())
        rows.append(row)
    for row in rows:
        ours = means.get((row["target"], ENGINE))
        if ours is not None:
            row |= above(means[row["target"], row["scheme"]], ours)
    return pd.DataFrame(rows)


def _arrived(records: pd.DataFrame) -> pd.DataFrame:
    return records[records["state"].isin(["delivered", "late"])]


def _costs(records: pd.DataFrame, requirement: Requirement) -> list[float]:
    return [record_cost(record, requirement) for record in records.to_dict("records")]


def latex(table: pd.DataFrame) -> str:
    """Return the table for a paper: targets met, savings and cost of every scheme."""
    headings = ["target", "scheme", "PF met (%)", "SF met (%)", "in time (%)", "savings (%)", "cost"]
    rows = [
        [
            row["target"],
            row["scheme"],
            *(f"{100 * row[name]:.1f}" for name in ("p_pf", "p_sf", "p_deadline", "savings")),
            f"{row['cost']:.3f}",
        ]
        for row in table.to_dict("records")
    ]
    caption = (
        "Delivered images that meet the low rank's targets and the deadline, savings, and cost of Eq. 2a."
    )
    return latex_table(headings, rows, columns="llrrrrr", caption=caption)


def draw(table: pd.DataFrame, directory: Path) -> None:
    """Draw savings against the probability of meeting both fidelity targets: a panel per target, below it enlarged
    where most schemes lie.
    """
    import matplotlib.pyplot as plt

    from ntnsim.report.style import DOUBLE_COLUMN_IN, journal, save, scheme_styles

    names = list(table["target"].unique())
    bounds = table["scheme"].str.startswith("oracle")
    looks = scheme_styles(table.loc[~bounds, "scheme"].unique())
    for name in table.loc[bounds, "scheme"].unique():
        looks[name] = looks[name.split(",")[0].replace("oracle", "engine")]
    with journal():
        figure, axes = plt.subplots(2, len(names), figsize=(DOUBLE_COLUMN_IN, 4.4), squeeze=False)
        for place, name in enumerate(names):
            whole, near = axes[:, place]
            for axis in (whole, near):
                axis.axhline(AIM, color="#999999", linewidth=0.5)
                for row in table[table["target"] == name].to_dict("records"):
                    _mark(axis, row, looks[row["scheme"]])
            whole.set_title(name.capitalize())
            near.set(xlim=ENLARGED[0], ylim=ENLARGED[1], xlabel="Savings against the captured file (%)")
        for axis in axes[:, 0]:
            axis.set_ylabel("Lower of P(PF ok), P(SF ok)")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        save(figure, directory, "table4")
        plt.close(figure)


def _mark(axis: Any, row: Mapping[Any, Any], look: Any) -> None:
    """Mark one scheme, the engine above the others; an oracle has its look, hollow."""
    axis.plot(
        100 * row["savings"],
        min(row["p_pf"], row["p_sf"]),
        look.marker,
        color=look.colour,
        markerfacecolor="none" if row["scheme"].startswith("oracle") else look.colour,
        alpha=0.5 if row["scheme"].endswith("priced") else 1.0,
        zorder=4 if row["scheme"] == ENGINE else 3,
        label=row["scheme"],
    )


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    print(as_command(arguments, __name__, __doc__, run).to_string(index=False))

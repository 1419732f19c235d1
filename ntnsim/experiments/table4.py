"""Table IV: probability of meeting the targets and bandwidth savings, per target and scheme, inside simulated passes.

    ntnsim experiment table4 --data PERSONS --out results/table4

Beyond the paper's four schemes: the engine on both codecs, with and without the deadline guard; JPEG at qualities that
meet the targets more often than q45 does; AVIF, the whole image by `spiff` (β = 1), a fixed x, least squares
in the engine's place, and the oracle, which keeps the targets wherever it can ("priced": where λ makes it worth while).
Engine, NCB and least squares learn from the same log of training photographs, and all are judged on others. On `spiff`
they see what a trial encoding showed.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ntnsim.engine.build import requirement_from
from ntnsim.errors import BundleError
from ntnsim.experiments.accounts import (
    NO_EFFORT,
    WHOLE,
    Effort,
    cheapest,
    cost_of,
    generated_share,
    judged_columns,
)
from ntnsim.experiments.arguments import experiment_parser
from ntnsim.experiments.study import RISK_LEVEL, Study
from ntnsim.experiments.study_arguments import add_study_arguments, study_from
from ntnsim.networks.bundle import open_bundle
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.policy import Requirement
from ntnsim.results.own_files import write_own_text
from ntnsim.results.statistics import proportion_interval
from ntnsim.scenario.policy import RequirementSpec

GUARD = {"confidence": 0.99, "when_late": "reject"}
JPEG_QUALITIES = (45, 60, 75)


def run(study: Study) -> pd.DataFrame:
    """Run the experiment; write table4.csv, its figure, caption and targets to *study.out*; return the table."""
    targets = study.targets()
    moments = study.moments()
    rows = []
    efforts: dict[tuple[int, str], Effort] = {}
    for seed in study.seeds:
        learning: dict[str, tuple[str, dict[str, Any]]] = {
            "engine on spiff": ("spiff", study.engine(targets, "spiff")),
            "engine on spiff-paper": ("spiff-paper", study.engine(targets, "spiff-paper")),
            "ncb on spiff": ("spiff", {"kind": "ncb", "trial_state": True}),
            "least squares on spiff": (
                "spiff",
                {"kind": "linear", "trial_state": True, "risk_level": RISK_LEVEL},
            ),
        }
        engines: dict[str, dict[str, Any]] = {}
        for name, (kind, settings) in learning.items():
            study.say(f"seed {seed}: training {name}")
            directory, efforts[seed, name] = study.trained(
                name, settings, kind, moments, list(targets.values()), seed
            )
            policy = {**settings, "checkpoint": str(directory.resolve()), "evaluate": True}
            engines[name] = {"codec": study.codec(kind), "policy": policy}
        efforts[seed, "engine on spiff, guarded"] = efforts[seed, "engine on spiff"]
        guarded = {**engines["engine on spiff"]["policy"], "guard": GUARD}
        engines["engine on spiff, guarded"] = {"codec": study.codec("spiff"), "policy": guarded}
        for target, requirement in targets.items():
            study.say(f"seed {seed}: judging under {target} targets")
            schemes = dict(engines)
            if seed == study.seeds[0]:
                schemes |= _untrained(study)
            records = study.records(
                [
                    {"name": name, **scheme, "requirement": requirement.model_dump()}
                    for name, scheme in schemes.items()
                ],
                f"{target}-{seed}",
            )
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
    shown = json.dumps({name: target.model_dump() for name, target in targets.items()}, indent=2)
    write_own_text(study.out / "targets.json", shown + "\n")
    return table


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
    images that were dropped, by the guard or the world.
    """
    rows = []
    for (target, scheme), group in records.groupby(["target", "scheme"], sort=False):
        requirement = targets[str(target)]
        got = group[group["state"].isin(["delivered", "late"])]
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
        wanted = requirement_from(requirement)
        costs = [_cost(record, wanted) for record in got.to_dict("records")]
        generated = [_generated(record) for record in got.to_dict("records")]
        row |= judged_columns(
            pd.Series(costs), got["image_id"], got["x_box_growth"] > WHOLE, pd.Series(generated)
        )
        row["savings"] = float(got["savings"].mean())
        row["pf_top"] = float(got["pf_rank_1"].mean())
        row["rejected"] = float((group["state"] == "dropped").mean())
        row["learning_cpu_s"] = float(group["learning_cpu_s"].mean())
        row["decision_ms"] = float(group["decision_ms"].mean())
        rows.append(row)
    return pd.DataFrame(rows)


def _cost(record: Mapping[Any, Any], requirement: Requirement) -> float:
    pf, sf = ([record[f"{kind}_rank_{rank}"] for rank in (0, 1)] for kind in ("pf", "sf"))
    return cost_of(1.0 - record["savings"], pf, sf, record["delay_s"], requirement)


def _generated(record: Mapping[Any, Any]) -> float:
    """Return the generated share of one record's image; a whole-image codec leaves nothing to make."""
    if not record["x_patch_fraction_0"] >= 0:
        return 0.0
    x = Configuration(record["x_box_growth"], (record["x_patch_fraction_0"],), record["x_coarse_quality"])
    return generated_share([record["rank_fraction_0"], record["rank_fraction_1"]], x)


def draw(table: pd.DataFrame, directory: Path) -> None:
    """Draw savings against the probability of meeting both fidelity targets, one panel per target."""
    import matplotlib.pyplot as plt

    from ntnsim.report.style import DOUBLE_COLUMN_IN, journal, save, scheme_styles

    names = list(table["target"].unique())
    bounds = table["scheme"].str.startswith("oracle")
    looks = scheme_styles(table.loc[~bounds, "scheme"].unique())
    for name in table.loc[bounds, "scheme"].unique():
        looks[name] = looks[name.split(",")[0].replace("oracle", "engine")]
    with journal():
        figure, axes = plt.subplots(
            1, len(names), figsize=(DOUBLE_COLUMN_IN, 2.6), sharey=True, squeeze=False
        )
        for axis, name in zip(axes[0], names, strict=True):
            for _, row in table[table["target"] == name].iterrows():
                look = looks[row["scheme"]]
                worse = min(row["p_pf"], row["p_sf"])
                # An oracle has its engine's look, hollow.
                fill = "none" if row["scheme"].startswith("oracle") else look.colour
                axis.plot(
                    100 * row["savings"],
                    worse,
                    look.marker,
                    color=look.colour,
                    markerfacecolor=fill,
                    alpha=0.5 if row["scheme"].endswith("priced") else 1.0,
                    label=row["scheme"],
                )
            axis.set_title(name.capitalize())
            axis.set_xlabel("Savings against the captured file (%)")
        axes[0, 0].set_ylabel("Lower of P(PF ok), P(SF ok)")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        save(figure, directory, "table4")
        plt.close(figure)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    parser = experiment_parser(__name__, __doc__)
    add_study_arguments(parser)
    print(run(study_from(parser.parse_args(arguments))).to_string(index=False))

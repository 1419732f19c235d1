"""Table IV: probability of meeting the targets and bandwidth savings, per target and scheme, inside simulated passes.

    python -m ntnsim.experiments.table4 --data ../shared/data/persons --out results/table4

Beyond the paper's four schemes: the engine on both codecs, with and without the deadline guard, AVIF, a fixed
configuration and the oracle. Engines are trained on tables of training photographs and judged on others.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ntnsim.engine.practice import TableInstance
from ntnsim.errors import BundleError
from ntnsim.experiments.study import BUNDLE, SPACES, Study, requirement_range, trained
from ntnsim.experiments.study_arguments import add_study_arguments, study_from
from ntnsim.results.atomic import write_json
from ntnsim.results.statistics import proportion_interval
from ntnsim.scenario import policy as spec
from ntnsim.spiff.bundle import open_bundle

GUARD = {"confidence": 0.99, "when_late": "reject"}


def run(study: Study) -> pd.DataFrame:
    """Run the experiment; write table4.csv, its figure and the targets to *study.out*; return the table."""
    training = {kind: study.table(kind, split="train", n_images=study.n_train) for kind in SPACES}
    testing = {kind: study.table(kind, split="val", n_images=study.n_test) for kind in SPACES}
    targets = study.targets(training["spiff"])
    write_json(study.out / "targets.json", {name: target.model_dump() for name, target in targets.items()})
    moments = study.moments()
    rows = []
    for seed in study.seeds:
        engines: dict[str, dict[str, Any]] = {}
        learning: dict[str, tuple[str, dict[str, Any]]] = {"ncb": ("spiff-paper", {"kind": "ncb"})}
        for kind in SPACES:
            settings = {"kind": "spiff-engine", "requirement_range": requirement_range(targets)}
            learning[f"engine on {kind}"] = (kind, settings)
        for name, (kind, settings) in learning.items():
            directory = study.out / "engines" / f"{name.replace(' ', '-')}-{seed}"
            entity = _entity(settings)
            study.say(f"seed {seed}: training {name}")
            trained(
                entity,
                TableInstance(training[kind], moments),
                list(targets.values()),
                study.training_images,
                seed,
                directory,
            )
            policy = {**settings, "checkpoint": str(directory), "evaluate": True}
            engines[name] = {"codec": study.codec(kind), "policy": policy}
            if kind == "spiff":
                engines[f"{name}, guarded"] = {
                    "codec": study.codec(kind),
                    "policy": {**policy, "guard": GUARD},
                }
        for target, requirement in targets.items():
            schemes = dict(engines)
            if seed == study.seeds[0]:
                schemes |= _untrained(study, testing)
            records = study.records(
                [
                    {"name": name, **scheme, "requirement": requirement.model_dump()}
                    for name, scheme in schemes.items()
                ],
                f"{target}-{seed}",
            )
            records["target"], records["seed"] = target, seed
            rows.append(records)
    records = pd.concat(rows, ignore_index=True)
    table = summary(records, targets)
    study.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(study.out / "table4.csv", index=False)
    draw(table, study.out)
    return table


def _entity(settings: Mapping[str, Any]) -> spec.SpiffEngine | spec.NeuralContextualBandit:
    if settings["kind"] == "ncb":
        return spec.NeuralContextualBandit.model_validate(settings)
    return spec.SpiffEngine.model_validate(settings)


def _untrained(study: Study, testing: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    schemes: dict[str, dict[str, Any]] = {
        "jpeg q45": {"codec": {"kind": "jpeg", "quality": 45}},
        "avif q45": {"codec": {"kind": "avif", "quality": 45}},
        "fixed on spiff": {
            "codec": study.codec("spiff"),
            "policy": {"kind": "fixed", "patch_fractions": 0.05, "coarse_quality": 0.25},
        },
    }
    try:
        open_bundle(BUNDLE).member("captioner")
        schemes["sc"] = {"codec": study.codec("sc")}
    except BundleError as error:
        study.say(f"sc is left out: {error}")
    for kind, table in testing.items():
        path = study.out / "tables" / f"oracle-{kind}.parquet"
        table.save(path)
        schemes[f"oracle on {kind}"] = {
            "codec": study.codec(kind),
            "policy": {"kind": "oracle", "table": str(path.resolve())},
        }
    return schemes


def summary(records: pd.DataFrame, targets: Mapping[str, spec.Requirement]) -> pd.DataFrame:
    """Return one row per target and scheme, with 95 % limits of each probability.

    Fidelity, savings and ``p_deadline`` are over delivered images, late ones included; ``rejected`` is the share of
    images that were dropped, by the guard or the world.
    """
    rows = []
    for (target, scheme), group in records.groupby(["target", "scheme"], sort=False):
        asked = targets[str(target)]
        got = group[group["state"].isin(["delivered", "late"])]
        row: dict[str, Any] = {
            "target": target,
            "scheme": scheme,
            "images": len(group),
            "seeds": group["seed"].nunique(),
        }
        checks = {
            "p_pf": got["pf_rank_0"] >= asked.pf_min[0],
            "p_sf": got["sf_rank_0"] >= asked.sf_min[0],
            "p_deadline": got["deadline_met"].astype(bool),
        }
        for name, hits in checks.items():
            interval = proportion_interval(hits.to_numpy(dtype=np.float64))
            row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
        row["savings"] = float(got["savings"].mean())
        row["pf_top"] = float(got["pf_rank_1"].mean())
        row["rejected"] = float((group["state"] == "dropped").mean())
        rows.append(row)
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, directory: Path) -> None:
    """Draw savings against the probability of meeting both fidelity targets, one panel per target."""
    import matplotlib.pyplot as plt

    from ntnsim.report.style import DOUBLE_COLUMN_IN, journal, save, scheme_styles

    names = list(table["target"].unique())
    bounds = table["scheme"].str.startswith("oracle")
    looks = scheme_styles(table.loc[~bounds, "scheme"].unique())
    looks |= {name: looks[name.replace("oracle", "engine")] for name in table.loc[bounds, "scheme"].unique()}
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
                    label=row["scheme"],
                )
            axis.set_title(name.capitalize())
            axis.set_xlabel("Savings against the captured file (%)")
        axes[0, 0].set_ylabel("Lower of P(PF ok), P(SF ok)")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        save(figure, directory, "table4")
        plt.close(figure)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_study_arguments(parser)
    print(run(study_from(parser.parse_args())).to_string(index=False))


if __name__ == "__main__":
    main()

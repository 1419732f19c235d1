"""How far to trust the engine: what its quantiles cover, what its decisions cost too much, and what they are.

    ntnsim experiment diagnose --data PERSONS --out results/diagnose

The engine learns from the log, as in the other tables, and decides for photographs that are not in it. Three tables:
diagnose.csv, per target and seed, what the critics predicted, what came of it, what the oracle would have paid, and
which term the shortfalls stand in; diagnose_coverage.csv, the share of outcomes below each predicted quantile, on the
engine's own decisions and on drawn configurations (a policy picks where its critics are too sure); diagnose_map.csv,
the x that it sends over the top rank's share and the price of fidelity. Outcomes are real, none is interpolated; the
oracle has the grid's points.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ntnsim.engine.build import requirement_from
from ntnsim.engine.conditioning import interleaved
from ntnsim.engine.diagnostics import calibration, mean_cost, policy_map, regret
from ntnsim.engine.oracle import OraclePolicy
from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.engine.practice import Moment
from ntnsim.engine.spiff_engine import SpiffEngine
from ntnsim.experiments.outcomes import delivered_by, drawn_configuration
from ntnsim.experiments.study import RISK_LEVEL, Study
from ntnsim.experiments.study_arguments import as_command
from ntnsim.experiments.whole_images import SOURCE
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.policy import DeliveredImage, Requirement
from ntnsim.results.own_files import own_path
from ntnsim.streams import stream

Deliver = Callable[[int, Moment, Requirement, Configuration], DeliveredImage]  # by the photograph's place
LEVELS = (0.02, RISK_LEVEL, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0 - RISK_LEVEL, 0.98)
TOP_FRACTIONS = (0.2, 0.3, 0.4, 0.5, 0.6)
WEIGHT_FACTORS = (0.1, 0.3, 1.0, 3.0)
TOLERATED = 0.5  # of a level, by which its coverage may differ
MORE_FILES = ("diagnose_coverage.csv", "diagnose_map.csv")  # that it writes besides its table and figure


def run(study: Study) -> pd.DataFrame:
    """Run the experiment; write tables, figure and caption to *study.out*; return a row per target and seed."""
    oracles = study.table(study.kind, **study.judged_on)
    pipeline = study.pipeline(study.kind, **study.judged_on)
    moments, specs = study.moments(), study.targets()
    targets = {name: requirement_from(spec) for name, spec in specs.items()}
    rows, coverages, maps = [], [], []

    def deliver(place: int, moment: Moment, requirement: Requirement, x: Configuration) -> DeliveredImage:
        return delivered_by(pipeline, SOURCE, place, moment, requirement, x)

    for seed in study.seeds:
        study.say(f"seed {seed}: training the engine")
        engine = study.taught(study.engine(specs), study.kind, moments, list(specs.values()), seed)
        assert isinstance(engine, SpiffEngine)
        own: list[DeliveredImage] = []
        for target, requirement in targets.items():
            study.say(f"seed {seed}: judging under {target} targets")
            rng = stream(seed, "diagnose", target)
            row, delivered = judged(engine, oracles, deliver, moments, requirement, rng)
            rows.append({"target": target, "seed": seed, **row})
            own += delivered
        rng, [requirement, *_] = stream(seed, "drawn"), list(targets.values())
        drawn = [
            deliver(
                place,
                moments[int(rng.integers(len(moments)))],
                requirement,
                drawn_configuration(engine.space, rng),
            )
            for place in range(study.n_test)
        ]
        for decisions, deliveries in (("own", own), ("drawn", drawn)):
            coverages.append(calibration(engine, deliveries, LEVELS).assign(decisions=decisions, seed=seed))
        moment = moments[int(rng.integers(len(moments)))]
        for target, requirement in targets.items():
            image = replace(oracles.images[0], age_s=moment.age_s)
            chart = policy_map(engine, image, moment.network, requirement, TOP_FRACTIONS, WEIGHT_FACTORS)
            maps.append(chart.assign(target=target, seed=seed))
    table, coverage = pd.DataFrame(rows), pd.concat(coverages, ignore_index=True)
    chart = pd.concat(maps, ignore_index=True)
    study.write(
        "diagnose", caption(table, coverage), table, lambda directory: draw(coverage, chart, directory)
    )
    for name, more in (("coverage", coverage), ("map", chart)):
        with own_path(study.out / f"diagnose_{name}.csv") as path:
            more.round(6).to_csv(path, index=False)
    return table


def judged(
    engine: SpiffEngine,
    oracles: OutcomeTable,
    deliver: Deliver,
    moments: Sequence[Moment],
    requirement: Requirement,
    rng: np.random.Generator,
) -> tuple[dict[str, float], list[DeliveredImage]]:
    """Return the figures of one decision for each photograph of *oracles*, and what was delivered.

    `pays_NAME`: what the shortfalls of that term add to the mean cost.
    """
    oracle = OraclePolicy(oracles, engine.space, margin_s=0.0)
    chosen, best, predicted = [], [], []
    for place, photograph in enumerate(oracles.images):
        moment = moments[int(rng.integers(len(moments)))]
        image, network = replace(photograph, age_s=moment.age_s), moment.network
        x = engine.best_action(image, network, requirement)
        state, elapsed = engine.state_of(image, network), engine.elapsed(image)
        ideal = oracle.choose(image, network, requirement).configuration
        if ideal is None:
            continue  # nothing arrives in time, whoever decides
        predicted.append(float(engine.predicted_costs(state, x[None], requirement, elapsed)[0]))
        chosen.append(deliver(place, moment, requirement, engine.space.configuration(x.tolist())))
        best.append(deliver(place, moment, requirement, ideal))
    reached = np.array([interleaved(seen.pf, seen.sf) for seen in chosen])
    wanted = np.array(interleaved(requirement.pf_min, requirement.sf_min))
    weights = np.array(interleaved(requirement.lambda_pf, requirement.lambda_sf))
    pays = (weights * np.maximum(wanted - reached, 0.0)).mean(0)
    late = np.array([max(seen.delay_s / requirement.deadline_s - 1.0, 0.0) for seen in chosen])
    figures: dict[str, float] = {
        "decisions": len(chosen),
        "predicted_cost": float(np.mean(predicted)),
        "cost": mean_cost(chosen, requirement),
        "regret": regret(chosen, best, requirement),
    }
    figures |= {f"pays_{name}": float(pay) for name, pay in zip(engine.fidelity_names(), pays, strict=True)}
    return {**figures, "pays_delay": float(requirement.lambda_delay * late.mean())}, chosen


def read_levels(coverage: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the quantiles that decisions read: α of fidelities, 1 − α of the delay; coverage of misses.

    `missed` is the share of outcomes worse than the quantile, which should be α.
    """
    late = coverage["term"] == "delay"
    at_risk = np.where(late, 1.0 - RISK_LEVEL, RISK_LEVEL)
    read = coverage[(coverage["term"] != "bits") & np.isclose(coverage["nominal"], at_risk)].copy()
    read["missed"] = np.where(read["term"] == "delay", 1.0 - read["coverage"], read["coverage"])
    return read


def caption(table: pd.DataFrame, coverage: pd.DataFrame) -> str:
    """Return the caption; its first line says where the quantiles cover least, and whether that is tolerable."""
    own = read_levels(coverage[coverage["decisions"] == "own"]).groupby("term", sort=False)["missed"].mean()
    worst = str((own - RISK_LEVEL).abs().idxmax())
    held = bool(((own - RISK_LEVEL).abs() <= TOLERATED * RISK_LEVEL).all())
    terms = [name for name in table.columns if name.startswith("pays_")]
    dearest = str(table[terms].mean().idxmax())
    means = table[["predicted_cost", "cost", "regret"]].mean()
    return (
        f"Worst covered is {worst}: {own[worst]:.3f} of the engine's own decisions end beyond a quantile that says "
        f"{RISK_LEVEL:g}; within half of that for every term: {'yes' if held else 'no'}.\n\n"
        f"Predicted {means['predicted_cost']:.3f}, realised {means['cost']:.3f} (Eq. 2a), {means['regret']:.3f} above "
        f"the oracle on the same photographs; most shortfalls are paid for {dearest.removeprefix('pays_')} "
        f"({table[dearest].mean():.3f}). Means over targets and seeds."
    )


def draw(coverage: pd.DataFrame, chart: pd.DataFrame, directory: Path) -> None:
    """Draw coverage against the quantile's level, own decisions and drawn ones, and the map of x over the price."""
    import matplotlib.pyplot as plt

    from ntnsim.report.style import DOUBLE_COLUMN_IN, STYLES, journal, save

    entries = [name for name in chart.columns if name.startswith("x_")]
    with journal():
        figure, axes = plt.subplots(1, 3, figsize=(DOUBLE_COLUMN_IN, 2.4))
        for axis, decisions in zip(axes[:2], ("own", "drawn"), strict=True):
            shown = coverage[coverage["decisions"] == decisions]
            axis.plot([0, 1], [0, 1], color="#7F7F7F", linewidth=0.6)
            for look, (term, lines) in zip(STYLES, shown.groupby("term", sort=False), strict=False):
                axis.plot(lines.groupby("nominal")["coverage"].mean(), color=look.colour, label=term)
            axis.set_title(f"{decisions.capitalize()} decisions")
            axis.set_xlabel("Quantile level")
        axes[0].set_ylabel("Share of outcomes below")
        axes[0].legend(fontsize="x-small")
        for look, entry in zip(STYLES, entries, strict=False):
            axes[2].plot(chart.groupby("weight_factor")[entry].mean(), color=look.colour, label=entry)
        axes[2].set_xscale("log")
        axes[2].set_xlabel("Factor on the price of fidelity")
        axes[2].legend(fontsize="x-small")
        save(figure, directory, "diagnose")
        plt.close(figure)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    print(as_command(arguments, __name__, __doc__, run).round(4).to_string(index=False))

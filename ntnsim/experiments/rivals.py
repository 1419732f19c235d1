"""The engine against simple rules: what Eq. 2a costs with each, on training photographs that none of them learned from.

    ntnsim experiment rivals --data PERSONS --out results/rivals

All have the same log, features, risk level and codec `spiff`, and search x. The rivals: the whole image always (β = 1,
one tuned AVIF); one q for each target, the cheapest in the log; least squares; the trials' curves alone, with margins
from the log; a contextual Gaussian process (scikit-learn, where it is installed); AVIF and JPEG XL of the whole image,
each target at the quality that costs least on training photographs. Photographs of the final tables (`val`) are not
touched, so this is where settings may be chosen. Bits and fidelity are real; surroundings are drawn from those
witnessed in the simulated world, the same for every policy. The caption begins with who is cheapest.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd

from ntnsim.engine.actor_bandit import ActorBandit
from ntnsim.engine.bandit import Bandit
from ntnsim.engine.build import requirement_from
from ntnsim.engine.outcome_log import LoggedOutcome
from ntnsim.experiments.accounts import WHOLE, above, cost_of, generated_share, judged_columns
from ntnsim.experiments.outcomes import delivered_by
from ntnsim.experiments.study import SPACES, Study
from ntnsim.experiments.study_arguments import as_command
from ntnsim.experiments.whole_images import NOTHING, SOURCE, WHOLE_RIVALS, tuned_to
from ntnsim.images.pipeline import ImagePipeline
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import ImageState, Requirement
from ntnsim.scenario.policy import LinearBanditSpec, RequirementSpec
from ntnsim.streams import integer_seed, stream

ENGINE, ACTOR = "engine", "engine, actor alone"
EVERY_SEED = (ENGINE,)  # the claim has to hold with each
Chooser = Callable[[ImageState, NetworkState, Requirement], Configuration]
QUALITIES = np.linspace(0.0, 1.0, 11)
NEAR = 0.1  # outcomes of a log within this distance of a q tell what that q costs


def run(study: Study) -> pd.DataFrame:
    """Run the experiment; write rivals.csv, figure and caption to *study.out*; return a row per target and policy."""
    targets = study.targets()
    moments = study.moments()
    log = study.log(study.kind)
    learners: dict[str, dict[str, Any]] = {
        ENGINE: study.engine(targets),
        "engine, not calibrated": study.engine(targets, calibrated=False),
        "ncb": study.rival("ncb"),
        "least squares": study.rival("linear"),
    }
    if study.kind == "spiff":
        learners["trials alone"] = study.trials_alone()
    pipeline = study.pipeline(study.kind, **study.judged_on)
    whole = {
        kind: {
            target: study.pipeline(tuned, **study.judged_on)
            for target, tuned in tuned_to(targets, codec, study.training_pipeline).items()
        }
        for kind, codec in WHOLE_RIVALS.items()
    }
    rows: list[dict[str, Any]] = []
    for seed in study.seeds:
        choosers: dict[str, tuple[Chooser, float]] = {}
        for name, settings in learners.items():
            if not study.learns(name, seed, EVERY_SEED):
                continue
            study.say(f"seed {seed}: training {name}")
            start_s = process_time()
            bandit = study.taught(settings, study.kind, moments, list(targets.values()), seed)
            learning_s = process_time() - start_s
            choosers[name] = (_greedy(bandit), learning_s)
            if name == ENGINE and study.learns(ACTOR, seed, EVERY_SEED):
                choosers[ACTOR] = (_by_actor(bandit), learning_s)
        if seed == study.seeds[0]:
            start_s = process_time()
            process = _gaussian_process(study, moments, list(targets.values()), seed)
            if process is not None:
                choosers["gaussian process"] = (_greedy(process), process_time() - start_s)
            choosers["whole image"] = (_always(Configuration(1.0, (0.0,))), 0.0)
        for target, spec in targets.items():
            requirement = requirement_from(spec)
            tried = dict(choosers)
            if seed == study.seeds[0]:
                quality = cheapest_quality(
                    log, requirement, has_coarse_layer=SPACES[study.kind].has_coarse_layer
                )
                tried["one q per target"] = (_always(_plain(study.kind, quality)), 0.0)
            study.say(f"seed {seed}: judging under {target} targets")
            rng = stream(seed, "rivals")
            for place in range(study.n_test):
                moment = moments[int(rng.integers(len(moments)))]
                for name, (choose, learning_s) in tried.items():
                    rows.append(
                        {"target": target, "policy": name, "seed": seed, "photograph": place}
                        | {"learning_cpu_s": learning_s}
                        | _judged(pipeline, place, moment, requirement, choose)
                    )
                if seed == study.seeds[0]:
                    for kind, coders in whole.items():
                        rows.append(
                            {"target": target, "policy": f"{kind}, tuned", "seed": seed, "photograph": place}
                            | {"learning_cpu_s": 0.0}
                            | _judged(coders[target], place, moment, requirement, _always(NOTHING))
                            | {"whole": 1.0, "generated": 0.0}
                        )
    table = summary(pd.DataFrame(rows), targets)
    study.write("rivals", caption(table), table, lambda directory: draw(table, directory))
    return table


def _gaussian_process(
    study: Study, moments: Sequence[Any], requirements: Sequence[RequirementSpec], seed: int
) -> Bandit | None:
    """Return a Gaussian process that learned from the log, or None, said so, where scikit-learn lacks."""
    try:
        from ntnsim.experiments.gaussian_process import GaussianProcessBandit
    except ImportError:
        study.say("gaussian process is left out: it needs scikit-learn (ntnsim[rivals])")
        return None
    study.say(f"seed {seed}: training gaussian process")
    settings = LinearBanditSpec.model_validate(study.rival("linear"))
    untaught = GaussianProcessBandit(settings, SPACES[study.kind], integer_seed(seed, "engine"))
    return study.teach(untaught, study.kind, moments, requirements, seed)


def _greedy(bandit: Bandit) -> Chooser:
    def choose(image: ImageState, network: NetworkState, requirement: Requirement) -> Configuration:
        return bandit.space.configuration(bandit.best_action(image, network, requirement).tolist())

    return choose


def _by_actor(bandit: Bandit) -> Chooser:
    assert isinstance(bandit, ActorBandit)

    def choose(image: ImageState, network: NetworkState, requirement: Requirement) -> Configuration:
        action = bandit.greedy_action(bandit.state_of(image, network), requirement)
        return bandit.space.configuration(action.tolist())

    return choose


def _always(configuration: Configuration) -> Chooser:
    return lambda image, network, requirement: configuration


def _plain(kind: str, value: float) -> Configuration:
    """Return the x of codec *kind* that carries the low rank by one entry: q where there is a coarse layer, else p."""
    if SPACES[kind].has_coarse_layer:
        return Configuration(0.0, (0.0,), value)
    return Configuration(0.0, (value,))


def cheapest_quality(
    log: Sequence[LoggedOutcome], requirement: Requirement, *, has_coarse_layer: bool = True
) -> float:
    """Return the q that cost least in *log*, among outcomes with a tight box and no patches; a log has no delays.

    Without a coarse layer it is the p that cost least.
    """

    def carried(x: Configuration) -> float:
        return x.coarse_quality if has_coarse_layer else x.patch_fractions[0]

    plain = [
        seen
        for seen in log
        if seen.configuration.box_growth == 0.0
        and not (has_coarse_layer and any(seen.configuration.patch_fractions))
    ]
    quality = np.array([carried(seen.configuration) for seen in plain])
    costs = np.array(
        [
            cost_of(seen.size_bits / seen.image.source_bits, seen.pf, seen.sf, 0.0, requirement)
            for seen in plain
        ]
    )
    near = [np.abs(quality - q) <= NEAR for q in QUALITIES]
    means = [costs[chosen].mean() if chosen.any() else np.inf for chosen in near]
    return float(QUALITIES[int(np.argmin(means))])


def _judged(
    pipeline: ImagePipeline, index: int, moment: Any, requirement: Requirement, choose: Chooser
) -> dict[str, float]:
    capture = pipeline.capture(SOURCE, index)
    start_s = process_time()
    x = choose(capture.state, moment.network, requirement)
    decision_s = process_time() - start_s
    delivered = delivered_by(pipeline, SOURCE, index, moment, requirement, x)
    share = delivered.size_bits / capture.state.source_bits
    return {
        "cost": cost_of(share, delivered.pf, delivered.sf, delivered.delay_s, requirement),
        "savings": 1.0 - share,
        "pf": delivered.pf[0],
        "sf": delivered.sf[0],
        "in_time": float(delivered.delay_s <= requirement.deadline_s),
        "whole": float(x.box_growth > WHOLE),
        "generated": generated_share(capture.state.rank_fractions, x),
        "decision_ms": 1e3 * decision_s,
    }


def summary(outcomes: pd.DataFrame, targets: Mapping[str, RequirementSpec]) -> pd.DataFrame:
    """Return a row per target and policy, cheapest first: mean cost with 95 % limits over photographs, and the
    difference to the engine's on the same photographs (above 0: the engine is cheaper).
    """
    rows = []
    for (target, name), group in outcomes.groupby(["target", "policy"], sort=False):
        spec = targets[str(target)]
        engine = outcomes[(outcomes["target"] == target) & (outcomes["policy"] == ENGINE)]
        ours = engine.groupby("photograph")["cost"].mean()
        theirs = group.groupby("photograph")["cost"].mean()
        kept_pf = group["pf"] >= spec.pf_min[0]
        rows.append(
            {
                "target": target,
                "policy": name,
                "photographs": group["photograph"].nunique(),
                "seeds": group["seed"].nunique(),
                **judged_columns(group["cost"], group["photograph"], group["whole"], group["generated"]),
                **above(theirs, ours),
                "p_pf": float(kept_pf.mean()),
                "p_pf_worst_seed": float(kept_pf.groupby(group["seed"]).mean().min()),
                "p_sf": float((group["sf"] >= spec.sf_min[0]).mean()),
                "p_deadline": float(group["in_time"].mean()),
                "savings": float(group["savings"].mean()),
                "learning_cpu_s": float(group["learning_cpu_s"].mean()),
                "decision_ms": float(group["decision_ms"].median()),
            }
        )
    order = {name: place for place, name in enumerate(targets)}
    return pd.DataFrame(rows).sort_values(
        ["target", "cost"], key=lambda column: column.map(order) if column.name == "target" else column
    )


def caption(table: pd.DataFrame) -> str:
    """Return the caption; its first line says which policy is cheapest under each target, and whether beyond doubt."""
    said = []
    for target, group in table.groupby("target", sort=False):
        first = group.iloc[0]
        if first["policy"] == ENGINE:
            rival = group.iloc[1]
            clear = rival["above_engine_low"] > 0
            words = f"the engine, {rival['policy']} next"
        else:
            clear = first["above_engine_high"] < 0
            words = f"{first['policy']}, cheaper than the engine"
        said.append(f"{target}: {words}{'' if clear else ' (the difference may be chance)'}")
    return (
        "Cheapest by Eq. 2a: "
        + "; ".join(said)
        + ".\n\nMean cost with 95 % intervals over photographs; `above_engine` is the paired difference on the same "
        "photographs; `whole_image` the share of photographs sent with β = 1."
    )


def draw(table: pd.DataFrame, directory: Path) -> None:
    """Draw each policy's cost with its interval, one panel per target."""
    import matplotlib.pyplot as plt

    from ntnsim.report.style import DOUBLE_COLUMN_IN, journal, save

    names = list(table["target"].unique())
    with journal():
        figure, axes = plt.subplots(1, len(names), figsize=(DOUBLE_COLUMN_IN, 2.2), squeeze=False)
        for axis, name in zip(axes[0], names, strict=True):
            rows = table[table["target"] == name].iloc[::-1]
            below, above = rows["cost"] - rows["cost_low"], rows["cost_high"] - rows["cost"]
            axis.errorbar(rows["cost"], rows["policy"], xerr=np.array((below, above)), fmt="o", capsize=2)
            axis.set_title(name.capitalize())
            axis.set_xlabel("Mean cost of Eq. 2a")
        save(figure, directory, "rivals")
        plt.close(figure)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    print(as_command(arguments, __name__, __doc__, run).to_string(index=False))

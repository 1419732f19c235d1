"""Fig. 12: how the engine's p(0) and β converge, for photographs with small (L) and large (H) persons.

    ntnsim experiment fig12 --data PERSONS --out results/fig12

For each subset (person share 0.22 ± 0.01 and 0.45 ± 0.04) and each target of Table III, an engine on `spiff-paper`
starts from nothing and learns image by image; its greedy choice for the subset is noted on the way. Beside it stands
the codec's optimum: the x that is cheapest by Eq. 2a for each photograph, found on a fine grid, so that what the
learner missed can be told from what the codec does not offer. Outcomes are interpolated between the grid points of a
table of real ones. No direction of β is expected: the paper's text and its figure disagree.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from ntnsim.engine.build import build_engine, requirement_from
from ntnsim.engine.conditioning import interleaved
from ntnsim.engine.objective import realised_cost
from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.engine.practice import TableInstance, practised
from ntnsim.experiments.study import Study
from ntnsim.experiments.study_arguments import as_command
from ntnsim.protocols.policy import Requirement
from ntnsim.scenario.policy import SpiffEngineSpec
from ntnsim.streams import integer_seed, stream

KIND = "spiff-paper"
SUBSETS = {"L": (0.21, 0.23), "H": (0.41, 0.49)}
NOTED_EVERY = 25
PHOTOGRAPHS = 8  # of each subset
FINE = 21  # points of each axis that the optimum is searched on


def run(study: Study) -> pd.DataFrame:
    """Run the experiment; write fig12.csv and its figure to *study.out*; return the noted choices."""
    targets = study.targets()
    moments = study.moments()
    rows: list[dict[str, object]] = []
    for subset, area in SUBSETS.items():
        table = study.table(KIND, split="train", n_images=PHOTOGRAPHS, area=area)
        instance = TableInstance(table, moments)
        for target, requirement in targets.items():
            target_requirement = requirement_from(requirement)
            best = optimum(table, target_requirement)
            for seed in study.seeds:
                study.say(f"{subset} {target} seed {seed}")
                entity = SpiffEngineSpec.model_validate(study.engine(targets, KIND))
                engine = build_engine(entity, instance.space, integer_seed(seed, "engine"))

                rng = stream(seed, subset, target)
                for index, _ in practised(engine, instance, [target_requirement], study.training_images, rng):
                    if (index + 1) % NOTED_EVERY:
                        continue
                    states = [engine.state_of(image, moments[0].network) for image in table.images]
                    x = np.mean([engine.greedy_action(state, target_requirement) for state in states], axis=0)
                    where = {"subset": subset, "target": target, "seed": seed, "images": index + 1}
                    rows.append({**where, "beta": float(x[0]), "p_0": float(x[1]), **best})
    notes = pd.DataFrame(rows)
    caption = (
        f"{ending(notes)}\n\n"
        f"Fig. 12: the engine's greedy p(0) and β on `{KIND}` while it learns, mean and range over the seeds; L: "
        f"persons take 0.21 to 0.23 of the image, H: 0.41 to 0.49; {PHOTOGRAPHS} photographs each. Outcomes between "
        "the grid's points are interpolated; the thin lines are the codec's optimum, photograph by photograph."
    )
    study.write("fig12", caption, notes, lambda directory: draw(notes, directory))
    return notes


def optimum(table: OutcomeTable, requirement: Requirement) -> dict[str, float]:
    """Return the cheapest x by Eq. 2a, the mean over *table*'s photographs, each with its own; and the costs.

    optimum_cost: with those x; whole_cost: of the whole image. Delays are left out: at this load none is late.
    """
    values = np.linspace(0.0, 1.0, FINE)
    grid = np.array(list(product(values, values)))
    best, costs, whole = [], [], []
    for place in range(len(table.images)):
        outcomes = np.array([table.between(place, x) for x in grid])
        priced = realised_cost(
            np.concatenate((outcomes, np.zeros((len(grid), 1))), 1),
            np.array(interleaved(requirement.lambda_pf, requirement.lambda_sf)),
            np.array(interleaved(requirement.pf_min, requirement.sf_min)),
            np.array(0.0),
            np.array(1.0),
        )
        cheapest = int(priced.argmin())
        best.append(grid[cheapest])
        costs.append(priced[cheapest])
        whole.append(priced[-1])
    beta, p_0 = np.mean(best, axis=0)
    return {
        "optimum_beta": float(beta),
        "optimum_p_0": float(p_0),
        "optimum_cost": float(np.mean(costs)),
        "whole_cost": float(np.mean(whole)),
    }


def ending(notes: pd.DataFrame) -> str:
    """Return where p(0) ends, the mean over seeds, and where the codec's optimum has it."""
    last = notes[notes["images"] == notes["images"].max()]
    means = last.groupby(["subset", "target"], sort=False)[["p_0", "optimum_p_0"]].mean()
    told = [
        f"{subset} {target} {row.p_0:.2f} ({row.optimum_p_0:.2f})"
        for (subset, target), row in zip(means.index, means.itertuples(), strict=True)
    ]
    return f"p(0) at the end, and in brackets the codec's optimum: {'; '.join(told)}."


def draw(notes: pd.DataFrame, directory: Path) -> None:
    """Draw the mean of p(0) and β over the seeds, with the range between them."""
    import matplotlib.pyplot as plt

    from ntnsim.report.style import DOUBLE_COLUMN_IN, STYLES, journal, save

    with journal():
        figure, axes = plt.subplots(
            1, 2 * len(SUBSETS), figsize=(DOUBLE_COLUMN_IN, 2.0), sharey=True, sharex=True
        )
        panels = [(subset, entry) for subset in SUBSETS for entry in ("p_0", "beta")]
        for axis, (subset, entry) in zip(axes, panels, strict=True):
            for look, (target, lines) in zip(
                STYLES, notes[notes["subset"] == subset].groupby("target", sort=False), strict=False
            ):
                by_image = lines.groupby("images")[entry]
                axis.plot(by_image.mean(), color=look.colour, dashes=look.dash or (None, None), label=target)
                axis.fill_between(
                    by_image.min().index, by_image.min(), by_image.max(), color=look.colour, alpha=0.15
                )
                best = float(lines[f"optimum_{entry}"].iloc[0])
                axis.axhline(best, color=look.colour, dashes=look.dash or (None, None), linewidth=0.5)
            axis.set_title(f"{'p(0)' if entry == 'p_0' else 'β'}, {subset} images")
            axis.set_xlabel("Images")
            axis.set_ylim(-0.02, 1.02)
        axes[0].legend()
        save(figure, directory, "fig12")
        plt.close(figure)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    notes = as_command(arguments, __name__, __doc__, run)
    print(notes.groupby(["subset", "target"]).tail(1).to_string(index=False))

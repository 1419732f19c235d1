"""Fig. 6: the cloud of configurations of several photographs, and each one's own Pareto frontier.

ntnsim experiment fig6 --out results/fig6 --data PERSONS --images 4
"""

from collections.abc import Sequence

import pandas as pd

from ntnsim.experiments.codec_study import CodecStudy, new_figure, pareto, study_from, study_parser
from ntnsim.protocols.configuration import Configuration
from ntnsim.report.style import STYLES, journal

BETAS = (0.0, 0.15, 0.35, 0.6, 1.0)
FRACTIONS = (0.0, 0.05, 0.15, 0.35, 0.6, 1.0)
COARSE = (0.0, 0.25, 0.6)  # for the codec that has a coarse layer


def run(study: CodecStudy) -> pd.DataFrame:
    """Write fig6.csv and the figure; return the table."""
    codec = study.spiff_codec()
    layers = COARSE if codec.space.has_coarse_layer else (0.0,)
    grid = [Configuration(beta, (fraction,), q) for beta in BETAS for fraction in FRACTIONS for q in layers]
    table = pd.DataFrame(study.outcomes(codec, grid))
    table["on_frontier"] = False
    with journal():
        figure, axes = new_figure(1, height_in=2.8)
        for index, (image, points) in enumerate(table.groupby("image", sort=False)):
            style = STYLES[index % len(STYLES)]
            savings, fidelity = points["savings"].to_numpy(float), points["pf"].to_numpy(float)
            frontier = pareto(savings, fidelity)
            table.loc[points.index[frontier], "on_frontier"] = True
            axes[0].scatter(100 * savings, fidelity, s=6, color=style.colour, alpha=0.35, linewidths=0)
            axes[0].plot(
                100 * savings[frontier],
                fidelity[frontier],
                color=style.colour,
                marker=style.marker,
                dashes=style.dash or (1, 0),
                label=str(image),
            )
        axes[0].set(xlabel="bandwidth savings (%)", ylabel="perceptual fidelity")
        axes[0].legend()
        return study.write("fig6", table, figure)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    table = run(study_from(study_parser(__name__, __doc__, images=4).parse_args(arguments)))
    frontier = table[table["on_frontier"]]
    print(frontier[["image", "beta", "p_0", "q", "savings", "pf"]].to_string(index=False))

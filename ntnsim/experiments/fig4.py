"""Fig. 4: PF and SF against bandwidth savings for one photograph, as p and β vary.

ntnsim experiment fig4 --out results/fig4 --data PERSONS --images 1
"""

from collections.abc import Sequence

import pandas as pd

from ntnsim.experiments.codec_study import CodecStudy, new_figure, study_from, study_parser
from ntnsim.protocols.configuration import Configuration
from ntnsim.report.style import STYLES, journal

BETAS = (0.0, 0.25, 0.5, 0.75)
FRACTIONS = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


def run(study: CodecStudy) -> pd.DataFrame:
    """Write fig4.csv and the figure; return the table."""
    grid = [Configuration(beta, (fraction,)) for beta in BETAS for fraction in FRACTIONS]
    table = pd.DataFrame(study.outcomes(study.spiff_codec(), grid))
    with journal():
        figure, axes = new_figure(2)
        for axis, column, label in zip(
            axes, ("pf", "sf"), ("perceptual fidelity", "semantic fidelity"), strict=True
        ):
            for style, beta in zip(STYLES, BETAS, strict=False):
                line = table[table["beta"] == beta].groupby("p_0")[["savings", column]].mean()
                axis.plot(
                    100 * line["savings"],
                    line[column],
                    color=style.colour,
                    dashes=style.dash or (1, 0),
                    marker=style.marker,
                    label=f"β = {beta:g}",
                )
            axis.set(xlabel="bandwidth savings (%)", ylabel=label)
        axes[0].legend(title="p(0) = 1 … 0, left to right")
        return study.write("fig4", table, figure)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    table = run(study_from(study_parser(__name__, __doc__, images=1).parse_args(arguments)))
    print(table[["beta", "p_0", "savings", "pf", "sf"]].to_string(index=False))

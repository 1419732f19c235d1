"""Fig. 11: PF and SF of the low and the high rank against savings: SPIFF over p and β, JPEG, SC, and modern codecs.

    ntnsim experiment fig11 --out results/fig11 --data PERSONS --images 20

Given figure 10's directory as --out, its outcomes are used again.
"""

from collections.abc import Sequence

from ntnsim.experiments.codec_study import BOTH, study_from, study_parser
from ntnsim.experiments.fig10 import codec_points, drawn

COLUMNS = {"pf_rank_0": "PF, low", "sf_rank_0": "SF, low", "pf_rank_1": "PF, high", "sf_rank_1": "SF, high"}


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    study = study_from(study_parser(__name__, __doc__, images=20, spiff=BOTH).parse_args(arguments))
    table = drawn(study, codec_points(study), COLUMNS, "fig11")
    print(table.groupby("series", sort=False)[["savings", *COLUMNS]].mean().to_string())

"""Fig. 11: PF and SF of the low and the high rank against savings: SPIFF over p and β, JPEG, SC, and modern codecs.

    ntnsim experiment fig11 --out results/fig11 --data ../shared/data/persons --images 20

Given figure 10's directory as --out, its outcomes are used again.
"""

from ntnsim.experiments.codec_study import study_from, study_parser
from ntnsim.experiments.fig10 import codec_points, drawn

COLUMNS = {"pf_rank_0": "PF, low", "sf_rank_0": "SF, low", "pf_rank_1": "PF, high", "sf_rank_1": "SF, high"}


def main() -> None:
    """Read the arguments and run."""
    study = study_from(study_parser(__doc__, images=20).parse_args())
    table = drawn(study, codec_points(study), COLUMNS, "fig11")
    print(table.groupby("series", sort=False)[["savings", *COLUMNS]].mean().to_string())


if __name__ == "__main__":
    main()

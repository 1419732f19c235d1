"""Fig. 5: fidelity and inpainting time against the number of denoising steps, at 80 % and 5 % savings.

    ntnsim experiment fig5 --out results/fig5 --data PERSONS --images 4

A bundle whose network restores in one step, as ``tiny``, has that row alone: more steps are refused, not imitated.
Time is measured on this host and says nothing of the paper's GPU; device profiles hold charged times.
"""

import time
from collections.abc import Sequence

import pandas as pd

from ntnsim.errors import InputError
from ntnsim.experiments.codec_study import CodecStudy, new_figure, study_from, study_parser
from ntnsim.protocols.configuration import Configuration
from ntnsim.report.style import STYLES, journal
from ntnsim.spiff.codec import SpiffCodec

STEPS = (1, 2, 4, 10, 25, 50)
SAVINGS = (0.8, 0.05)
GRID = [
    Configuration(beta, (fraction,))
    for beta in (0.0, 0.2, 0.4, 0.6, 0.8)
    for fraction in (0.0, 0.1, 0.25, 0.5, 0.75, 0.95)
]


def _restorers(study: CodecStudy) -> dict[int, SpiffCodec]:
    """Return the codec for each number of steps that the bundle takes."""
    codecs = {}
    for steps in STEPS:
        try:
            codecs[steps] = study.spiff_codec(study.inpainter(steps))
        except InputError as error:
            print(f"{steps} steps are left out: {error}")
    return codecs


def run(study: CodecStudy) -> pd.DataFrame:
    """Write fig5.csv and the figure; return the table."""
    rows = []
    codec = study.spiff_codec()
    restorers = _restorers(study)
    for photograph in study.photographs:
        source_bits = 8 * len(photograph.source_bytes)
        saved = [
            1 - codec.encode(photograph.pixels, photograph.ranks, x, 1).size_bits / source_bits for x in GRID
        ]
        for wanted in SAVINGS:
            x = min(zip(saved, GRID, strict=True), key=lambda pair: abs(pair[0] - wanted))[1]
            payload = codec.encode(photograph.pixels, photograph.ranks, x, 1).payload
            for steps, restoring in restorers.items():
                started = time.perf_counter()
                image = restoring.decode([payload], [1])[0]
                wall_s = time.perf_counter() - started
                score = study.scorer.score([photograph.pixels], [image], [photograph.ranks], 2)[0]
                rows.append(
                    {
                        "image": photograph.name,
                        "wanted_savings": wanted,
                        "savings": 1 - 8 * len(payload) / source_bits,
                        "beta": x.box_growth,
                        "p_0": x.patch_fractions[0],
                        "steps": steps,
                        "pf": score.pf,
                        "sf": score.sf,
                        "inpainting_wall_s": round(wall_s, 4),
                    }
                )
    table = pd.DataFrame(rows)
    with journal():
        figure, axes = new_figure(3)
        columns = {
            "pf": "perceptual fidelity",
            "sf": "semantic fidelity",
            "inpainting_wall_s": "time on this host (s)",
        }
        for axis, (column, label) in zip(axes, columns.items(), strict=True):
            for style, wanted in zip(STYLES, SAVINGS, strict=False):
                of_level = table[table["wanted_savings"] == wanted]
                line = of_level.groupby("steps")[column].mean()
                axis.plot(
                    line.index,
                    line,
                    color=style.colour,
                    dashes=style.dash or (1, 0),
                    marker=style.marker,
                    label=f"savings {100 * of_level['savings'].mean():.0f} %",
                )
            axis.set(xlabel="denoising steps", ylabel=label, xscale="log")
            axis.set_xticks(STEPS, [str(steps) for steps in STEPS])
            axis.minorticks_off()
        axes[0].legend()
        return study.write("fig5", table, figure)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    table = run(study_from(study_parser(__name__, __doc__, images=4).parse_args(arguments)))
    print(table.groupby(["wanted_savings", "steps"])[["savings", "pf", "sf"]].mean().to_string())

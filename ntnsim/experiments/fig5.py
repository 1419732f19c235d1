"""Fig. 5: fidelity and inpainting time against the number of denoising steps, at 80 % and 5 % savings.

    ntnsim experiment fig5 --out results/fig5 --data PERSONS --images 4

Each photograph is sent with the β = p(0) that saves as much as the figure names: both grow together, from the least
that the codec can send to the whole image. A photograph that cannot save so much, or so little, is left out of that
level's lines, unless no photograph can; then the lines show the nearest, and the legend says what it saves.
A bundle whose network restores in one step, as ``tiny``, has that row alone: more steps are refused, not imitated.
Time is measured on this host and says nothing of the paper's GPU; device profiles hold charged times.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from ntnsim.errors import InputError
from ntnsim.experiments.codec_study import (
    CodecStudy,
    RankedPhotograph,
    new_figure,
    study_from,
    study_parser,
)
from ntnsim.protocols.configuration import Configuration
from ntnsim.report.style import STYLES, journal
from ntnsim.run_progress import status_shown
from ntnsim.spiff.codec import SpiffCodec

STEPS = (1, 2, 4, 10, 25, 50)
SAVINGS = (0.8, 0.05)
NEAR = 0.01  # savings this close to the wanted ones are them
MOST_HALVINGS = 10


def sought(savings_at: Callable[[float], float], wanted: float) -> float:
    """Return the t in [0, 1] whose savings are nearest to *wanted*, by bisection.

    savings_at: savings at β = p(0) = t; they fall as t grows, but for the steps of boxes and tiles.
    """
    seen = {t: savings_at(t) for t in (0.0, 1.0)}
    low, high = 0.0, 1.0
    if seen[high] < wanted < seen[low]:
        for _ in range(MOST_HALVINGS):
            middle = (low + high) / 2
            seen[middle] = savings_at(middle)
            if abs(seen[middle] - wanted) < NEAR / 10:
                break
            low, high = (middle, high) if seen[middle] > wanted else (low, middle)
    return min(seen, key=lambda t: abs(seen[t] - wanted))


def _restorers(study: CodecStudy) -> dict[int, SpiffCodec]:
    """Return the codec for each number of steps that the bundle takes."""
    codecs = {}
    for steps in STEPS:
        try:
            codecs[steps] = study.spiff_codec(study.inpainter(steps))
        except InputError as error:
            print(f"{steps} steps are left out: {error}")
    return codecs


def _rows(
    study: CodecStudy, photograph: RankedPhotograph, restorers: dict[int, SpiffCodec]
) -> list[dict[str, Any]]:
    """Return one row per wanted savings and number of steps."""
    codec, rows = study.spiff_codec(), []

    def payload_at(t: float) -> bytes:
        return codec.encode(photograph.pixels, photograph.ranks, Configuration(t, (t,)), 1).payload

    def savings_at(t: float) -> float:
        return 1 - len(payload_at(t)) / len(photograph.source_bytes)

    for wanted in SAVINGS:
        t = sought(savings_at, wanted)
        payload = payload_at(t)
        savings = 1 - len(payload) / len(photograph.source_bytes)
        for steps, restoring in restorers.items():
            started = time.perf_counter()
            image = restoring.decode([payload], [1])[0]
            wall_s = time.perf_counter() - started
            score = study.scorer.score([photograph.pixels], [image], [photograph.ranks], 2)[0]
            rows.append(
                {
                    "image": photograph.name,
                    "wanted_savings": wanted,
                    "savings": savings,
                    "reached": abs(savings - wanted) <= NEAR,
                    "beta": t,
                    "p_0": t,
                    "steps": steps,
                    "pf": score.pf,
                    "sf": score.sf,
                    "inpainting_wall_s": round(wall_s, 4),
                }
            )
    return rows


def shown(table: pd.DataFrame, wanted: float) -> tuple[pd.DataFrame, str]:
    """Return the rows that the lines of *wanted* savings stand on, and what the legend says of them."""
    of_level = table[table["wanted_savings"] == wanted]
    n_images = of_level["image"].nunique()
    reached = of_level[of_level["reached"]]
    if reached.empty:
        nearest = of_level["savings"].mean()
        extreme = "the most" if nearest < wanted else "the least"
        return of_level, f"savings {100 * nearest:.0f} %, {extreme} ({100 * wanted:g} % sought)"
    n_reached = reached["image"].nunique()
    note = f" ({n_reached} of {n_images})" if n_reached < n_images else ""
    return reached, f"savings {100 * wanted:g} %{note}"


def run(study: CodecStudy) -> pd.DataFrame:
    """Write fig5.csv and the figure; return the table."""
    rows: list[dict[str, Any]] = []
    restorers = _restorers(study)
    n = len(study.photographs)
    with status_shown(lambda: f"{len(rows) // (len(SAVINGS) * len(restorers))} of {n} photographs done"):
        for photograph in study.photographs:
            rows += _rows(study, photograph, restorers)
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
                of_level, name = shown(table, wanted)
                line = of_level.groupby("steps")[column].mean()
                axis.plot(
                    line.index,
                    line,
                    color=style.colour,
                    dashes=style.dash or (1, 0),
                    marker=style.marker,
                    label=name,
                )
            axis.set(xlabel="denoising steps", ylabel=label, xscale="log")
            axis.set_xticks(list(restorers), [str(steps) for steps in restorers])
            axis.minorticks_off()
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(SAVINGS))
        return study.write("fig5", table, figure)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    table = run(study_from(study_parser(__name__, __doc__, images=4).parse_args(arguments)))
    print(table.groupby(["wanted_savings", "steps"])[["savings", "pf", "sf"]].mean().to_string())
    for wanted in SAVINGS:
        of_level = table[table["wanted_savings"] == wanted].drop_duplicates("image")
        missed = of_level[~of_level["reached"]]
        for image, savings in zip(missed["image"], missed["savings"], strict=True):
            print(f"{image}: {100 * wanted:g} % is out of reach; the nearest is {100 * savings:.1f} %")

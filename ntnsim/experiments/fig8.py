"""Fig. 8: one photograph through the pipeline, from rank map to reconstruction, with real bytes at every step.

ntnsim experiment fig8 --out results/fig8 --data PERSONS
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ntnsim.errors import InputError
from ntnsim.experiments.codec_study import CodecStudy, study_from, study_parser, with_photographs
from ntnsim.protocols.configuration import Configuration
from ntnsim.report.style import DOUBLE_COLUMN_IN, journal
from ntnsim.run_progress import at_work
from ntnsim.spiff.bitstream import Kind, read_stream
from ntnsim.spiff.decoder import decode_partial_image
from ntnsim.spiff.patches import TileGeometry, packed_grid, tile_ranks
from ntnsim.spiff.region import box_region
from ntnsim.spiff.tile_map import decode_tile_map

GREY = 200  # what was not sent, in the panels


def run(study: CodecStudy, configuration: Configuration) -> pd.DataFrame:
    """Write fig8.csv (bytes per part) and the figure; return the table."""
    from matplotlib.figure import Figure

    photograph = study.photographs[0]
    codec = study.spiff_codec()
    encoded = codec.encode(photograph.pixels, photograph.ranks, configuration, 1)
    stream = read_stream(encoded.payload)
    received = decode_partial_image(encoded.payload)
    restored = codec.decode([encoded.payload], [1])[0]
    score = study.scorer.score([photograph.pixels], [restored], [photograph.ranks], 2)[0]

    top = photograph.ranks == 1
    region, _ = box_region(top, configuration.box_growth, codec.settings)
    geometry = TileGeometry(top.shape[0], top.shape[1], codec.settings.tile_px)
    tiles = stream.find(Kind.TILES)
    positions = decode_tile_map(tiles.payload, region, geometry, 2)[0] if tiles else np.zeros(0, np.int64)
    patches = np.full_like(photograph.pixels, GREY)
    kept = received.known & ~region
    patches[kept] = photograph.pixels[kept]
    candidates = tile_ranks(photograph.ranks, region, 2, codec.settings.tile_px) == 0
    partial = np.where(received.known[..., None], received.pixels, np.uint8(GREY))
    panels = [
        ("(a) photograph", photograph.pixels),
        ("(b) rank map", np.where(top, 230, 60).astype(np.uint8)),
        ("(c) top rank, cropped", np.where(region[..., None], photograph.pixels, np.uint8(GREY))),
        (f"(d) {len(positions)} of {int(candidates.sum())} tiles", patches),
        (
            "(e) patch grid",
            packed_grid(photograph.pixels, positions, geometry) if len(positions) else patches[:1, :1],
        ),
        (f"(f) received, {100 * received.known.mean():.0f} %", partial),
        (f"(g) restored, PF {score.pf:.3f}", restored),
    ]
    with journal():
        figure = Figure(figsize=(DOUBLE_COLUMN_IN, 3.4))
        for axis, panel in zip(figure.subplots(2, 4).ravel(), [*panels, None], strict=True):
            axis.set_axis_off()
            if panel is not None:
                axis.imshow(panel[1], cmap="gray", vmin=0, vmax=255)
                axis.set_title(panel[0])
        saved = 1 - encoded.size_bits / (8 * len(photograph.source_bytes))
        figure.axes[-1].text(
            0,
            0.5,
            "\n".join(
                [
                    *(f"{part.name}: {len(part.payload):,} bytes" for part in stream.parts),
                    f"savings {saved:.1%}",
                ]
            ),
            va="center",
        )
        rows = [{"part": part.name, "rank": part.rank, "bytes": len(part.payload)} for part in stream.parts]
        return study.write("fig8", pd.DataFrame(rows), figure)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    parser = study_parser(__name__, __doc__, images=1)
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--p", type=float, default=0.25)
    parser.add_argument("--coarse", type=float, default=0.0)
    given = parser.parse_args(arguments)
    for name in ("beta", "p", "coarse"):
        if not 0 <= getattr(given, name) <= 1:
            raise InputError(f"--{name}: must be in 0 to 1, got {getattr(given, name)}")
    if given.codec == "spiff-paper" and given.coarse > 0:
        raise InputError("--coarse: spiff-paper has no coarse layer; use --codec spiff")
    study = study_from(given)
    single = with_photographs(study, study.photographs[:1])
    with at_work("one photograph, step by step"):
        table = run(single, Configuration(given.beta, (given.p,), given.coarse))
    print(table.to_string(index=False))

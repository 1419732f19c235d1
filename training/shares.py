"""How much of the network's residual to add over a coarse layer, told by judges that no claim uses.

    python -m training.shares --data DATA --images 8

For each quality, training photographs travel as a coarse layer alone and are restored with each share and each strength
of the noise. VSI, HaarPSI, MDSI and GMSD judge, from the package ``piq``, which no other part needs; the panel of
``ntnsim`` stands beside them to be looked at. Printed are mean distances over those of the bare layer: below 1, the
network brings the picture nearer. A share is one number, or ``0.75:0.5``: the first where 3 grey levels of texture or
less were lost, the second from 9 on, and straight between.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module

import numpy as np
import pandas as pd
import torch

from ntnsim.arrays import UInt8Image
from ntnsim.datasets.persons import PersonsDataset
from ntnsim.experiments.evaluate import coarse_layer
from ntnsim.fidelity.panel import judged
from ntnsim.networks.bundle import Bundle, open_bundle
from ntnsim.networks.diffusion import LatentResidualInpainter
from ntnsim.protocols.inpainter import Canvas
from ntnsim.spiff.grain import grain_strengths
from training.loop import add_data_argument

LITTLE_GREY, MUCH_GREY = 3.0, 9.0
PANEL = ("alex", "lite0", "ms-ssim", "mse")


def with_shares(bundle: Bundle, share: str, noise: float) -> LatentResidualInpainter:
    """Return the *bundle*'s inpainter with another *share* of the residual and *noise* times the noise."""
    member, directory = bundle.member("inpainter")
    little, _, much = share.partition(":")
    options = {
        **member.options,
        "coarse_share": float(little),
        "share_where_much_is_lost": float(much or little),
        "little_lost_grey": LITTLE_GREY,
        "much_lost_grey": MUCH_GREY,
        "noise_unit_grey": member.options["noise_unit_grey"] / noise,
    }
    return LatentResidualInpainter(
        replace(member, options=options), directory, steps=None, device="cpu", dtype=None
    )


def distances(original: UInt8Image, shown: UInt8Image) -> dict[str, float]:
    """Return what every judge sees between two pictures [H, W, 3]; 0 is identical."""
    piq = import_module("piq")
    a, b = (
        torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()
        for picture in (original, shown)
    )
    with torch.inference_mode():
        found = {
            "vsi": 1 - float(piq.vsi(b, a, data_range=255.0)),
            "haarpsi": 1 - float(piq.haarpsi(b, a, data_range=255.0)),
            "mdsi": float(piq.mdsi(b, a, data_range=255.0)),
            "gmsd": float(piq.gmsd(b, a, data_range=255.0)),
        }
    return found | judged(original, shown, judges=PANEL)


def rows_of(
    pixels: UInt8Image, quality: int, networks: dict[str, LatentResidualInpainter]
) -> Iterator[dict[str, float | str]]:
    """Yield the judges' distances of the bare layer, and of what each of *networks* makes of it."""
    layer, nothing = coarse_layer(pixels, quality), np.zeros(pixels.shape[:2], bool)
    strengths = grain_strengths(pixels, layer, ~nothing)
    yield {"quality": quality, "shown": "layer", **distances(pixels, layer)}
    for name, network in networks.items():
        [picture] = network.restore([Canvas(np.zeros_like(pixels), nothing, layer, "", 1, strengths)])
        yield {"quality": quality, "shown": name, **distances(pixels, picture)}


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean distances over those of the bare layer, one row per quality and share."""
    means = table.groupby(["quality", "shown"], sort=False).mean()
    return means.groupby("quality", group_keys=False).apply(
        lambda part: part / part.xs("layer", level=1).iloc[0]
    )


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_argument(parser)
    parser.add_argument("--bundle", default="tiny")
    parser.add_argument("--images", type=int, default=8, help="training photographs, evenly spread")
    parser.add_argument("--qualities", type=int, nargs="+", default=[8, 15, 30])
    parser.add_argument("--shares", nargs="+", default=["0.5", "0.75", "1", "0.75:0.5", "0.75:0.35"])
    parser.add_argument("--noises", type=float, nargs="+", default=[1.0])
    given = parser.parse_args()
    dataset = PersonsDataset(given.data / "persons", "train", only_coco=True)
    bundle = open_bundle(given.bundle)
    networks = {
        f"share {share}, noise {noise:g}": with_shares(bundle, share, noise)
        for share in given.shares
        for noise in given.noises
    }
    rows: list[dict[str, float | str]] = []
    for index in np.linspace(0, len(dataset) - 1, given.images).round().astype(int):
        for quality in given.qualities:
            rows += rows_of(dataset.image(int(index)).pixels, quality, networks)
        print(f"{dataset.image(int(index)).name}: {len(rows)} pictures judged", flush=True)
    print(ratios(pd.DataFrame(rows)).round(3).to_string())


if __name__ == "__main__":
    main()

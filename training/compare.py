"""Designs of the inpainter beside each other: each trained alike for as long, then seen on crops kept from training.

    python -m training.compare --work WORK --minutes 3 --device cuda

WORK holds what ``python -m training.prepare`` made. The designs: the shipped one; without the adversary; without
noise; half the parameters; and a VAE's decoder that is trained along. With ``--start`` all but the half begin from
those weights. Printed are distances of the held-out crops over their fills', with a coarse layer and without, below 1
being nearer: VSI, HaarPSI, MDSI and GMSD, which no claim uses (the package ``piq``), and beside them some of the
panel's judges and the kernel distance of all crops' patches. The steps and seconds of each
stand beside. The table is also written to WORK/compare.csv.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from ntnsim.arrays import UInt8Image
from ntnsim.fidelity.panel import kernel_distance, patch_features
from training import text
from training.examples import Crops, white_noise
from training.prepare import load_prepared
from training.restorer import Restorer
from training.shares import distances

HALF = "half the parameters"
DESIGNS: dict[str, tuple[str, ...]] = {
    "shipped": (),
    "without the adversary": ("--without-adversary",),
    "without noise": ("--without-noise",),
    HALF: ("--channels", "32", "64", "96", "136"),
    "decoder trained along": ("--train-decoder",),
}
SEED = 99
PATCHES = "patches"


def checkpoint_name(design: str) -> str:
    """Return under which name a design's checkpoint, curve and weights stand."""
    return f"compare_{design.replace(' ', '_')}"


def train(design: str, arguments: argparse.Namespace) -> None:
    """Train one design, unless its weights are there already; its log goes to WORK/NAME.log."""
    name, work = checkpoint_name(design), arguments.work
    if (work / name).is_dir():
        print(f"{design}: kept as it was trained before; remove {work / name} to train it anew", flush=True)
        return
    command = [sys.executable, "-m", "training.inpainter", "--work", str(work), "--name", name]
    command += [
        "--minutes",
        str(arguments.minutes),
        "--batch",
        str(arguments.batch),
        "--device",
        arguments.device,
    ]
    command += ["--rate", str(arguments.rate), "--adversary-from", str(arguments.adversary_from)]
    command += ["--vae", str(arguments.vae), "--text", str(arguments.text), *DESIGNS[design]]
    if arguments.start and design != HALF:
        command += ["--start", str(arguments.start)]
    if arguments.compile:
        command.append("--compile")
    if (work / f"{name}.pt").exists():
        command.append("--resume")
    print(f"{design}: {' '.join(command[2:])}", flush=True)
    with (work / f"{name}.log").open("a") as log:
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=True)


def pictures_of(
    design: str, arguments: argparse.Namespace, state: Tensor
) -> Iterator[tuple[bool, UInt8Image, UInt8Image, UInt8Image]]:
    """Yield, for each held-out crop: whether a coarse layer came, the original, the fill and the design's picture."""
    name, work = checkpoint_name(design), arguments.work
    silent = "--without-noise" in DESIGNS[design]
    crops = Crops(load_prepared(work), "cpu", SEED, silent=silent)
    unet = UNet2DConditionModel.from_pretrained(work / name, local_files_only=True, low_cpu_mem_usage=False)
    trained_along = work / f"{name}_vae"
    vae = AutoencoderTiny.from_pretrained(
        trained_along if trained_along.is_dir() else arguments.vae, local_files_only=True
    ).float()
    restorer = Restorer(unet.float().eval(), vae.eval(), state)
    for _ in range(arguments.batches):
        example = crops.batch(16, held_out=True)
        with torch.inference_mode():
            restored = restorer.picture(example, white_noise(example, crops.generator))
        columns = (_pixels(batch) for batch in (example.original, example.fill, restored))
        yield from zip(example.has_coarse.tolist(), *columns, strict=True)


def _pixels(pictures: Tensor) -> UInt8Image:
    """Return pictures [B, 3, H, W] in [−1, 1] as uint8 [B, H, W, 3]."""
    levels = pictures.clamp(-1, 1).add(1).mul(127.5).round().byte()
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).numpy())


def rows_of(
    design: str, pictures: Sequence[tuple[bool, UInt8Image, UInt8Image, UInt8Image]]
) -> list[dict[str, float | str]]:
    """Return two rows: a design's mean distances over the fills', with a coarse layer and without."""
    rows: list[dict[str, float | str]] = []
    for label, wanted in (("coarse layer", True), ("none", False)):
        chosen = [parts for has_coarse, *parts in pictures if has_coarse == wanted]
        originals, fills, restored = (list(column) for column in zip(*chosen, strict=True))
        seen = {
            name: pd.DataFrame([distances(a, b) for a, b in zip(originals, shown, strict=True)]).mean()
            for name, shown in (("fill", fills), ("restored", restored))
        }
        ratios = (seen["restored"] / seen["fill"]).to_dict()
        truth, filled, ours = (
            np.concatenate([patch_features(picture) for picture in column])
            for column in (originals, fills, restored)
        )
        ratios[PATCHES] = kernel_distance(truth, ours) / kernel_distance(truth, filled)
        rows.append({"design": design, "came": label, "crops": len(chosen), **ratios})
    return rows


def trained_for(design: str, work: Path) -> dict[str, float]:
    """Return the steps and seconds that a design was trained for, by its curve."""
    last = json.loads((work / f"{checkpoint_name(design)}_curve.json").read_text())[-1]
    return {"steps": last["step"], "wall_s": last["wall_s"]}


def main() -> None:
    """Train what is not trained yet, judge all, print and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tiny = Path("models/tiny/inpainter")
    parser.add_argument("--work", type=Path, default=Path("training_work"))
    parser.add_argument("--minutes", type=float, default=3, help="of each training")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--adversary-from", type=float, default=0.28)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--start", type=Path, help="safetensors of a UNet to start from, instead of noise")
    parser.add_argument("--vae", type=Path, default=tiny / "vae")
    parser.add_argument("--text", type=Path, default=tiny, help="directory of tokenizer and text_encoder")
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--batches", type=int, default=16, help="of 16 held-out crops to judge")
    arguments = parser.parse_args()
    encoder = CLIPTextModel.from_pretrained(arguments.text / "text_encoder", local_files_only=True).float()
    tokenizer = CLIPTokenizer.from_pretrained(arguments.text / "tokenizer", local_files_only=True)
    state = text.embed([""], tokenizer, encoder)
    rows: list[dict[str, float | str]] = []
    for design in arguments.designs:
        train(design, arguments)
        told = trained_for(design, arguments.work)
        rows += [row | told for row in rows_of(design, list(pictures_of(design, arguments, state)))]
        print(f"{design}: judged", flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(arguments.work / "compare.csv", index=False, lineterminator="\n")
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()

"""What the inpainter is trained on, made once and in parallel: photographs, their coarse layers, and classical fills.

``python -m training.prepare`` writes arrays to WORK/inpainter_data; the recipe maps them into memory (or copies them to
a GPU) and cuts its crops there. Every photograph has its own seed, so that the number of processes changes nothing.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ntnsim.arrays import UInt8Image
from ntnsim.spiff.fill import blended_fill
from ntnsim.spiff.grain import grain_strengths
from training.degradation import drawn_layer, known_mask
from training.photographs import Source, photograph_sources

SIDE_PX = 304
CROP_PX = 128
LAYERS = 6  # coarse layers of each photograph
FILLS = 6  # crops of each photograph that came without a coarse layer
DIRECTORY = "inpainter_data"


@dataclass(frozen=True)
class Prepared:
    """Everything about N photographs of side S.

    originals: uint8 [N, S, S, 3]. layers: uint8 [N, LAYERS, S, S, 3]. strengths: uint8 [N, LAYERS, rows, columns], of
    the texture each layer lost. crops, fills: uint8 [N · FILLS, C, C, 3] and known: bool [N · FILLS, C, C], crops of C
    pixels and their classical fills, those of one photograph together.
    """

    originals: UInt8Image
    layers: UInt8Image
    strengths: NDArray[np.uint8]
    crops: UInt8Image
    fills: UInt8Image
    known: NDArray[np.bool_]


def square(pixels: UInt8Image, rng: np.random.Generator) -> UInt8Image:
    """Return a square of ``SIDE_PX`` of a photograph, at its own scale or reduced; small ones are mirrored outwards."""
    height, width = pixels.shape[:2]
    if min(height, width) > SIDE_PX and rng.random() < 0.4:
        scale = max(SIDE_PX + 16, round(0.6 * min(height, width))) / min(height, width)
        size = (round(width * scale), round(height * scale))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        height, width = pixels.shape[:2]
    top, left = (int(rng.integers(0, max(side - SIDE_PX, 0) + 1)) for side in (height, width))
    cut = pixels[top : top + SIDE_PX, left : left + SIDE_PX]
    below, right = SIDE_PX - cut.shape[0], SIDE_PX - cut.shape[1]
    return np.ascontiguousarray(np.pad(cut, ((0, below), (0, right), (0, 0)), mode="symmetric"))


def prepared_photograph(source: Source, seed: int) -> Prepared:
    """Return all that is made of one photograph: the arrays of :class:`Prepared` with N = 1."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, source.number])
    original = square(source.pixels(), rng)
    everywhere = np.ones(original.shape[:2], bool)
    layers = [drawn_layer(original, rng) for _ in range(LAYERS)]
    # The strengths are of all that was lost: what the stream sends is a share of it.
    strengths = [grain_strengths(original, layer, everywhere, 1.0) for layer in layers]
    crops, fills, known = [], [], []
    for _ in range(FILLS):
        top, left = rng.integers(0, SIDE_PX - CROP_PX + 1, size=2)
        crop = np.ascontiguousarray(original[top : top + CROP_PX, left : left + CROP_PX])
        mask = known_mask(CROP_PX, rng)
        crops.append(crop)
        known.append(mask)
        fills.append(blended_fill(crop, mask))
    return Prepared(
        original[None],
        np.stack(layers)[None],
        np.stack(strengths)[None],
        np.stack(crops),
        np.stack(fills),
        np.stack(known),
    )


def load_prepared(work: Path) -> Prepared:
    """Map the arrays under *work* into memory."""
    directory = work / DIRECTORY
    return Prepared(
        **{name: np.load(directory / f"{name}.npy", mmap_mode="r") for name in Prepared.__annotations__}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="directory of the photographs; $NTNSIM_DATA unless given")
    parser.add_argument("--pack", type=Path, help="directory of photos.bin and photos_sizes.npy instead")
    parser.add_argument("--work", type=Path, default=Path("training_work"), help="the arrays go below it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--limit", type=int, help="take this many photographs only")
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    data = arguments.data or os.environ.get("NTNSIM_DATA")
    if arguments.pack is None and data is None:
        parser.error("give --pack or --data, or set NTNSIM_DATA")
    sources = photograph_sources(None if data is None else Path(data), arguments.pack)
    # In random order: the first few are what the training is checked with, and should be of every kind.
    order = np.random.default_rng(1).permutation(len(sources))[: arguments.limit]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        made = list(
            pool.map(
                partial(prepared_photograph, seed=arguments.seed), [sources[i] for i in order], chunksize=4
            )
        )
    directory = arguments.work / DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    for name in Prepared.__annotations__:
        np.save(directory / f"{name}.npy", np.concatenate([getattr(part, name) for part in made]))
    print(f"{directory}: {len(made)} photographs", flush=True)


if __name__ == "__main__":
    main()

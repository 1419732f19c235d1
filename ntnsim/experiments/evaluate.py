"""How good a bundle is, on photographs that none of its networks was trained on.

Held out are ``persons/val`` and the scenes whose number divides by seven. Received is what the codec would bring: the
person (or, of a scene, one box) and a share p of the 16×16 tiles; the rest lies over a coarse AVIF layer, or over
nothing. Distances are ST-LPIPS averaged over the unsent pixels, PSNR is theirs too; ratios are of means, with a
paired bootstrap interval.
"""

import csv
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ntnsim.arrays import BoolMask, UInt8Image
from ntnsim.errors import DatasetError
from ntnsim.networks.bundle import Bundle
from ntnsim.networks.load import inpainter_named, load_segmenter
from ntnsim.protocols.inpainter import Canvas
from ntnsim.protocols.segmenter import Segmenter
from ntnsim.spiff.grain import grain_strengths

TILE_PX = 16
SCENE_BOX_PX = 80
HELD_OUT_DIVISOR = 7
BOOTSTRAP_DRAWS = 2000
# Which draws a figure depends on: a scene's box by its number, its tiles by its place in the list, and the bootstrap.
BOX_STREAM, TILE_STREAM, BOOTSTRAP_SEED = 80, 16, 95
COARSE_TASKS = tuple((quality, fraction) for quality in (10, 20) for fraction in (0.0, 0.1))
PATCH_TASKS = (0.0, 0.1, 0.25, 0.5)


@dataclass(frozen=True)
class Photograph:
    """pixels uint8 [H, W, 3]; kept bool [H, W]: the top rank, which always travels."""

    name: str
    pixels: UInt8Image
    kept: BoolMask


def held_out_paths(data: Path) -> list[Path]:
    """Return the validation photographs, persons and scenes interleaved so that any prefix is a fair sample."""
    persons = sorted((data / "persons" / "val").glob("*.jpg"))
    scenes = [
        path for path in sorted((data / "scenes").glob("*.jpg")) if int(path.stem) % HELD_OUT_DIVISOR == 0
    ]
    if not persons or not scenes:
        raise DatasetError(f"{data}: lacks persons/val or scenes, the photographs bundles are evaluated on")
    keyed = [(index / len(part), path) for part in (persons, scenes) for index, path in enumerate(part)]
    return [path for _, path in sorted(keyed, key=lambda pair: pair[0])]


def _read(path: Path) -> UInt8Image:
    return np.asarray(Image.open(path).convert("RGB"))


def load_held_out(data: Path, *, side_px: int | None, limit: int | None) -> list[Photograph]:
    """Return the photographs: their central square at *side_px*, or native size when None."""
    photographs = []
    for path in held_out_paths(data)[:limit]:
        pixels = _read(path)
        mask_path = path.with_suffix(".png")
        person = np.asarray(Image.open(mask_path)) == 1 if mask_path.exists() else None
        if side_px is not None:
            height, width = pixels.shape[:2]
            side = min(height, width)
            window = np.s_[(height - side) // 2 :, (width - side) // 2 :]
            pixels = cv2.resize(
                pixels[window][:side, :side], (side_px, side_px), interpolation=cv2.INTER_AREA
            ).astype(np.uint8)
            if person is not None:
                square = person[window][:side, :side].astype(np.uint8)
                person = cv2.resize(square, (side_px, side_px), interpolation=cv2.INTER_NEAREST).astype(bool)
        if person is None:
            person = np.zeros(pixels.shape[:2], bool)
            rng = np.random.default_rng([int(path.stem), BOX_STREAM])
            top, left = (int(rng.integers(0, side - SCENE_BOX_PX + 1)) for side in person.shape)
            person[top : top + SCENE_BOX_PX, left : left + SCENE_BOX_PX] = True
        photographs.append(Photograph(f"{path.parent.name}/{path.stem}", pixels, person))
    return photographs


def coarse_layer(pixels: UInt8Image, quality: int) -> UInt8Image:
    """Return the whole image after AVIF at Pillow's *quality*."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "AVIF", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


def canvas_of(photograph: Photograph, index: int, fraction: float, quality: int | None) -> Canvas:
    """Return what the decoder holds: kept region, *fraction* of the tiles, perhaps a coarse layer with its grain."""
    height, width = photograph.kept.shape
    rows, columns = -(-height // TILE_PX), -(-width // TILE_PX)
    rng = np.random.default_rng([index, TILE_STREAM])
    tiles = np.zeros(rows * columns, bool)
    tiles[rng.permutation(rows * columns)[: round(fraction * rows * columns)]] = True
    known = np.kron(tiles.reshape(rows, columns), np.ones((TILE_PX, TILE_PX), bool))[:height, :width]
    known = known | photograph.kept
    coarse, grain = None, None
    if quality is not None:
        coarse = coarse_layer(photograph.pixels, quality)
        grain = grain_strengths(photograph.pixels, coarse, ~known)
    return Canvas(np.where(known[:, :, None], photograph.pixels, 0), known, coarse, "", index, grain)


def unsent_psnr_db(original: UInt8Image, image: UInt8Image, unsent: BoolMask) -> float:
    """Return the PSNR over the unsent pixels."""
    error = (original[unsent].astype(np.float64) - image[unsent]) ** 2
    return float(10 * np.log10(255.0**2 / max(float(error.mean()), 1e-9)))


def ratio_with_interval(
    values: NDArray[np.float64], reference: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return mean(ours)/mean(theirs) with its 95 % interval, by paired bootstrap over the images."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    draws = rng.integers(0, len(values), size=(BOOTSTRAP_DRAWS, len(values)))
    ratios = values[draws].mean(axis=1) / reference[draws].mean(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(values.mean() / reference.mean()), float(low), float(high)


class _Scores:
    """Distances and PSNR of every method on one task."""

    def __init__(self, photographs: Sequence[Photograph]) -> None:
        from ntnsim.fidelity.metrics import StLpipsBackend

        self._backend = StLpipsBackend()
        self._photographs = photographs
        self._features = [self._backend.features(photograph.pixels) for photograph in photographs]

    def of(self, canvases: Sequence[Canvas], images: Sequence[UInt8Image]) -> NDArray[np.float64]:
        """Return [distance, PSNR in dB] over the unsent pixels, one row per image."""
        rows = []
        for photograph, features, canvas, image in zip(
            self._photographs, self._features, canvases, images, strict=True
        ):
            unsent = ~canvas.known
            distance = self._backend.distance_map(features, self._backend.features(image))
            rows.append((float(distance[unsent].mean()), unsent_psnr_db(photograph.pixels, image, unsent)))
        return np.array(rows)


def restoration_tables(
    bundle: Bundle,
    photographs: Sequence[Photograph],
    *,
    steps: Sequence[int] = (1,),
    say: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """Return one row per task and method: mean distance and PSNR, and the bundle's ratio to the method.

    With a coarse layer the bundle restores what the codec delivers, grain included; "blind" had no grain sent.
    """
    scores = _Scores(photographs)
    networks = {count: inpainter_named("bundle", bundle, steps=count) for count in steps}
    rows: list[dict[str, Any]] = []
    tasks: list[tuple[int | None, float]] = [*COARSE_TASKS, *((None, fraction) for fraction in PATCH_TASKS)]
    for quality, fraction in tasks:
        canvases = [canvas_of(p, index, fraction, quality) for index, p in enumerate(photographs)]
        found = {
            f"bundle, {count} steps": scores.of(canvases, network.restore(canvases))
            for count, network in networks.items()
        }
        # With a coarse layer every classical fill is that layer, and its grain unless nothing is restored.
        classical = {"none": "own fill", "telea": "telea", "ns": "ns", "nearest": "nearest"}
        if quality is not None:
            classical = {"none": "coarse layer", "ns": "coarse and grain"}
            blind = [replace(canvas, grain=None) for canvas in canvases]
            found["bundle, blind"] = scores.of(blind, networks[steps[0]].restore(blind))
        for name, label in classical.items():
            found[label] = scores.of(canvases, inpainter_named(name, None).restore(canvases))
        first = found[f"bundle, {steps[0]} steps"]
        for label, values in found.items():
            ratio, low, high = ratio_with_interval(first[:, 0], values[:, 0])
            rows.append(
                {
                    "coarse": "none" if quality is None else f"AVIF q{quality}",
                    "p": fraction,
                    "method": label,
                    "distance": round(float(values[:, 0].mean()), 4),
                    "psnr_db": round(float(values[:, 1].mean()), 2),
                    "bundle_ratio": round(ratio, 3),
                    "ratio_low": round(low, 3),
                    "ratio_high": round(high, 3),
                }
            )
            say(
                "{coarse:>9} p={p:<4} {method:<16} {distance:.4f} {psnr_db:6.2f} dB  ratio {bundle_ratio}".format(
                    **rows[-1]
                )
            )
    return rows


def segmentation_table(segmenter: Segmenter, data: Path, limit: int | None = None) -> list[dict[str, Any]]:
    """Return IoU of "person" and "other", over all pixels of persons/val, by data set and together."""
    with (data / "persons" / "index.csv").open() as stream:
        index = {row["file"]: row["dataset"] for row in csv.DictReader(stream)}
    person = segmenter.class_names.index("person")
    counts: dict[str, NDArray[np.int64]] = {}
    for path in sorted((data / "persons" / "val").glob("*.jpg"))[:limit]:
        truth = np.asarray(Image.open(path.with_suffix(".png"))) == 1
        predicted = segmenter.class_maps([_read(path)])[0] == person
        table = np.bincount(2 * truth.ravel() + predicted.ravel(), minlength=4).reshape(2, 2)
        name = index[f"val/{path.name}"]
        group = "COCO" if name.startswith("COCO") else name
        for key in (group, "all"):
            counts[key] = counts.get(key, np.zeros((2, 2), np.int64)) + table
    rows = []
    for key, table in sorted(counts.items(), key=lambda item: item[0] == "all"):
        iou = [table[c, c] / (table[c].sum() + table[:, c].sum() - table[c, c]) for c in (0, 1)]
        rows.append(
            {
                "data": key,
                "iou_person": round(float(iou[1]), 4),
                "iou_other": round(float(iou[0]), 4),
                "mean_iou": round(float(np.mean(iou)), 4),
            }
        )
    return rows


def _median_s(call: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """Return the median wall and processor seconds of *call*, after one call to warm up."""
    call()
    durations = []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        call()
        durations.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    wall_s, cpu_s = np.median(np.array(durations), axis=0)
    return float(wall_s), float(cpu_s)


def speed_table(bundle: Bundle) -> list[dict[str, Any]]:
    """Return this host's times per image: restoring at two sizes, alone and eight at once, and segmenting.

    One image alone runs on one thread, so on a quiet machine its wall time is its processor time.
    """
    rng = np.random.default_rng(0)
    network = inpainter_named("bundle", bundle)
    calls: list[tuple[str, int, Callable[[], object]]] = []
    for height, width, batch in ((256, 256, 1), (256, 256, 8), (480, 640, 1)):
        pixels = rng.integers(0, 256, size=(height, width, 3), dtype=np.uint8)
        known = np.kron(rng.random((height // 16, width // 16)) < 0.25, np.ones((16, 16), bool))
        canvases = [Canvas(pixels, known, None, "", seed) for seed in range(batch)]
        calls.append((f"restore {width}x{height}, batch {batch}", batch, partial(network.restore, canvases)))
    pixels = rng.integers(0, 256, size=(480, 640, 3), dtype=np.uint8)
    calls.append(("segment 640x480", 1, partial(load_segmenter(bundle).class_maps, [pixels])))
    rows = []
    for what, batch, call in calls:
        wall_s, cpu_s = _median_s(call)
        rows.append({"what": what, "wall_s": round(wall_s / batch, 3), "cpu_s": round(cpu_s / batch, 3)})
    return rows

"""How good a bundle is, on photographs that none of its networks was trained on.

Held out are ``persons/val`` and the scenes whose number divides by seven. Received is what the codec would bring: the
person (or, of a scene, one box) and a share p of the 16×16 tiles; the rest lies over a coarse layer as the codec
``spiff`` sends it, or over nothing. Every judge of the panel (``fidelity/panel.py``) has its own row: those with maps
average over the unsent pixels, the others see the whole picture. Ratios are of means, with a paired bootstrap interval;
``kid`` compares patches of the restored pictures with patches of the originals, all photographs together.
"""

import csv
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
from ntnsim.experiments.stage import Stage
from ntnsim.fidelity.panel import available_judges, judged, kernel_distance, patch_features
from ntnsim.networks.bundle import Bundle
from ntnsim.networks.load import inpainter_named, load_segmenter
from ntnsim.protocols.inpainter import Canvas
from ntnsim.protocols.segmenter import Segmenter
from ntnsim.results.own_files import own_path
from ntnsim.spiff.canvas import filled
from ntnsim.spiff.components import decode_component, encode_component
from ntnsim.spiff.grain import grain_strengths
from ntnsim.spiff.settings import SPIFF, coarse_component

TILE_PX = 16
SCENE_BOX_PX = 80
HELD_OUT_DIVISOR = 7
BOOTSTRAP_DRAWS = 2000
# Which draws a figure depends on: a scene's box by its number, its tiles by its place in the list, and the bootstrap.
BOX_STREAM, TILE_STREAM, BOOTSTRAP_SEED = 80, 16, 95
COARSE_QUALITIES = (8, 15, 30, 50)
PATCH_TASKS = (0.0, 0.1, 0.25, 0.5)
PATCH_JUDGES = (
    "alex",
    "lite0",
    "mse",
)  # of pictures without a coarse layer: the others judge fidelity, not fills


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
    """Return the whole image as a coarse layer of the codec ``spiff`` brings it, at the codec's *quality*."""
    component = coarse_component(SPIFF.coarse, quality)
    data = encode_component(pixels, component)
    return decode_component(data, component.codec, (pixels.shape[0], pixels.shape[1]), "coarse")


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


def ratio_with_interval(
    values: NDArray[np.float64], reference: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return mean(ours)/mean(theirs) with its 95 % interval, by paired bootstrap over the images."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    draws = rng.integers(0, len(values), size=(BOOTSTRAP_DRAWS, len(values)))
    ratios = values[draws].mean(axis=1) / reference[draws].mean(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(values.mean() / reference.mean()), float(low), float(high)


class _Judged:
    """What the panel says of every method on one task."""

    def __init__(self, photographs: Sequence[Photograph]) -> None:
        self._photographs = photographs
        self._patches = np.concatenate([patch_features(photograph.pixels) for photograph in photographs])

    def of(
        self, canvases: Sequence[Canvas], images: Sequence[UInt8Image], judges: Sequence[str]
    ) -> tuple[dict[str, NDArray[np.float64]], float]:
        """Return each judge's distances, one per image, and the kernel distance of all images together."""
        found = [
            judged(photograph.pixels, image, where=~canvas.known, judges=judges)
            for photograph, canvas, image in zip(self._photographs, canvases, images, strict=True)
        ]
        distances = {judge: np.array([row[judge] for row in found]) for judge in judges}
        patches = np.concatenate([patch_features(image) for image in images])
        return distances, kernel_distance(self._patches, patches)


def restoration_tables(
    bundle: Bundle, photographs: Sequence[Photograph], stage: Stage
) -> list[dict[str, Any]]:
    """Return one row per task, method and judge: the mean distance, and the bundle's ratio to the method.

    "blind" is the bundle over a layer whose lost texture was not told. stage: is told the ratios, and what is done.
    """
    panel = _Judged(photographs)
    network = inpainter_named("bundle", bundle)
    rows: list[dict[str, Any]] = []
    tasks: list[tuple[int | None, float]] = [*((quality, 0.0) for quality in COARSE_QUALITIES)]
    tasks += [(None, fraction) for fraction in PATCH_TASKS]
    for quality, fraction in tasks:
        canvases = [canvas_of(p, index, fraction, quality) for index, p in enumerate(photographs)]
        judges = PATCH_JUDGES if quality is None else available_judges()
        layer = "no layer" if quality is None else f"AVIF q{quality}"
        stage.moves_on(f"restoring {len(canvases)} photographs from {layer}, p = {fraction}")
        images = {"bundle": network.restore(canvases)}
        # With a coarse layer every classical fill is that layer, and its grain unless nothing is restored.
        classical = {"none": "own fill", "telea": "telea", "ns": "ns", "nearest": "nearest"}
        if quality is not None:
            classical = {"none": "coarse layer", "ns": "coarse and grain"}
            blind = [replace(canvas, grain=None) for canvas in canvases]
            images["bundle, blind"] = network.restore(blind)
        for name, label in classical.items():
            images[label] = inpainter_named(name, None).restore(canvases)
        found = {}
        for label, shown in images.items():
            stage.moves_on(f"judging {label} over {layer}, p = {fraction}")
            found[label] = panel.of(canvases, shown, judges)
        ours, our_kid = found["bundle"]
        for label, (distances, kid) in found.items():
            task = {
                "coarse": "none" if quality is None else f"AVIF q{quality}",
                "p": fraction,
                "method": label,
            }
            for judge, values in distances.items():
                ratio, low, high = ratio_with_interval(ours[judge], values)
                rows.append(
                    {
                        **task,
                        "judge": judge,
                        "distance": float(f"{values.mean():.4g}"),
                        "bundle_ratio": round(ratio, 3),
                        "ratio_low": round(low, 3),
                        "ratio_high": round(high, 3),
                    }
                )
            rows.append(
                {
                    **task,
                    "judge": "kid",
                    "distance": float(f"{kid:.4g}"),
                    "bundle_ratio": round(our_kid / kid, 3) if kid > 0 else None,
                    "ratio_low": None,
                    "ratio_high": None,
                }
            )
            line = " ".join(f"{row['judge']} {row['bundle_ratio']}" for row in rows[-len(distances) - 1 :])
            stage(f"{task['coarse']:>9} p={fraction:<4} {label:<16} bundle's ratio: {line}")
    return rows


def contact_sheet(bundle: Bundle, photographs: Sequence[Photograph], path: Path) -> None:
    """Write a PNG to look at: for each photograph the original, and layers at q 8, 15 and 30 beside their restoring."""
    network = inpainter_named("bundle", bundle)
    lines = []
    for index, photograph in enumerate(photographs):
        shown = [photograph.pixels]
        for quality in COARSE_QUALITIES[:3]:
            canvas = canvas_of(photograph, index, 0.0, quality)
            shown += [filled(canvas), network.restore([canvas])[0]]
        lines.append(np.concatenate(shown, axis=1))
    with own_path(path) as file:
        Image.fromarray(np.concatenate(lines, axis=0)).save(file, "PNG")


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

"""Operating points on real photographs: bits, and every judge's distance on each rank, kept in a CSV.

A point is one photograph under one setting of one series. Points already in the file are not measured again, so a long
measurement may be stopped and resumed, and a series added later.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ntnsim.arrays import BoolMask, UInt8Image
from ntnsim.datasets.dataset import Dataset
from ntnsim.errors import InputError
from ntnsim.fidelity.panel import judged, patch_set_distance
from ntnsim.networks.bundle import open_bundle
from ntnsim.networks.load import inpainter_named
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.inpainter import Inpainter
from ntnsim.results.own_files import own_path
from ntnsim.run_progress import status_shown
from ntnsim.spiff.baselines import LIBRARY_AVIF_SPEED
from ntnsim.spiff.cheap_fill import cheap_fill
from ntnsim.spiff.classical import ClassicalInpainter
from ntnsim.spiff.codec import SpiffCodec
from ntnsim.spiff.components import Component, decode_component, encode_component
from ntnsim.spiff.mask import encode_bitmap
from ntnsim.spiff.settings import RESTORED_CROP, SPIFF, SpiffSettings

RANKS = ("low", "top")
PATCHES = "kid"  # the judge of patches: a kernel distance within each photograph
_TUNED = replace(SPIFF.crop, quality=1)
# Whole-image rivals, each over its range; the first four as their libraries code a photograph, at their usual effort.
WHOLE_IMAGE: dict[str, tuple[Component, tuple[int, ...]]] = {
    "jpeg": (Component("jpeg"), (8, 20, 45, 75, 90, 97)),
    "webp": (Component("webp"), (5, 25, 50, 78, 90, 98)),
    "jxl": (Component("jxl", effort=7), (15, 35, 55, 72, 85, 94)),
    "avif": (Component("avif", speed=LIBRARY_AVIF_SPEED), (14, 28, 44, 60, 77, 94)),
    "avif, speed 4": (Component("avif", speed=4), (14, 28, 44, 60, 77, 94)),
    "avif, tuned": (_TUNED, (14, 28, 44, 60, 76, 92)),
}
AS_THEY_COME = ("jpeg", "webp", "jxl", "avif")
AS_FAST = tuple(series for series in WHOLE_IMAGE if series != "avif, speed 4")  # as SPIFF's parts or faster
REFERENCE = "avif"  # the codec whose qualities set every judge's targets
# The rival that anyone can make: one stock AVIF of the people and one of the rest, each with the other blanked out.
PAIR = Component("avif", speed=LIBRARY_AVIF_SPEED)
PAIR_QUALITIES = (10, 22, 36, 52, 66, 80, 96)
CROP_QUALITIES = (30, 42, 54, 66, 78, 92)
COARSE_QUALITIES = (0.1, 0.18, 0.3, 0.5, 0.75, 1.0)
MIDDLE_CROP, MIDDLE_COARSE = 66, 0.3  # the other axis, while one is swept
WHOLE_SPIFF_QUALITIES = (14, 28, 44, 60, 76, 92)


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to code a photograph. series: what it belongs to; value: what the series sweeps.

    ranks: those it carries; only they are judged. make: pixels and the top rank's mask to bits and picture.
    """

    series: str
    value: float
    make: Callable[[UInt8Image, BoolMask], tuple[int, UInt8Image]]
    ranks: tuple[str, ...] = RANKS


def coded_whole(component: Component, pixels: UInt8Image, top: BoolMask) -> tuple[int, UInt8Image]:
    """Return bits and picture of one file for everything."""
    data = encode_component(pixels, component)
    return 8 * len(data), decode_component(data, component.codec, top.shape, "file")


def coded_half(component: Component, rank: str, pixels: UInt8Image, top: BoolMask) -> tuple[int, UInt8Image]:
    """Return bits and picture of one of the pair's files; the people's carries their mask too, to the pixel."""
    carried = top if rank == "top" else ~top
    bits, picture = coded_whole(component, cheap_fill(pixels, carried), top)
    mask_bits = 8 * len(encode_bitmap(top)) if rank == "top" else 0
    return bits + mask_bits, np.where(carried[..., None], picture, pixels)


def coded_spiff(
    settings: SpiffSettings,
    configuration: Configuration,
    bundle: str | None,
    pixels: UInt8Image,
    top: BoolMask,
) -> tuple[int, UInt8Image]:
    """Return bits and picture of ``spiff``, restored by the *bundle*'s network, or by none."""
    codec = coding_with(settings, bundle)
    coded = codec.encode(pixels, top.astype(np.uint8), configuration, 1)
    return coded.size_bits, codec.decode([coded.payload], [1])[0]


def coding_with(settings: SpiffSettings, bundle: str | None) -> SpiffCodec:
    """Return ``spiff`` for two ranks with these settings, restored by the *bundle*'s network, or by none."""
    return SpiffCodec("spiff", settings, inpainter_of(bundle), n_ranks=2)


@lru_cache(maxsize=2)
def inpainter_of(bundle: str | None) -> Inpainter:
    """Return the *bundle*'s network, loaded once, or what fills without one."""
    if bundle is None:
        return ClassicalInpainter("nearest")
    return inpainter_named("bundle", open_bundle(bundle))


def rate_settings(bundle: str | None) -> list[Setting]:
    """Return every setting that the study compares. bundle: of the diffusion; None leaves its series out."""
    return [*_whole_images(), *_pairs(), *_spiffs(bundle), *_parts(bundle)]


def _whole_images() -> Iterator[Setting]:
    for series, (component, qualities) in WHOLE_IMAGE.items():
        for quality in qualities:
            yield Setting(series, quality, partial(coded_whole, replace(component, quality=quality)))


def _pairs() -> Iterator[Setting]:
    for quality in PAIR_QUALITIES:
        for rank in RANKS:
            make = partial(coded_half, replace(PAIR, quality=quality), rank)
            yield Setting(f"pair, {rank}", quality, make, (rank,))


def _spiffs(bundle: str | None) -> Iterator[Setting]:
    def point(series: str, value: float, crop: int, coarse: float, network: str | None) -> Setting:
        settings, x = _with_crop(crop), Configuration(0.0, (0.0,), coarse)
        return Setting(series, value, partial(coded_spiff, settings, x, network))

    for quality in CROP_QUALITIES:
        yield point("spiff crop", quality, quality, MIDDLE_COARSE, bundle)
    if bundle is not None:
        yield from _restored_crops(bundle)
    for coarse in COARSE_QUALITIES:
        yield point("spiff layer, no network", coarse, MIDDLE_CROP, coarse, None)
        bare, x = replace(_with_crop(MIDDLE_CROP), sends_grain=False), Configuration(0.0, (0.0,), coarse)
        yield Setting("spiff layer, bare", coarse, partial(coded_spiff, bare, x, None))
        if bundle is not None:
            yield point("spiff layer", coarse, MIDDLE_CROP, coarse, bundle)
    for quality in WHOLE_SPIFF_QUALITIES:  # one file: the box as large as the image
        settings, x = _with_crop(quality), Configuration(1.0, (0.0,), 0.0)
        yield Setting("spiff, one file", quality, partial(coded_spiff, settings, x, None))


def _restored_crops(bundle: str) -> Iterator[Setting]:
    """Yield the crops, and the one file, that the decoder's network restores too."""
    for quality in CROP_QUALITIES:
        settings, x = _restored_with(quality), Configuration(0.0, (0.0,), MIDDLE_COARSE)
        yield Setting("spiff crop, restored", quality, partial(coded_spiff, settings, x, bundle))
    for quality in WHOLE_SPIFF_QUALITIES:
        settings, x = _restored_with(quality), Configuration(1.0, (0.0,), 0.0)
        yield Setting("spiff, one file restored", quality, partial(coded_spiff, settings, x, bundle))


def _parts(bundle: str | None) -> Iterator[Setting]:
    """Yield the middle point with one part left out, changed or added."""
    middle, x = _with_crop(MIDDLE_CROP), Configuration(0.0, (0.0,), MIDDLE_COARSE)
    changed = {
        "box instead of mask": replace(middle, crop_fill="box"),
        "cells of 4 px": replace(middle, cell_px=4),
        "AVIF as it comes": replace(
            middle,
            crop=replace(PAIR, quality=MIDDLE_CROP),
            coarse=PAIR,
        ),
        "full layer": replace(middle, small_below=0.0),
        "loop filters in the crop": replace(middle, crop=replace(middle.crop, loop_filters=True)),
        "loop filters off": replace(middle, coarse=replace(middle.coarse, loop_filters=False)),
        "speed 8": replace(
            middle, crop=replace(middle.crop, speed=8), coarse=replace(middle.coarse, speed=8)
        ),
        "no strengths": replace(middle, sends_grain=False),
    }
    for name, settings in changed.items():
        yield Setting(f"part: {name}", 0, partial(coded_spiff, settings, x, bundle))
    patches = Configuration(0.0, (0.1,), MIDDLE_COARSE)
    yield Setting("part: a tenth of the tiles", 0, partial(coded_spiff, middle, patches, bundle))


def spiff_setting(series: str, crop_quality: int, coarse: float, bundle: str | None) -> Setting:
    """Return ``spiff`` without patches at one operating point."""
    x = Configuration(0.0, (0.0,), coarse)
    return Setting(series, crop_quality, partial(coded_spiff, _with_crop(crop_quality), x, bundle))


def _restored_with(quality: int) -> SpiffSettings:
    return replace(SPIFF, crop=replace(RESTORED_CROP, quality=quality), restores_crop=True)


def _with_crop(quality: int) -> SpiffSettings:
    return replace(SPIFF, crop=replace(SPIFF.crop, quality=quality))


def measure(
    dataset: Dataset, settings: Sequence[Setting], judges: Sequence[str], path: Path, *, jobs: int = 1
) -> pd.DataFrame:
    """Measure what *path* does not hold yet, photograph by photograph; return all points of these settings.

    Columns: image, series, setting, bits, source_bits, encoding and decoding times, and ``JUDGE_RANK`` for each
    judge, the judge of patches among them, and rank, empty for a rank that the setting does not carry.
    """
    held = (
        pd.read_csv(path, dtype={"image": str}, float_precision="round_trip")
        if path.is_file()
        else pd.DataFrame()
    )
    lacking = [judge for judge in judges if not held.empty and not _has_seen(held, judge)]
    if lacking:
        raise InputError(
            f"{path}: its points were measured without {', '.join(lacking)}; take another directory"
        )
    done = set() if held.empty else set(zip(held["image"], held["series"], held["setting"], strict=True))
    names = [dataset.image(index).name for index in range(len(dataset))]
    tasks = []
    for index, name in enumerate(names):
        missing = [s for s in settings if (name, s.series, s.value) not in done]
        if missing:
            tasks.append((index, missing))
    path.parent.mkdir(parents=True, exist_ok=True)
    measured = partial(_measured, dataset, tuple(judges))
    n_done = 0
    with (
        status_shown(lambda: f"{path.name}: {n_done} of {len(tasks)} photographs measured"),
        ProcessPoolExecutor(jobs) if tasks and jobs > 1 else nullcontext() as pool,
    ):
        for rows in pool.map(measured, tasks) if pool else map(measured, tasks):
            held = _kept(held, rows, path)
            n_done += 1
    wanted = {(name, s.series, float(s.value)) for name in names for s in settings}
    keys = zip(held["image"], held["series"], held["setting"].astype(float), strict=True)
    return held[[key in wanted for key in keys]].reset_index(drop=True)


def _has_seen(held: pd.DataFrame, judge: str) -> bool:
    return any(f"{judge}_{rank}" in held and held[f"{judge}_{rank}"].notna().any() for rank in RANKS)


def _kept(held: pd.DataFrame, rows: list[dict[str, Any]], path: Path) -> pd.DataFrame:
    """Append *rows* to the table and write it whole, so that an interruption loses one photograph at most."""
    table = pd.concat([held, pd.DataFrame(rows)], ignore_index=True)
    with own_path(path) as file:
        table.to_csv(file, index=False, lineterminator="\n")
    return table


def _measured(
    dataset: Dataset, judges: tuple[str, ...], task: tuple[int, Sequence[Setting]]
) -> list[dict[str, Any]]:
    index, settings = task
    image = dataset.image(index)
    if image.class_map is None:
        raise InputError(f"{image.name}: the rate study needs a mask of the top rank")
    pixels, top = image.pixels, image.class_map == 1
    masks = {"low": ~top, "top": top}
    rows = []
    for setting in settings:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        bits, picture = setting.make(pixels, top)
        row: dict[str, Any] = {
            "image": image.name,
            "series": setting.series,
            "setting": setting.value,
            "bits": bits,
            "source_bits": image.source_bits,
            "wall_s": round(time.perf_counter() - wall_s, 4),
            "cpu_s": round(time.process_time() - cpu_s, 4),
        }
        for rank in setting.ranks:
            # Outside the rank stands the original: what the other rank got is no business of this one's judges.
            composite = np.where(masks[rank][..., None], picture, pixels)
            found = judged(pixels, composite, where=masks[rank], judges=judges)
            found[PATCHES] = patch_set_distance(pixels, composite, masks[rank])
            row |= {f"{judge}_{rank}": float(f"{value:.6g}") for judge, value in found.items()}
        rows.append(row)
    return rows

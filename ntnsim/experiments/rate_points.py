"""Operating points of every codec on real photographs: bits, PF and SF, whole and per rank, appended to a CSV.

A point is one image under one setting of one series. Points already in the file are not measured again, so a long
measurement may be stopped and resumed, and a series added later.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntnsim.datasets.dataset import Dataset
from ntnsim.fidelity.metrics import Scorer
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.inpainter import Inpainter
from ntnsim.results.own_files import own_path
from ntnsim.spiff.baselines import WholeImageCodec, as_the_library_comes
from ntnsim.spiff.classical import ClassicalInpainter
from ntnsim.spiff.codec import SpiffCodec
from ntnsim.spiff.settings import SPIFF, SPIFF_PAPER, SpiffSettings

WHOLE_IMAGE_QUALITIES = {
    "jpeg": (5, 10, 20, 45, 75, 85, 92, 98),
    "webp": (5, 20, 45, 75, 86, 93, 98),
    "avif": (20, 35, 50, 62, 75, 88, 97),
    "avif-tuned": (20, 32, 45, 58, 68, 78, 90),
    "avif-tuned, speed 6": (20, 32, 45, 58, 68, 78, 90),
}
CROP_QUALITIES = (26, 36, 46, 56, 64, 72, 80)
COARSE_QUALITIES = (0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.9)
DIFFUSION_QUALITIES = (0.2, 0.3, 0.45, 0.6, 0.75)  # a network's points take twice the time of the others
PATCH_FRACTIONS = (0.0, 0.1, 0.25, 0.5, 1.0)
LIBRARY_SPEED = 6  # at which whole-image AVIF is coded as it comes; SPIFF's parts are coded faster

MIDDLE_CROP, MIDDLE_COARSE = 64, 0.6  # the other axis, while one is swept


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One image under one setting. top, low: rank 1 and rank 0."""

    image: str
    series: str
    setting: float
    bits: int
    top_bits: int
    source_bits: int
    pf: float
    pf_top: float
    pf_low: float
    sf_low: float
    sf_top: float


@dataclass(frozen=True, slots=True)
class Setting:
    """A codec with a configuration; *value* is what the series sweeps."""

    series: str
    value: float
    codec: Codec
    configuration: Configuration


def rate_settings(diffusion: Inpainter | None) -> list[Setting]:
    """Return every setting that the study compares.

    diffusion: the bundle's inpainter; None leaves its series out.
    """
    plain = ClassicalInpainter("nearest")
    settings = list(_whole_image_settings())
    for quality in CROP_QUALITIES:
        settings.append(_spiff("spiff crop", quality, plain, _with_crop(quality), MIDDLE_COARSE))
        slow = _at_speed(_with_crop(quality), LIBRARY_SPEED)
        settings.append(_spiff("spiff crop, speed 6", quality, plain, slow, MIDDLE_COARSE))
    for coarse in COARSE_QUALITIES:
        settings.append(_spiff("spiff coarse", coarse, plain, _with_crop(MIDDLE_CROP), coarse))
        slow = _at_speed(_with_crop(MIDDLE_CROP), LIBRARY_SPEED)
        settings.append(_spiff("spiff coarse, speed 6", coarse, plain, slow, coarse))
        no_grain = replace(_with_crop(MIDDLE_CROP), sends_grain=False)
        settings.append(_spiff("spiff coarse, no grain", coarse, plain, no_grain, coarse))
        if diffusion is not None and coarse in DIFFUSION_QUALITIES:
            settings.append(
                _spiff("spiff coarse, diffusion", coarse, diffusion, _with_crop(MIDDLE_CROP), coarse)
            )
        if diffusion is not None and coarse == DIFFUSION_QUALITIES[2]:
            settings.append(_spiff("spiff coarse, diffusion, no grain", coarse, diffusion, no_grain, coarse))
    middle = _with_crop(MIDDLE_CROP)
    box = replace(middle, crop_fill="box")
    settings.append(_spiff("spiff, box instead of mask", MIDDLE_COARSE, plain, box, MIDDLE_COARSE))
    filtered = replace(
        middle,
        crop=replace(middle.crop, full_chroma=False, loop_filters=True),
        coarse=replace(middle.coarse, full_chroma=False, loop_filters=True),
    )
    settings.append(_spiff("spiff, AVIF as it comes", MIDDLE_COARSE, plain, filtered, MIDDLE_COARSE))
    fine = replace(middle, cell_px=4)
    settings.append(_spiff("spiff, cells of 4 px", MIDDLE_COARSE, plain, fine, MIDDLE_COARSE))
    settings.append(_spiff("spiff, AVIF speed 9", MIDDLE_COARSE, plain, _at_speed(middle, 9), MIDDLE_COARSE))
    for fraction in (0.1, 0.25):
        settings.append(_spiff("spiff, with patches", fraction, plain, middle, 0.45, fraction))
    for fraction in PATCH_FRACTIONS:
        settings.append(_paper("spiff-paper, nearest", fraction, plain))
        if diffusion is not None and fraction in (0.0, 0.25):
            settings.append(_paper("spiff-paper, diffusion", fraction, diffusion))
    return settings


def measure(dataset: Dataset, settings: Sequence[Setting], scorer: Scorer, path: Path) -> list[RatePoint]:
    """Measure what *path* does not hold yet, image by image; return all points of these images and settings."""
    done = {(point.image, point.series, point.setting): point for point in read_points(path)}
    wanted: list[RatePoint] = []
    for index in range(len(dataset)):
        image = dataset.image(index)
        missing = [s for s in settings if (image.name, s.series, s.value) not in done]
        if missing:
            if image.class_map is None:
                raise ValueError(f"{image.name}: the rate study needs a mask of the top rank")
            for point in _measured(
                image.name, image.pixels, image.class_map, image.source_bits, missing, scorer
            ):
                done[point.image, point.series, point.setting] = point
            write_points(path, list(done.values()))
        wanted += [done[image.name, s.series, s.value] for s in settings]
    return wanted


def read_points(path: Path) -> list[RatePoint]:
    """Return the points of a CSV that :func:`write_points` wrote; none if there is no such file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [_point(row) for row in csv.DictReader(file)]


def _point(row: dict[str, Any]) -> RatePoint:
    kinds: dict[str, Any] = {field.name: field.type for field in fields(RatePoint)}
    return RatePoint(**{name: kind(row[name]) for name, kind in kinds.items()})


def write_points(path: Path, points: Sequence[RatePoint]) -> None:
    """Write *points* as CSV."""
    with own_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(RatePoint)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(point) for point in points)


def _measured(
    name: str,
    pixels: NDArray[np.uint8],
    ranks: NDArray[np.uint8],
    source_bits: int,
    settings: Sequence[Setting],
    scorer: Scorer,
) -> Iterator[RatePoint]:
    encoded = [s.codec.encode(pixels, ranks, s.configuration, 1) for s in settings]
    images = [s.codec.decode([stream.payload], [1])[0] for s, stream in zip(settings, encoded, strict=True)]
    count = len(settings)
    scores = scorer.score([pixels] * count, images, [ranks] * count, 2)
    for setting, stream, score in zip(settings, encoded, scores, strict=True):
        yield RatePoint(
            name,
            setting.series,
            setting.value,
            stream.size_bits,
            stream.bits_per_rank[1],
            source_bits,
            score.pf,
            score.pf_rank[1],
            score.pf_rank[0],
            score.sf_rank[0],
            score.sf_rank[1],
        )


def _whole_image_settings() -> Iterator[Setting]:
    for name, qualities in WHOLE_IMAGE_QUALITIES.items():
        for quality in qualities:
            if name.startswith("avif-tuned"):  # the very component that spiff uses
                speed = LIBRARY_SPEED if name.endswith("speed 6") else SPIFF.crop.speed
                component = replace(SPIFF.crop, quality=quality, speed=speed)
            else:
                component = as_the_library_comes(name, quality)  # type: ignore[arg-type]
            yield Setting(name, quality, WholeImageCodec(component, n_ranks=2), Configuration(0.0, (0.0,)))


def spiff_setting(
    series: str, crop_quality: int, coarse: float, inpainter: Inpainter, speed: int | None = None
) -> Setting:
    """Return SPIFF without patches at one operating point, its parts coded at AVIF's *speed* or the codec's own."""
    settings = _with_crop(crop_quality)
    if speed is not None:
        settings = _at_speed(settings, speed)
    return _spiff(series, crop_quality, inpainter, settings, coarse)


def _with_crop(quality: int) -> SpiffSettings:
    return replace(SPIFF, crop=replace(SPIFF.crop, quality=quality))


def _at_speed(settings: SpiffSettings, speed: int) -> SpiffSettings:
    return replace(
        settings, crop=replace(settings.crop, speed=speed), coarse=replace(settings.coarse, speed=speed)
    )


def _paper(series: str, fraction: float, inpainter: Inpainter) -> Setting:
    codec = SpiffCodec("spiff-paper", SPIFF_PAPER, inpainter, n_ranks=2)
    return Setting(series, fraction, codec, Configuration(0.0, (fraction,)))


def _spiff(
    series: str,
    value: float,
    inpainter: Inpainter,
    settings: SpiffSettings,
    coarse: float,
    fraction: float = 0.0,
) -> Setting:
    codec = SpiffCodec("spiff", settings, inpainter, n_ranks=2)
    return Setting(series, value, codec, Configuration(0.0, (fraction,), coarse))

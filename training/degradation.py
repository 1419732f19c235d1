"""What the decoder may receive: kept tiles, boxes and person shapes, coarse layers, and component-codec noise.

Every draw is one training example of the inpainter: a canvas (the pixels as received), the known mask and, often, a
coarse layer, over the whole range that an engine may choose from.
"""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from ntnsim.arrays import BoolMask, UInt8Image
from ntnsim.spiff.components import Component, decode_component, encode_component
from ntnsim.spiff.fill import blended_fill

TILE_PX = 16


@dataclass(frozen=True)
class Received:
    """fill uint8 [S, S, 3] (received pixels where known), known bool [S, S], whether a coarse layer came."""

    fill: UInt8Image
    known: BoolMask
    has_coarse: bool


def recoded(pixels: UInt8Image, form: str, quality: int, **options: int) -> UInt8Image:
    """Return *pixels* after one lossy round trip through Pillow."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, quality=quality, **options)
    return np.asarray(Image.open(stream).convert("RGB"))


def coarse_layer(pixels: UInt8Image, rng: np.random.Generator) -> UInt8Image:
    """Return a coarse layer of the crop: mostly AVIF at low quality, sometimes WebP, JPEG or half scale."""
    kind = rng.random()
    if kind < 0.5:  # as the codec ``spiff`` sends it
        quality = int(rng.integers(8, 32 if rng.random() < 0.5 else 66))
        component = Component("avif", quality, full_chroma=True, loop_filters=False)
        return decode_component(encode_component(pixels, component), "avif", pixels.shape[:2], "coarse")
    if kind < 0.75:
        return recoded(
            pixels,
            "AVIF",
            int(rng.integers(7, 25 if rng.random() < 0.8 else 50)),
            speed=int(rng.choice((6, 8, 8))),
        )
    if kind < 0.82:
        return recoded(pixels, "WEBP", int(rng.integers(2, 35)))
    if kind < 0.87:
        return recoded(pixels, "JPEG", int(rng.integers(6, 30)))
    height, width = pixels.shape[:2]
    factor = 2 if rng.random() < 0.7 else 4
    small = cv2.resize(pixels, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    small = recoded(small, "AVIF", int(rng.integers(15, 60)), speed=8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def known_mask(
    size_px: int, person: BoolMask | None, rng: np.random.Generator, *, has_coarse: bool
) -> BoolMask:
    """Return which pixels were received: a share p of the tiles, and perhaps a box or a person's shape."""
    tiles = size_px // TILE_PX
    none_kept = rng.random() < (0.45 if has_coarse else 0.12)
    fraction = 0.0 if none_kept else float(rng.uniform(0.05, 0.9) ** 1.5 if rng.random() < 0.8 else 0.1)
    kept = np.zeros(tiles * tiles, bool)
    kept[rng.permutation(tiles * tiles)[: round(fraction * tiles * tiles)]] = True
    known = np.kron(kept.reshape(tiles, tiles), np.ones((TILE_PX, TILE_PX), bool))
    shape = rng.random()
    if shape < 0.3:
        top, left = rng.integers(-size_px // 3, size_px, size=2)
        height, width = rng.integers(size_px // 6, size_px // 2, size=2)
        known[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = True
    elif shape < 0.5 and person is not None and person.mean() < 0.7:
        known |= person
    if known.mean() > 0.93:
        known[:] = False
    return known


def received(original: UInt8Image, person: BoolMask | None, rng: np.random.Generator) -> Received:
    """Draw what a decoder would hold of *original* [S, S, 3]."""
    has_coarse = rng.random() < 0.78
    known = known_mask(original.shape[0], person, rng, has_coarse=has_coarse)
    sent = original
    noise = rng.random()
    if known.any() and noise < 0.6:
        if noise < 0.35:
            sent = recoded(original, "JPEG", int(rng.choice((60, 75, 75, 90, 95))))
        elif noise < 0.45:
            sent = recoded(original, "WEBP", int(rng.integers(60, 95)))
        else:
            sent = recoded(original, "AVIF", int(rng.integers(50, 85)), speed=8)
    if has_coarse:
        fill = np.where(known[:, :, None], sent, coarse_layer(original, rng))
    else:
        fill = blended_fill(sent, known)
    return Received(fill, known, has_coarse)

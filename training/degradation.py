"""What the decoder may receive: coarse layers, kept tiles and boxes, over all that an engine may choose from.

:func:`drawn_layer` codes a whole photograph as a coarse layer; :func:`known_mask` draws which of a crop's pixels were
received as they are.
"""

import io

import cv2
import numpy as np
from PIL import Image

from ntnsim.arrays import BoolMask, UInt8Image
from ntnsim.spiff.components import Component, decode_component, encode_component
from ntnsim.spiff.settings import SPIFF, coarse_component

TILE_PX = 16


def recoded(pixels: UInt8Image, form: str, quality: int) -> UInt8Image:
    """Return *pixels* after one lossy round trip through Pillow."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


def drawn_quality(rng: np.random.Generator) -> int:
    """Draw a coarse layer's quality: mostly where restoring matters most, some where nothing is to be done."""
    part = rng.random()
    if part < 0.6:
        return int(rng.integers(4, 22))
    return int(rng.integers(22, 46)) if part < 0.87 else int(rng.integers(46, 76))


def drawn_layer(pixels: UInt8Image, rng: np.random.Generator) -> UInt8Image:
    """Return *pixels* as a coarse layer brings them: mostly as the codec ``spiff`` sends it, else as another would.

    The others are the same codec with other settings, half scale, WebP and JPEG, so that a scenario may choose them.
    """
    kind, quality = rng.random(), drawn_quality(rng)
    shape = (pixels.shape[0], pixels.shape[1])
    if kind < 0.1:
        half = cv2.resize(pixels, (shape[1] // 2, shape[0] // 2), interpolation=cv2.INTER_AREA)
        small = _through(half, Component("avif", max(quality, 10), speed=6, full_chroma=True))
        return cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    if kind < 0.13:
        return recoded(pixels, "WEBP", quality)
    if kind < 0.16:
        return recoded(pixels, "JPEG", quality)
    if kind < 0.4:
        chosen = Component(
            "avif",
            quality,
            speed=int(rng.choice((6, 8))),
            full_chroma=bool(rng.random() < 0.5),
            loop_filters=bool(rng.random() < 0.4),
        )
        return _through(pixels, chosen)
    return _through(pixels, coarse_component(SPIFF.coarse, quality))


def _through(pixels: UInt8Image, component: Component) -> UInt8Image:
    data = encode_component(pixels, component)
    return decode_component(data, component.codec, (pixels.shape[0], pixels.shape[1]), "coarse")


def known_mask(size_px: int, rng: np.random.Generator) -> BoolMask:
    """Draw which pixels of a crop without a coarse layer were received: tiles, and perhaps a box; never none or all."""
    tiles = size_px // TILE_PX
    fraction = float(rng.uniform(0.04, 0.9) ** 1.5) if rng.random() < 0.85 else 0.0
    known = np.kron(rng.random((tiles, tiles)) < fraction, np.ones((TILE_PX, TILE_PX), bool))
    if rng.random() < 0.4 or not known.any():
        top, left = rng.integers(-TILE_PX, size_px - TILE_PX, size=2)
        height, width = rng.integers(size_px // 5, 5 * size_px // 8, size=2)
        known[max(top, 0) : top + height, max(left, 0) : left + width] = True
    if known.mean() > 0.93 or not known.any():
        known[:] = False
        known[: size_px // 4, : size_px // 4] = True
    return known

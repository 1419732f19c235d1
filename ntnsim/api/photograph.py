"""Photographs as callers give them, and as the codec gives them back: objects that a notebook shows."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import RankMap, UInt8Image
from ntnsim.datasets.image_file import read_image
from ntnsim.datasets.mask_file import read_mask
from ntnsim.errors import ImageError
from ntnsim.given import path_given
from ntnsim.protocols.encoded_image import EncodedImage
from ntnsim.spiff.baselines import decode_whole_image
from ntnsim.spiff.bitstream import is_spiff
from ntnsim.spiff.codec import received_picture

Photograph = Any  # pixels uint8 [H, W, 3], a PIL image, or the path of a file
PICTURE_FORMATS = (
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".avif",
    ".tif",
    ".tiff",
    ".bmp",
    ".ppm",
)  # that pictures are saved in
Mask = Any  # bool [H, W], ranks uint8 [H, W], or the path of a file


@dataclass(frozen=True, slots=True, repr=False)
class EncodedPhotograph(EncodedImage):
    """A coded photograph. A notebook shows what of it was received, before anything is restored.

    codec: its name. width_px, height_px: of the picture. source_bits: size of the file as captured; None where only
    pixels were given. payload, bits_per_rank, overhead_bits, size_bits: as of every `EncodedImage`.

    >>> import ntnsim, numpy as np
    >>> coded = ntnsim.encode(np.full((48, 64, 3), 120, np.uint8), codec="jpeg")
    >>> (coded.width_px, coded.height_px), coded.size_bits == 8 * len(coded.payload), coded.savings
    ((64, 48), True, None)
    """

    codec: str
    width_px: int
    height_px: int
    source_bits: int | None = None

    @property
    def savings(self) -> float | None:
        """1 − size_bits / source_bits; None where the file as captured is not known."""
        return None if self.source_bits is None else 1 - self.size_bits / self.source_bits

    def __repr__(self) -> str:
        saved = "" if self.savings is None else f", {self.savings:.1%} saved"
        size = f"{self.width_px}x{self.height_px}, {len(self.payload)} bytes"
        return f"<{type(self).__name__} {self.codec} {size}{saved}>"

    def save(self, path: Path | str) -> Path:
        """Write the payload to *path* and return it. Raises ImageError where it cannot be written."""
        return _written(path_given("path", path), self.payload)

    def _repr_png_(self) -> bytes:
        data = self.payload
        return _png(received_picture(data) if is_spiff(data) else decode_whole_image(data))

    def _repr_html_(self) -> str:
        rows: list[tuple[str, object]] = [("codec", self.codec), ("bytes", len(self.payload))]
        rows += [(f"bits of rank {rank}", bits) for rank, bits in enumerate(self.bits_per_rank)]
        rows.append(("bits of no rank", self.overhead_bits))
        if self.savings is not None:
            rows.append(("savings", f"{self.savings:.1%}"))
        return _table(rows)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DecodedPhotograph:
    """A decoded picture; ``numpy.asarray`` gives its pixels.

    pixels: uint8 [H, W, 3]. received_share: share of the pixels that travelled, the rest being restored.
    left_out: what a partial reading of a damaged stream had to leave out, one line each.

    >>> import ntnsim, numpy as np
    >>> decoded = ntnsim.decode(ntnsim.encode(np.full((48, 64, 3), 120, np.uint8), codec="jpeg"))
    >>> np.asarray(decoded).shape, decoded.received_share
    ((48, 64, 3), 1.0)
    """

    pixels: UInt8Image
    received_share: float
    left_out: tuple[str, ...] = ()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        pixels = self.pixels if dtype is None else self.pixels.astype(dtype)
        return pixels.copy() if copy else pixels

    def __repr__(self) -> str:
        height_px, width_px = self.pixels.shape[:2]
        return f"<{type(self).__name__} {width_px}x{height_px}, {self.received_share:.1%} of the pixels received>"

    def save(self, path: Path | str) -> Path:
        """Write the picture to *path*, whose suffix names the format, and return it.

        Raises ImageError where it cannot be written.
        """
        target = path_given("path", path)
        return _written(target, picture_file(self.pixels, target))

    def _repr_png_(self) -> bytes:
        return _png(self.pixels)


def pixels_of(photograph: Photograph) -> tuple[UInt8Image, int | None]:
    """Return the pixels uint8 [H, W, 3] of *photograph*, and the bits of its file where it is one."""
    if isinstance(photograph, EncodedImage):
        raise ImageError("photograph: is coded; ntnsim.decode makes a picture of it")
    if isinstance(photograph, PathLike | str):
        pixels, source = read_image(Path(photograph))
        return pixels, 8 * len(source)
    if hasattr(photograph, "convert"):  # a PIL image
        photograph = photograph.convert("RGB")
    pixels = np.asarray(photograph)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ImageError(f"photograph: must be uint8 [H, W, 3], got {pixels.dtype} {list(pixels.shape)}")
    return pixels, None


def ranks_of(mask: Mask, shape: tuple[int, int], n_ranks: int) -> RankMap:
    """Return the rank map uint8 [H, W] that *mask* means for an image of *shape* with *n_ranks* ranks."""
    name = name_of(mask)
    if isinstance(mask, PathLike | str):
        marked = read_mask(Path(mask), shape)
        values = marked if n_ranks == 2 else read_image(Path(mask))[0].max(axis=2)
    else:
        values = np.asarray(mask)
        if values.ndim != 2 or values.dtype.kind not in "bui":
            raise ImageError(
                f"mask: must be bool or whole numbers [H, W], got {values.dtype} {list(values.shape)}"
            )
        if values.shape != shape:
            raise ImageError(
                f"mask: is {values.shape[1]}x{values.shape[0]} and must be as large as the image, "
                f"{shape[1]}x{shape[0]}"
            )
    if n_ranks == 2:
        return (values != 0).astype(np.uint8)
    if values.max(initial=0) >= n_ranks or values.min(initial=0) < 0:
        wrong = values.min() if values.min() < 0 else values.max()
        raise ImageError(
            f"{name}: holds rank {wrong}; with {n_ranks - 1} fractions in p, allowed are 0 to {n_ranks - 1}"
        )
    return values.astype(np.uint8)


def name_of(given: object) -> str:
    """Return what complaints call a picture."""
    return str(given) if isinstance(given, PathLike | str) else "picture"


def _written(path: Path, data: bytes) -> Path:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror})") from None
    return path


def picture_file(pixels: UInt8Image, path: Path) -> bytes:
    """Return the content of a file *path* with *pixels* [H, W, 3], in the one of PICTURE_FORMATS of its suffix."""
    from PIL import Image

    if path.suffix.lower() not in PICTURE_FORMATS:
        raise ImageError(
            f"{path}: is no kind of picture that can be written; allowed are {', '.join(PICTURE_FORMATS)}"
        )
    stream = io.BytesIO()
    try:
        Image.fromarray(pixels).save(stream, Image.registered_extensions()[path.suffix.lower()])
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be written ({error})") from None
    return stream.getvalue()


def _png(pixels: UInt8Image) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _table(rows: Sequence[tuple[str, object]]) -> str:
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in rows
    )
    return f"<table>{cells}</table>"

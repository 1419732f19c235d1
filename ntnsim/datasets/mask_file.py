"""Mask files: which pixels are marked, by a rule that the user states where the file leaves it open."""

import io
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ntnsim.datasets.image_file import opened_image, read_bytes
from ntnsim.errors import ImageError

MaskKind = Literal["nonzero", "index", "palette", "alpha"]
_GREYS = ("1", "L", "I", "I;16", "I;16B", "I;16L")
_MODES: dict[MaskKind, tuple[str, ...]] = {
    "nonzero": (*_GREYS, "RGB"),
    "index": (*_GREYS, "P"),
    "palette": ("P",),
    "alpha": ("LA", "PA", "P", "RGBA"),
}
HALF_OPAQUE = 128


def read_mask(path: Path, shape: tuple[int, int], kind: MaskKind = "nonzero") -> NDArray[np.bool_]:
    """Return the mask [H, W] of the file at *path*.

    shape: (H, W) of the image that the mask belongs to.
    kind: true where … nonzero: a grey or colour is not black; index: the stored number is not 0, whatever colour the
    palette gives it; palette: the palette's colour is not black; alpha: at least half opaque.
    """
    data = read_bytes(path)
    with opened_image(data, str(path)) as image:
        if image.format == "JPEG":
            raise ImageError(f"{path}: a mask is a JPEG file, whose noise would mark pixels; save it as PNG")
        mode, see_through = image.mode, image.has_transparency_data
        wanted = mode in _MODES[kind] and see_through == (kind == "alpha")
        if not wanted and not (kind == "index" and mode == "P"):
            raise ImageError(
                f"{path}: mask.kind {kind} does not say what is marked in a file of mode {mode}"
                f"{' with transparency' if see_through else ''}; {_advice(mode, see_through)}"
            )
        if kind == "alpha":
            marked = np.asarray(image.convert("RGBA"))[..., 3] >= HALF_OPAQUE
        elif kind == "palette" or mode == "RGB":
            marked = np.asarray(image.convert("RGB")).max(axis=2) > 0
        else:
            marked = np.asarray(image) > 0
    if marked.shape != shape:
        raise ImageError(
            f"{path}: the mask is {marked.shape[1]}x{marked.shape[0]} and must be as large as the image, "
            f"{shape[1]}x{shape[0]}"
        )
    return marked


def _advice(mode: str, see_through: bool) -> str:
    if see_through:
        return "set mask.kind: alpha, or save it without transparency"
    if mode == "P":
        return "set mask.kind: index (numbers) or palette (colours)"
    return "save it as a grey PNG, 0 for what is not marked, and set mask.kind: nonzero"


def stored_values(data: bytes, name: str) -> NDArray[np.uint8]:
    """Return an indexed or greyscale PNG's values [H, W] as they are stored, of 1, 2, 4 or 8 bits each."""
    with opened_image(data, name) as image:
        if image.format == "JPEG":
            raise ImageError(
                f"{name}: a class map is a JPEG file, whose noise changes classes; save it as PNG"
            )
        values = np.array(image)
        depth = _png_grey_depth(data, image)
    if values.ndim != 2 or values.dtype not in (np.uint8, np.bool_):
        raise ImageError(
            f"{name}: a class map has one 8-bit channel, this file is {values.dtype} {values.shape}"
        )
    # Pillow stretches grey of 2 and 4 bits to 0 … 255.
    return values.astype(np.uint8) // np.uint8(255 // ((1 << depth) - 1))


def _png_grey_depth(data: bytes, image: Image.Image) -> int:
    """Return the bits per pixel of a grey PNG (PNG specification, 11.2.2), 8 for all else."""
    header = io.BytesIO(data).read(26)
    return header[24] if image.format == "PNG" and header[25] == 0 and header[24] in (2, 4) else 8

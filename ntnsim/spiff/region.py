"""The region that the crop carries, and its code in the stream."""

import numpy as np
from numpy.typing import NDArray

from ntnsim.errors import CorruptStreamError
from ntnsim.spiff.box import Box, boxes_mask, grown_mask, relevance_boxes
from ntnsim.spiff.mask import decode_bitmap, encode_bitmap
from ntnsim.spiff.patches import block_reduce, expand_blocks
from ntnsim.spiff.settings import SpiffSettings
from ntnsim.spiff.varint import read_varint, varint

_BOXES = 0
_PART = "region"
_MAX_BOXES = 256


def box_region(
    top: NDArray[np.bool_], growth: float, settings: SpiffSettings
) -> tuple[NDArray[np.bool_], bytes]:
    """Return the pixels [H, W] that the crop carries for the top-rank mask *top*, and their code.

    Empty code and region where the image has no top-rank pixel.
    """
    shape = (top.shape[0], top.shape[1])
    if not top.any():
        return np.zeros(shape, dtype=np.bool_), b""
    if settings.crop_fill == "box":
        boxes = relevance_boxes(top, growth, settings.boxes)
        code = bytes([_BOXES]) + varint(len(boxes))
        for box in boxes:
            code += varint(box.top) + varint(box.left) + varint(box.height_px) + varint(box.width_px)
        return boxes_mask(boxes, shape), code
    cells = block_reduce(grown_mask(top, growth), settings.cell_px, np.logical_or)
    region = np.ascontiguousarray(expand_blocks(cells, settings.cell_px, shape))
    return region, bytes([settings.cell_px]) + encode_bitmap(cells)


def decode_region(code: bytes, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels [H, W] that the crop carries."""
    if not code:
        raise CorruptStreamError(f"{_PART}: the code is empty")
    cell_px = code[0]
    if cell_px != _BOXES:
        cells_shape = (-(-shape[0] // cell_px), -(-shape[1] // cell_px))
        cells = decode_bitmap(code[1:], cells_shape, _PART)
        return np.ascontiguousarray(expand_blocks(cells, cell_px, shape))
    n_boxes, offset = read_varint(code, 1, _PART)
    if n_boxes > _MAX_BOXES:
        raise CorruptStreamError(f"{_PART}: {n_boxes} boxes, allowed are 0 to {_MAX_BOXES}")
    boxes = []
    for _ in range(n_boxes):
        values = []
        for _ in range(4):
            value, offset = read_varint(code, offset, _PART)
            values.append(value)
        top, left, height, width = values
        if not (height and width and top + height <= shape[0] and left + width <= shape[1]):
            raise CorruptStreamError(
                f"{_PART}: a box of {width}x{height} pixels at ({left}, {top}) leaves the {shape[1]}x{shape[0]} image"
            )
        boxes.append(Box(top, left, top + height, left + width))
    return boxes_mask(boxes, shape)

"""Classical fills as whole inpainters: restoration without a network."""

from collections.abc import Callable, Sequence

from ntnsim.arrays import BoolMask, UInt8Image
from ntnsim.errors import InputError
from ntnsim.protocols.inpainter import Canvas
from ntnsim.spiff.canvas import filled, textured
from ntnsim.spiff.fill import blended_fill, nearest_fill, opencv_fill

CLASSICAL: dict[str, Callable[[UInt8Image, BoolMask], UInt8Image]] = {
    "telea": lambda pixels, known: opencv_fill(pixels, known, "telea"),
    "ns": lambda pixels, known: opencv_fill(pixels, known, "ns"),
    "nearest": nearest_fill,
    "none": blended_fill,
}


class ClassicalInpainter:
    """A fill as the whole decoder. Where a coarse layer was sent, that is what stands, with its grain.

    "none" restores nothing: the coarse layer or the plain fill as it stands.
    """

    def __init__(self, name: str) -> None:
        if name not in CLASSICAL:
            raise InputError(f"a classical fill must be one of {', '.join(CLASSICAL)}, got {name!r}")
        self.name = name
        self._method = CLASSICAL[name]

    def restore(self, canvases: Sequence[Canvas]) -> list[UInt8Image]:
        """Return the filled canvases."""
        images = [filled(canvas, self._method) for canvas in canvases]
        if self.name == "none":
            return images
        return [textured(canvas, image) for canvas, image in zip(canvases, images, strict=True)]

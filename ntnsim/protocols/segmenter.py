"""What every segmenter promises: a class for each pixel."""

from collections.abc import Sequence
from typing import Protocol

from ntnsim.arrays import ClassMap, UInt8Image


class Segmenter(Protocol):
    """Images to class maps; the values of a map index *class_names*."""

    class_names: tuple[str, ...]

    def class_maps(self, images: Sequence[UInt8Image]) -> list[ClassMap]:
        """Return one class map uint8 [H, W] per image uint8 [H, W, 3]."""
        ...

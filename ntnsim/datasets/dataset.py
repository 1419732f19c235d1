"""What a source of photographs looks like to everything else: images, each with its bytes and its classes."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class DatasetImage:
    """One photograph as captured, and what is known of its content.

    name: unique within its dataset and stable between runs; names the image in records.
    source_bytes: the file as captured; its length is the savings' denominator.
    pixels: uint8 RGB [H, W, 3], upright (the EXIF rotation is applied).
    class_map: uint8 [H, W] indices into *class_names*, or None where the dataset has no annotation.
    """

    name: str
    source_bytes: bytes
    pixels: NDArray[np.uint8]
    class_map: NDArray[np.uint8] | None
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(
                f"{self.name}: pixels must be uint8 [H, W, 3], got {self.pixels.dtype} {self.pixels.shape}"
            )
        if self.class_map is not None and self.class_map.shape != self.pixels.shape[:2]:
            raise ValueError(
                f"{self.name}: class_map is {self.class_map.shape}, pixels are {self.pixels.shape[:2]}"
            )

    @property
    def source_bits(self) -> int:
        """Size of the file as captured, in bits."""
        return 8 * len(self.source_bytes)


@runtime_checkable
class Dataset(Protocol):
    """A fixed, ordered collection of photographs. Reading the same index twice gives the same bytes."""

    @property
    def name(self) -> str:
        """Short name for records and captions."""
        ...

    def __len__(self) -> int: ...

    def image(self, index: int) -> DatasetImage:
        """Return photograph *index*, 0 ≤ index < len(self)."""
        ...

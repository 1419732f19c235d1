"""What every inpainter promises, and the canvas that it is given: the decoder's second half."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import BoolMask, UInt8Image


def check_canvas(pixels: UInt8Image, known: BoolMask) -> None:
    """Refuse arrays that are not an image [H, W, 3] with its mask [H, W]."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"pixels must be uint8 [H, W, 3], got {pixels.dtype} {list(pixels.shape)}")
    if known.dtype != np.bool_ or known.shape != pixels.shape[:2]:
        raise ValueError(
            f"known must be bool {list(pixels.shape[:2])}, got {known.dtype} {list(known.shape)}"
        )


@dataclass(frozen=True, eq=False)
class Canvas:
    """What the decoder holds of one image.

    pixels: uint8 [H, W, 3], the received pixels where *known*; elsewhere of no meaning.
    known: bool [H, W]. coarse: uint8 [H, W, 3], the decoded coarse layer at full size, or None.
    prompt: the caption, may be empty. seed: of the sampler's noise. grain: uint8 [rows, columns], the strength of the
    texture that the coarse layer lost (``spiff/grain.py``), or None if that was not sent.
    """

    pixels: UInt8Image
    known: BoolMask
    coarse: UInt8Image | None
    prompt: str
    seed: int
    grain: npt.NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        check_canvas(self.pixels, self.known)
        if self.coarse is not None:
            check_canvas(self.coarse, self.known)

    def with_received(self, image: UInt8Image) -> UInt8Image:
        """Return *image* with the received pixels pasted over it."""
        return np.where(self.known[:, :, None], self.pixels, image)


class Inpainter(Protocol):
    """Anything that completes canvases; *name* goes into records."""

    name: str

    def restore(self, canvases: Sequence[Canvas]) -> list[UInt8Image]:
        """Return one whole image uint8 [H, W, 3] per canvas."""
        ...

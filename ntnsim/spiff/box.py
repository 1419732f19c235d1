"""The high-relevance box: tight around the top rank, grown by β, as one union or one per connected component."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

BoxMode = Literal["union", "components"]

MAX_COMPONENT_BOXES = 64


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels, half open: rows top..bottom−1, columns left..right−1."""

    top: int
    left: int
    bottom: int
    right: int

    def __post_init__(self) -> None:
        if not (0 <= self.top < self.bottom and 0 <= self.left < self.right):
            raise ValueError(f"a box must hold at least one pixel at non-negative coordinates, got {self}")

    @property
    def height_px(self) -> int:
        """Number of rows."""
        return self.bottom - self.top

    @property
    def width_px(self) -> int:
        """Number of columns."""
        return self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index that cuts the box out of an array [H, W, …]."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def tight_box(mask: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box around the true pixels of *mask* [H, W]; None if there are none."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(mask.any(axis=0))
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def grown_box(tight: Box, growth: float, shape: tuple[int, int]) -> Box:
    """Return *tight* grown by β: each edge moves linearly to the image border.

    growth: β in [0, 1]; 0 leaves the box tight, 1 makes it the image.
    shape: (H, W) of the image.
    """
    if not 0 <= growth <= 1:
        raise ValueError(f"growth must be in [0, 1], got {growth!r}")
    height, width = shape
    return Box(
        round(tight.top * (1 - growth)),
        round(tight.left * (1 - growth)),
        round(tight.bottom + growth * (height - tight.bottom)),
        round(tight.right + growth * (width - tight.right)),
    )


def relevance_boxes(mask: NDArray[np.bool_], growth: float, mode: BoxMode) -> tuple[Box, ...]:
    """Return the grown boxes around the top-rank pixels *mask* [H, W]; empty if there are none.

    With ``components``, one box per 8-connected component, largest first. Specks beyond the
    ``MAX_COMPONENT_BOXES`` largest share one last box, so that a noisy mask cannot cost more than its pixels.
    """
    tight = tight_box(mask)
    if tight is None:
        return ()
    shape = (mask.shape[0], mask.shape[1])
    if mode == "union":
        return (grown_box(tight, growth, shape),)
    n_labels, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    order = 1 + np.argsort(-stats[1:n_labels, cv2.CC_STAT_AREA], kind="stable")
    found = []
    for label in order:
        left, top, width, height = (int(value) for value in stats[label, :4])
        found.append(Box(top, left, top + height, left + width))
    kept, specks = found[:MAX_COMPONENT_BOXES], found[MAX_COMPONENT_BOXES:]
    if specks:
        kept.append(_hull(specks))
    return tuple(grown_box(box, growth, shape) for box in kept)


def boxes_mask(boxes: Sequence[Box], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels [H, W] that any of *boxes* covers."""
    covered = np.zeros(shape, dtype=np.bool_)
    for box in boxes:
        covered[box.slices] = True
    return covered


def grown_mask(mask: NDArray[np.bool_], growth: float) -> NDArray[np.bool_]:
    """Return *mask* [H, W] grown by β without a box: the pixels within β times the farthest distance to it.

    What ``crop_fill: mask`` sends: 0 leaves the mask as it is, 1 makes it the image, as for a box. An empty mask
    stays empty.
    """
    if not 0 <= growth <= 1:
        raise ValueError(f"growth must be in [0, 1], got {growth!r}")
    if growth == 0 or not mask.any():
        return mask.copy()
    distance_px = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance_px <= growth * distance_px.max(), dtype=np.bool_)


def _hull(boxes: Sequence[Box]) -> Box:
    return Box(
        min(box.top for box in boxes),
        min(box.left for box in boxes),
        max(box.bottom for box in boxes),
        max(box.right for box in boxes),
    )

"""Settings of the SPIFF codec: everything that is chosen once, where the configuration x is chosen per image."""

from dataclasses import dataclass, field
from typing import Literal

from ntnsim.errors import ImageError
from ntnsim.spiff.bitstream import MAX_TILE_PX, MIN_TILE_PX
from ntnsim.spiff.box import BoxMode
from ntnsim.spiff.components import Component, ComponentCodec
from ntnsim.spiff.patches import Selection

CropFill = Literal["box", "mask"]


@dataclass(frozen=True, slots=True)
class SpiffSettings:
    """How an image is cut and coded. The defaults are the codec ``spiff``; ``SPIFF_PAPER`` is the paper's.

    tile_px: P, the side of a tile; 16 is one 4:2:0 MCU, so that no chroma crosses tiles.
    boxes: one box around the whole top rank, or one per connected component.
    crop_fill: ``box``: the crop carries every pixel of the grown boxes, as in the paper. ``mask``: it carries the top
        rank's own pixels, grown by β in every direction; the rest of the box counts as tiles.
    cell_px: with ``mask``, the region is rounded up to cells of this side; the bitmap shrinks accordingly.
    selection: which tiles are kept.
    crop, grid: how the crop and the patch grids are coded.
    coarse_codec, coarse_speed: how the coarse layer is coded; its quality is q of the configuration.
    sends_mask: also send the top rank's mask, to the pixel, as the paper does. The decoder does without.
    """

    tile_px: int = 16
    boxes: BoxMode = "union"
    crop_fill: CropFill = "mask"
    cell_px: int = 4
    selection: Selection = "random"
    crop: Component = field(default_factory=lambda: Component("avif", 60))
    grid: Component = field(default_factory=lambda: Component("avif", 45))
    coarse_codec: ComponentCodec = "avif"
    coarse_speed: int = 9
    sends_mask: bool = False

    def __post_init__(self) -> None:
        if not MIN_TILE_PX <= self.tile_px <= MAX_TILE_PX:
            raise ImageError(f"tile_px must be in {MIN_TILE_PX} to {MAX_TILE_PX}, got {self.tile_px!r}")
        if not 1 <= self.cell_px <= 64:
            raise ImageError(f"cell_px must be in 1 to 64, got {self.cell_px!r}")


SPIFF = SpiffSettings()

SPIFF_PAPER = SpiffSettings(
    crop_fill="box",
    cell_px=1,
    crop=Component("jpeg", 95),
    grid=Component("jpeg", 75),
    coarse_codec="jpeg",
    sends_mask=True,
)


@dataclass(frozen=True, slots=True)
class CoarseStep:
    """One quality of the coarse layer: the codec's quality, at a scale in sixteenths."""

    scale: int
    quality: int


def coarse_step(coarse_quality: float) -> CoarseStep:
    """Return the step for q in (0, 1]: larger q never means fewer pixels or a lower codec quality."""
    if not 0 < coarse_quality <= 1:
        raise ValueError(f"coarse_quality must be in (0, 1], got {coarse_quality!r}")
    return CoarseStep(16, max(1, round(75 * coarse_quality)))

"""Settings of the SPIFF codec: everything that is chosen once, where the configuration x is chosen per image."""

from dataclasses import dataclass, replace
from typing import Literal

from ntnsim.errors import ImageError
from ntnsim.spiff.bitstream import MAX_TILE_PX, MIN_TILE_PX
from ntnsim.spiff.box import BoxMode
from ntnsim.spiff.components import Component
from ntnsim.spiff.patches import Selection

CropFill = Literal["box", "mask"]
FULL_SCALE = 16  # of a coarse layer, in sixteenths
# Of a small one, which codes its fewer pixels this much better: then all judges but squared error see of it what they
# see of a full one with 4 to 10 % more bits (q = 0.18 and 0.3, ``ntnsim experiment layers``).
SMALL_SCALE, SMALL_QUALITY_MORE = 12, 12

# AVIF as measured best for parts, by several judges: full chroma, the slower search, and its loop filters in the coarse
# layer alone; at the crop's quality they smooth texture away.
_CROP = Component("avif", 62, speed=6, full_chroma=True, loop_filters=False)
# A crop that is restored needs no texture kept by itself: filtered, as the layers are that the network learned from.
# On untouched photographs, as one file at quality 28 and 44 (``rate_points.csv``), people are 17 and 14 % nearer by
# lite0's features than in the crop above as it is received, 18 and 12 by patches, 3 and 4 by MS-SSIM, level by squared
# error, SSIMULACRA2 and Butteraugli, and by ST-LPIPS 12 % nearer and 27 % further away.
RESTORED_CROP = Component("avif", 62, speed=6, full_chroma=True)
_GRID = Component("avif", 45, speed=6, full_chroma=True, loop_filters=False)
_COARSE = Component("avif", 45, speed=6, full_chroma=True)


@dataclass(frozen=True, slots=True)
class SpiffSettings:
    """How an image is cut and coded. The defaults are the codec ``spiff``; ``SPIFF_PAPER`` is the paper's.

    has_coarse_layer: whether q is part of the configuration.
    tile_px: P, the side of a tile; 16 is one 4:2:0 MCU, so that no chroma crosses tiles.
    boxes: one box around the whole top rank, or one per connected component.
    crop_fill: ``box``: the crop carries every pixel of the grown boxes, as in the paper. ``mask``: it carries the top
        rank's own pixels, grown by β in every direction; the rest of the box counts as tiles.
    cell_px: with ``mask``, the region is rounded up to cells of this side; the bitmap shrinks accordingly. On the
        codec's own block grid no block is paid twice, in crop and in coarse layer: at equal PF of both ranks (top 0.98
        and 0.95, ten photographs) cells of 16 px need 4 to 13 % fewer bytes than of 4 px, 1 to 3 % fewer than of 8 px,
        as many as of 32 px.
    selection: which tiles are kept.
    crop, grid: how the crop and the patch grids are coded.
    coarse: how the coarse layer is coded; its quality is q of the configuration, not the component's.
    coarse_scale: sides of the coarse layer in sixteenths of the image's, 1 to 16; at 16 nothing is resized.
    small_below: q below which the coarse layer is a small one, at three quarters of the sides; 0: never. It holds for
        AVIF layers without a ``coarse_scale`` of their own, for which it was measured.
    sends_grain: send with the coarse layer how much texture it lost: the strength of the noise that the decoder's
        network makes texture of, or that a decoder without one adds as it is.
    restores_crop: send the same with the crop, which the decoder then restores as it does the coarse layer: received
        pixels are no longer exactly those of the coded crop. Where pixels around it come from tiles alone, without a
        coarse layer, the crop stays as it is. By lite0's features and patches it pays at low AVIF qualities, below
        about 50, best where the crop is the whole image; beside a poorer layer a good crop suffers (``ntnsim
        experiment rate``).
    sends_mask: also send the top rank's mask, to the pixel, as the paper does. The decoder does without.
    """

    has_coarse_layer: bool = True
    tile_px: int = 16
    boxes: BoxMode = "union"
    crop_fill: CropFill = "mask"
    cell_px: int = 16
    selection: Selection = "random"
    crop: Component = _CROP
    grid: Component = _GRID
    coarse: Component = _COARSE
    coarse_scale: int = FULL_SCALE
    small_below: float = 0.4
    sends_grain: bool = True
    restores_crop: bool = False
    sends_mask: bool = False

    def __post_init__(self) -> None:
        if not MIN_TILE_PX <= self.tile_px <= MAX_TILE_PX:
            raise ImageError(f"tile_px must be in {MIN_TILE_PX} to {MAX_TILE_PX}, got {self.tile_px!r}")
        if not 1 <= self.cell_px <= 64:
            raise ImageError(f"cell_px must be in 1 to 64, got {self.cell_px!r}")
        if not 1 <= self.coarse_scale <= FULL_SCALE:
            raise ImageError(f"coarse_scale must be in 1 to {FULL_SCALE}, got {self.coarse_scale!r}")
        if not 0 <= self.small_below <= 1:
            raise ImageError(f"small_below must be in [0, 1], got {self.small_below!r}")
        if self.restores_crop and not self.sends_grain:
            raise ImageError("restores_crop: true needs sends_grain: true, which tells how much to restore")


SPIFF = SpiffSettings()

SPIFF_PAPER = SpiffSettings(
    has_coarse_layer=False,
    crop_fill="box",
    cell_px=1,
    crop=Component("jpeg", 95),
    grid=Component("jpeg", 75),
    coarse=Component("jpeg"),
    sends_grain=False,
    sends_mask=True,
)


def layer_coding(settings: SpiffSettings, coarse_quality: float) -> tuple[Component, int]:
    """Return how the coarse layer of *coarse_quality* is coded, and its scale in sixteenths."""
    quality = layer_quality(coarse_quality)
    as_measured = settings.coarse.codec == "avif" and settings.coarse_scale == FULL_SCALE
    if as_measured and coarse_quality < settings.small_below:
        return coarse_component(settings.coarse, quality + SMALL_QUALITY_MORE), SMALL_SCALE
    return coarse_component(settings.coarse, quality), settings.coarse_scale


def coarse_component(coarse: Component, quality: int) -> Component:
    """Return how a coarse layer of the codec's *quality* is coded: else as *coarse*."""
    return replace(coarse, quality=quality)


def layer_quality(coarse_quality: float) -> int:
    """Return the codec's quality for q in (0, 1]: larger q never means a lower one."""
    if not 0 < coarse_quality <= 1:
        raise ValueError(f"coarse_quality must be in (0, 1], got {coarse_quality!r}")
    return max(1, round(75 * coarse_quality))

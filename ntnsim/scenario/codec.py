"""The codecs a scheme may name. What is left null here takes the codec's own default (`ntnsim/spiff/settings.py`)."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from ntnsim.scenario.entity import Entity
from ntnsim.scenario.own_part import OwnPartSpec

Quality = Annotated[int, Field(ge=1, le=100)]
Share = Annotated[float, Field(ge=0, le=1)]


class ComponentSpec(Entity):
    """How one part of a SPIFF stream is coded."""

    codec: Literal["jpeg", "webp", "avif", "jxl"]
    """The library that codes it."""
    quality: Quality
    """On the codec's own scale."""
    speed: int = Field(default=8, ge=0, le=10)
    """AVIF only: 0 is slow and small, 10 fast."""
    full_chroma: bool = False
    """JPEG and AVIF: 4:4:4 instead of 4:2:0."""
    loop_filters: bool = True
    """AVIF only: deblocking and CDEF."""
    only_dct: bool = False
    """AVIF only: no transform but the DCT."""


class InpaintingSpec(Entity):
    """What restores the pixels that were not sent."""

    method: Literal["bundle", "telea", "ns", "nearest", "none"] = "bundle"
    """The bundle's latent diffusion, or a classical fill; `none` leaves the coarse layer or a plain fill."""
    steps: PositiveInt | None = None
    """Denoising steps; null takes the bundle's own."""
    charged_steps: PositiveInt | None = None
    """Steps that the data network's device profile is charged for; null charges those that run. The paper's model
    takes 50: a small bundle can stand in for its pictures while its time is still charged."""
    device: str = "cpu"
    """Torch device that the networks run on: cpu, cuda. Simulated time does not depend on it."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Arithmetic of the networks; the half ones are for GPUs."""


class _SpiffBase(Entity):
    tile_px: int | None = Field(default=None, ge=4, le=256)
    """P, side of a tile."""
    boxes: Literal["union", "components"] | None = None
    """One box around the whole top rank, or one per connected component."""
    crop_fill: Literal["box", "mask"] | None = None
    """What the crop carries: all pixels of the box, or the top rank's own."""
    cell_px: int | None = Field(default=None, ge=1, le=64)
    """With `mask`: side of the cells that the region is rounded up to."""
    selection: Literal["random", "spread", "content"] | None = None
    """Which tiles are kept."""
    crop: ComponentSpec | None = None
    """How the crop of the top rank is coded."""
    grid: ComponentSpec | None = None
    """How the kept tiles are coded."""
    coarse: ComponentSpec | None = None
    """How the coarse layer is coded; its quality comes from the configuration."""
    sends_grain: bool | None = None
    """Send how much texture the coarse layer lost; the decoder makes as much, by its network or as grain."""
    sends_mask: bool | None = None
    """Send the top rank's mask to the pixel, as the paper does."""
    caption: bool = False
    """Send a caption, made by the bundle's captioner, as the decoder's prompt."""
    inpaint: InpaintingSpec = InpaintingSpec()
    """How the rest of the picture is restored."""


class SpiffCodecSpec(_SpiffBase):
    """SPIFF with modern components, mask-shaped top rank and coarse layer; x = (β, p, q)."""

    kind: Literal["spiff"]
    small_below: Share | None = None
    """Coarse layers of a q below this one are coded at three quarters of their sides, their quality raised so that they
    show what full ones show: 4 to 10 % fewer bits of the layer for most judges, at small q. 0: none; null: 0.4 for
    AVIF layers, none for others."""
    restores_crop: bool = False
    """Send with the crop too how much texture it lost, and let the decoder restore it as it does the coarse layer: for
    crops of low quality (AVIF below about 50), best where the crop is the whole image. Its pixels are then no longer
    exactly those received. Where tiles alone surround it, without a coarse layer, it stays as it is."""
    trial: Share | tuple[Share, ...] = 0.0
    """q of the coarse layers that the gateway codes on trial, decodes and scores (PF and SF per rank) before it
    decides, for policies with `trial_state`: one or several; 0: none. The stage `trial` charges the time of each."""
    trial_whole: bool = False
    """Also code the whole image (β = 1) on trial."""
    trial_restored: bool = False
    """Restore each trial layer as the data network will, with the same inpainting and seed, before it is scored, so
    that PF and SF are those of its stream; else a decoder without networks shows it. The stage `trial_inpainting`
    charges the time of each; the shipped devices' figures for it are estimates for the bundle `tiny`. Not with a
    caption, which is written after the decision."""

    @model_validator(mode="after")
    def _crop_can_be_restored(self) -> Self:
        if self.restores_crop and self.sends_grain is False:
            raise ValueError(
                "restores_crop: true beside sends_grain: false; strengths say how much to restore"
            )
        return self

    @model_validator(mode="after")
    def _small_layers_are_avif(self) -> Self:
        if self.small_below and self.coarse is not None and self.coarse.codec != "avif":
            raise ValueError(
                f"small_below: {self.small_below:g} beside coarse.codec: {self.coarse.codec}; only avif can be small"
            )
        return self

    @model_validator(mode="after")
    def _restored_trials_can_be_made(self) -> Self:
        if self.trial_restored and not self.trial_qualities:
            raise ValueError(
                "trial_restored: true, but no layer is coded on trial; give trial: one or several q"
            )
        if self.trial_restored and self.caption:
            raise ValueError(
                "trial_restored: true beside caption: true; a caption, which restoring depends on, is written later"
            )
        return self

    @property
    def trial_qualities(self) -> tuple[float, ...]:
        """The q of the trials, without repetition, ascending."""
        wanted = self.trial if isinstance(self.trial, tuple) else (self.trial,)
        return tuple(sorted({quality for quality in wanted if quality > 0.0}))


class SpiffPaperCodecSpec(_SpiffBase):
    """SPIFF as the paper describes it: box, patches, mask, JPEG components, no coarse layer; x = (β, p)."""

    kind: Literal["spiff-paper"]


class WholeImageCodecSpec(Entity):
    """A whole-image codec at one quality."""

    kind: Literal["jpeg", "webp", "avif", "jxl"]
    """The library that codes the image."""
    quality: Quality = 45
    """The codec's own scale. The paper's JPEG benchmark uses 45."""
    speed: int = Field(default=6, ge=0, le=10)
    """AVIF only: 0 is slow and small, 10 fast; 6 is the library's own default."""
    full_chroma: bool = False
    """JPEG and AVIF: 4:4:4 instead of 4:2:0."""
    loop_filters: bool = True
    """AVIF only: deblocking and CDEF."""


class CaptionCodecSpec(Entity):
    """Standard semantic communication: only a caption travels, the receiver paints an image from it."""

    kind: Literal["sc"]
    inpaint: InpaintingSpec = InpaintingSpec()
    """How the picture is painted."""


class CustomCodecSpec(OwnPartSpec):
    """A codec of the user's own, by name or by class."""

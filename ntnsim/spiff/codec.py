"""Codecs behind one interface: SPIFF, whole-image codecs and caption-only communication encode and decode alike."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ntnsim.arrays import RankMap, UInt8Image
from ntnsim.protocols.captioner import Captioner
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.encoded_image import EncodedImage
from ntnsim.protocols.imaging import Work
from ntnsim.protocols.inpainter import Canvas, Inpainter
from ntnsim.spiff.bitstream import FORMAT_VERSION
from ntnsim.spiff.classical import ClassicalInpainter
from ntnsim.spiff.components import Component
from ntnsim.spiff.decoder import PartialImage, decode_partial_image
from ntnsim.spiff.encoder import encode_caption, encode_image
from ntnsim.spiff.settings import RESTORED_CROP, SPIFF, SPIFF_PAPER, SpiffSettings

UNKNOWN_GREY = 200  # how galleries paint what was not received


class SpiffEncoder:
    """The gateway's half of SPIFF: selective fidelity by rank. It needs no inpainter."""

    def __init__(self, settings: SpiffSettings, *, n_ranks: int, captioner: Captioner | None = None) -> None:
        self.settings = settings
        self.space = ConfigurationSpace(n_ranks, settings.has_coarse_layer)
        self._captioner = captioner

    def encode(
        self, pixels: UInt8Image, rank_map: RankMap, configuration: Configuration, seed: int
    ) -> EncodedImage:
        """Return the stream of one image; *seed* decides which tiles are kept."""
        caption = self._captioner.captions([pixels])[0] if self._captioner is not None else ""
        return self._coded(pixels, rank_map, configuration, seed, caption)

    def trial(
        self, pixels: UInt8Image, rank_map: RankMap, configuration: Configuration, seed: int
    ) -> tuple[int, UInt8Image]:
        """Return the stream's size in bits, without a caption, and its image as a decoder without networks shows it."""
        coded = self._coded(pixels, rank_map, configuration, seed, caption="")
        [shown] = decoded([coded.payload], [seed], ClassicalInpainter("nearest"))
        return coded.size_bits, shown

    def _coded(
        self, pixels: UInt8Image, rank_map: RankMap, configuration: Configuration, seed: int, caption: str
    ) -> EncodedImage:
        return encode_image(
            pixels,
            rank_map,
            configuration,
            self.settings,
            n_ranks=self.space.n_ranks,
            seed=seed,
            caption=caption,
        )


class SpiffCodec(SpiffEncoder, Codec):
    """Both halves of SPIFF: the encoder, and a decoder that an inpainter completes."""

    def __init__(
        self,
        name: str,
        settings: SpiffSettings,
        inpainter: Inpainter,
        *,
        n_ranks: int,
        captioner: Captioner | None = None,
        models_digest: str = "",
        work: Work | None = None,
    ) -> None:
        """Bind settings and models.

        models_digest: digest of the bundle that inpainter and captioner come from.
        work: the stages that are charged, where they are not simply those of its parts.
        """
        super().__init__(settings, n_ranks=n_ranks, captioner=captioner)
        self.work = self.work if work is None else work
        self.name = name
        self.digest = (
            f"{name} format-{FORMAT_VERSION} {settings} R={n_ranks} "
            f"{inpainter.name} {models_digest} caption={captioner is not None}"
        )
        self._inpainter = inpainter

    def decode(self, payloads: Sequence[bytes], seeds: Sequence[int]) -> list[UInt8Image]:
        """Return the restored images; received pixels are exactly those of the decoded components.

        But for a crop that the settings let it restore.
        """
        return decoded(payloads, seeds, self._inpainter)

    def restored_trial(
        self, pixels: UInt8Image, rank_map: RankMap, configuration: Configuration, seed: int
    ) -> tuple[int, UInt8Image]:
        """Return the stream's size in bits, without a caption, and its image as `decode` restores it."""
        coded = self._coded(pixels, rank_map, configuration, seed, caption="")
        return coded.size_bits, self.decode([coded.payload], [seed])[0]

    def received_picture(self, payload: bytes) -> UInt8Image:
        """Return received pixels, else the coarse layer, else grey."""
        return received_picture(payload)


def caption_stream(pixels: UInt8Image, captioner: Captioner, n_ranks: int) -> EncodedImage:
    """Return the stream of standard semantic communication: the caption alone, which serves no rank's pixels."""
    payload = encode_caption(captioner.captions([pixels])[0], (pixels.shape[0], pixels.shape[1]), n_ranks)
    return EncodedImage(payload, (0,) * n_ranks, 8 * len(payload))


class CaptionCodec(Codec):
    """Standard semantic communication, ``sc``: a caption travels, the receiver paints an image from it.

    The payload is a SPIFF stream with nothing but the caption; all of it is overhead, as no rank's pixels travel.
    """

    name = "sc"

    def __init__(
        self,
        captioner: Captioner,
        inpainter: Inpainter,
        *,
        n_ranks: int,
        models_digest: str = "",
        steps: int = 0,
    ) -> None:
        """Bind the models; *steps* of diffusion are charged for the painting of an image."""
        self.work = Work(("decision",), ("caption", "encode"), ("decode", "generation"), steps)
        self.space = ConfigurationSpace(n_ranks, has_coarse_layer=False)
        self.digest = f"sc format-{FORMAT_VERSION} R={n_ranks} {inpainter.name} {models_digest}"
        self._captioner = captioner
        self._inpainter = inpainter

    def encode(
        self, pixels: UInt8Image, rank_map: RankMap, configuration: Configuration, seed: int
    ) -> EncodedImage:
        """Return the caption's stream; *configuration* and *seed* have no influence."""
        return caption_stream(pixels, self._captioner, self.space.n_ranks)

    def decode(self, payloads: Sequence[bytes], seeds: Sequence[int]) -> list[UInt8Image]:
        """Return an image painted from each caption."""
        return decoded(payloads, seeds, self._inpainter)

    def received_picture(self, payload: bytes) -> UInt8Image:
        """Return grey: no pixel travels."""
        return received_picture(payload)


def received_picture(payload: bytes) -> UInt8Image:
    """Return what a SPIFF stream brings as a picture: received pixels, else the coarse layer, else grey."""
    partial = decode_partial_image(payload)
    background = np.full_like(partial.pixels, UNKNOWN_GREY) if partial.coarse is None else partial.coarse
    return np.where(partial.known[..., None], partial.pixels, background)


def decoded(
    payloads: Sequence[bytes], seeds: Sequence[int], inpainter: Inpainter, *, partial: bool = False
) -> list[UInt8Image]:
    """Return the image of each SPIFF stream in *payloads*, restored by *inpainter* with one seed each."""
    received = [decode_partial_image(payload, partial=partial) for payload in payloads]
    return restored(received, seeds, inpainter)


def restored(
    received: Sequence[PartialImage], seeds: Sequence[int], inpainter: Inpainter
) -> list[UInt8Image]:
    """Return the partial images completed by *inpainter*."""
    canvases = [
        Canvas(image.pixels, image.known, image.coarse, image.caption, seed, image.grain)
        for image, seed in zip(received, seeds, strict=True)
    ]
    # Pasted again, whatever the inpainter did: received pixels are the codec's promise.
    return [
        canvas.with_received(image)
        for canvas, image in zip(canvases, inpainter.restore(canvases), strict=True)
    ]


def spiff_settings(name: str, changes: Mapping[str, Any]) -> SpiffSettings:
    """Return the settings of ``spiff`` or ``spiff-paper`` with some of them changed.

    changes: field names of :class:`SpiffSettings`; None and names of other things are ignored, and a component may
    be a mapping of its own fields. This is what a scenario's codec entry dumps to. A crop that is restored is coded
    with loop filters, unless it is given.
    """
    base = {"spiff": SPIFF, "spiff-paper": SPIFF_PAPER}[name]
    known = {field.name for field in fields(SpiffSettings)}
    chosen = {key: value for key, value in changes.items() if key in known and value is not None}
    for key in ("crop", "grid", "coarse"):
        if isinstance(chosen.get(key), Mapping):
            chosen[key] = Component(**chosen[key])
    if chosen.get("restores_crop"):
        chosen.setdefault("crop", RESTORED_CROP)
    return replace(base, **chosen)

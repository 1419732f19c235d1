"""Codecs behind one interface: SPIFF, whole-image codecs and caption-only communication encode and decode alike."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntnsim.protocols.captioner import Captioner
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.encoded_image import EncodedImage
from ntnsim.protocols.inpainter import Canvas, Inpainter
from ntnsim.spiff.bitstream import FORMAT_VERSION
from ntnsim.spiff.classical import ClassicalInpainter
from ntnsim.spiff.components import Component
from ntnsim.spiff.decoder import PartialImage, decode_partial_image
from ntnsim.spiff.encoder import encode_caption, encode_image
from ntnsim.spiff.settings import SPIFF, SPIFF_PAPER, SpiffSettings


class SpiffCodec:
    """SPIFF: selective fidelity by rank (``encoder.py``, ``decoder.py``), restored by an inpainter."""

    def __init__(
        self,
        name: str,
        settings: SpiffSettings,
        inpainter: Inpainter,
        *,
        n_ranks: int,
        has_coarse_layer: bool,
        captioner: Captioner | None = None,
        models_digest: str = "",
    ) -> None:
        """Bind settings and models.

        has_coarse_layer: whether q is part of the configuration.
        models_digest: digest of the bundle that inpainter and captioner come from.
        """
        self.name = name
        self.settings = settings
        self.space = ConfigurationSpace(n_ranks, has_coarse_layer)
        self.digest = (
            f"{name} format-{FORMAT_VERSION} {settings} R={n_ranks} "
            f"{inpainter.name} {models_digest} caption={captioner is not None}"
        )
        self._inpainter = inpainter
        self._captioner = captioner

    def encode(
        self, pixels: NDArray[np.uint8], rank_map: NDArray[np.uint8], configuration: Configuration, seed: int
    ) -> EncodedImage:
        """Return the stream of one image; *seed* decides which tiles are kept."""
        caption = self._captioner.captions([pixels])[0] if self._captioner is not None else ""
        return encode_image(
            pixels,
            rank_map,
            configuration,
            self.settings,
            n_ranks=self.space.n_ranks,
            seed=seed,
            caption=caption,
        )

    def decode(self, payloads: Sequence[bytes], seeds: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Return the restored images; received pixels are exactly those of the decoded components."""
        return decoded(payloads, seeds, self._inpainter)

    def trial(
        self, pixels: NDArray[np.uint8], rank_map: NDArray[np.uint8], configuration: Configuration, seed: int
    ) -> tuple[int, NDArray[np.uint8]]:
        """Return the stream's size in bits, without a caption, and its image as a decoder without networks shows it."""
        n_ranks = self.space.n_ranks
        coded = encode_image(pixels, rank_map, configuration, self.settings, n_ranks=n_ranks, seed=seed)
        [shown] = decoded([coded.payload], [seed], ClassicalInpainter("nearest"))
        return coded.size_bits, shown


class CaptionCodec:
    """Standard semantic communication, ``sc``: a caption travels, the receiver paints an image from it.

    The payload is a SPIFF stream with nothing but the caption; all of it is overhead, as no rank's pixels travel.
    """

    name = "sc"

    def __init__(
        self, captioner: Captioner, inpainter: Inpainter, *, n_ranks: int, models_digest: str = ""
    ) -> None:
        self.space = ConfigurationSpace(n_ranks, has_coarse_layer=False)
        self.digest = f"sc format-{FORMAT_VERSION} R={n_ranks} {inpainter.name} {models_digest}"
        self._captioner = captioner
        self._inpainter = inpainter

    def encode(
        self, pixels: NDArray[np.uint8], rank_map: NDArray[np.uint8], configuration: Configuration, seed: int
    ) -> EncodedImage:
        """Return the caption's stream; *configuration* and *seed* have no influence."""
        payload = encode_caption(self._captioner.captions([pixels])[0], rank_map.shape, self.space.n_ranks)
        return EncodedImage(payload, (0,) * self.space.n_ranks, 8 * len(payload))

    def decode(self, payloads: Sequence[bytes], seeds: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Return an image painted from each caption."""
        return decoded(payloads, seeds, self._inpainter)


def decoded(
    payloads: Sequence[bytes], seeds: Sequence[int], inpainter: Inpainter, *, partial: bool = False
) -> list[NDArray[np.uint8]]:
    """Return the image of each SPIFF stream in *payloads*, restored by *inpainter* with one seed each."""
    received = [decode_partial_image(payload, partial=partial) for payload in payloads]
    return restored(received, seeds, inpainter)


def restored(
    received: Sequence[PartialImage], seeds: Sequence[int], inpainter: Inpainter
) -> list[NDArray[np.uint8]]:
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
    be a mapping of its own fields. This is what a scenario's codec entry dumps to.
    """
    base = {"spiff": SPIFF, "spiff-paper": SPIFF_PAPER}[name]
    known = {field.name for field in fields(SpiffSettings)}
    chosen = {key: value for key, value in changes.items() if key in known and value is not None}
    for key in ("crop", "grid", "coarse"):
        if isinstance(chosen.get(key), Mapping):
            chosen[key] = Component(**chosen[key])
    return replace(base, **chosen)

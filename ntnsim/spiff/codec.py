"""Codecs behind one interface: SPIFF, whole-image codecs and caption-only communication encode and decode alike."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ntnsim.spiff.configuration import Configuration, ConfigurationSpace
from ntnsim.spiff.decoder import decode_partial_image
from ntnsim.spiff.encoded_image import EncodedImage
from ntnsim.spiff.encoder import encode_image
from ntnsim.spiff.settings import SpiffSettings

if TYPE_CHECKING:
    from ntnsim.spiff.inpaint import Inpainter

Captioner = Callable[[NDArray[np.uint8]], str]


class Codec(Protocol):
    """Turns an image and a configuration into bytes, and bytes into an image."""

    @property
    def name(self) -> str:
        """What schemes and figures call the codec."""
        ...

    @property
    def space(self) -> ConfigurationSpace:
        """The configurations that the codec takes."""
        ...

    @property
    def digest(self) -> str:
        """Everything besides image, configuration and seed that the bytes and the reconstruction depend on."""
        ...

    def encode(
        self, pixels: NDArray[np.uint8], rank_map: NDArray[np.uint8], configuration: Configuration, seed: int
    ) -> EncodedImage:
        """Return the coded image; pixels uint8 [H, W, 3], rank_map uint8 [H, W]."""
        ...

    def decode(self, payloads: Sequence[bytes], seeds: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Return one image uint8 [H, W, 3] per payload; an image does not depend on the others in the call."""
        ...


class SpiffCodec:
    """SPIFF: selective fidelity by rank (``encoder.py``, ``decoder.py``), restored by an inpainter."""

    def __init__(
        self,
        name: str,
        settings: SpiffSettings,
        inpainter: "Inpainter",
        *,
        n_ranks: int,
        has_coarse_layer: bool,
        captioner: Captioner | None = None,
        inpainter_digest: str = "",
    ) -> None:
        """Bind settings and models.

        has_coarse_layer: whether q is part of the configuration.
        inpainter_digest: what the reconstruction depends on besides the stream, e.g. the bundle's digest and the steps.
        """
        self.name = name
        self.settings = settings
        self.space = ConfigurationSpace(n_ranks, has_coarse_layer)
        self.digest = f"{name} {settings} {inpainter.name} {inpainter_digest} caption={captioner is not None}"
        self._inpainter = inpainter
        self._captioner = captioner

    def encode(
        self, pixels: NDArray[np.uint8], rank_map: NDArray[np.uint8], configuration: Configuration, seed: int
    ) -> EncodedImage:
        """Return the stream of one image; *seed* decides which tiles are kept."""
        caption = self._captioner(pixels) if self._captioner is not None else ""
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


def decoded(
    payloads: Sequence[bytes], seeds: Sequence[int], inpainter: "Inpainter", *, partial: bool = False
) -> list[NDArray[np.uint8]]:
    """Return the image of each SPIFF stream in *payloads*, restored by *inpainter* with one seed each."""
    from ntnsim.spiff.inpaint import Canvas  # models are needed for decoding only

    canvases = []
    for payload, seed in zip(payloads, seeds, strict=True):
        received = decode_partial_image(payload, partial=partial)
        canvases.append(Canvas(received.pixels, received.known, received.coarse, received.caption, seed))
    # Pasted again, whatever the inpainter did: received pixels are the codec's promise (decision 10).
    return [
        np.where(canvas.known[..., None], canvas.pixels, image)
        for canvas, image in zip(canvases, inpainter.restore(canvases), strict=True)
    ]

"""Whole-image codecs behind the codec interface: JPEG (the paper's benchmark), WebP, AVIF, JPEG XL, and caption only.

A whole-image file serves all ranks alike: its bits are divided among them in proportion to their pixels, and nothing
is overhead. The payload is the plain file, so anything can open it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ntnsim.errors import CorruptStreamError
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.encoded_image import EncodedImage
from ntnsim.protocols.imaging import Work
from ntnsim.spiff.bitstream import split_bits
from ntnsim.spiff.components import (
    COMPONENT_CODECS,
    Component,
    ComponentCodec,
    declared_shape,
    decode_component,
    encode_component,
)

PAPER_JPEG_QUALITY = 45  # paper, Sec. VII: the traditional benchmark
LIBRARY_AVIF_SPEED = 6


def as_the_library_comes(codec: ComponentCodec, quality: int) -> Component:
    """Return *codec* as its library codes a photograph unless its settings say otherwise."""
    return Component(codec, quality, speed=LIBRARY_AVIF_SPEED)


class WholeImageCodec(Codec):
    """One file for the whole image, at one quality: the configuration changes nothing."""

    delivers_coded_file = True

    def __init__(self, component: Component, *, n_ranks: int) -> None:
        # Nothing is segmented, decided or restored.
        self.work = Work((), ("encode_jpeg" if component.codec == "jpeg" else "encode",), ())
        self.name = component.codec
        self.component = component
        self.space = ConfigurationSpace(n_ranks, has_coarse_layer=False)
        self.digest = f"whole image {component}"

    def encode(
        self, pixels: NDArray[np.uint8], rank_map: NDArray[np.uint8], configuration: Configuration, seed: int
    ) -> EncodedImage:
        """Return the coded file; *configuration* and *seed* have no influence."""
        payload = encode_component(pixels, self.component)
        counts = np.bincount(rank_map.ravel(), minlength=self.space.n_ranks)
        shares = [int(count) for count in counts[: self.space.n_ranks]]
        return EncodedImage(payload, split_bits(8 * len(payload), shares), 0)

    def decode(self, payloads: Sequence[bytes], seeds: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Return the decoded images."""
        return [decode_whole_image(payload) for payload in payloads]


def whole_image_codec_of(data: bytes) -> ComponentCodec | None:
    """Return which codec wrote the file *data*, by its first bytes; None if none of ours did."""
    if data[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis", b"mif1"):
        return "avif"
    if data[:2] == b"\xff\x0a":
        return "jxl"
    return None


def decode_whole_image(data: bytes) -> NDArray[np.uint8]:
    """Return the pixels [H, W, 3] of a whole-image file."""
    codec = whole_image_codec_of(data)
    if codec is None:
        raise CorruptStreamError(f"file: neither a SPIFF stream nor one of {', '.join(COMPONENT_CODECS)}")
    return decode_component(data, codec, declared_shape(data, codec, "file"), "file")

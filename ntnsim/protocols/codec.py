"""What every codec promises: an image and a configuration to bytes, and bytes to an image."""

from collections.abc import Sequence
from typing import Protocol

from ntnsim.arrays import RankMap, UInt8Image
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.encoded_image import EncodedImage


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
        self, pixels: UInt8Image, rank_map: RankMap, configuration: Configuration, seed: int
    ) -> EncodedImage:
        """Return the coded image; pixels uint8 [H, W, 3], rank_map uint8 [H, W]."""
        ...

    def decode(self, payloads: Sequence[bytes], seeds: Sequence[int]) -> list[UInt8Image]:
        """Return one image uint8 [H, W, 3] per payload; an image does not depend on the others in the call."""
        ...

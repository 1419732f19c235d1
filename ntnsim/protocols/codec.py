"""What every codec promises: an image and a configuration to bytes, and bytes to an image."""

from collections.abc import Sequence
from typing import Protocol

from ntnsim.arrays import RankMap, UInt8Image
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.encoded_image import EncodedImage
from ntnsim.protocols.imaging import Work


class Codec(Protocol):
    """Turns an image and a configuration into bytes, and bytes into an image.

    A class of one's own may derive from this one, which fills in what it does not say about work and pictures.

    name: what schemes and figures call the codec.
    space: the configurations that the codec takes, for the number of ranks that it serves.
    digest: everything besides image, configuration and seed that the bytes and the reconstruction depend on.
    work: the stages that device profiles are charged for, and diffusion steps.
    delivers_coded_file: whether the user gets the coded file as it is, and not one that the data network makes of the
        reconstruction.
    """

    name: str
    space: ConfigurationSpace
    digest: str
    work: Work = Work(("segmentation", "decision"), ("encode",), ("decode",))
    delivers_coded_file: bool = False

    def encode(
        self, pixels: UInt8Image, rank_map: RankMap, configuration: Configuration, seed: int
    ) -> EncodedImage:
        """Return the coded image; pixels uint8 [H, W, 3], rank_map uint8 [H, W]."""
        ...

    def decode(self, payloads: Sequence[bytes], seeds: Sequence[int]) -> list[UInt8Image]:
        """Return one image uint8 [H, W, 3] per payload; an image does not depend on the others in the call."""
        ...

    def received_picture(self, payload: bytes) -> UInt8Image | None:
        """Return what *payload* brought before anything was restored, for galleries; None where that means nothing."""
        return None

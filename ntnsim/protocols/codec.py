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

    >>> import ntnsim, zlib, numpy as np
    >>> class Deflated(ntnsim.Codec):
    ...     name, digest = "deflated", "deflated-1"
    ...     space = ntnsim.ConfigurationSpace(n_ranks=2, has_coarse_layer=False)
    ...     def encode(self, pixels, rank_map, configuration, seed):
    ...         height, width = pixels.shape[:2]
    ...         payload = height.to_bytes(2, "big") + width.to_bytes(2, "big") + zlib.compress(pixels.tobytes())
    ...         return ntnsim.EncodedImage(payload, (0, 0), 8 * len(payload))
    ...     def decode(self, payloads, seeds):
    ...         sizes = [(int.from_bytes(p[:2], "big"), int.from_bytes(p[2:4], "big"), 3) for p in payloads]
    ...         raw = [np.frombuffer(zlib.decompress(p[4:]), np.uint8) for p in payloads]
    ...         return [pixels.reshape(size) for pixels, size in zip(raw, sizes)]
    >>> picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    >>> coded = Deflated().encode(picture, np.zeros((4, 4), np.uint8), ntnsim.Configuration(0.0, (0.0,)), seed=1)
    >>> [restored] = Deflated().decode([coded.payload], [1])
    >>> bool((restored == picture).all())
    True
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

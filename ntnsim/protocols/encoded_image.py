"""What every codec returns: bytes, and who they serve."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """A coded image and its exact accounting: Σ bits_per_rank + overhead_bits = 8 · len(payload).

    bits_per_rank: lowest rank first.
    overhead_bits: headers, checksums, tile map, mask and caption.

    Raises ValueError where the bits do not add up.

    >>> import ntnsim
    >>> ntnsim.EncodedImage(b"four", (8, 16), 8).size_bits
    32
    """

    payload: bytes
    bits_per_rank: tuple[int, ...]
    overhead_bits: int

    def __post_init__(self) -> None:
        if sum(self.bits_per_rank) + self.overhead_bits != self.size_bits:
            raise ValueError(
                f"{self.bits_per_rank} and {self.overhead_bits} bits do not add up to {len(self.payload)} bytes"
            )

    @property
    def size_bits(self) -> int:
        """Size of the payload, in bits."""
        return 8 * len(self.payload)

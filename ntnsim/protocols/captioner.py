"""What every captioner promises: SPIFF's prompt, and all that caption-only communication sends."""

from collections.abc import Sequence
from typing import Protocol

from ntnsim.arrays import UInt8Image


class Captioner(Protocol):
    """Images to one line of text each."""

    def captions(self, images: Sequence[UInt8Image]) -> list[str]:
        """Return one caption per image uint8 [H, W, 3]."""
        ...

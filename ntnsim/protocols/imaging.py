"""What the world asks of the images that walk through it.

The world knows sizes, times and the questions below. Segmentation, coding, reconstruction and scoring stand behind
the `Imaging` protocol; ``images/pipeline.py`` answers with the real pipeline, ``world/sizes_imaging.py`` with draws
from distributions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.policy import ImageState

_NO_SCORES: Mapping[str, float] = MappingProxyType({})


# Made for every image: named tuples cost a fifth of frozen dataclasses.
class Capture(NamedTuple):
    """A source's next photograph, and what segmentation says of it.

    image_id: names the photograph for the calls that follow; the same photograph may be captured many times.
    """

    image_id: str
    source_bits: float
    state: ImageState


class Encoded(NamedTuple):
    """The coded file's accounts: size_bits = sum(bits_per_rank) + overhead_bits, up to the fraction of a drawn size."""

    size_bits: float
    bits_per_rank: tuple[int, ...]  # lowest rank first
    overhead_bits: int


class Reconstruction(NamedTuple):
    """What the data network made of the coded file.

    pf_rank, sf_rank: per rank, lowest first; empty where nothing was scored.
    scores: further figures by column name (``pf``, ``sf``, ``psnr_db`` …), among the imaging's *score_names*.
    """

    file_bits: float
    pf_rank: tuple[float, ...] = ()
    sf_rank: tuple[float, ...] = ()
    scores: Mapping[str, float] = _NO_SCORES


@dataclass(frozen=True, slots=True)
class Work:
    """Which stages an image passes, by their names in device profiles, and how many diffusion steps it needs.

    before_decision, after_decision: at the gateway. reconstruction: at the data network; without any, the file is
    passed on to the user as it came.

    >>> import ntnsim
    >>> ntnsim.Work(("segmentation", "decision"), ("encode",), ("decode", "inpainting"), steps=50).steps
    50
    """

    before_decision: tuple[str, ...]
    after_decision: tuple[str, ...]
    reconstruction: tuple[str, ...]
    steps: int = 0


class Imaging(Protocol):
    """One scheme's images. Answers depend on the arguments alone, never on the order of asking."""

    @property
    def n_ranks(self) -> int:
        """R, the number of relevance ranks."""
        ...

    @property
    def score_names(self) -> tuple[str, ...]:
        """Column names of the whole-image scores that reconstructions bring."""
        ...

    @property
    def work(self) -> Work:
        """The stages that device profiles are charged for."""
        ...

    def capture(self, source: str, index: int) -> Capture:
        """Return photograph number *index* (from 0) of *source*."""
        ...

    def encode(self, image_id: str, configuration: Configuration) -> Encoded:
        """Code an image; called at the decision."""
        ...

    def expect(self, image_id: str, configuration: Configuration) -> None:
        """Announce that :meth:`reconstruct` will be asked for this image, so that many can be done in one batch."""
        ...

    def reconstruct(self, image_id: str, configuration: Configuration) -> Reconstruction:
        """Decode an announced image; called when its GPU service ends."""
        ...

    def forget(self, image_id: str, configuration: Configuration | None) -> None:
        """Learn that an image was dropped: :meth:`reconstruct` will not come. None: it was never encoded."""
        ...

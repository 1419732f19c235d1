"""What the world asks of the images that walk through it, and the answer that needs no images.

The world knows sizes, times and the questions below. Segmentation, coding, reconstruction and scoring stand behind
the `Imaging` protocol; ``spiff/pipeline.py`` answers with the real pipeline, `SizesImaging` with draws from
distributions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

from ntnsim.engine.policy import ImageState
from ntnsim.scenario.sizes import SizesCodec
from ntnsim.spiff.configuration import Configuration
from ntnsim.world.sampling import Streams, sampler

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


class SizesImaging:
    """Images without pixels: sizes are drawn from the distributions of a `SizesCodec`.

    The n-th image of a source has the sizes of the n-th draws of that source's own streams, whatever else happens.
    Links are charged the sizes as drawn: rounded, exponential sizes of mean 1 bit would be no exponential sizes.
    Ranks, records and policies see whole bits.
    """

    score_names: tuple[str, ...] = ()
    work: Work

    def __init__(self, codec: SizesCodec, seed: int) -> None:
        self.n_ranks = len(codec.rank_fractions)
        self.work = Work(("segmentation", "decision"), ("encode",), ("decode", "inpainting"), codec.steps)
        self._codec = codec
        self._seed = seed
        self._streams: dict[str, _SourceSizes] = {}
        self._last = ImageState(codec.rank_fractions, 0, codec.width_px, codec.height_px)
        self._images: dict[str, tuple[float, float]] = {}  # image_id → coded bits, reconstructed bits

    def capture(self, source: str, index: int) -> Capture:
        """Draw the sizes of image *index* of *source*; a source's images are captured in order."""
        sizes = self._streams.get(source)
        if sizes is None:
            sizes = self._streams[source] = _SourceSizes(self._codec, self._seed, source)
        image_id = f"{source}/{index}"
        self._images[image_id] = (sizes.coded(), sizes.reconstructed())
        source_bits = sizes.original()
        whole_bits = round(source_bits)
        if whole_bits != self._last.source_bits:
            codec = self._codec
            self._last = ImageState(codec.rank_fractions, whole_bits, codec.width_px, codec.height_px)
        return Capture(image_id, source_bits, self._last)

    def encode(self, image_id: str, configuration: Configuration) -> Encoded:
        """Return the drawn size, split over the ranks by their shares; the remainder of rounding is overhead."""
        size_bits = self._images[image_id][0]
        per_rank = tuple([int(size_bits * fraction) for fraction in self._codec.rank_fractions])
        return Encoded(size_bits, per_rank, round(size_bits) - sum(per_rank))

    def expect(self, image_id: str, configuration: Configuration) -> None:
        """Nothing to prepare."""

    def reconstruct(self, image_id: str, configuration: Configuration) -> Reconstruction:
        """Return the drawn size; no image, no score."""
        return Reconstruction(self._images.pop(image_id)[1])

    def forget(self, image_id: str, configuration: Configuration | None) -> None:
        """Free the memory of a dropped image."""
        self._images.pop(image_id, None)


class _SourceSizes:
    """The three size streams of one source."""

    def __init__(self, codec: SizesCodec, seed: int, source: str) -> None:
        streams = Streams(seed, "source", source)
        self.coded = sampler(codec.size_bits, streams, "size_bits")
        self.original = sampler(codec.source_bits, streams, "source_bits")
        self.reconstructed = sampler(codec.reconstructed_bits, streams, "reconstructed_bits")

"""Images without pixels: the answer to the world's questions that needs no codec."""

from ntnsim.chance.sampling import Streams, sampler
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.imaging import Capture, Encoded, Reconstruction, Work
from ntnsim.protocols.policy import ImageState
from ntnsim.scenario.sizes import SizesCodecSpec


class SizesImaging:
    """Images without pixels: sizes are drawn from the distributions of a `SizesCodecSpec`.

    The n-th image of a source has the sizes of the n-th draws of that source's own streams, whatever else happens.
    Links are charged the sizes as drawn: rounded, exponential sizes of mean 1 bit would be no exponential sizes.
    Ranks, records and policies see whole bits.
    """

    score_names: tuple[str, ...] = ()
    work: Work

    def __init__(self, codec: SizesCodecSpec, seed: int) -> None:
        self.n_ranks = len(codec.rank_fractions)
        self.work = Work(("segmentation", "decision"), ("encode",), ("decode", "inpainting"), codec.steps)
        self._codec = codec
        self._seed = seed
        self._streams: dict[str, _SourceSizes] = {}
        self._last = ImageState(codec.rank_fractions, 0, codec.width_px, codec.height_px)
        self._images: dict[str, tuple[float, float]] = {}  # image_id → coded bits, reconstructed bits

    def capture(self, source: str, index: int) -> Capture:
        """Draw the sizes of the next image of *source*: it is a new one, whichever *index* a trace gives it."""
        sizes = self._streams.get(source)
        if sizes is None:
            sizes = self._streams[source] = _SourceSizes(self._codec, self._seed, source)
        image_id = f"{source}/{sizes.captured}"
        sizes.captured += 1
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

    def __init__(self, codec: SizesCodecSpec, seed: int, source: str) -> None:
        streams = Streams(seed, "source", source)
        self.captured = 0
        self.coded = sampler(codec.size_bits, streams, "size_bits")
        self.original = sampler(codec.source_bits, streams, "source_bits")
        self.reconstructed = sampler(codec.reconstructed_bits, streams, "reconstructed_bits")

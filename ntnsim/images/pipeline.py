"""The real pipeline behind the world's `Imaging` protocol: photographs, segmenter, codec, scorer and outcome store.

The world asks for sizes at the decision and for fidelity at delivery. Between the two, announced images are
collected, and when one of them is asked for, all are decoded and scored together. What the outcome store knows from
this run or an earlier one is not computed again; if it knows everything, no network is ever loaded.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ntnsim.arrays import UInt8Image
from ntnsim.datasets.dataset import Dataset, DatasetImage
from ntnsim.images.outcome_store import Outcome, OutcomeKey, OutcomeStore, image_digest
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.imaging import Capture, Encoded, Reconstruction, Work
from ntnsim.protocols.policy import ImageState, Trial
from ntnsim.spiff.codec import SpiffCodec
from ntnsim.streams import integer_seed, stream

if TYPE_CHECKING:
    from ntnsim.fidelity.metrics import Fidelity

DECODE_AT_ONCE = 8  # images per call of codec and scorer: enough to fill the cores, little to hold in memory
PHOTOGRAPHS_HELD = 64  # decoded photographs and rank maps kept in memory; older ones are read again

WHOLE_SCORES = ("pf", "sf", "caption_sf", "psnr_db", "ssim", "ms_ssim")

RankMapper = Callable[[DatasetImage], UInt8Image]


@dataclass(frozen=True, slots=True)
class Pictures:
    """The three pictures of one image's journey; *received* is None for codecs that have no partial image."""

    original: UInt8Image
    received: UInt8Image | None
    reconstruction: UInt8Image


@dataclass(frozen=True, slots=True)
class _Photograph:
    """A photograph that the pipeline holds: pixels, its rank map, and the digest that names it in the store."""

    image: DatasetImage
    rank_map: UInt8Image
    digest: str


class Scorer(Protocol):
    """What the pipeline needs of ``fidelity/metrics.py``, which itself imports torch."""

    @property
    def digest(self) -> str:
        """What scores depend on besides the images."""
        ...

    def score(
        self,
        originals: Sequence[UInt8Image],
        reconstructions: Sequence[UInt8Image],
        rank_maps: Sequence[UInt8Image],
        n_ranks: int,
    ) -> list["Fidelity"]:
        """Return the scores of each pair."""
        ...

    def pf_per_rank(
        self, original: UInt8Image, shown: UInt8Image, rank_map: UInt8Image, n_ranks: int
    ) -> tuple[float, ...]:
        """Return the PF of each rank of one pair."""
        ...


class ImagePipeline:
    """One scheme's images, computed by real networks, at most once each."""

    score_names = WHOLE_SCORES

    def __init__(
        self,
        *,
        datasets: Mapping[str, Dataset],
        dataset_of_source: Mapping[str, str],
        in_order: Collection[str],
        rank_mapper: RankMapper,
        segmentation_digest: str,
        codec: Codec,
        work: Work,
        scorer: Scorer,
        store: OutcomeStore,
        delivered_bits: Callable[[UInt8Image], int] | None,
        received_picture: Callable[[bytes], UInt8Image] | None,
        seed: int,
        trial: Configuration | None = None,
    ) -> None:
        """Bind the parts of a scheme.

        datasets, dataset_of_source: the datasets by name, and the name of the one that each source photographs.
        rank_mapper: a photograph to its rank map uint8 [H, W]; *segmentation_digest* names all that it depends on.
        delivered_bits: size of the file that carries a reconstruction to the user; None: the coded file itself is
            delivered, as whole-image codecs do.
        received_picture: a coded file to the picture of what was received, for galleries; None if there is none.
        trial: a configuration of a SpiffCodec that the gateway codes and judges before each decision; None: no trial.
        """
        self.n_ranks = codec.space.n_ranks
        self.work = work
        self._datasets = datasets
        self._dataset_of_source = dataset_of_source
        self._in_order = in_order
        self._rank_mapper = rank_mapper
        self._segmentation_digest = segmentation_digest
        self._codec = codec
        self._scorer = scorer
        self._store = store
        self._delivered_bits = delivered_bits
        self._received_picture = received_picture
        self._seed = seed
        self._trial_configuration = trial
        self._orders: dict[tuple[str, int], NDArray[np.int64]] = {}
        self._places: dict[str, tuple[str, int]] = {}  # image_id → dataset and index
        self._photographs: OrderedDict[str, _Photograph] = OrderedDict()
        self._digests: dict[str, str] = {}
        self._captures: dict[tuple[str, int], Capture] = {}
        self._payloads: dict[tuple[str, Configuration], bytes] = {}
        self._announced: dict[tuple[str, Configuration], None] = {}

    def capture(self, source: str, index: int) -> Capture:
        """Return photograph number *index* of *source*, with its segmentation.

        A source walks through its dataset in a random order, and through another one each time it has seen it all;
        a source of *in_order* takes number *index* of the dataset itself.
        """
        name = self._dataset_of_source[source]
        dataset = self._datasets[name]
        epoch, position = divmod(index, len(dataset))
        if source in self._in_order:
            return self._capture_of(name, position)
        order = self._orders.get((source, epoch))
        if order is None:
            order = stream(self._seed, "source", source, "images", str(epoch)).permutation(len(dataset))
            self._orders[source, epoch] = order
        return self._capture_of(name, int(order[position]))

    def encode(self, image_id: str, configuration: Configuration) -> Encoded:
        """Return the sizes of the image's stream in *configuration*."""
        outcome = self._store.get(self._key(image_id, configuration, "encode"))
        if outcome is None:
            outcome = self._encoded(image_id, configuration)
        return Encoded(outcome["size_bits"], tuple(outcome["bits_per_rank"]), outcome["overhead_bits"])

    def expect(self, image_id: str, configuration: Configuration) -> None:
        """Note that this image will be asked for."""
        self._announced[image_id, configuration] = None

    def reconstruct(self, image_id: str, configuration: Configuration) -> Reconstruction:
        """Return what the data network made of the image; on a miss, all announced images are computed together."""
        key = self._key(image_id, configuration, "reconstruct")
        outcome = self._store.get(key)
        if outcome is None:
            self._announced[image_id, configuration] = None
            self._reconstruct_announced()
            outcome = self._store.get(key)
            assert outcome is not None
        self._announced.pop((image_id, configuration), None)
        self._payloads.pop((image_id, configuration), None)
        scores = {name: np.nan if outcome[name] is None else outcome[name] for name in WHOLE_SCORES}
        return Reconstruction(
            outcome["file_bits"], tuple(outcome["pf_rank"]), tuple(outcome["sf_rank"]), scores
        )

    def forget(self, image_id: str, configuration: Configuration | None) -> None:
        """Drop what is held for an image that will not be reconstructed."""
        if configuration is not None:
            self._announced.pop((image_id, configuration), None)
            self._payloads.pop((image_id, configuration), None)

    def pictures(self, image_id: str, configuration: Configuration) -> Pictures:
        """Compute once more what was sent and what came of it, for a gallery."""
        payload = self._payload(image_id, configuration)
        [reconstruction] = self._codec.decode([payload], [self._image_seed(image_id)])
        received = self._received_picture(payload) if self._received_picture is not None else None
        return Pictures(self._photograph(image_id).image.pixels, received, reconstruction)

    def shown(self, configuration: Configuration) -> dict[str, float]:
        """Return what of *configuration* means something to this codec, for captions; {} for a whole-image codec."""
        if self._received_picture is None:
            return {}
        values = {"β": configuration.box_growth}
        values |= {f"p({rank})": share for rank, share in enumerate(configuration.patch_fractions)}
        return values | ({"q": configuration.coarse_quality} if self._codec.space.has_coarse_layer else {})

    def _capture_of(self, dataset: str, index: int) -> Capture:
        place = (dataset, index)
        if place in self._captures:
            return self._captures[place]
        image = self._datasets[dataset].image(index)
        image_id = f"{dataset}/{image.name}"
        self._places[image_id] = place
        self._digests[image_id] = digest = image_digest(image.source_bytes)
        key = OutcomeKey(digest, _NO_CONFIGURATION, "", self._segmentation_digest, 0, "segment")
        outcome = self._store.get(key)
        if outcome is None:
            rank_map = self._hold(image_id, image).rank_map
            counts = np.bincount(rank_map.ravel(), minlength=self.n_ranks)
            outcome = {"rank_fractions": [int(count) / rank_map.size for count in counts]}
            self._store.put(key, outcome)
        height_px, width_px = image.pixels.shape[:2]
        trial = self._trial(image_id, image)
        fractions = tuple(outcome["rank_fractions"])
        state = ImageState(fractions, image.source_bits, width_px, height_px, trial=trial)
        capture = self._captures[place] = Capture(image_id, image.source_bits, state)
        return capture

    def _trial(self, image_id: str, image: DatasetImage) -> Trial | None:
        configuration = self._trial_configuration
        if configuration is None:
            return None
        key = self._key(image_id, configuration, "trial")
        outcome = self._store.get(key)
        if outcome is None:
            assert isinstance(self._codec, SpiffCodec), "only SPIFF codecs are tried"
            held = self._photographs.get(image_id) or self._hold(image_id, image)
            pixels, seed = held.image.pixels, self._image_seed(image_id)
            size_bits, shown = self._codec.trial(pixels, held.rank_map, configuration, seed)
            pf_rank = self._scorer.pf_per_rank(pixels, shown, held.rank_map, self.n_ranks)
            outcome = {"size_bits": size_bits, "pf_rank": list(pf_rank)}
            self._store.put(key, outcome)
        return Trial(outcome["size_bits"], tuple(outcome["pf_rank"]))

    def _encoded(self, image_id: str, configuration: Configuration) -> Outcome:
        held = self._photograph(image_id)
        coded = self._codec.encode(
            held.image.pixels, held.rank_map, configuration, self._image_seed(image_id)
        )
        self._payloads[image_id, configuration] = coded.payload
        outcome = {
            "size_bits": coded.size_bits,
            "bits_per_rank": list(coded.bits_per_rank),
            "overhead_bits": coded.overhead_bits,
        }
        self._store.put(self._key(image_id, configuration, "encode"), outcome)
        return outcome

    def _payload(self, image_id: str, configuration: Configuration) -> bytes:
        if (image_id, configuration) not in self._payloads:
            self._encoded(image_id, configuration)
        return self._payloads[image_id, configuration]

    def _reconstruct_announced(self) -> None:
        wanted = [job for job in self._announced if self._store.get(self._key(*job, "reconstruct")) is None]
        for start in range(0, len(wanted), DECODE_AT_ONCE):
            self._reconstruct_batch(wanted[start : start + DECODE_AT_ONCE])
        self._announced.clear()

    def _reconstruct_batch(self, jobs: Sequence[tuple[str, Configuration]]) -> None:
        payloads = [self._payload(*job) for job in jobs]
        restored = self._codec.decode(payloads, [self._image_seed(image_id) for image_id, _ in jobs])
        held = [self._photograph(image_id) for image_id, _ in jobs]
        fidelities = self._scorer.score(
            [one.image.pixels for one in held], restored, [one.rank_map for one in held], self.n_ranks
        )
        for job, payload, image, fidelity in zip(jobs, payloads, restored, fidelities, strict=True):
            file_bits = 8 * len(payload) if self._delivered_bits is None else self._delivered_bits(image)
            outcome = {name: getattr(fidelity, name) for name in WHOLE_SCORES}
            outcome |= {
                "pf_rank": list(fidelity.pf_rank),
                "sf_rank": list(fidelity.sf_rank),
                "file_bits": file_bits,
            }
            self._store.put(self._key(*job, "reconstruct"), outcome)

    def _photograph(self, image_id: str) -> _Photograph:
        held = self._photographs.get(image_id)
        if held is not None:
            self._photographs.move_to_end(image_id)
            return held
        dataset, index = self._places[image_id]
        return self._hold(image_id, self._datasets[dataset].image(index))

    def _hold(self, image_id: str, image: DatasetImage) -> _Photograph:
        held = _Photograph(image, self._rank_mapper(image), self._digests[image_id])
        self._photographs[image_id] = held
        if len(self._photographs) > PHOTOGRAPHS_HELD:
            self._photographs.popitem(last=False)
        return held

    def _image_seed(self, image_id: str) -> int:
        """The seed of an image's tiles and of its diffusion noise: the same in every scheme."""
        return integer_seed(self._seed, "image", image_id)

    def _key(self, image_id: str, configuration: Configuration, stage: str) -> OutcomeKey:
        models = self._segmentation_digest
        if stage == "trial":
            models = f"{models} {self._scorer.digest}"
        elif stage == "reconstruct":
            models = f"{models} {self._scorer.digest} delivered={self._delivered_bits is not None}"
        return OutcomeKey(
            self._digests[image_id],
            configuration,
            self._codec.digest,
            models,
            self._image_seed(image_id),
            stage,
        )


_NO_CONFIGURATION = Configuration(0.0, ())

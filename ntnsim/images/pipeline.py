"""The real pipeline behind the world's `Imaging` protocol: photographs, segmenter, codec, scorer and outcome store.

The world asks for sizes at the decision and for fidelity at delivery. Between the two, announced images are
collected, and when one of them is asked for, all are decoded and scored together. What the outcome store knows from
this run or an earlier one is not computed again; if it knows everything, no network is ever loaded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ntnsim.arrays import RankMap, UInt8Image
from ntnsim.datasets.dataset import DatasetImage
from ntnsim.errors import ImageError
from ntnsim.images.outcome_store import Outcome, OutcomeKey, OutcomeStore
from ntnsim.images.photographs import Photographs
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.imaging import Capture, Encoded, Reconstruction
from ntnsim.protocols.policy import ImageState, Trial

if TYPE_CHECKING:
    from ntnsim.fidelity.metrics import Fidelity

DECODE_AT_ONCE = 8  # images per call of codec and scorer: enough to fill the cores, little to hold in memory

WHOLE_SCORES = ("pf", "sf", "caption_sf", "psnr_db", "ssim", "ms_ssim")

TRIAL_STAGES = ("trial", "restored trial")

_NO_CONFIGURATION = Configuration(0.0, ())


@dataclass(frozen=True, slots=True)
class Pictures:
    """The three pictures of one image's journey; *received* is None for codecs that have no partial image."""

    original: UInt8Image
    received: UInt8Image | None
    reconstruction: UInt8Image


@dataclass(frozen=True, slots=True)
class GatewayTrial:
    """The trial encodings that the gateway makes, decodes and judges before it decides.

    configurations: what is coded. code: pixels, rank map, configuration and seed to the size in bits and the picture.
    restored: whether the picture is the one that the data network will make, else a decoder's without networks.
    """

    configurations: tuple[Configuration, ...]
    code: Callable[[UInt8Image, RankMap, Configuration, int], tuple[int, UInt8Image]]
    restored: bool = False

    @property
    def stage(self) -> str:
        """What the outcomes of its trials are stored under."""
        return TRIAL_STAGES[int(self.restored)]


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
        rank_maps: Sequence[RankMap],
        n_ranks: int,
    ) -> list["Fidelity"]:
        """Return the scores of each pair."""
        ...

    def per_rank(
        self, original: UInt8Image, shown: Sequence[UInt8Image], rank_map: RankMap, n_ranks: int
    ) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
        """Return PF and SF of each rank of one original and each of what is *shown* of it."""
        ...


# Called with what is being done, and at which image of how many (0 of 0 where that is unknown).
Tell = Callable[[str, int, int], None]


def _tell_nobody(what: str, done: int, of: int) -> None:
    """Do nothing."""


class ImagePipeline:
    """One scheme's images, computed by real networks, at most once each."""

    score_names = WHOLE_SCORES

    def __init__(
        self,
        photographs: Photographs,
        codec: Codec,
        *,
        scorer: Scorer,
        store: OutcomeStore,
        delivered_bits: Callable[[UInt8Image], int],
        delivered_as: str = "",
        trial: GatewayTrial | None = None,
    ) -> None:
        """Bind the parts of a scheme.

        delivered_bits: size of the file that carries a reconstruction to the user, unless the coded file does;
            *delivered_as* names how that file is coded.
        """
        self.n_ranks = codec.space.n_ranks
        self.work = codec.work
        self._photographs = photographs
        self._codec = codec
        self._scorer = scorer
        self._store = store
        self._delivered_bits = delivered_bits
        self._delivered_as = "" if codec.delivers_coded_file else delivered_as
        self._gateway_trial = trial
        self._captures: dict[tuple[str, int], Capture] = {}
        self._payloads: dict[tuple[str, Configuration], bytes] = {}
        self._announced: dict[tuple[str, Configuration], None] = {}
        self._tell: Tell = _tell_nobody

    def watch(self, tell: Tell) -> None:
        """Call *tell* with what the networks are about to do, and how far they are with it."""
        self._tell = tell

    def capture(self, source: str, index: int) -> Capture:
        """Return photograph number *index* of *source*, with its segmentation."""
        place = self._photographs.place(source, index)
        known = self._captures.get(place)
        return self._capture_of(place) if known is None else known

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
        [reconstruction] = self._codec.decode([payload], [self._photographs.seed(image_id)])
        received = self._codec.received_picture(payload)
        return Pictures(self._photographs.photograph(image_id).pixels, received, reconstruction)

    def shown(self, configuration: Configuration) -> dict[str, float]:
        """Return what of *configuration* means something to this codec, for captions; {} for a whole-image codec."""
        if self._codec.delivers_coded_file:
            return {}
        values = {"β": configuration.box_growth}
        values |= {f"p({rank})": share for rank, share in enumerate(configuration.patch_fractions)}
        return values | ({"q": configuration.coarse_quality} if self._codec.space.has_coarse_layer else {})

    def _capture_of(self, place: tuple[str, int]) -> Capture:
        image_id, image = self._photographs.opened(place)
        key = OutcomeKey(
            self._photographs.digest(image_id),
            _NO_CONFIGURATION,
            "",
            self._photographs.ranks_digest,
            0,
            "segment",
        )
        outcome = self._store.get(key)
        if outcome is None:
            self._tell("segmenting", 0, 0)
            rank_map = self._photographs.photograph(image_id, image).rank_map
            counts = np.bincount(rank_map.ravel(), minlength=self.n_ranks)
            outcome = {"rank_fractions": [int(count) / rank_map.size for count in counts]}
            self._store.put(key, outcome)
        height_px, width_px = image.pixels.shape[:2]
        trials = self._trials(image_id, image)
        fractions = tuple(outcome["rank_fractions"])
        state = ImageState(fractions, image.source_bits, width_px, height_px, trials=trials)
        capture = self._captures[place] = Capture(image_id, image.source_bits, state)
        return capture

    def _trials(self, image_id: str, image: DatasetImage) -> tuple[Trial, ...]:
        gateway = self._gateway_trial
        if gateway is None:
            return ()
        keys = {x: self._key(image_id, x, gateway.stage) for x in gateway.configurations}
        found = {x: self._store.get(key) for x, key in keys.items()}
        missing = [x for x, outcome in found.items() if outcome is None]
        if missing:
            self._tell("coding on trial", 0, 0)
            photograph = self._photographs.photograph(image_id, image)
            pixels, ranks, seed = photograph.pixels, photograph.rank_map, self._photographs.seed(image_id)
            coded = [gateway.code(pixels, ranks, x, seed) for x in missing]
            scores = self._scorer.per_rank(pixels, [shown for _, shown in coded], ranks, self.n_ranks)
            for x, (size_bits, _), (pf, sf) in zip(missing, coded, scores, strict=True):
                outcome = {"size_bits": size_bits, "pf_rank": list(pf), "sf_rank": list(sf)}
                self._store.put(keys[x], outcome)
                found[x] = outcome
        return tuple(
            Trial(x, outcome["size_bits"], tuple(outcome["pf_rank"]), tuple(outcome["sf_rank"]))
            for x, outcome in found.items()
            if outcome is not None
        )

    def _encoded(self, image_id: str, configuration: Configuration) -> Outcome:
        self._tell("coding", 0, 0)
        photograph = self._photographs.photograph(image_id)
        coded = self._codec.encode(
            photograph.pixels, photograph.rank_map, configuration, self._photographs.seed(image_id)
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
            self._tell("restoring", start + 1, len(wanted))
            self._reconstruct_batch(wanted[start : start + DECODE_AT_ONCE], (start, len(wanted)))
        self._tell("", 0, 0)
        self._announced.clear()

    def _reconstruct_batch(self, jobs: Sequence[tuple[str, Configuration]], place: tuple[int, int]) -> None:
        """Restore and score *jobs*. place: how many were done before, and how many there are, for whoever watches."""
        payloads = [self._payload(*job) for job in jobs]
        restored = self._codec.decode(payloads, [self._photographs.seed(image_id) for image_id, _ in jobs])
        originals = [self._photographs.photograph(image_id) for image_id, _ in jobs]
        for photograph, image in zip(originals, restored, strict=True):
            if image.shape != photograph.pixels.shape:
                (height_px, width_px), (was_high, was_wide) = image.shape[:2], photograph.pixels.shape[:2]
                raise ImageError(
                    f"codec {self._codec.name!r}: decode gave a picture of {width_px}x{height_px} for one of "
                    f"{was_wide}x{was_high}"
                )
        self._tell("scoring", place[0] + 1, place[1])
        fidelities = self._scorer.score(
            [photograph.pixels for photograph in originals],
            restored,
            [photograph.rank_map for photograph in originals],
            self.n_ranks,
        )
        for job, payload, image, fidelity in zip(jobs, payloads, restored, fidelities, strict=True):
            file_bits = 8 * len(payload) if self._codec.delivers_coded_file else self._delivered_bits(image)
            outcome = {name: getattr(fidelity, name) for name in WHOLE_SCORES}
            outcome |= {
                "pf_rank": list(fidelity.pf_rank),
                "sf_rank": list(fidelity.sf_rank),
                "file_bits": file_bits,
            }
            self._store.put(self._key(*job, "reconstruct"), outcome)

    def _key(self, image_id: str, configuration: Configuration, stage: str) -> OutcomeKey:
        models = self._photographs.ranks_digest
        if stage in TRIAL_STAGES:
            models = f"{models} {self._scorer.digest}"
        elif stage == "reconstruct":
            models = f"{models} {self._scorer.digest} delivered={self._delivered_as!r}"
        return OutcomeKey(
            self._photographs.digest(image_id),
            configuration,
            self._codec.digest,
            models,
            self._photographs.seed(image_id),
            stage,
        )
